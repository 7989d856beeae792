// The text around a cursor that is sent for a completion.
//
// Large documents are cut. The cut before the cursor moves in large steps only: a prompt that began
// somewhere else at each keystroke could reuse nothing of what the server has computed. The same
// rule as `fimserve/lsp/surroundings.py`, with smaller steps, since this goes over networks.

import { type SourceDocument, toLf } from "./sourceDocument";

/** The text before the cursor is cut at the first line start behind a multiple of this, so between
 * one and two of these are sent: more than 2,048 tokens, the budget of a prompt, ever hold. */
export const PREFIX_STEP_CHARS = 16_384;
export const MAX_SUFFIX_CHARS = 16_384;

/** Text of other cells of a notebook, on each side. */
export const MAX_CELL_CHARS = 8_192;

export interface Surroundings {
  readonly prefix: string;
  readonly suffix: string;
}

/** Text that is about to be replaced by an entry of the editor's menu. */
export interface MenuChoice {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/** Code of the cells before and behind the one with the cursor, in the order of the notebook. */
export interface OtherCells {
  readonly before: readonly string[];
  readonly behind: readonly string[];
}

export interface DocumentContext {
  readonly uri: string;
  readonly path: string | null;
  readonly language: string;
  readonly around: Surroundings;
  /** Where an item goes in, and where what it replaces ends. */
  readonly start: number;
  readonly end: number;
  /** Text of the entry chosen in the editor's menu, with which ours has to begin; else empty. */
  readonly given: string;
  /** The cursor's line before the cursor, what was given included, and behind it. */
  readonly linePrefix: string;
  readonly lineSuffix: string;
  readonly line: number;
  readonly isCrlf: boolean;
}

export function findContext(
  document: SourceDocument,
  cursor: number,
  choice: MenuChoice | null = null,
  cells: OtherCells | null = null,
): DocumentContext {
  const start = choice?.start ?? cursor;
  const end = choice?.end ?? cursor;
  const given = toLf(choice?.text ?? "");
  const prefix = toLf(document.slice(findCut(document, start), start)) + given;
  const suffix = toLf(document.slice(end, end + MAX_SUFFIX_CHARS));
  return {
    uri: document.uri,
    path: document.path,
    language: document.language,
    around: cells === null ? { prefix, suffix } : joinCells(cells, prefix, suffix),
    start,
    end,
    given,
    linePrefix: prefix.slice(prefix.lastIndexOf("\n") + 1),
    lineSuffix: firstLine(suffix),
    line: document.lineAt(start),
    isCrlf: document.isCrlf,
  };
}

export function firstLine(text: string): string {
  const end = text.indexOf("\n");
  return end < 0 ? text : text.slice(0, end);
}

function findCut(document: SourceDocument, offset: number): number {
  const atLeast = (Math.floor(offset / PREFIX_STEP_CHARS) - 1) * PREFIX_STEP_CHARS;
  if (atLeast <= 0) return 0;
  const line = document.lineAt(atLeast);
  if (document.offsetOfLine(line) === atLeast) return atLeast;
  const nextLine = document.offsetOfLine(line + 1);
  // A single line of such a length has no better place to be cut at.
  return nextLine > atLeast && nextLine < offset ? nextLine : atLeast;
}

function joinCells(cells: OtherCells, prefix: string, suffix: string): Surroundings {
  const before = cells.before.map((cell) => `${toLf(cell).trimEnd()}\n\n`).join("");
  const behind = cells.behind.map((cell) => `\n\n${toLf(cell).trimEnd()}`).join("");
  return {
    prefix: cutToLine(before, MAX_CELL_CHARS) + prefix,
    suffix: suffix + behind.slice(0, MAX_CELL_CHARS),
  };
}

function cutToLine(text: string, maxChars: number): string {
  if (text.length <= maxChars) return text;
  const kept = text.slice(-maxChars);
  return kept.slice(kept.indexOf("\n") + 1);
}
