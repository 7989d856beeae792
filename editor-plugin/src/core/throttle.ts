// When to ask: a new line at once, the tail of a line after a short wait.
//
// An answer that comes before the next key is worth asking for at each key; one that takes longer
// would mostly be thrown away, so the wait lasts until the key that usually follows is overdue. A
// typist who never pauses is not left without: after 250 ms of waiting a request goes out whatever
// is typed, and is kept (Cody, `vscode/src/completions/smart-throttle.ts`).

import type { DocumentContext } from "./documentContext";
import type { Rhythm } from "./rhythm";
import type { TriggerKind } from "./trigger";

export const MIN_WAIT_MS = 10;
export const MAX_WAIT_MS = 200;
export const PROMOTE_AFTER_MS = 250;
/** Share of the usual gap between keys in which an answer has to fit, to be asked for at each. */
const FITTING_SHARE = 0.8;
/** How much longer than usual a gap is that counts as a pause. */
const PAUSE_FACTOR = 1.2;

export interface Plan {
  readonly waitMs: number;
  /** Whether the request is to be kept while its answer may still agree with what is typed. */
  readonly isKept: boolean;
}

export class Throttle {
  private lastUri: string | null = null;
  private lastLine = -1;
  private waitingSinceMs: number | null = null;

  constructor(private readonly rhythm: Rhythm) {}

  plan(context: DocumentContext, kind: TriggerKind, nowMs: number): Plan {
    const isNewPlace = context.uri !== this.lastUri || context.line !== this.lastLine;
    this.lastUri = context.uri;
    this.lastLine = context.line;
    if (kind !== "auto" || isNewPlace) {
      this.noteSent();
      return { waitMs: 0, isKept: true };
    }
    this.waitingSinceMs ??= nowMs;
    if (nowMs - this.waitingSinceMs >= PROMOTE_AFTER_MS) {
      this.noteSent();
      return { waitMs: 0, isKept: true };
    }
    return { waitMs: this.tailWaitMs(), isKept: false };
  }

  /** Notes that nobody waits any more: a request went out, or a text was there already. */
  noteSent(): void {
    this.waitingSinceMs = null;
  }

  private tailWaitMs(): number {
    const { gapMs, latencyMs } = this.rhythm;
    if (latencyMs <= gapMs * FITTING_SHARE) return MIN_WAIT_MS;
    return Math.min(MAX_WAIT_MS, Math.max(MIN_WAIT_MS, gapMs * PAUSE_FACTOR));
  }
}
