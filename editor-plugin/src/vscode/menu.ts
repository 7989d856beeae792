// The menu of the status item: what can be done here and now.

import * as vscode from "vscode";
import { isOnFor } from "../core/trigger";
import type { Settings } from "./settings";

interface Choice extends vscode.QuickPickItem {
  readonly command: string;
}

export async function showMenu(settings: Settings, details: readonly string[]): Promise<void> {
  const language = vscode.window.activeTextEditor?.document.languageId;
  const choices: Choice[] = [
    settings.isPaused
      ? { label: "$(play) Resume completions", command: "fimserve.toggle" }
      : { label: "$(debug-pause) Pause completions", command: "fimserve.toggle" },
    ...(language === undefined ? [] : [languageChoice(language, settings)]),
    { label: "$(plug) Check the server", command: "fimserve.checkServer" },
    { label: "$(key) Sign in with an API key", command: "fimserve.signIn" },
    { label: "$(sign-out) Sign out", command: "fimserve.signOut" },
    { label: "$(gear) Settings", command: "fimserve.openSettings" },
    { label: "$(output) Log", command: "fimserve.openLog" },
    { label: "$(book) Walkthrough", command: "fimserve.openWalkthrough" },
  ];
  const chosen = await vscode.window.showQuickPick(choices, {
    title: "fimserve",
    placeHolder: details.join(" "),
  });
  if (chosen !== undefined) await vscode.commands.executeCommand(chosen.command);
}

function languageChoice(language: string, settings: Settings): Choice {
  return isOnFor(language, settings)
    ? { label: `$(debug-pause) Pause for ${language}`, command: "fimserve.toggleLanguage" }
    : { label: `$(play) Resume for ${language}`, command: "fimserve.toggleLanguage" };
}
