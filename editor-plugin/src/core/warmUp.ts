// Lets the server compute what it will need: the place of the cursor in a document that was opened, or
// where it rests. Nothing is generated (`max_tokens: 0`), and it yields to everybody.

import type { Surroundings } from "./documentContext";
import type { Completions, Question, Snippet } from "./question";

/** How long a cursor has rested when its place is computed. */
export const REST_MS = 300;

export class WarmUp {
  private controller: AbortController | null = null;
  private timer: ReturnType<typeof setTimeout> | null = null;

  /** @param isBusy Whether somebody waits for a completion, which this would end. */
  constructor(
    private readonly client: Completions,
    private readonly isBusy: () => boolean,
  ) {}

  /** Warms up once nothing else has been asked for a while; the newest wish counts. */
  plan(find: () => Promise<WarmUpPlace | null>): void {
    this.cancel();
    this.timer = setTimeout(() => void this.run(find), REST_MS);
  }

  cancel(): void {
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = null;
    this.controller?.abort();
    this.controller = null;
  }

  private async run(find: () => Promise<WarmUpPlace | null>): Promise<void> {
    const controller = new AbortController();
    this.controller = controller;
    const place = await find();
    if (place === null || controller.signal.aborted || this.isBusy()) return;
    const question: Question = {
      ...place,
      requestId: `vsc-${crypto.randomUUID()}`,
      multiline: null,
      maxTokens: 0,
      numChoices: 1,
      isBackground: true,
    };
    // A server that is away is said when somebody types.
    await this.client.complete(question, controller.signal, () => undefined).catch(() => null);
  }
}

export interface WarmUpPlace {
  readonly around: Surroundings;
  readonly path: string | null;
  readonly language: string;
  readonly session: string;
  readonly snippets: readonly Snippet[];
}
