// The two clients that are compared, behind one interface, and what is counted of each.

import type { Completions } from "../src/core/question";
import type { TestDocument } from "../test/notation";

export interface Counts {
  numKeys: number;
  numRequests: number;
  numCancelled: number;
  /** Keys behind which grey text stood before the next key. */
  numShown: number;
  /** Of these, without a request of their own. */
  numFromCache: number;
  /** From key to grey text. */
  readonly shownMs: number[];
  /** The same, where it took a request. */
  readonly networkMs: number[];
  /** Time that the client kept the editor waiting, per key. */
  readonly syncMs: number[];
}

export interface TypingClient {
  readonly name: string;
  readonly counts: Counts;
  /** Takes a new document. */
  open(document: TestDocument, cursor: number): Promise<void>;
  /** Takes a key; the document has it already. */
  key(document: TestDocument, cursor: number, numTyped: number): void;
  /** Ends what is going on. */
  close(): Promise<void>;
}

export function makeCounts(): Counts {
  return {
    numKeys: 0,
    numRequests: 0,
    numCancelled: 0,
    numShown: 0,
    numFromCache: 0,
    shownMs: [],
    networkMs: [],
    syncMs: [],
  };
}

/** Counts what goes over the wire, and what is given up there. */
export function counted(client: Completions, counts: Counts): Completions {
  return {
    async complete(question, signal, onText) {
      counts.numRequests += 1;
      try {
        return await client.complete(question, signal, onText);
      } catch (error) {
        if (!signal.aborted) throw error;
        counts.numCancelled += 1;
        throw error;
      }
    },
  };
}
