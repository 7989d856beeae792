// What a server is asked, and what it says.

import type { Surroundings } from "./documentContext";

/** A piece of another file, the schema of the miner's context examples. */
export interface Snippet {
  readonly path: string;
  readonly text: string;
}

export interface Question {
  readonly around: Surroundings;
  readonly path: string | null;
  readonly language: string;
  /** Pieces of other files, most relevant first. */
  readonly snippets: readonly Snippet[];
  /** Name of the document for the server, which keeps what it computed under it. */
  readonly session: string;
  /** Name of this question in the logs of both sides. */
  readonly requestId: string;
  /** Whether several lines are wanted; null leaves it to the server. */
  readonly multiline: boolean | null;
  readonly maxTokens: number;
  /** How many different ones; more than one are sampled. */
  readonly numChoices: number;
  /** Whether it yields to those who wait at a cursor. */
  readonly isBackground: boolean;
}

export interface Answer {
  readonly completionId: string;
  /** One text per choice, as it was written. */
  readonly texts: readonly string[];
  /** What an event may say about it: tokens, times, how it ended. */
  readonly facts: Readonly<Record<string, unknown>>;
}

/** Asks for completions; aborting the signal closes the connection, which ends the work. */
export interface Completions {
  /**
   * @param onText Called with the whole text of the first choice whenever it has grown.
   * @returns null where the server has none for us now.
   */
  complete(
    question: Question,
    signal: AbortSignal,
    onText: (text: string, completionId: string) => void,
  ): Promise<Answer | null>;
}
