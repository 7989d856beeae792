// VS Code's documents as the core sees them.

import * as vscode from "vscode";
import type { OtherCells } from "../core/documentContext";
import { findDocumentPath } from "../core/documentPath";
import { type Edit, lengthIn, type SourceDocument, toLf } from "../core/sourceDocument";

export class VscodeDocument implements SourceDocument {
  constructor(private readonly document: vscode.TextDocument) {}

  get uri(): string {
    return this.document.uri.toString();
  }

  get path(): string | null {
    const folders = vscode.workspace.workspaceFolders ?? [];
    return findDocumentPath(
      this.uri,
      folders.map((folder) => folder.uri.toString()),
    );
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
    return this.document.eol === vscode.EndOfLine.CRLF;
  }

  slice(start: number, end: number): string {
    const { document } = this;
    return document.getText(new vscode.Range(document.positionAt(start), document.positionAt(end)));
  }

  offsetOfLine(line: number): number {
    return this.document.offsetAt(new vscode.Position(line, 0));
  }

  lineAt(offset: number): number {
    return this.document.positionAt(offset).line;
  }
}

export function findOpen(uri: string): VscodeDocument | null {
  const found = vscode.workspace.textDocuments.find((each) => each.uri.toString() === uri);
  return found === undefined ? null : new VscodeDocument(found);
}

/** Returns edits in an order in which they can be applied one after the other: from the end. */
export function editsOf(event: vscode.TextDocumentChangeEvent): Edit[] {
  const isCrlf = event.document.eol === vscode.EndOfLine.CRLF;
  return event.contentChanges
    .map(({ rangeOffset, rangeLength, text }) => {
      const inserted = toLf(text);
      const numInserted = lengthIn({ isCrlf }, inserted);
      return { start: rangeOffset, end: rangeOffset + rangeLength, inserted, numInserted };
    })
    .toSorted((left, right) => right.start - left.start);
}

/** Returns the code of the other cells of a notebook, or null for documents that are no cells. */
export function findOtherCells(document: vscode.TextDocument): OtherCells | null {
  if (document.uri.scheme !== "vscode-notebook-cell") return null;
  for (const notebook of vscode.workspace.notebookDocuments) {
    const cells = notebook
      .getCells()
      .filter((cell) => cell.document.languageId === document.languageId)
      .map((cell) => cell.document);
    const at = cells.indexOf(document);
    if (at < 0) continue;
    const texts = cells.map((cell) => cell.getText());
    return { before: texts.slice(0, at), behind: texts.slice(at + 1) };
  }
  return null;
}
