import { expect, test } from "vitest";
import { contextOf, show } from "../../test/notation";
import { decideMultiline } from "./lineMode";
import { trimAnswer } from "./trim";

test.each([
  ["return █", "x + y", "├x + y┤"],
  ["return █", "x + y  \n", "├x + y┤"],
  ["return █", "  \n ", ""],
  ["def f():\n    █", "x = 1\r\n    return x", "├x = 1\n    return x┤"],
  // the end of the line is there already
  ["print(█)", "values)", "├values┤"],
  ["print(█)", "len(values)", "├len(values)┤"],
  ["print(█)", "len(values))", "├len(values)┤"],
  ["def f(█):", "self, x):", "├self, x┤"],
  ['open("█")', 'notes.txt")', "├notes.txt┤"],
  // so are the next lines
  ["a = 1\n█\nreturn a\n", "b = 2\nreturn a", "├b = 2┤"],
  ["    █\n    x = 2\n    y = 3\n", "w = 1\n    x = 2\n    y = 3", "├w = 1┤"],
  ["x = 1\n█\ny = 2\n", "y = 2", ""],
  // the block ends where its indentation ends
  ["def f():\n    █", "return 1\n\ndef g():\n    pass", "├return 1┤"],
  ["if x:\n    y = █", "1\nz = 2", "├1┤"],
  ["def f() {█", "\n  return 1\n}", "├\n  return 1\n}┤"],
])("%s with %j", (marked, answer, shown) => {
  expect(show(trimAnswer(answer, contextOf(marked)))).toBe(shown);
});

test.each([
  ["print(█)", "auto", false],
  ["print(█)", "multi", false],
  ["def f():█", "auto", null],
  ["def f():\n    █\n", "multi", true],
  ["def f():\n    █\n", "single", false],
] as const)("several lines at %s, set to %s: %s", (marked, setting, expected) => {
  expect(decideMultiline(contextOf(marked), setting)).toBe(expected);
});
