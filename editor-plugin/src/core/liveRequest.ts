// A request that is being answered, and whether its answer still agrees with what was typed since.
//
// One is live per document, as on the server. It goes on while the text that was typed meanwhile is
// the beginning of what it says, and is aborted over the wire the moment it is not.

import type { DocumentContext, Surroundings } from "./documentContext";
import type { Answer, Completions, Question } from "./question";

export type AbortReason = "diverged" | "replaced" | "left" | "closed";

/** How long a request nobody waits for goes on: the editor asks again right after a key. */
const LINGER_MS = 500;

export type Outcome =
  | { readonly kind: "answered"; readonly answer: Answer | null }
  | { readonly kind: "failed"; readonly error: unknown }
  | { readonly kind: "aborted"; readonly reason: AbortReason };

export class LiveRequest {
  /** What came so far of the first choice. */
  text = "";
  completionId: string | null = null;
  /** Milliseconds from its start to the first text; null while there is none. */
  firstTextMs: number | null = null;
  isDone = false;
  readonly outcome: Promise<Outcome>;
  /** How many wait for it now. */
  private numWaiting = 0;
  private lingering: ReturnType<typeof setTimeout> | null = null;
  private readonly controller = new AbortController();
  private reason: AbortReason | null = null;
  private readonly watchers = new Set<() => void>();

  constructor(
    client: Completions,
    readonly question: Question,
    readonly context: DocumentContext,
    /** Whether it is waited for even while it says nothing yet. */
    readonly isKept: boolean,
    readonly startedMs: number,
    private readonly nowMs: () => number,
  ) {
    this.outcome = this.run(client);
  }

  /** Whether what it says, as far as it has come, begins with what was typed since it was asked. */
  mayAgree(uri: string, around: Surroundings): boolean {
    const asked = this.question.around;
    if (uri !== this.context.uri || around.suffix !== asked.suffix) return false;
    if (!around.prefix.startsWith(asked.prefix)) return false;
    const typed = around.prefix.slice(asked.prefix.length);
    return this.text.startsWith(typed) || (!this.isDone && typed.startsWith(this.text));
  }

  abort(reason: AbortReason): void {
    if (this.isDone) return;
    this.reason ??= reason;
    this.controller.abort();
  }

  /** Waits with others; when the last one has gone it lingers for the next key, then is aborted. */
  async hold<T>(wait: () => Promise<T>): Promise<T> {
    this.numWaiting += 1;
    if (this.lingering !== null) clearTimeout(this.lingering);
    try {
      return await wait();
    } finally {
      this.numWaiting -= 1;
      if (this.numWaiting === 0 && !this.isDone) {
        this.lingering = setTimeout(() => this.abort("left"), LINGER_MS);
      }
    }
  }

  /** Resolves at the next text, or at the end. */
  nextText(): Promise<void> {
    if (this.isDone) return Promise.resolve();
    return new Promise((resolve) => this.watchers.add(resolve));
  }

  private async run(client: Completions): Promise<Outcome> {
    try {
      const answer = await client.complete(this.question, this.controller.signal, (text, id) => {
        this.text = text;
        this.completionId = id;
        this.firstTextMs ??= this.nowMs() - this.startedMs;
        this.wake();
      });
      return { kind: "answered", answer };
    } catch (error) {
      return this.reason === null ? { kind: "failed", error } : { kind: "aborted", reason: this.reason };
    } finally {
      this.isDone = true;
      if (this.lingering !== null) clearTimeout(this.lingering);
      this.wake();
    }
  }

  private wake(): void {
    const watchers = [...this.watchers];
    this.watchers.clear();
    for (const watcher of watchers) watcher();
  }
}
