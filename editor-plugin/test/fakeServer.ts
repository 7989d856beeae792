// A server whose answers come when the test says so.

import type { Answer, Completions, Question } from "../src/core/question";

export interface Exchange {
  readonly question: Question;
  readonly signal: AbortSignal;
  /** Sends text of the first choice. */
  say(text: string): Promise<void>;
  /** Ends the answer, after some more text. */
  end(text?: string): Promise<void>;
  fail(error: Error): Promise<void>;
}

export class FakeServer implements Completions {
  readonly exchanges: Exchange[] = [];

  /** @param script Texts that are answered at once, one per request; others wait for the test. */
  constructor(private readonly script: string[] = []) {}

  get last(): Exchange {
    const exchange = this.exchanges.at(-1);
    if (exchange === undefined) throw new Error("nothing was asked");
    return exchange;
  }

  complete(
    question: Question,
    signal: AbortSignal,
    onText: (text: string, id: string) => void,
  ): Promise<Answer | null> {
    const completionId = `c-${this.exchanges.length + 1}`;
    return new Promise((resolve, reject) => {
      let whole = "";
      const say = async (text: string): Promise<void> => {
        whole += text;
        if (!signal.aborted) onText(whole, completionId);
        await settle();
      };
      const end = async (text = ""): Promise<void> => {
        if (text !== "") await say(text);
        resolve({ completionId, texts: [whole], facts: { model: "fake" } });
        await settle();
      };
      const fail = async (error: Error): Promise<void> => {
        reject(error);
        await settle();
      };
      signal.addEventListener("abort", () => reject(new DOMException("aborted", "AbortError")));
      this.exchanges.push({ question, signal, say, end, fail });
      const scripted = this.script.shift();
      if (scripted !== undefined) void end(scripted);
    });
  }
}

/** Lets everything that is ready run. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 20; i += 1) await Promise.resolve();
}
