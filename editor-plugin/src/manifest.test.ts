// What package.json promises to VS Code and to users, against the sources that keep it.

import { existsSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";

interface Setting {
  readonly default: unknown;
  readonly scope?: string;
  readonly description?: string;
  readonly markdownDescription?: string;
  readonly pattern?: string;
}
interface Manifest {
  readonly contributes: {
    readonly configuration: { readonly properties: Readonly<Record<string, Setting>> };
    readonly commands: readonly { readonly command: string }[];
    readonly keybindings: readonly { readonly command: string }[];
    readonly walkthroughs: readonly { readonly steps: readonly Step[] }[];
  };
}
interface Step {
  readonly description: string;
  readonly media: { readonly markdown: string };
}

const ROOT = new URL("../", import.meta.url);
const manifest = JSON.parse(read("package.json")) as Manifest;
const { commands, keybindings, walkthroughs } = manifest.contributes;
const settings = Object.entries(manifest.contributes.configuration.properties);
const names = new Set(commands.map(({ command }) => command));

function read(path: string): string {
  return readFileSync(new URL(path, ROOT), "utf8");
}

test.each(settings)("%s is described and read", (name, setting) => {
  expect((setting.description ?? setting.markdownDescription ?? "").length).toBeGreaterThan(10);
  expect(setting.default).toBeDefined();
  expect(read("src/vscode/settings.ts")).toContain(`"${name.replace(/^fimserve\./, "")}"`);
});

test("a project can set neither the server nor its events, nor switch the clipboard on", () => {
  const ours = settings.filter(([, { scope }]) => scope === "application").map(([name]) => name);
  expect(ours).toEqual(["fimserve.url", "fimserve.model", "fimserve.clipboard", "fimserve.events"]);
});

test("the settings editor takes an address with its http:// alone", () => {
  const url = new RegExp(settings.find(([name]) => name === "fimserve.url")?.[1].pattern ?? "nothing");
  expect(["http://127.0.0.1:8111", "https://h/fim", ""].map((each) => url.test(each))).toEqual([
    true,
    true,
    true,
  ]);
  expect(["127.0.0.1:8111", "ftp://h"].map((each) => url.test(each))).toEqual([false, false]);
});

test("every command is registered, and keys and walkthrough name no other", () => {
  const extension = read("src/extension.ts") + read("src/vscode/statusBar.ts");
  for (const name of names) expect(extension).toContain(`"${name}"`);
  for (const { command } of keybindings) expect(names).toContain(command);
  const steps = walkthroughs.flatMap((each) => each.steps);
  expect(steps.length).toBeGreaterThan(3);
  for (const { description, media } of steps) {
    for (const [, command] of description.matchAll(/\(command:([^)]+)\)/g)) expect(names).toContain(command);
    expect(existsSync(new URL(media.markdown, ROOT))).toBe(true);
  }
});
