import { expect, test } from "vitest";
import { contextOf, read, TestDocument } from "../../test/notation";
import { findContext, MAX_SUFFIX_CHARS, PREFIX_STEP_CHARS } from "./documentContext";

test("the text on both sides of the cursor is what is sent", () => {
  const context = contextOf("def area(r):\n    return █ * r\n");
  expect(context.around).toEqual({ prefix: "def area(r):\n    return ", suffix: " * r\n" });
  expect(context.linePrefix).toBe("    return ");
  expect(context.lineSuffix).toBe(" * r");
  expect(context.line).toBe(1);
});

test("line ends are LF for the model, and offsets are the document's own", () => {
  const context = contextOf("a = 1\r\nb = █\r\nc = 3");
  expect(context.around).toEqual({ prefix: "a = 1\nb = ", suffix: "\nc = 3" });
  expect(context.start).toBe("a = 1\r\nb = ".length);
});

test("a long prefix is cut at a line start that stays while somebody types", () => {
  const line = `${"x".repeat(79)}\n`;
  const text = line.repeat(1_000);
  const document = new TestDocument(text);
  const cut = (cursor: number): number => cursor - findContext(document, cursor).around.prefix.length;
  const cursor = 60_010;
  expect(cut(cursor)).toBe(cut(cursor + 20));
  expect(cut(cursor) % line.length).toBe(0);
  const { length } = findContext(document, cursor).around.prefix;
  expect(length).toBeGreaterThan(PREFIX_STEP_CHARS - line.length);
  expect(length).toBeLessThanOrEqual(2 * PREFIX_STEP_CHARS);
  expect(findContext(document, 0).around.suffix.length).toBe(MAX_SUFFIX_CHARS);
});

test("a single line longer than a step is cut inside", () => {
  const document = new TestDocument("x".repeat(100_000));
  const { prefix } = findContext(document, 90_000).around;
  expect(prefix.length).toBeLessThanOrEqual(2 * PREFIX_STEP_CHARS);
});

test("an entry of the editor's menu stands in the prefix", () => {
  const { document, cursor } = read("print(val█)");
  const choice = { start: cursor - 3, end: cursor, text: "values" };
  const context = findContext(document, cursor, choice);
  expect(context.around).toEqual({ prefix: "print(values", suffix: ")" });
  expect([context.start, context.end, context.given]).toEqual([6, 9, "values"]);
});

test("the other cells of a notebook are around the cell", () => {
  const cells = { before: ["import numpy as np\n"], behind: ["plot(y)"] };
  const { around } = contextOf("y = █", {}, cells);
  expect(around).toEqual({ prefix: "import numpy as np\n\ny = ", suffix: "\n\nplot(y)" });
});
