// Files of ours in VS Code's storage folder, whatever file system that is.

import * as vscode from "vscode";
import type { SegmentFolder } from "../core/eventQueue";

export class FileFolder implements SegmentFolder {
  private made: Thenable<void> | null = null;

  constructor(private readonly uri: vscode.Uri) {}

  async list(): Promise<string[]> {
    await this.make();
    const entries = await vscode.workspace.fs.readDirectory(this.uri);
    return entries.flatMap(([name, type]) =>
      type === vscode.FileType.File && name.endsWith(".json") ? [name] : [],
    );
  }

  async read(name: string): Promise<string | null> {
    try {
      return new TextDecoder().decode(await vscode.workspace.fs.readFile(this.file(name)));
    } catch (error) {
      if (error instanceof vscode.FileSystemError && error.code === "FileNotFound") return null;
      throw error;
    }
  }

  /** Writes aside and moves into place: what is read is whole. */
  async write(name: string, text: string): Promise<void> {
    await this.make();
    const aside = this.file(`${name}.${crypto.randomUUID().slice(0, 8)}.part`);
    await vscode.workspace.fs.writeFile(aside, new TextEncoder().encode(text));
    await vscode.workspace.fs.rename(aside, this.file(name), { overwrite: true });
  }

  async remove(name: string): Promise<void> {
    await vscode.workspace.fs.delete(this.file(name));
  }

  private file(name: string): vscode.Uri {
    return vscode.Uri.joinPath(this.uri, name);
  }

  private make(): Thenable<void> {
    this.made ??= vscode.workspace.fs.createDirectory(this.uri);
    return this.made;
  }
}
