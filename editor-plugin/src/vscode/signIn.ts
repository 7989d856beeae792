// API keys in VS Code's secret storage, one per server: a key never follows to another address.

import * as vscode from "vscode";
import { originOf } from "../core/address";

export class SignIn {
  constructor(private readonly secrets: vscode.SecretStorage) {}

  async readKey(url: string): Promise<string | null> {
    const name = nameOf(url);
    return name === null ? null : ((await this.secrets.get(name)) ?? null);
  }

  /** Asks for a key and keeps it; returns whether one was given. */
  async askForKey(url: string): Promise<boolean> {
    const name = nameOf(url);
    if (name === null) return false;
    const given = await vscode.window.showInputBox({
      title: "fimserve: Sign In",
      prompt: `API key for ${originOf(url)}, as \`fimserve keys create\` prints it`,
      password: true,
      ignoreFocusOut: true,
      validateInput: (text) => (/^[\x21-\x7e]+$/.test(text.trim()) ? null : "A key is one word."),
    });
    if (given === undefined) return false;
    await this.secrets.store(name, given.trim());
    return true;
  }

  /** Forgets the key; returns whether there was one. */
  async forgetKey(url: string): Promise<boolean> {
    const name = nameOf(url);
    if (name === null || (await this.secrets.get(name)) === undefined) return false;
    await this.secrets.delete(name);
    return true;
  }

  onChange(listener: () => void): vscode.Disposable {
    return this.secrets.onDidChange(listener);
  }
}

function nameOf(url: string): string | null {
  const origin = originOf(url);
  return origin === null ? null : `apiKey:${origin}`;
}
