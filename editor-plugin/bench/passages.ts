// Where the typist writes: lines of real files, taken out and written again where they were.

import { readdirSync, readFileSync, statSync } from "node:fs";
import { join, relative } from "node:path";
import { makeRandom } from "./typist";

export interface Passage {
  readonly path: string;
  readonly language: string;
  readonly before: string;
  /** What is written. */
  readonly text: string;
  readonly behind: string;
}

const LANGUAGES: Readonly<Record<string, string>> = { py: "python", ts: "typescript" };
const MIN_LINES = 40;
const NUM_LINES = 8;
const SKIPPED = new Set(["node_modules", "dist", "static", "__pycache__"]);

/** Returns passages of different files in a seeded order. */
export function findPassages(root: string, folders: readonly string[], seed: number): Passage[] {
  const files = folders.flatMap((folder) => listFiles(join(root, folder))).toSorted();
  const random = makeRandom(seed);
  const passages = files.flatMap((file) => {
    const lines = readFileSync(file, "utf8").split("\n");
    if (lines.length < MIN_LINES) return [];
    const first = Math.floor(lines.length * (0.3 + 0.4 * random()));
    const path = relative(root, file);
    const language = LANGUAGES[path.slice(path.lastIndexOf(".") + 1)] ?? "plaintext";
    const text = lines.slice(first, first + NUM_LINES).join("\n");
    const before = `${lines.slice(0, first).join("\n")}\n`;
    const behind = `\n${lines.slice(first + NUM_LINES).join("\n")}`;
    return [{ path, language, before, text, behind, order: random() }];
  });
  return passages.toSorted((left, right) => left.order - right.order);
}

function listFiles(folder: string): string[] {
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    if (SKIPPED.has(name)) return [];
    if (statSync(path).isDirectory()) return listFiles(path);
    const isSource = /\.(py|ts)$/.test(name) && !name.endsWith(".d.ts");
    return isSource ? [path] : [];
  });
}
