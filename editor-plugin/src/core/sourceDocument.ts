// A document as the core sees it, and one edit of it. Offsets are UTF-16 code units of the document
// as it is, with its own line ends; texts handed around are LF, as models were trained.

export interface SourceDocument {
  readonly uri: string;
  /** Path that the model is told, inside its folder; null where there is none to tell. */
  readonly path: string | null;
  /** Language id as the language server protocol has them. */
  readonly language: string;
  readonly version: number;
  readonly numLines: number;
  /** Whether lines end with CR LF. */
  readonly isCrlf: boolean;
  /** The text between two offsets, clamped to the document, line ends as they are. */
  slice(start: number, end: number): string;
  /** Offset of a line's first character, clamped. */
  offsetOfLine(line: number): number;
  /** Line of an offset, clamped. */
  lineAt(offset: number): number;
}

/** One replacement; the range is where it was before. */
export interface Edit {
  readonly start: number;
  readonly end: number;
  /** What stands there now, line ends as LF. */
  readonly inserted: string;
  /** Length of what stands there now in the document's own units. */
  readonly numInserted: number;
}

export function toLf(text: string): string {
  return text.includes("\r") ? text.replaceAll("\r\n", "\n").replaceAll("\r", "\n") : text;
}

/** Length that a text with LF takes in a document. */
export function lengthIn(document: Pick<SourceDocument, "isCrlf">, text: string): number {
  return document.isCrlf ? text.length + numLineEnds(text) : text.length;
}

export function numLineEnds(text: string): number {
  let count = 0;
  for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) count += 1;
  return count;
}
