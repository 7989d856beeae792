// Asks this server for a completion and yields what it says. Knows nothing of the editor.

import { eventData } from "./sse";

export interface Question {
  prefix: string;
  suffix: string;
  language: string;
  path: string;
  /** One open document: the server keeps what it computed for it, and a newer question ends an
   * older one. */
  session: string;
  /** null leaves it to the server, which looks at the syntax. */
  multiline: boolean | null;
}

export interface Usage {
  promptTokens: number;
  cachedTokens: number;
  newTokens: number;
}

export type Piece = { id: string } | { text: string } | { usage: Usage };

/** A refusal, in the server's own words. */
export class Refusal extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

const MAX_TOKENS = { line: 64, lines: 128 };

// The server cuts to what its model can read; this only keeps a large paste below its body limit.
const MAX_PREFIX_CHARS = 100_000;
const MAX_SUFFIX_CHARS = 50_000;

export async function* complete(
  question: Question,
  key: string | null,
  signal: AbortSignal,
  requestId: string,
): AsyncGenerator<Piece> {
  const response = await fetch("/v1/completions", {
    method: "POST",
    headers: {
      "content-type": "application/json",
      "x-request-id": requestId,
      ...(key === null ? {} : { authorization: `Bearer ${key}` }),
    },
    body: JSON.stringify(bodyOf(question)),
    signal,
  });
  if (!response.ok || response.body === null) {
    throw new Refusal(response.status, await messageOf(response));
  }
  for await (const data of eventData(response.body)) {
    if (data === "[DONE]") return;
    yield* piecesOf(JSON.parse(data));
  }
}

function bodyOf(question: Question): object {
  return {
    prompt: question.prefix.slice(-MAX_PREFIX_CHARS),
    suffix: question.suffix.slice(0, MAX_SUFFIX_CHARS),
    language: question.language,
    path: question.path,
    session: question.session,
    multiline: question.multiline,
    max_tokens: question.multiline === false ? MAX_TOKENS.line : MAX_TOKENS.lines,
    temperature: 0,
    stream: true,
    stream_options: { include_usage: true },
  };
}

interface StreamRecord {
  id?: string;
  error?: { message: string };
  choices?: { text: string }[];
  usage?: {
    prompt_tokens: number;
    completion_tokens: number;
    prompt_tokens_details?: { cached_tokens: number };
  } | null;
}

function* piecesOf(record: StreamRecord): Generator<Piece> {
  if (record.error !== undefined) throw new Refusal(200, record.error.message);
  if (record.id !== undefined) yield { id: record.id };
  const text = record.choices?.[0]?.text;
  if (text !== undefined && text !== "") yield { text };
  if (record.usage) {
    yield {
      usage: {
        promptTokens: record.usage.prompt_tokens,
        cachedTokens: record.usage.prompt_tokens_details?.cached_tokens ?? 0,
        newTokens: record.usage.completion_tokens,
      },
    };
  }
}

async function messageOf(response: Response): Promise<string> {
  try {
    const body: StreamRecord = await response.json();
    if (body.error !== undefined) return body.error.message;
  } catch {
    // No JSON: a proxy in between. The status says what there is to say.
  }
  return `The server answered ${response.status}.`;
}
