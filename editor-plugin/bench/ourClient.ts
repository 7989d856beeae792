// The extension's own core, put together as its window does.

import { Asker } from "../src/core/asker";
import { Completer } from "../src/core/completer";
import { findContext } from "../src/core/documentContext";
import { EventMaker } from "../src/core/eventMaker";
import { Lifecycle } from "../src/core/lifecycle";
import { OfferBook } from "../src/core/offers";
import type { Completions } from "../src/core/question";
import { Rhythm } from "../src/core/rhythm";
import { Status } from "../src/core/status";
import { Throttle } from "../src/core/throttle";
import { WarmUp } from "../src/core/warmUp";
import type { TestDocument } from "../test/notation";
import { counted, makeCounts, type TypingClient } from "./client";

const SETTINGS = {
  isPaused: false,
  languages: {},
  inComments: true,
  lines: "auto",
  maxTokens: 64,
  numAlternatives: 1,
  isPrefetching: true,
  sharesCode: false,
} as const;
const WARM_UP_MS = 1_500;

export class OurClient implements TypingClient {
  readonly name = "fimserve";
  readonly counts = makeCounts();
  private readonly events = new EventMaker(() => undefined, {}, "bench");
  private readonly lifecycle = new Lifecycle(this.events, () => performance.now());
  private readonly completer: Completer;
  private readonly warmUp: WarmUp;
  private asked = new AbortController();

  constructor(client: Completions) {
    const server = counted(client, this.counts);
    const offers = new OfferBook();
    const rhythm = new Rhythm();
    const status = new Status("", () => undefined);
    const nowMs = (): number => performance.now();
    const asker = new Asker(server, offers, rhythm, status, nowMs);
    this.warmUp = new WarmUp(server, () => asker.isBusy);
    this.completer = new Completer({
      client: server,
      asker,
      offers,
      rhythm,
      throttle: new Throttle(rhythm),
      lifecycle: this.lifecycle,
      events: this.events,
      status,
      snippets: { find: async () => [], current: () => [] },
      settings: () => SETTINGS,
      nowMs,
    });
  }

  async open(document: TestDocument, cursor: number): Promise<void> {
    const { around, path, language } = findContext(document, cursor);
    const session = `vsc-${this.events.hashOf(document.uri)}`;
    this.warmUp.plan(async () => ({ around, path, language, session, snippets: [] }));
    await new Promise((resolve) => setTimeout(resolve, WARM_UP_MS));
  }

  key(document: TestDocument, cursor: number, numTyped: number): void {
    const startedMs = performance.now();
    const { counts } = this;
    counts.numKeys += 1;
    this.asked.abort();
    this.warmUp.cancel();
    const mine = new AbortController();
    this.asked = mine;
    if (numTyped > 0) this.completer.noteTyped(numTyped);
    const context = findContext(document, cursor);
    const place = { document, context, kind: "auto", numCursors: 1, hasSelection: false } as const;
    const completing = this.completer.complete(place, mine.signal);
    counts.syncMs.push(performance.now() - startedMs);
    void completing.then(({ items, source }) => {
      if (mine.signal.aborted || items.length === 0) return;
      counts.numShown += 1;
      const tookMs = performance.now() - startedMs;
      counts.shownMs.push(tookMs);
      if (source === "network") counts.networkMs.push(tookMs);
      else counts.numFromCache += 1;
    });
  }

  async close(): Promise<void> {
    this.asked.abort();
    this.warmUp.cancel();
    this.completer.dispose();
    this.lifecycle.dismiss("other");
  }
}
