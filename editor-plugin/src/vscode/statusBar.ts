// One item of the status bar; its menu is a command.

import * as vscode from "vscode";
import type { StatusView } from "../core/status";

export const MENU_COMMAND = "fimserve.showMenu";

export class StatusBar implements vscode.Disposable {
  private readonly item: vscode.StatusBarItem;

  constructor() {
    this.item = vscode.window.createStatusBarItem("fimserve", vscode.StatusBarAlignment.Right, 100);
    this.item.name = "fimserve";
    this.item.command = MENU_COMMAND;
    this.item.show();
  }

  show(view: StatusView): void {
    this.item.text = view.text;
    this.item.tooltip = new vscode.MarkdownString(view.details.map(escapeMarkdown).join("\n\n"));
    this.item.accessibilityInformation = { label: view.spoken, role: "button" };
    this.item.backgroundColor =
      view.kind === "error" ? new vscode.ThemeColor("statusBarItem.warningBackground") : undefined;
  }

  dispose(): void {
    this.item.dispose();
  }
}

function escapeMarkdown(text: string): string {
  return text.replace(/[\\*_{}[\]()#+!|<>]/g, "\\$&");
}
