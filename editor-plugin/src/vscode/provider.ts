// The one class that VS Code calls for grey text.

import * as vscode from "vscode";
import type { Completer } from "../core/completer";
import { findContext, type MenuChoice } from "../core/documentContext";
import { findOtherCells, VscodeDocument } from "./vscodeDocument";

/** Command that VS Code runs once it has inserted an item; its argument is the completion's id. */
export const ACCEPTED_COMMAND = "fimserve.accepted";

export class InlineProvider implements vscode.InlineCompletionItemProvider {
  constructor(private readonly completer: () => Completer) {}

  async provideInlineCompletionItems(
    document: vscode.TextDocument,
    position: vscode.Position,
    asked: vscode.InlineCompletionContext,
    token: vscode.CancellationToken,
  ): Promise<vscode.InlineCompletionItem[]> {
    const choice = menuChoiceOf(document, asked);
    if (choice === "hidden") return [];
    const source = new VscodeDocument(document);
    const cells = findOtherCells(document);
    const context = findContext(source, document.offsetAt(position), choice, cells);
    const isInvoked = asked.triggerKind === vscode.InlineCompletionTriggerKind.Invoke;
    const editor = vscode.window.visibleTextEditors.find((each) => each.document === document);
    const place = {
      document: source,
      context,
      kind: isInvoked ? ("invoked" as const) : ("auto" as const),
      numCursors: editor?.selections.length ?? 1,
      hasSelection: editor !== undefined && !editor.selection.isEmpty,
    };
    const { version } = document;
    const cancelled = new AbortController();
    const listening = token.onCancellationRequested(() => cancelled.abort());
    try {
      const { items } = await this.completer().complete(place, cancelled.signal);
      // What was asked for is no longer the document's text.
      if (document.version !== version) return [];
      return items.map((item) => {
        const range = new vscode.Range(document.positionAt(item.start), document.positionAt(item.end));
        return new vscode.InlineCompletionItem(item.text, range, {
          title: "accepted",
          command: ACCEPTED_COMMAND,
          arguments: [item.completionId],
        });
      });
    } finally {
      listening.dispose();
    }
  }
}

/** Returns what the editor's menu would insert. Behind an entry that takes more than one line, or that
 * does not begin with what is written, the editor shows no grey text. */
function menuChoiceOf(
  document: vscode.TextDocument,
  asked: vscode.InlineCompletionContext,
): MenuChoice | "hidden" | null {
  const chosen = asked.selectedCompletionInfo;
  if (chosen === undefined) return null;
  const { range, text } = chosen;
  if (!range.isSingleLine || !text.startsWith(document.getText(range))) return "hidden";
  return { start: document.offsetAt(range.start), end: document.offsetAt(range.end), text };
}
