// What the service really answers: `tests/fixtures/http`, recorded from it and played by Python too.

import { readFileSync } from "node:fs";
import { describe, expect, test, vi } from "vitest";
import { contextOf } from "../../test/notation";
import { type Delivery, FimClient, type ServerAddress } from "./fimClient";
import type { Question } from "./question";
import { ServerError } from "./serverError";

interface Exchange {
  readonly name: string;
  readonly request: { readonly body?: Record<string, unknown> };
  readonly response: {
    readonly status: number;
    readonly headers: Record<string, string>;
    readonly body?: unknown;
    readonly records?: readonly string[];
  };
}

const FIXTURES = new URL("../../../tests/fixtures/http/", import.meta.url);
const ADDRESS: ServerAddress = { url: "http://h:1/v1/", apiKey: null, model: null, user: "u" };

function exchanges(file: string): Exchange[] {
  return JSON.parse(readFileSync(new URL(file, FIXTURES), "utf8")) as Exchange[];
}

function answerOf({ response }: Exchange, pieceBytes = 7): Response {
  const { status, headers } = response;
  const text = response.records?.join("") ?? JSON.stringify(response.body);
  const bytes = new TextEncoder().encode(text);
  const body = new ReadableStream({
    start(controller) {
      for (let at = 0; at < bytes.length; at += pieceBytes) {
        controller.enqueue(bytes.slice(at, at + pieceBytes));
      }
      controller.close();
    },
  });
  return new Response(body, { status, headers });
}

function question(given: Partial<Question> = {}): Question {
  const { around, path, language } = contextOf("def mean(values):\n    █");
  const base = { around, path, language, snippets: [], session: "s", requestId: "r" };
  return { ...base, multiline: null, maxTokens: 64, numChoices: 1, isBackground: false, ...given };
}

function clientFor(answer: () => Response | Promise<Response>, address = ADDRESS): FimClient {
  return new FimClient(address, async () => answer());
}

const signal = new AbortController().signal;
const openai = exchanges("openai.json");

describe("streams", () => {
  const streams = openai.filter(
    ({ response }) => response.records !== undefined && !response.records.some((each) => each.includes('"error"')),
  );

  test("there are some to read", () => {
    expect(streams.length).toBeGreaterThanOrEqual(3);
  });

  test.each(streams.map((each) => [each.name, each] as const))("%s", async (_, exchange) => {
    const records = (exchange.response.records ?? [])
      .filter((each) => !each.includes("[DONE]"))
      .map((each) => JSON.parse(each.replace(/^data: /, "")) as StreamRecord);
    const expected: string[] = [];
    for (const { index, text } of records.flatMap((each) => each.choices)) {
      expected[index] = (expected[index] ?? "") + text;
    }
    for (const pieceBytes of [1, 7, 1_000_000]) {
      const seen: string[] = [];
      const client = clientFor(() => answerOf(exchange, pieceBytes));
      const answer = await client.complete(question(), signal, (text) => seen.push(text));
      expect(answer?.texts).toEqual(expected);
      expect(answer?.completionId).toBe(records[0]?.id);
      expect(seen.at(-1) ?? "").toBe(expected[0]);
    }
  });

  test("what is said about a request goes into events", async () => {
    const exchange = openai.find(({ name }) => name === "stream");
    expect(exchange).toBeDefined();
    if (exchange === undefined) return;
    const answer = await clientFor(() => answerOf(exchange)).complete(question(), signal);
    expect(answer?.facts).toMatchObject({
      model: "embedded",
      finish_reason: "stop",
      prompt_tokens: expect.any(Number),
      completion_tokens: expect.any(Number),
      cached_tokens: expect.any(Number),
      queue_ms: expect.any(Number),
      server_ms: expect.any(Number),
    });
  });
});

interface StreamRecord {
  readonly id: string;
  readonly choices: readonly { readonly index: number; readonly text: string }[];
}

test("an answer that is not streamed is read as well", async () => {
  const exchange = openai.find(
    ({ response }) => response.status === 200 && response.records === undefined,
  );
  expect(exchange).toBeDefined();
  if (exchange === undefined) return;
  const body = exchange.response.body as { choices: { text: string }[] };
  const answer = await clientFor(() => answerOf(exchange)).complete(question(), signal);
  expect(answer?.texts).toEqual(body.choices.map((each) => each.text));
});

test("every refusal of the service says what to do, or asks again at the next key", async () => {
  const refusals = openai.filter(({ response }) => response.status >= 400);
  expect(refusals.length).toBeGreaterThanOrEqual(5);
  for (const exchange of refusals) {
    const { status } = exchange.response;
    const asking = clientFor(() => answerOf(exchange)).complete(question(), signal);
    if ([429, 499, 503].includes(status)) await expect(asking).resolves.toBeNull();
    else {
      const error: unknown = await asking.catch((raised: unknown) => raised);
      expect(error, exchange.name).toBeInstanceOf(ServerError);
      expect((error as ServerError).status).toBe(status);
      expect((error as ServerError).remedy).not.toBe("");
    }
  }
});

test("a failure inside a stream is a failure", async () => {
  const broken = openai.find(({ response }) => response.records?.some((each) => each.includes('"error"')));
  expect(broken).toBeDefined();
  if (broken === undefined) return;
  const asking = clientFor(() => answerOf(broken)).complete(question(), signal);
  await expect(asking).rejects.toMatchObject({ problem: "failed" });
});

