// The user's settings, read when they are needed and again when they change.

import * as vscode from "vscode";
import type { CompletionSettings } from "../core/completer";
import type { LineSetting } from "../core/lineMode";

const SECTION = "fimserve";
const EDITOR_SECTION = "editor.inlineSuggest";
const DEFAULT_URL = "http://127.0.0.1:8111";
const MAX_TOKENS = 512;

export type EventSetting = "off" | "numbers" | "text";

export interface Settings extends CompletionSettings {
  readonly url: string;
  readonly model: string | null;
  readonly usesSnippets: boolean;
  readonly usesClipboard: boolean;
  readonly isWarmingUp: boolean;
  readonly events: EventSetting;
  /** Shortens the windows of persistence, for tests; not shown in the settings editor. */
  readonly persistenceScale: number;
}

export function readSettings(): Settings {
  const given = vscode.workspace.getConfiguration(SECTION);
  const events = oneOf(given.get("events"), ["off", "numbers", "text"] as const, "numbers");
  const scale = given.get<unknown>("test.persistenceScale");
  return {
    isPaused: given.get("enabled") === false,
    url: asUrl(given.get("url")),
    model: given.get<string>("model", "").trim() || null,
    languages: given.get<Record<string, boolean>>("languages", {}),
    inComments: given.get("comments") !== false,
    lines: oneOf<LineSetting>(given.get("multiline"), ["auto", "single", "multi"], "auto"),
    maxTokens: clamp(given.get("maxTokens"), 1, MAX_TOKENS, 64),
    numAlternatives: clamp(given.get("alternatives"), 1, 8, 3),
    isPrefetching: given.get("prefetch") !== false,
    isWarmingUp: given.get("warmUp") !== false,
    usesSnippets: given.get("snippets") !== false,
    usesClipboard: given.get("clipboard") === true,
    events,
    sharesCode: events === "text",
    persistenceScale: typeof scale === "number" && scale > 0 ? scale : 1,
  };
}

export async function pauseLanguage(language: string, isOn: boolean): Promise<void> {
  const languages = vscode.workspace
    .getConfiguration(SECTION)
    .inspect<Record<string, boolean>>("languages");
  // Where the project has a say it decides; elsewhere the user's own settings do.
  const isOurs = languages?.workspaceValue?.[language] === undefined;
  const before = isOurs ? languages?.globalValue : languages.workspaceValue;
  await write("languages", { ...before, [language]: isOn }, isOurs);
}

export async function setEnabled(isOn: boolean): Promise<void> {
  const enabled = vscode.workspace.getConfiguration(SECTION).inspect<boolean>("enabled");
  await write("enabled", isOn, enabled?.workspaceValue === undefined);
}

async function write(name: string, value: unknown, isOurs: boolean): Promise<void> {
  const { Global, Workspace } = vscode.ConfigurationTarget;
  await vscode.workspace.getConfiguration(SECTION).update(name, value, isOurs ? Global : Workspace);
}

/** Whether the editor shows grey text in a document without being asked to. */
export function showsSuggestions(document: vscode.TextDocument): boolean {
  const given = vscode.workspace.getConfiguration(EDITOR_SECTION, document);
  return given.get<boolean>("enabled") !== false;
}

/** @param onEditor Called where the editor's own setting about grey text changes. */
export function onSettings(listener: () => void, onEditor: () => void): vscode.Disposable {
  return vscode.workspace.onDidChangeConfiguration((change) => {
    if (change.affectsConfiguration(SECTION)) listener();
    if (change.affectsConfiguration(EDITOR_SECTION)) onEditor();
  });
}

/** Returns the address as it was written: one that is none is said, not replaced by another server. */
function asUrl(value: unknown): string {
  const text = typeof value === "string" ? value.trim() : "";
  return text === "" ? DEFAULT_URL : text;
}

function oneOf<Choice extends string>(
  value: unknown,
  choices: readonly Choice[],
  fallback: Choice,
): Choice {
  return choices.find((each) => each === value) ?? fallback;
}

function clamp(value: unknown, min: number, max: number, fallback: number): number {
  if (typeof value !== "number" || !Number.isFinite(value)) return fallback;
  return Math.min(max, Math.max(min, Math.round(value)));
}
