// The client that everybody writes first: 300 ms after the last key it asks, and remembers nothing.

import { findContext } from "../src/core/documentContext";
import type { Completions } from "../src/core/question";
import { trimAnswer } from "../src/core/trim";
import type { TestDocument } from "../test/notation";
import { counted, makeCounts, type TypingClient } from "./client";

const DEBOUNCE_MS = 300;

export class NaiveClient implements TypingClient {
  readonly name = "naive";
  readonly counts = makeCounts();
  private readonly server: Completions;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private asked = new AbortController();

  constructor(client: Completions) {
    this.server = counted(client, this.counts);
  }

  async open(): Promise<void> {}

  key(document: TestDocument, cursor: number): void {
    const startedMs = performance.now();
    this.counts.numKeys += 1;
    clearTimeout(this.timer);
    this.asked.abort();
    const mine = new AbortController();
    this.asked = mine;
    this.timer = setTimeout(() => void this.ask(document, cursor, startedMs, mine.signal), DEBOUNCE_MS);
    this.counts.syncMs.push(performance.now() - startedMs);
  }

  async close(): Promise<void> {
    clearTimeout(this.timer);
    this.asked.abort();
  }

  private async ask(
    document: TestDocument,
    cursor: number,
    startedMs: number,
    signal: AbortSignal,
  ): Promise<void> {
    const context = findContext(document, cursor);
    const { around, path, language } = context;
    const question = { around, path, language, snippets: [], session: "naive", multiline: null };
    const asked = { ...question, requestId: crypto.randomUUID(), maxTokens: 64, numChoices: 1 };
    const answer = await this.server
      .complete({ ...asked, isBackground: false }, signal, () => undefined)
      .catch(() => null);
    if (signal.aborted || trimAnswer(answer?.texts[0] ?? "", context) === "") return;
    this.counts.numShown += 1;
    const tookMs = performance.now() - startedMs;
    this.counts.shownMs.push(tookMs);
    this.counts.networkMs.push(tookMs);
  }
}
