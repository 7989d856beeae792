// The core at work without an editor: a document with a cursor, a fake server, recorded events.

import { vi } from "vitest";
import { Asker, type AskerListener } from "../src/core/asker";
import { Completer, type Completion, type CompletionSettings } from "../src/core/completer";
import { EventMaker, type FimEvent } from "../src/core/eventMaker";
import { Lifecycle } from "../src/core/lifecycle";
import { OfferBook } from "../src/core/offers";
import { Rhythm } from "../src/core/rhythm";
import { Status } from "../src/core/status";
import { Throttle } from "../src/core/throttle";
import type { TriggerKind } from "../src/core/trigger";
import { FakeServer, settle } from "./fakeServer";
import { placeOf, show } from "./notation";

export const SETTINGS: CompletionSettings = {
  isPaused: false,
  languages: {},
  inComments: true,
  lines: "auto",
  maxTokens: 64,
  numAlternatives: 3,
  isPrefetching: false,
  sharesCode: false,
};

/** A request of the editor that is under way. */
export interface Asked {
  readonly done: Promise<Completion>;
  /** What the editor does when it asks anew. */
  cancel(): void;
  /** What was offered so far, or null while nothing was. */
  readonly shown: () => string | null;
}

export class Desk {
  readonly server: FakeServer;
  readonly events: FimEvent[] = [];
  readonly offers = new OfferBook();
  readonly rhythm = new Rhythm();
  readonly lifecycle: Lifecycle;
  readonly completer: Completer;
  readonly status: Status;
  private last: Asked | null = null;

  constructor(
    options: {
      readonly script?: string[];
      readonly settings?: Partial<CompletionSettings>;
      readonly listener?: AskerListener;
    } = {},
  ) {
    this.server = new FakeServer(options.script);
    const maker = new EventMaker((event) => this.events.push(event), {}, "secret");
    const nowMs = (): number => Date.now();
    this.status = new Status("http://h", () => undefined);
    this.lifecycle = new Lifecycle(maker, nowMs);
    const { server, offers, rhythm, status, lifecycle } = this;
    this.completer = new Completer({
      client: server,
      asker: new Asker(server, offers, rhythm, status, nowMs, options.listener),
      offers,
      rhythm,
      throttle: new Throttle(rhythm),
      lifecycle,
      events: maker,
      status,
      snippets: { find: async () => [], current: () => [] },
      settings: () => ({ ...SETTINGS, ...options.settings }),
      nowMs,
    });
  }

  /** Asks as VS Code does: what was asked before is cancelled. */
  async ask(marked: string, kind: TriggerKind = "auto"): Promise<Asked> {
    this.last?.cancel();
    const controller = new AbortController();
    let shown: string | null = null;
    const done = this.completer.complete(placeOf(marked, { kind }), controller.signal);
    void done.then((completion) => {
      shown = show(completion.items[0]?.text ?? "");
    });
    const asked = { done, cancel: () => controller.abort(), shown: () => shown };
    this.last = asked;
    await settle();
    return asked;
  }

  /** Asks at the first position of a line, which waits for nothing, and returns what comes. */
  async complete(marked: string, answer: string): Promise<string> {
    const asked = await this.ask(marked);
    await this.server.last.end(answer);
    await settle();
    return asked.shown() ?? "";
  }

  get types(): string[] {
    return this.events.map((event) => String(event["type"]));
  }

  get numRequests(): number {
    return this.server.exchanges.length;
  }
}

export async function pass(ms: number): Promise<void> {
  await vi.advanceTimersByTimeAsync(ms);
}
