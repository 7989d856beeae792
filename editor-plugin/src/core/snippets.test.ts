// Pieces of other files: found by names and likeness, and kept while somebody types.

import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { contextOf, read } from "../../test/notation";
import { codeBlockAt } from "./codeBlock";
import { findDocumentPath } from "./documentPath";
import { identifierSet, jaccard, lastIdentifiers } from "./identifiers";
import type { Snippet } from "./question";
import { RecentFiles } from "./recentFiles";
import { CEILING_MS, SnippetKeeper } from "./snippetKeeper";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

const { document } = read("x = █");
const CONTEXT = contextOf("x = █");

test("the names nearest the cursor come first, each once, keywords left out", () => {
  const names = lastIdentifiers("total = area(width)\nreturn total + area", 3);
  expect(names.map((each) => each.name)).toEqual(["area", "total", "width"]);
  expect(names[0]?.at).toBe("total = area(width)\nreturn total + ".length);
});

test("likeness is the share of names in common", () => {
  expect(jaccard(new Set(["a", "b"]), new Set(["b", "c"]))).toBeCloseTo(1 / 3);
  expect(jaccard(new Set(), new Set())).toBe(0);
  expect(identifierSet("getUserName")).toEqual(new Set(["getUserName", "get", "user", "name"]));
});

test("the likest piece of another file is found, never one of the same", () => {
  const recent = new RecentFiles();
  const like = "def read_config(path):\n    with open(path) as file:\n        return json.load(file)";
  recent.note("file:///w/config.py", "config.py", like);
  recent.note("file:///w/other.py", "other.py", "class Circle:\n    radius = 1");
  recent.note("file:///w/src/area.py", "src/area.py", like);
  const context = contextOf("def read_state(path):\n    with open(path) as file:\n        return json.█");
  expect(recent.findSimilar(context, 3)).toEqual([{ path: "config.py", text: like }]);
});

test.each([
  [["def f(x):", "    y = x", "", "    return y", "", "def g(): pass"], 0, "def f(x):\n    y = x\n\n    return y"],
  [["class A:", "    def f(self):", "        return 1", "    x = 1"], 1, "def f(self):\n    return 1"],
  [["function f() {", "  return 1;", "}", "f();"], 0, "function f() {\n  return 1;\n}"],
  [["def f(", "    x,", "):", "    return x", "y = 1"], 0, "def f(\n    x,\n):\n    return x"],
  [["PI = 3", "E = 2"], 0, "PI = 3"],
])("the block of %j at line %d", (lines, line, block) => {
  expect(codeBlockAt(lines, line)).toBe(block);
});

test.each([
  ["file:///w/src/a%20b.py", ["file:///w"], "src/a b.py"],
  ["file:///w/src/a.py", ["file:///w", "file:///w/src"], "a.py"],
  ["file:///home/me/a.py", ["file:///w"], "a.py"],
  ["untitled:Untitled-1", ["file:///w"], null],
])("%s in %j is told as %j", (uri, folders, path) => {
  expect(findDocumentPath(uri, folders)).toBe(path);
});

function keeper(find: () => Promise<readonly Snippet[]>): SnippetKeeper {
  return new SnippetKeeper([find], () => true);
}

test("what is found in time is sent, and stays while somebody types", async () => {
  let text = "first";
  const kept = keeper(async () => [{ path: "a.py", text }]);
  expect(await kept.find(document, CONTEXT)).toEqual([{ path: "a.py", text: "first" }]);
  text = "second";
  expect(await kept.find(document, CONTEXT)).toEqual([{ path: "a.py", text: "first" }]);
  await kept.refresh(document, CONTEXT);
  expect(kept.current(document.uri)).toEqual([{ path: "a.py", text: "second" }]);
});

test("a slow language service is waited for no longer than the ceiling", async () => {
  const kept = keeper(() => new Promise(() => undefined));
  let found: readonly Snippet[] | null = null;
  void kept.find(document, CONTEXT).then((snippets) => {
    found = snippets;
  });
  await vi.advanceTimersByTimeAsync(CEILING_MS - 1);
  expect(found).toBeNull();
  await vi.advanceTimersByTimeAsync(1);
  expect(found).toEqual([]);
});

test("a finder that fails takes nothing away from the others", async () => {
  const kept = new SnippetKeeper(
    [
      () => Promise.reject(new Error("language server crashed")),
      () => [{ path: "a.py", text: "PI = 3" }],
    ],
    () => true,
  );
  expect(await kept.find(document, CONTEXT)).toHaveLength(1);
});

test("switched off, nothing is looked for", async () => {
  const find = vi.fn(async () => []);
  const kept = new SnippetKeeper([find], () => false);
  expect(await kept.find(document, CONTEXT)).toEqual([]);
  expect(find).not.toHaveBeenCalled();
});
