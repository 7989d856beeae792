// Definitions of names near the cursor, from the language services that the editor has already.

import * as vscode from "vscode";
import { codeBlockAt } from "../core/codeBlock";
import type { DocumentContext } from "../core/documentContext";
import { findDocumentPath } from "../core/documentPath";
import { lastIdentifiers } from "../core/identifiers";
import type { Snippet } from "../core/question";
import type { SourceDocument } from "../core/sourceDocument";
import { isSecretsFile } from "../core/trigger";

const MAX_NAMES = 6;
const LOOK_BACK_CHARS = 800;
const MAX_TARGET_BYTES = 500_000;

/** Returns the code that defines the names before the cursor, the nearest name first. */
export async function findDefinitions(
  document: SourceDocument,
  context: DocumentContext,
): Promise<readonly Snippet[]> {
  const from = Math.max(0, context.start - LOOK_BACK_CHARS);
  const names = lastIdentifiers(document.slice(from, context.start), MAX_NAMES);
  const open = vscode.workspace.textDocuments.find((each) => each.uri.toString() === document.uri);
  if (open === undefined) return [];
  const found = await Promise.all(
    names.map(async ({ at }) => {
      const position = open.positionAt(from + at);
      return (await findDefinition(open, position)) ?? (await findSignature(open, position));
    }),
  );
  return found.filter((each) => each !== null);
}

async function findDefinition(
  document: vscode.TextDocument,
  position: vscode.Position,
): Promise<Snippet | null> {
  for (const kind of ["Definition", "TypeDefinition"]) {
    const locations = await vscode.commands.executeCommand<(vscode.Location | vscode.LocationLink)[]>(
      `vscode.execute${kind}Provider`,
      document.uri,
      position,
    );
    for (const location of locations ?? []) {
      const snippet = await readDefinition(document, location);
      if (snippet !== null) return snippet;
    }
  }
  return null;
}

async function readDefinition(
  asking: vscode.TextDocument,
  location: vscode.Location | vscode.LocationLink,
): Promise<Snippet | null> {
  const uri = "targetUri" in location ? location.targetUri : location.uri;
  const range = "targetUri" in location ? location.targetRange : location.range;
  const folders = (vscode.workspace.workspaceFolders ?? []).map((each) => each.uri.toString());
  const isOurs = folders.some((folder) => uri.toString().startsWith(`${folder}/`));
  // What the document holds is in the prompt; libraries are told by their signature.
  if (!isOurs || uri.toString() === asking.uri.toString() || isSecretsFile(uri.toString())) return null;
  const text = await readText(uri);
  if (text === null) return null;
  const block = codeBlockAt(text.split(/\r\n|\n|\r/), range.start.line);
  return { path: findDocumentPath(uri.toString(), folders) ?? "", text: block };
}

async function readText(uri: vscode.Uri): Promise<string | null> {
  const open = vscode.workspace.textDocuments.find((each) => each.uri.toString() === uri.toString());
  if (open !== undefined) return open.getText();
  const { size } = await vscode.workspace.fs.stat(uri);
  if (size > MAX_TARGET_BYTES) return null;
  return new TextDecoder().decode(await vscode.workspace.fs.readFile(uri));
}

/** Returns the code that a hover shows: the signature of something outside the workspace. */
async function findSignature(
  document: vscode.TextDocument,
  position: vscode.Position,
): Promise<Snippet | null> {
  const hovers = await vscode.commands.executeCommand<vscode.Hover[]>(
    "vscode.executeHoverProvider",
    document.uri,
    position,
  );
  for (const content of (hovers ?? []).flatMap((hover) => hover.contents)) {
    const text = typeof content === "string" ? content : content.value;
    const code = /```[^\n]*\n([\s\S]+?)\n```/.exec(text)?.[1];
    if (code !== undefined) return { path: "", text: code.slice(0, LOOK_BACK_CHARS) };
  }
  return null;
}

/** Returns what was copied last, for users who said so. */
export async function readClipboard(): Promise<readonly Snippet[]> {
  const text = await vscode.env.clipboard.readText();
  return text.trim() === "" ? [] : [{ path: "clipboard", text: text.slice(0, LOOK_BACK_CHARS) }];
}
