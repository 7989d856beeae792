// API keys in VS Code's secret storage, one per server: a key never follows to another address.

import * as vscode from "vscode";

export class SignIn {
  constructor(private readonly secrets: vscode.SecretStorage) {}

  async readKey(url: string): Promise<string | null> {
    return (await this.secrets.get(nameOf(url))) ?? null;
  }

  /** Asks for a key and keeps it; returns whether one was given. */
  async askForKey(url: string): Promise<boolean> {
    const given = await vscode.window.showInputBox({
      title: "fimserve: Sign In",
      prompt: `API key for ${new URL(url).origin}, as \`fimserve keys create\` prints it`,
      password: true,
      ignoreFocusOut: true,
      validateInput: (text) => (/^[\x21-\x7e]+$/.test(text.trim()) ? null : "A key is one word."),
    });
    if (given === undefined) return false;
    await this.secrets.store(nameOf(url), given.trim());
    return true;
  }

  async forgetKey(url: string): Promise<void> {
    await this.secrets.delete(nameOf(url));
  }

  onChange(listener: () => void): vscode.Disposable {
    return this.secrets.onDidChange(listener);
  }
}

function nameOf(url: string): string {
  return `apiKey:${new URL(url).origin}`;
}
