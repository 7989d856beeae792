// Asks a server for completions over HTTP and brings it events.
//
// Speaks `POST /v1/completions` like every other client, streamed. Closing the connection is how a
// request is given up: the server stops computing. Knows nothing of editors.

import { createParser } from "eventsource-parser";
import { isAddress } from "./address";
import type { Answer, Completions, Question } from "./question";
import { ServerError, toConnectionError } from "./serverError";

export interface ServerAddress {
  /** `http://host:port`, with or without `/v1` behind it. */
  readonly url: string;
  readonly apiKey: string | null;
  /** Name of a served model or adapter; null takes what is served. */
  readonly model: string | null;
  /** Stable name of the user, a keyed hash. */
  readonly user: string;
}

/** What became of events: taken; not taken, and worth another try; too many at once; refused for good,
 * all of them or for the sake of one. */
export type Delivery = "done" | "later" | "too_many" | "never" | { readonly invalidAt: number };

/** A completion that takes longer than this nobody waits for. */
const TIMEOUT_MS = 20_000;
const EVENTS_TIMEOUT_MS = 10_000;
/** Answers that mean `not now`: the next keystroke asks again. */
const NOTHING_STATUSES = new Set([429, 499, 503]);
/** Refusals of events that may end without the events changing. */
const RETRIED_STATUSES = new Set([401, 403, 408, 429]);
const MAX_SHOWN_CHARS = 200;
const SAMPLING_TEMPERATURE = 0.8;

type Fetch = typeof globalThis.fetch;
type OnText = (text: string, completionId: string) => void;
type Json = Record<string, unknown>;

export class FimClient implements Completions {
  constructor(
    private readonly address: ServerAddress,
    private readonly fetch: Fetch = (...request) => globalThis.fetch(...request),
  ) {}

  get baseUrl(): string {
    return this.address.url.replace(/\/+$/, "").replace(/\/v1(\/completions)?$/, "");
  }

  async complete(
    question: Question,
    signal: AbortSignal,
    onText: OnText = () => undefined,
  ): Promise<Answer | null> {
    const limited = AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]);
    try {
      const response = await this.post("/v1/completions", this.bodyOf(question), limited, {
        "x-request-id": question.requestId,
      });
      if (NOTHING_STATUSES.has(response.status)) {
        await response.body?.cancel();
        return null;
      }
      if (!response.ok) throw await this.refusalOf(response);
      return await readAnswer(response, onText);
    } catch (error) {
      if (signal.aborted || error instanceof ServerError) throw error;
      if (limited.aborted) throw new ServerError("slow", `no answer in ${TIMEOUT_MS / 1000} s`);
      throw toConnectionError(error, this.baseUrl);
    }
  }

  /** Brings events to the server, each with its own id; they are taken or refused together. */
  async sendEvents(events: readonly unknown[]): Promise<Delivery> {
    try {
      const signal = AbortSignal.timeout(EVENTS_TIMEOUT_MS);
      const response = await this.post("/v1/events", { events }, signal, {});
      if (!response.ok) return deliveryOf(response.status, await response.text());
      await response.body?.cancel();
      return "done";
    } catch {
      return "later";
    }
  }

  /** Returns the names of what is served; raises where a key is missing or nobody answers. */
  async fetchModels(): Promise<string[]> {
    let response: Response;
    try {
      const signal = AbortSignal.timeout(EVENTS_TIMEOUT_MS);
      this.checkAddress();
      response = await this.fetch(`${this.baseUrl}/v1/models`, { headers: this.headers(), signal });
    } catch (error) {
      throw error instanceof ServerError ? error : toConnectionError(error, this.baseUrl);
    }
    if (!response.ok) throw await this.refusalOf(response);
    const body: unknown = await response.json().catch(() => null);
    const data = isObject(body) && Array.isArray(body["data"]) ? body["data"] : [];
    return data.flatMap((each) => (isObject(each) && isText(each["id"]) ? [each["id"]] : []));
  }

  /** Returns what is wrong where the address is none, or null. */
  findAddressError(): ServerError | null {
    const { url } = this.address;
    if (isAddress(url)) return null;
    return new ServerError("bad_url", `fimserve.url is no address: ${url.slice(0, MAX_SHOWN_CHARS)}`);
  }

  private bodyOf(question: Question): Json {
    const isSampled = question.numChoices > 1;
    return {
      prompt: question.around.prefix,
      suffix: question.around.suffix,
      language: question.language,
      session: question.session,
      max_tokens: question.maxTokens,
      temperature: isSampled ? SAMPLING_TEMPERATURE : 0,
      stream: true,
      stream_options: { include_usage: true },
      user: this.address.user,
      // Left out where unset: what they are then is the server's own business.
      ...(isSampled ? { n: question.numChoices } : {}),
      ...(question.path === null ? {} : { path: question.path }),
      ...(question.snippets.length === 0 ? {} : { snippets: question.snippets }),
      ...(this.address.model === null ? {} : { model: this.address.model }),
      ...(question.multiline === null ? {} : { multiline: question.multiline }),
      ...(question.isBackground ? { priority: "background" } : {}),
    };
  }

  private checkAddress(): void {
    const error = this.findAddressError();
    if (error !== null) throw error;
  }

  private async post(
    path: string,
    body: Json,
    signal: AbortSignal,
    headers: Record<string, string>,
  ): Promise<Response> {
    this.checkAddress();
    return this.fetch(this.baseUrl + path, {
      method: "POST",
      headers: { ...this.headers(), ...headers, "content-type": "application/json" },
      body: JSON.stringify(body),
      signal,
    });
  }

  private headers(): Record<string, string> {
    const { apiKey } = this.address;
    return apiKey === null ? {} : { authorization: `Bearer ${apiKey}` };
  }

  private async refusalOf(response: Response): Promise<ServerError> {
    const { status } = response;
    const text = await response.text().catch(() => "");
    const error = readError(text);
    const message = (error?.message ?? response.statusText).slice(0, MAX_SHOWN_CHARS);
    if (status === 401) {
      return this.address.apiKey === null
        ? new ServerError("key_missing", `${this.baseUrl} asks for an API key`, status)
        : new ServerError("key_refused", message, status);
    }
    if (status === 403) return new ServerError("key_refused", message, status);
    if (status === 404 && error !== null && /model/.test(`${error.param} ${error.code}`)) {
      return new ServerError("unknown_model", message, status);
    }
    if (status === 404 || status === 405) {
      return new ServerError("no_such_route", `${this.baseUrl} has no completions`, status);
    }
    if (status === 407) return new ServerError("proxy", "the proxy asks who you are", status);
    if (status === 502 || status === 504) {
      return new ServerError("gateway", `behind ${this.baseUrl} nobody answers`, status);
    }
    return new ServerError(status >= 500 ? "failed" : "refused", message, status);
  }
}

