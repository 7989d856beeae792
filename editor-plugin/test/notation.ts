// Documents as a person reads them: `█` is the cursor, `├ ┤` the text that an item inserts.

import { TextDocument } from "vscode-languageserver-textdocument";
import { type DocumentContext, findContext, type OtherCells } from "../src/core/documentContext";
import type { SourceDocument } from "../src/core/sourceDocument";
import type { Place, TriggerKind } from "../src/core/trigger";

const CURSOR = "█";

export interface DocumentOptions {
  readonly uri?: string;
  readonly language?: string;
}

/** A document of the tests, which are no editor. */
export class TestDocument implements SourceDocument {
  private document: TextDocument;

  constructor(text: string, options: DocumentOptions = {}) {
    const { uri = "file:///w/src/area.py", language = "python" } = options;
    this.document = TextDocument.create(uri, language, 1, text);
  }

  get uri(): string {
    return this.document.uri;
  }
  get path(): string {
    return this.uri.replace("file:///w/", "");
  }
  get language(): string {
    return this.document.languageId;
  }
  get version(): number {
    return this.document.version;
  }
  get numLines(): number {
    return this.document.lineCount;
  }
  get isCrlf(): boolean {
    return this.text.includes("\r\n");
  }
  get text(): string {
    return this.document.getText();
  }
  slice(start: number, end: number): string {
    return this.text.slice(Math.max(0, start), Math.max(0, end));
  }
  offsetOfLine(line: number): number {
    return this.document.offsetAt({ line, character: 0 });
  }
  lineAt(offset: number): number {
    return this.document.positionAt(offset).line;
  }
}

export interface Marked {
  readonly document: TestDocument;
  readonly cursor: number;
}

/** Reads a document with a cursor in it. */
export function read(marked: string, options: DocumentOptions = {}): Marked {
  const cursor = marked.indexOf(CURSOR);
  if (cursor < 0) throw new Error(`no ${CURSOR} in ${JSON.stringify(marked)}`);
  return { document: new TestDocument(marked.replace(CURSOR, ""), options), cursor };
}

export function contextOf(
  marked: string,
  options: DocumentOptions = {},
  cells: OtherCells | null = null,
): DocumentContext {
  const { document, cursor } = read(marked, options);
  return findContext(document, cursor, null, cells);
}

export function placeOf(
  marked: string,
  options: DocumentOptions & { kind?: TriggerKind } = {},
): Place {
  const { document, cursor } = read(marked, options);
  const { kind = "auto" } = options;
  const context = findContext(document, cursor);
  return { document, context, kind, numCursors: 1, hasSelection: false };
}

/** Shows what an item would insert. */
export function show(text: string): string {
  return text === "" ? "" : `├${text}┤`;
}
