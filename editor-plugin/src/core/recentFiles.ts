// Files that were edited or looked at lately, and which pieces of them are like the code at a cursor.

import type { DocumentContext } from "./documentContext";
import { identifierSet, jaccard } from "./identifiers";
import type { Snippet } from "./question";

const MAX_FILES = 12;
const MAX_FILE_CHARS = 200_000;
const WINDOW_LINES = 32;
const STEP_LINES = 16;
/** Lines around the cursor that are compared. */
const NUM_LINES_BEFORE = 24;
const NUM_LINES_BEHIND = 8;
/** Pieces less alike than this help no more than none. */
const MIN_LIKENESS = 0.15;

interface Piece {
  readonly text: string;
  readonly words: ReadonlySet<string>;
}

interface RecentFile {
  readonly uri: string;
  readonly path: string;
  readonly text: string;
  /** Cut and read when it is compared first. */
  pieces: readonly Piece[] | null;
}

export class RecentFiles {
  /** The latest first. */
  private files: RecentFile[] = [];

  /** Notes how a file looks now; the text has LF. */
  note(uri: string, path: string, text: string): void {
    const others = this.files.filter((file) => file.uri !== uri);
    if (text.length > MAX_FILE_CHARS) this.files = others;
    else this.files = [{ uri, path, text, pieces: null }, ...others].slice(0, MAX_FILES);
  }

  forget(uri: string): void {
    this.files = this.files.filter((file) => file.uri !== uri);
  }

  /** Returns the likest piece of each other file, the likest first. */
  findSimilar(context: DocumentContext, maxCount: number): Snippet[] {
    const before = context.around.prefix.split("\n").slice(-NUM_LINES_BEFORE);
    const behind = context.around.suffix.split("\n").slice(0, NUM_LINES_BEHIND);
    const words = identifierSet([...before, ...behind].join("\n"));
    return this.files
      .filter((file) => file.uri !== context.uri)
      .map((file) => bestOf(file, words))
      .filter((best) => best.likeness >= MIN_LIKENESS)
      .toSorted((left, right) => right.likeness - left.likeness)
      .slice(0, maxCount)
      .map((best) => best.snippet);
  }
}

function bestOf(file: RecentFile, words: ReadonlySet<string>): { snippet: Snippet; likeness: number } {
  file.pieces ??= cutPieces(file.text);
  let best = { snippet: { path: file.path, text: "" }, likeness: 0 };
  for (const piece of file.pieces) {
    const likeness = jaccard(words, piece.words);
    if (likeness > best.likeness) best = { snippet: { path: file.path, text: piece.text }, likeness };
  }
  return best;
}

function cutPieces(text: string): Piece[] {
  const lines = text.split("\n");
  const pieces: Piece[] = [];
  for (let start = 0; start < lines.length; start += STEP_LINES) {
    const piece = lines.slice(start, start + WINDOW_LINES).join("\n").trimEnd();
    if (piece.trim() !== "") pieces.push({ text: piece, words: identifierSet(piece) });
    if (start + WINDOW_LINES >= lines.length) break;
  }
  return pieces;
}