function deliveryOf(status: number, body: string): Delivery {
  if (status >= 500 || RETRIED_STATUSES.has(status)) return "later";
  if (status === 413) return "too_many";
  const param = String(readError(body)?.param);
  if (status === 400 && param === "events") return "too_many";
  const at = /^events\[(\d+)\]/.exec(param)?.[1];
  return status === 400 && at !== undefined ? { invalidAt: Number(at) } : "never";
}

async function readAnswer(response: Response, onText: OnText): Promise<Answer> {
  const reader = new AnswerReader(onText);
  if (!(response.headers.get("content-type") ?? "").startsWith("text/event-stream")) {
    // A server that does not stream says the same in one record.
    reader.take(await response.text());
    return reader.finish();
  }
  if (response.body === null) throw notAServer();
  const parser = createParser({
    onEvent: (event) => {
      if (event.data !== "[DONE]") reader.take(event.data);
    },
  });
  const decoder = new TextDecoder();
  for await (const bytes of bytesOf(response.body)) parser.feed(decoder.decode(bytes, { stream: true }));
  return reader.finish();
}

/** Puts records together: text of each choice, and what is said about them. */
class AnswerReader {
  private id: string | null = null;
  private readonly texts: string[] = [];
  private facts: Json = {};

  constructor(private readonly onText: OnText) {}

  take(data: string): void {
    const record = parseJson(data);
    if (!isObject(record)) throw notAServer();
    const { error } = record;
    if (isObject(error)) throw new ServerError("failed", String(error["message"]).slice(0, MAX_SHOWN_CHARS));
    if (isText(record["id"])) this.id = record["id"];
    this.facts = { ...this.facts, ...factsOf(record) };
    const choices = Array.isArray(record["choices"]) ? record["choices"] : [];
    for (const choice of choices) if (isObject(choice)) this.takeChoice(choice);
  }

  finish(): Answer {
    if (this.id === null || this.texts.length === 0) throw notAServer();
    return { completionId: this.id, texts: this.texts, facts: this.facts };
  }

  private takeChoice(choice: Json): void {
    const { text, finish_reason: finishReason } = choice;
    const index = isCount(choice["index"]) ? choice["index"] : 0;
    if (!isText(text)) throw notAServer();
    this.texts[index] = (this.texts[index] ?? "") + text;
    if (index === 0 && text !== "" && this.id !== null) this.onText(this.texts[0] ?? "", this.id);
    if (index === 0 && (finishReason === "stop" || finishReason === "length")) {
      this.facts["finish_reason"] = finishReason;
    }
  }
}

/** What a record says about its request; a batch of events with one wrong value would be refused. */
function factsOf(record: Json): Json {
  const usage = isObject(record["usage"]) ? record["usage"] : {};
  const details = isObject(usage["prompt_tokens_details"]) ? usage["prompt_tokens_details"] : {};
  const timings = isObject(record["timings"]) ? record["timings"] : {};
  const counts = {
    prompt_tokens: usage["prompt_tokens"],
    completion_tokens: usage["completion_tokens"],
    cached_tokens: details["cached_tokens"],
    queue_ms: timings["queue_ms"],
    server_ms: timings["e2e_ms"],
  };
  const facts: Json = Object.fromEntries(Object.entries(counts).filter(([, value]) => isCount(value)));
  if (isText(record["model"])) facts["model"] = record["model"];
  return facts;
}

async function* bytesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array> {
  const reader = stream.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield value;
    }
  } finally {
    reader.releaseLock();
  }
}

function readError(text: string): { message: string; param: unknown; code: unknown } | null {
  const body = parseJson(text);
  const error = isObject(body) ? body["error"] : null;
  if (!isObject(error) || !isText(error["message"])) return null;
  return { message: error["message"], param: error["param"], code: error["code"] };
}

function notAServer(): ServerError {
  return new ServerError("not_a_server", "the answer is not one of OpenAI's completions");
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isText(value: unknown): value is string {
  return typeof value === "string";
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isFinite(value) && value >= 0;
}
