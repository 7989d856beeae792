// Replays a typist's keys over real files at human speed, on a running server, by the extension's own
// core and by a naive client; prints a table and adds one JSON line to eval/results/keystrokes.jsonl.
//
//   npm run replay -- [--url URL] [--keystrokes 2000] [--seed 1] [--no-save]
//
// Time is not compressed: 2,000 keys take each client about seven minutes. Nothing is accepted, so both
// see the same keys. The editor's own delay of some 50 ms before it asks a provider comes on top of both.

import { execFileSync } from "node:child_process";
import { appendFileSync } from "node:fs";
import { cpus } from "node:os";
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { FimClient } from "../src/core/fimClient";
import { TestDocument } from "../test/notation";
import type { Counts, TypingClient } from "./client";
import { NaiveClient } from "./naiveClient";
import { OurClient } from "./ourClient";
import { findPassages, type Passage } from "./passages";
import { makeRandom, typeText } from "./typist";

const ROOT = resolve(import.meta.dirname, "../..");
const FOLDERS = ["fimserve", "eval/fimeval", "editor-plugin/src"];

const { values: given } = parseArgs({
  options: {
    url: { type: "string", default: "http://127.0.0.1:8111" },
    keystrokes: { type: "string", default: "2000" },
    seed: { type: "string", default: "1" },
    "no-save": { type: "boolean", default: false },
  },
});

async function main(): Promise<void> {
  const numKeys = Number(given.keystrokes);
  const seed = Number(given.seed);
  if (!(numKeys > 0) || !Number.isInteger(seed)) throw new Error("--keystrokes and --seed are numbers");
  const server = new FimClient({ url: given.url, apiKey: null, model: null, user: "bench" });
  const [model = "?"] = await server.fetchModels();
  const passages = findPassages(ROOT, FOLDERS, seed);
  const clients = [new OurClient(server), new NaiveClient(server)];
  for (const client of clients) await type(client, passages, numKeys, seed);
  const rows = clients.map(({ name, counts }) => ({ client: name, ...summarise(counts) }));
  console.table(rows);
  const line = { ...describe(model), n: numKeys, results: rows };
  console.log(JSON.stringify(line));
  const file = resolve(ROOT, "eval/results/keystrokes.jsonl");
  if (!given["no-save"]) appendFileSync(file, `${JSON.stringify(line)}\n`);
}

/** Writes passages until enough keys were pressed. */
async function type(
  client: TypingClient,
  passages: readonly Passage[],
  numKeys: number,
  seed: number,
): Promise<void> {
  const random = makeRandom(seed);
  for (let at = 0; client.counts.numKeys < numKeys; at += 1) {
    const passage = passages[at % passages.length];
    if (passage === undefined) throw new Error("no files to type at");
    await typePassage(client, passage, numKeys, random);
  }
  await client.close();
}

async function typePassage(
  client: TypingClient,
  passage: Passage,
  numKeys: number,
  random: () => number,
): Promise<void> {
  const { before, text, behind, language, path } = passage;
  const options = { uri: `file:///w/${path}`, language };
  await client.open(new TestDocument(before + behind, options), before.length);
  let written = "";
  for (const key of typeText(text, random)) {
    if (client.counts.numKeys >= numKeys) return;
    await new Promise((resume) => setTimeout(resume, key.gapMs));
    written = key.act === "insert" ? written + key.text : written.slice(0, -1);
    const document = new TestDocument(before + written + behind, options);
    document.lineAt(0); // an editor knows its lines before it asks
    client.key(document, before.length + written.length, key.act === "insert" ? 1 : 0);
  }
}

function summarise(counts: Counts): Record<string, number> {
  const { numKeys, numRequests, numCancelled, numShown, numFromCache } = counts;
  return {
    keys: numKeys,
    requests_per_key: round(numRequests / numKeys),
    cancelled_share: round(numCancelled / Math.max(1, numRequests)),
    shown_per_key: round(numShown / numKeys),
    cache_served_share: round(numFromCache / Math.max(1, numShown)),
    key_to_grey_p50_ms: round(quantile(counts.shownMs, 0.5)),
    key_to_grey_p95_ms: round(quantile(counts.shownMs, 0.95)),
    network_p50_ms: round(quantile(counts.networkMs, 0.5)),
    network_p95_ms: round(quantile(counts.networkMs, 0.95)),
    sync_p50_ms: round(quantile(counts.syncMs, 0.5)),
    sync_p99_ms: round(quantile(counts.syncMs, 0.99)),
  };
}

function describe(model: string): Record<string, unknown> {
  const git = (...words: string[]): string => execFileSync("git", words, { cwd: ROOT, encoding: "utf8" }).trim();
  const [cpu] = cpus();
  return {
    bench: "keystrokes",
    commit: git("rev-parse", "HEAD"),
    dirty: git("status", "--porcelain", "--untracked-files=no") !== "",
    settings: { url: given.url, model, seed: Number(given.seed), folders: FOLDERS, debounce_ms: 300 },
    environment: { node: process.version, cpu: cpu?.model ?? null, num_cpus: cpus().length },
    finished_at: new Date().toISOString(),
  };
}

function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((left, right) => left - right);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
}

function round(value: number): number {
  return Math.round(value * 1000) / 1000;
}

await main();