test.each([
  [401, null, "key_missing"],
  [401, "k", "key_refused"],
  [403, "k", "key_refused"],
  [404, null, "no_such_route"],
  [500, null, "failed"],
  [400, null, "refused"],
  [407, null, "proxy"],
  [502, null, "gateway"],
  [504, "k", "gateway"],
] as const)("%d with the key %s is %s", async (status, apiKey, problem) => {
  const client = clientFor(() => new Response("", { status }), { ...ADDRESS, apiKey });
  await expect(client.complete(question(), signal)).rejects.toMatchObject({ problem });
});

test("a page that is no completion server is told apart, and so is silence", async () => {
  const page = clientFor(() => new Response("<html>", { status: 200 }));
  await expect(page.complete(question(), signal)).rejects.toMatchObject({ problem: "not_a_server" });
  const nobody = clientFor(() => Promise.reject(new TypeError("fetch failed")));
  await expect(nobody.complete(question(), signal)).rejects.toMatchObject({ problem: "unreachable" });
});

test.each([
  ["ECONNREFUSED", "unreachable"],
  ["ENOTFOUND", "unreachable"],
  ["DEPTH_ZERO_SELF_SIGNED_CERT", "certificate"],
  ["UNABLE_TO_VERIFY_LEAF_SIGNATURE", "certificate"],
  ["ERR_TLS_CERT_ALTNAME_INVALID", "certificate"],
  ["ERR_SSL_WRONG_VERSION_NUMBER", "no_tls"],
] as const)("a connection that fails by %s is %s", async (code, problem) => {
  const cause = Object.assign(new Error("connect"), { code });
  const client = clientFor(() => Promise.reject(new TypeError("fetch failed", { cause })));
  const message: unknown = expect.stringContaining(code);
  await expect(client.complete(question(), signal)).rejects.toMatchObject({ problem, message });
  await expect(client.fetchModels()).rejects.toMatchObject({ problem, message });
});

test("a proxy is told from a server", async () => {
  const cause = new Error("Proxy response (407) !== 200 when HTTP Tunneling");
  const tunnel = clientFor(() => Promise.reject(new TypeError("fetch failed", { cause })));
  await expect(tunnel.complete(question(), signal)).rejects.toMatchObject({ problem: "proxy" });
  const chromium = clientFor(() => Promise.reject(new Error("net::ERR_CERT_AUTHORITY_INVALID")));
  await expect(chromium.complete(question(), signal)).rejects.toMatchObject({ problem: "certificate" });
});

test.each(["myserver:8111", "myserver", "ftp://h", "http://"])("%s is no address, and not asked", async (url) => {
  const fetch = vi.fn();
  const client = new FimClient({ ...ADDRESS, url }, fetch);
  const message: unknown = expect.stringContaining(url);
  await expect(client.complete(question(), signal)).rejects.toMatchObject({ problem: "bad_url", message });
  await expect(client.fetchModels()).rejects.toMatchObject({ problem: "bad_url" });
  await expect(client.sendEvents([{ id: "1" }])).resolves.toBe("later");
  expect(fetch).not.toHaveBeenCalled();
});

test("the request is what the protocol says", async () => {
  const asked: { url: string; init: RequestInit }[] = [];
  const [first] = openai;
  const client = new FimClient({ ...ADDRESS, apiKey: "k", model: "mine" }, async (url, init) => {
    asked.push({ url: String(url), init: init ?? {} });
    return first === undefined ? new Response() : answerOf(first);
  });
  await client.complete(
    question({ snippets: [{ path: "a.py", text: "PI = 3" }], multiline: false, isBackground: true }),
    signal,
  );
  expect(asked[0]?.url).toBe("http://h:1/v1/completions");
  expect(asked[0]?.init.headers).toMatchObject({ authorization: "Bearer k", "x-request-id": "r" });
  expect(JSON.parse(String(asked[0]?.init.body))).toEqual({
    prompt: "def mean(values):\n    ",
    suffix: "",
    language: "python",
    path: "src/area.py",
    session: "s",
    max_tokens: 64,
    temperature: 0,
    stream: true,
    stream_options: { include_usage: true },
    user: "u",
    snippets: [{ path: "a.py", text: "PI = 3" }],
    model: "mine",
    multiline: false,
    priority: "background",
  });
});

test("aborting closes the connection", async () => {
  const controller = new AbortController();
  const client = new FimClient(ADDRESS, (_, init) => {
    return new Promise((_resolve, reject) => {
      init?.signal?.addEventListener("abort", () => reject(new DOMException("", "AbortError")));
    });
  });
  const asking = client.complete(question(), controller.signal);
  controller.abort();
  await expect(asking).rejects.toMatchObject({ name: "AbortError" });
});

const DELIVERIES: Readonly<Record<string, Delivery>> = {
  "a field that is not valid": { invalidAt: 1 },
  "no list": "too_many",
  "switched off": "never",
  "nothing stored for now": "later",
  "body too large": "too_many",
  "no key": "later",
  "key without the scope": "later",
};

test.each(exchanges("events.json").map((each) => [each.name, each] as const))(
  "events, %s: kept only where another try may help",
  async (name, exchange) => {
    const delivery = await clientFor(() => answerOf(exchange)).sendEvents([{ id: "1" }]);
    expect(delivery).toEqual(exchange.response.status === 200 ? "done" : DELIVERIES[name]);
  },
);

test("events are kept while nobody answers", async () => {
  const nobody = clientFor(() => Promise.reject(new TypeError("fetch failed")));
  await expect(nobody.sendEvents([{ id: "1" }])).resolves.toBe("later");
});
