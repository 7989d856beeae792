// Makes events of what happens: ids, times and hashes around the facts.
//
// The fields are those of `POST /v1/events` (docs/events.md). Nothing here is code: lengths, names of
// languages and editors, and keyed hashes. The same rules as `fimserve/lsp/event_maker.py`.

import { hmac } from "@noble/hashes/hmac.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex, utf8ToBytes } from "@noble/hashes/utils.js";

export type EventType =
  | "requested"
  | "shown"
  | "accepted"
  | "partially_accepted"
  | "dismissed"
  | "persisted"
  | "error";

export type Facts = Readonly<Record<string, unknown>>;
export type FimEvent = Readonly<Record<string, unknown>> & { readonly id: string };

const SCHEMA_VERSION = 1;
const MAX_NAME_CHARS = 64;
const HASH_CHARS = 32;
/** Longest duration that the schema has: a day. */
const MAX_DURATION_MS = 86_400_000;

const NAMES = [
  "language",
  "editor",
  "editor_version",
  "client",
  "client_version",
  "model",
  "error_code",
] as const;
/** Facts of ours that are no fields of the schema. */
const PRIVATE = new Set(["server_ms"]);

/** Hashes are asked for at each key, of a few documents. */
const MAX_HASHES = 200;

export class EventMaker {
  private readonly hashes = new Map<string, string>();

  /**
   * @param emit Takes each event.
   * @param common What all events of this window say.
   * @param secret Key of the hashes; stays on this machine.
   */
  constructor(
    private readonly emit: (event: FimEvent) => void,
    private readonly common: Facts,
    private readonly secret: string,
    private readonly unixMs: () => number = Date.now,
  ) {}

  /** Returns a hash that stands for a text on this machine only. */
  hashOf(text: string): string {
    const known = this.hashes.get(text);
    if (known !== undefined) return known;
    if (this.hashes.size >= MAX_HASHES) this.hashes.clear();
    const digest = hmac(sha256, utf8ToBytes(this.secret), utf8ToBytes(text));
    const hash = bytesToHex(digest).slice(0, HASH_CHARS);
    this.hashes.set(text, hash);
    return hash;
  }

  /** Makes an event and hands it on; one about an id that no event may have is left out. */
  record(type: EventType, completionId: string | null, facts: Facts = {}): void {
    if (completionId !== null && !/^[A-Za-z0-9._-]{1,64}$/.test(completionId)) return;
    const fields: Record<string, unknown> = {
      ...this.common,
      ...facts,
      schema_version: SCHEMA_VERSION,
      type,
      at_ms: Math.floor(this.unixMs()),
      completion_id: completionId,
    };
    for (const name of NAMES) {
      const value = fields[name];
      if (typeof value === "string") fields[name] = asName(value);
    }
    for (const [name, value] of Object.entries(fields)) {
      const isDuration = name.endsWith("_ms") && name !== "at_ms" && typeof value === "number";
      if (isDuration) fields[name] = Math.min(value, MAX_DURATION_MS);
    }
    const told = Object.entries(fields).filter(
      ([name, value]) => value !== null && value !== undefined && !PRIVATE.has(name),
    );
    this.emit({ ...Object.fromEntries(told), id: `vsc-${crypto.randomUUID().replaceAll("-", "")}` });
  }
}

/** Returns a name as events have them, or null where nothing is left of it. */
export function asName(text: string): string | null {
  const name = text.replace(/[^A-Za-z0-9._:/@+#-]+/g, "-").replace(/^[-._:/@+#]+|[-._:/@+#]+$/g, "");
  return name.slice(0, MAX_NAME_CHARS) || null;
}
