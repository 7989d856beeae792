import { beforeEach, expect, test } from "vitest";
import { contextOf, show } from "../../test/notation";
import { MAX_OFFERS, OfferBook } from "./offers";

let book: OfferBook;

beforeEach(() => {
  book = new OfferBook();
});

function add(marked: string, text: string, completionId = "c-1"): string {
  const { uri, around } = contextOf(marked);
  return book.add(uri, around, { completionId, text, facts: {} }).completionId;
}

function find(marked: string): string {
  const { uri, around } = contextOf(marked);
  return show(book.find(uri, around)?.rest ?? "");
}

test("typing along leaves the rest, and deleting brings it back", () => {
  add("const x = █", "1337");
  expect(find("const x = █")).toBe("├1337┤");
  expect(find("const x = 1█")).toBe("├337┤");
  expect(find("const x = 133█")).toBe("├7┤");
  expect(find("const x = 1█")).toBe("├337┤");
  expect(find("const x = █")).toBe("├1337┤");
});

test("what was typed otherwise, or is written whole, has no rest", () => {
  add("const x = █", "1337");
  expect(find("const x = 2█")).toBe("");
  expect(find("const x = 1337█")).toBe("");
  expect(find("const x █")).toBe("");
  expect(find("const x = █;")).toBe("");
});

test("a bracket that the editor closes by itself is left out of the rest", () => {
  add("y = █\n", "mean(values)");
  expect(find("y = mean(█)\n")).toBe("├values┤");
  expect(find("y = mean(val█)\n")).toBe("├ues┤");
  expect(find("y = mean[█]\n")).toBe("");
});

test("a line that is indented anew keeps its suggestion", () => {
  add("def f():\n    █", "if x:\n        return 1");
  expect(find("def f():\n        █")).toBe("├if x:\n            return 1┤");
  expect(find("def f():\n█")).toBe("├if x:\n    return 1┤");
  expect(find("def g():\n        █")).toBe("");
});

test("the same text at the same place keeps its name", () => {
  expect(add("x = █", "mean(y)", "c-1")).toBe("c-1");
  expect(add("x = █", "mean(y)", "c-2")).toBe("c-1");
  expect(add("x = m█", "ean(y)", "c-3")).toBe("c-1");
  expect(add("x = █", "median(y)", "c-4")).toBe("c-4");
});

test("accepted, the same text is a new one", () => {
  add("x = █", "mean(y)", "c-1");
  book.forget("c-1");
  expect(find("x = █")).toBe("");
  expect(add("x = █", "mean(y)", "c-2")).toBe("c-2");
});

test("the offer that was used last outlives the others", () => {
  add("first = █", "1", "c-0");
  for (let i = 1; i < MAX_OFFERS; i += 1) add(`x${i} = █`, "1", `c-${i}`);
  expect(find("first = █")).toBe("├1┤");
  add("more = █", "1", "c-more");
  expect(find("first = █")).toBe("├1┤");
  expect(find("x1 = █")).toBe("");
});

test("another document is another place, and a renamed one is the same", () => {
  add("x = █", "1");
  const { around } = contextOf("x = █");
  expect(book.find("file:///w/other.py", around)).toBeNull();
  book.rename("file:///w/src/area.py", "file:///w/other.py");
  expect(book.find("file:///w/other.py", around)?.rest).toBe("1");
});
