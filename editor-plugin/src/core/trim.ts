// What of an answer is worth showing: filters over its text, each by itself.
//
// Our server ends its answers where the place at the cursor ends; these filters hold for any server
// that speaks OpenAI's protocol, and change nothing of what is right already.

import type { DocumentContext } from "./documentContext";
import { toLf } from "./sourceDocument";

const CLOSERS = new Map([
  [")", "("],
  ["]", "["],
  ["}", "{"],
]);

/** Returns the text to offer, or an empty one where nothing is left to offer. */
export function trimAnswer(answer: string, context: DocumentContext, isWhole = true): string {
  let text = toLf(answer);
  text = cutAtDedent(text, context);
  text = dropRepeatedLines(text, context);
  text = dropLineSuffix(text, context);
  if (isWhole) text = text.trimEnd();
  return text.trim() === "" || repeatsNextLine(text, context) ? "" : text;
}

/** Ends a text before the first line that is indented less than the cursor's line. */
export function cutAtDedent(text: string, context: DocumentContext): string {
  const indent = widthOf(context.linePrefix);
  const lines = text.split("\n");
  const end = lines.findIndex(
    (line, index) => index > 0 && line.trim() !== "" && widthOf(line) < indent,
  );
  return end < 0 ? text : lines.slice(0, end).join("\n");
}

/** Drops last lines that stand behind the cursor already. */
export function dropRepeatedLines(text: string, context: DocumentContext): string {
  const behind = context.around.suffix
    .slice(context.lineSuffix.length)
    .split("\n")
    .filter((line) => line.trim() !== "");
  const lines = text.split("\n");
  for (let start = 1; start < lines.length; start += 1) {
    const tail = lines.slice(start).filter((line) => line.trim() !== "");
    const isRepeated =
      tail.length > 0 && tail.every((line, at) => line.trimEnd() === behind[at]?.trimEnd());
    if (isRepeated) return lines.slice(0, start).join("\n");
  }
  return text;
}

/** Drops the end of a line that stands behind the cursor already, unless a bracket of its own
 * would stay open. */
export function dropLineSuffix(text: string, context: DocumentContext): string {
  const behind = context.lineSuffix.trimEnd();
  if (behind === "" || text.includes("\n")) return text;
  for (let size = Math.min(behind.length, text.length); size > 0; size -= 1) {
    const kept = text.slice(0, -size);
    if (text.endsWith(behind.slice(0, size)) && numOpen(kept) <= 0) return kept;
  }
  return text;
}

/** Whether a text on a line of its own only says what the next line says. */
export function repeatsNextLine(text: string, context: DocumentContext): boolean {
  if (text.includes("\n") || context.lineSuffix.trim() !== "") return false;
  const next = context.around.suffix.split("\n").find((line) => line.trim() !== "");
  const line = (context.linePrefix + text).trim();
  return next !== undefined && line.length > 1 && next.trim() === line;
}

function widthOf(line: string): number {
  return line.length - line.trimStart().length;
}

/** Brackets that a text opens and does not close. */
function numOpen(text: string): number {
  const open: string[] = [];
  for (const char of text) {
    if (char === "(" || char === "[" || char === "{") open.push(char);
    else if (CLOSERS.get(char) === open.at(-1) && open.length > 0) open.pop();
  }
  return open.length;
}
