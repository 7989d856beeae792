// What becomes of suggestions, as events of docs/events.md: numbers and names, never code. Knows
// nothing of the network or the editor.

import type { Event } from "./event_queue";
import { randomHex } from "./random";
import type { Suggestion } from "./suggestion";

export type Reason = "typed_over" | "caret_moved" | "escape" | "file_switched" | "replaced" | "other";
export type Cause = "auto" | "invoked";

const SCHEMA_VERSION = 1;
const CLIENT = { client: "fimserve-playground", editor: "monaco" };

interface Life {
  readonly requestId: string;
  readonly cause: Cause;
  readonly viewId: string;
  shownAtMs: number | null;
  visibleMs: number;
  isTold: boolean;
  isOver: boolean;
  /** Characters accepted in parts. */
  taken: number;
}

export class Lifecycle {
  private readonly lives = new Map<Suggestion, Life>();
  /** Name of this page's visit; nobody can tell from it who that was. */
  private readonly windowHash = randomHex(16);

  constructor(
    private readonly add: (event: Event) => void,
    private readonly nowMs: () => number,
  ) {}

  ask(suggestion: Suggestion, cause: Cause): void {
    const life: Life = {
      requestId: suggestion.requestId,
      cause,
      viewId: randomHex(8),
      shownAtMs: null,
      visibleMs: 0,
      isTold: false,
      isOver: false,
      taken: 0,
    };
    this.lives.set(suggestion, life);
    const { prefix, suffix } = suggestion.question;
    this.record("requested", suggestion, life, {
      prefix_chars: prefix.length,
      suffix_chars: suffix.length,
    });
  }

  /** Note that the text is on the screen; told once the answer is whole, with its length. */
  show(suggestion: Suggestion): void {
    const life = this.lives.get(suggestion);
    if (life === undefined || life.isOver) return;
    if (life.shownAtMs === null) {
      life.shownAtMs = this.nowMs();
      life.visibleMs = suggestion.ageMs;
    }
    if (suggestion.state === "whole") this.tell(suggestion, life);
  }

  /** Note that more of the answer is here. */
  grow(suggestion: Suggestion): void {
    const life = this.lives.get(suggestion);
    if (life?.shownAtMs != null && suggestion.state === "whole") this.tell(suggestion, life);
  }

  takePart(suggestion: Suggestion, numChars: number): void {
    const life = this.lives.get(suggestion);
    if (life === undefined || life.isOver || numChars <= 0) return;
    life.taken += numChars;
    this.tell(suggestion, life);
    this.record("partially_accepted", suggestion, life, {
      accepted_chars: life.taken,
      ...this.shownMs(life),
    });
  }

  /** Note that the rest was taken, this many characters. */
  accept(suggestion: Suggestion, numChars: number): void {
    const life = this.lives.get(suggestion);
    if (life === undefined || life.isOver) return;
    this.tell(suggestion, life);
    this.record("accepted", suggestion, life, {
      accepted_chars: life.taken + numChars,
      ...this.shownMs(life),
    });
    this.forget(suggestion, life);
  }

  dismiss(suggestion: Suggestion, reason: Reason, atMs = this.nowMs()): void {
    const life = this.lives.get(suggestion);
    if (life === undefined || life.isOver) return;
    if (life.shownAtMs !== null) {
      this.tell(suggestion, life);
      this.record("dismissed", suggestion, life, {
        dismiss_reason: reason,
        ...this.shownMs(life, atMs),
      });
    }
    this.forget(suggestion, life);
  }

  fail(suggestion: Suggestion, status: number): void {
    const life = this.lives.get(suggestion);
    if (life === undefined || life.isOver) return;
    const http = status >= 400 ? { http_status: status } : {};
    this.record("error", suggestion, life, {
      error_code: status === 0 ? "unreachable" : "refused",
      ...http,
    });
    this.forget(suggestion, life);
  }

  /** Note that the page goes away. */
  finish(): void {
    for (const suggestion of [...this.lives.keys()]) this.dismiss(suggestion, "other");
  }

  private tell(suggestion: Suggestion, life: Life): void {
    if (life.isTold) return;
    life.isTold = true;
    const { text, usage, ttftMs, e2eMs } = suggestion;
    this.record("shown", suggestion, life, {
      source: "network",
      completion_chars: text.length,
      completion_lines: text.split("\n").length,
      visible_ms: life.visibleMs,
      ...(ttftMs === null ? {} : { ttft_ms: ttftMs }),
      ...(e2eMs === null ? {} : { e2e_ms: e2eMs }),
      ...(usage === null
        ? {}
        : {
            prompt_tokens: usage.promptTokens,
            cached_tokens: usage.cachedTokens,
            completion_tokens: usage.newTokens,
          }),
    });
  }

  private shownMs(life: Life, atMs = this.nowMs()): Record<string, number> {
    return life.shownAtMs === null ? {} : { shown_ms: Math.max(0, atMs - life.shownAtMs) };
  }

  private forget(suggestion: Suggestion, life: Life): void {
    life.isOver = true;
    this.lives.delete(suggestion);
  }

  private record(
    type: string,
    suggestion: Suggestion,
    life: Life,
    facts: Record<string, string | number>,
  ): void {
    const { completionId, question } = suggestion;
    const named = completionId === null ? {} : { completion_id: completionId, view_id: life.viewId };
    if (completionId === null && type !== "requested" && type !== "error") return;
    this.add({
      id: randomHex(16),
      type,
      at_ms: Date.now(),
      schema_version: SCHEMA_VERSION,
      ...CLIENT,
      window_hash: this.windowHash,
      language: question.language,
      trigger: life.cause,
      request_id: life.requestId,
      ...(question.multiline === null ? {} : { multiline: question.multiline }),
      ...named,
      ...facts,
    });
  }
}
