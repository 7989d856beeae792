// One suggestion while it arrives: its text so far, its times, and what is left of it once a person
// has typed some of it. Plain values; knows nothing of the editor or the network.

import type { Piece, Question, Usage } from "./completions";
import { randomHex } from "./random";

export type State = "waiting" | "arriving" | "whole" | "aborted" | "failed";
export type Outcome = "accepted" | "dismissed" | "passed over" | null;

export class Suggestion {
  text = "";
  state: State = "waiting";
  outcome: Outcome = null;
  usage: Usage | null = null;
  /** Name of the answer, by which events speak of it. */
  completionId: string | null = null;
  /** Name of the question in the server's log. */
  readonly requestId = `web-${randomHex(8)}`;
  /** Milliseconds from the question to the first text, seen from this page. */
  ttftMs: number | null = null;
  /** Milliseconds from the question to the end of the answer. */
  e2eMs: number | null = null;
  /** Settles with the first text, or with the end where there is none. */
  readonly begun: Promise<void>;
  private begin: () => void = () => undefined;
  private readonly controller = new AbortController();
  private readonly startedMs: number;

  constructor(
    readonly question: Question,
    private readonly nowMs: () => number,
  ) {
    this.startedMs = nowMs();
    this.begun = new Promise((resolve) => {
      this.begin = resolve;
    });
  }

  get signal(): AbortSignal {
    return this.controller.signal;
  }

  get ageMs(): number {
    return this.nowMs() - this.startedMs;
  }

  get isRunning(): boolean {
    return this.state === "waiting" || this.state === "arriving";
  }

  /**
   * Return what is left to suggest where the text around the cursor is now this, or null where the
   * two no longer agree. Empty while everything that has arrived is typed already.
   */
  restAt(prefix: string, suffix: string, session: string): string | null {
    const asked = this.question;
    if (session !== asked.session || suffix !== asked.suffix) return null;
    if (!prefix.startsWith(asked.prefix)) return null;
    const typed = prefix.slice(asked.prefix.length);
    return this.text.startsWith(typed) ? this.text.slice(typed.length) : null;
  }

  /** Take in the pieces of the answer, calling back after each; ends at once when aborted. */
  async follow(pieces: AsyncIterable<Piece>, onChange: () => void): Promise<void> {
    try {
      for await (const piece of pieces) {
        if (this.signal.aborted) break;
        this.takeIn(piece);
        onChange();
      }
      this.end(this.signal.aborted ? "aborted" : "whole");
    } catch (error) {
      this.end(this.signal.aborted ? "aborted" : "failed");
      if (!this.signal.aborted) throw error;
    } finally {
      onChange();
    }
  }

  abort(): void {
    this.controller.abort();
    this.begin();
  }

  private takeIn(piece: Piece): void {
    if ("id" in piece) {
      this.completionId = piece.id;
      return;
    }
    if ("usage" in piece) {
      this.usage = piece.usage;
      return;
    }
    this.ttftMs ??= this.ageMs;
    this.state = "arriving";
    this.text += piece.text;
    this.begin();
  }

  private end(state: State): void {
    this.state = state;
    this.begin();
    if (state === "whole") this.e2eMs = this.ageMs;
  }
}
