// One request from a cursor to grey text: what is asked, joined, aborted, and what is offered.

import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { Desk, pass } from "../../test/desk";
import { settle } from "../../test/fakeServer";
import { ServerError } from "./serverError";
import { MIN_WAIT_MS } from "./throttle";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

test("what the server says is offered, and typing along asks nobody", async () => {
  const desk = new Desk();
  expect(await desk.complete("const x = █", "1337")).toBe("├1337┤");
  const typed = await desk.ask("const x = 1█");
  expect(typed.shown()).toBe("├337┤");
  expect((await typed.done).source).toBe("typed_through");
  expect(desk.numRequests).toBe(1);
});

test("deleting what was typed along brings the suggestion back", async () => {
  const desk = new Desk();
  await desk.complete("const x = █", "1337");
  await desk.ask("const x = 13█");
  const deleted = await desk.ask("const x = █");
  expect(deleted.shown()).toBe("├1337┤");
  expect((await deleted.done).source).toBe("cache");
  expect(desk.numRequests).toBe(1);
});

test("a refusal has a name and asks nobody", async () => {
  const desk = new Desk();
  const asked = await desk.ask("ret█urn");
  expect(await asked.done).toEqual({ items: [], refusal: "mid_word", source: null });
  expect([desk.numRequests, desk.types]).toEqual([0, []]);
});

describe("while an answer is on its way", () => {
  test("a key that agrees with it joins it", async () => {
    const desk = new Desk();
    await desk.ask("x = █");
    await desk.server.last.say("mea");
    const typed = await desk.ask("x = m█");
    await desk.server.last.end("n(y)");
    await settle();
    expect(typed.shown()).toBe("├ean(y)┤");
    expect(desk.numRequests).toBe(1);
    expect(desk.server.last.signal.aborted).toBe(false);
  });

  test("a key before it says anything joins the request of a new line", async () => {
    const desk = new Desk();
    await desk.ask("x = █");
    const typed = await desk.ask("x = m█");
    await pass(1_000);
    expect(desk.numRequests).toBe(1);
    await desk.server.last.end("mean(y)");
    await settle();
    expect(typed.shown()).toBe("├ean(y)┤");
  });

  test("a key that it does not agree with aborts it over the wire", async () => {
    const desk = new Desk();
    await desk.ask("x = █");
    const [first] = desk.server.exchanges;
    await first?.say("mea");
    const typed = await desk.ask("x = q█");
    expect(first?.signal.aborted).toBe(true);
    await pass(300);
    expect(desk.numRequests).toBe(2);
    await desk.server.last.end("uantile(y)");
    await settle();
    expect(typed.shown()).toBe("├uantile(y)┤");
  });

  test("it is aborted as soon as its text says something else", async () => {
    const desk = new Desk();
    await desk.ask("x = █");
    const [first] = desk.server.exchanges;
    await desk.ask("x = q█");
    await first?.say("mea");
    await pass(0);
    expect(desk.numRequests).toBe(2);
    expect(first?.signal.aborted).toBe(true);
  });

  test("nobody waits for it any more: it lingers for the next key, then ends", async () => {
    const desk = new Desk();
    const asked = await desk.ask("x = █");
    asked.cancel();
    await pass(400);
    expect(desk.server.last.signal.aborted).toBe(false);
    await pass(200);
    expect(desk.server.last.signal.aborted).toBe(true);
  });

  test("what comes after the editor has cancelled is kept for the next key", async () => {
    const desk = new Desk();
    const asked = await desk.ask("x = █");
    asked.cancel();
    await desk.server.last.end("mean(y)");
    expect((await asked.done).items).toEqual([]);
    expect((await desk.ask("x = mea█")).shown()).toBe("├n(y)┤");
    expect(desk.numRequests).toBe(1);
  });
});

describe("throttle", () => {
  test("the tail of a line waits for the key that follows", async () => {
    const desk = new Desk();
    await desk.complete("x = █", "1");
    for (const text of ["x = m█", "x = me█", "x = mea█"]) {
      await desk.ask(text);
      await pass(MIN_WAIT_MS - 5);
    }
    expect(desk.numRequests).toBe(1);
    await pass(MIN_WAIT_MS);
    expect(desk.numRequests).toBe(2);
    expect(desk.server.last.question.around.prefix).toBe("x = mea");
  });

  test("a typist who never pauses is not left without", async () => {
    const desk = new Desk();
    await desk.complete("x = █", "1");
    desk.rhythm.latencyMs = 1_000;
    let text = "x = ";
    for (let i = 0; i < 10; i += 1) {
      text += "a";
      desk.completer.noteTyped(1);
      await desk.ask(`${text}█`);
      await pass(40);
    }
    expect(desk.numRequests).toBe(2);
    const [, promoted] = desk.server.exchanges;
    expect(promoted?.signal.aborted).toBe(false);
    await promoted?.end("aaaaaaaaaab");
    await settle();
    expect((await desk.ask(`${text}█`)).shown()).not.toBe("");
  });
});

test("the first line is shown while the rest takes long", async () => {
  const grown = vi.fn();
  const desk = new Desk({ listener: { grown } });
  const asked = await desk.ask("def f(x):\n    █");
  await desk.server.last.say("if x:\n");
  expect(asked.shown()).toBeNull();
  await pass(150);
  expect(asked.shown()).toBe("├if x:┤");
  await desk.server.last.end("        return 1");
  await settle();
  expect(grown).toHaveBeenCalledOnce();
  const again = await desk.ask("def f(x):\n    █");
  expect(again.shown()).toBe("├if x:\n        return 1┤");
  const shown = desk.events.filter((event) => event["type"] === "shown");
  expect(new Set(shown.map((event) => event["view_id"])).size).toBe(1);
});

test("a short answer is shown whole", async () => {
  const desk = new Desk();
  const asked = await desk.ask("def f(x):\n    █");
  await desk.server.last.say("if x:\n");
  await pass(50);
  await desk.server.last.end("        return 1");
  await settle();
  expect(asked.shown()).toBe("├if x:\n        return 1┤");
});

test("an explicit request brings alternatives, each once", async () => {
  const desk = new Desk();
  const asked = await desk.ask("x = █", "invoked");
  await desk.server.last.end("mean(y)");
  await settle();
  const more = desk.server.last;
  expect(more.question.numChoices).toBe(3);
  await more.end("median(y)");
  const { items } = await asked.done;
  expect(items.map((item) => item.text)).toEqual(["mean(y)", "median(y)"]);
  expect(new Set(items.map((item) => item.completionId)).size).toBe(2);
  // The server knows it by one id and its place among the choices.
  const accepted = desk.lifecycle.accept(items[1]?.completionId ?? "");
  expect(accepted).toMatchObject({ completionId: "c-2", text: "median(y)" });
  expect(desk.events.at(-1)).toMatchObject({ type: "accepted", completion_id: "c-2", choice_index: 0 });
});

test("what would follow a suggestion is there once it is accepted", async () => {
  const desk = new Desk({ settings: { isPrefetching: true } });
  await desk.complete("def f():\n    x = █\n", "1");
  await pass(350);
  expect(desk.numRequests).toBe(2);
  expect(desk.server.last.question.around.prefix).toBe("def f():\n    x = 1");
  expect(desk.server.last.question.isBackground).toBe(true);
  await desk.server.last.end("\n    return x");
  desk.completer.noteAccepted("c-1");
  const next = await desk.ask("def f():\n    x = 1█\n");
  expect(next.shown()).toBe("├\n    return x┤");
  expect(desk.numRequests).toBe(2);
  const requested = desk.events.filter((event) => event["type"] === "requested");
  expect(requested.map((event) => event["trigger"])).toEqual(["auto", "after_accept"]);
  expect(desk.events.at(-1)).toMatchObject({ type: "shown", source: "speculative" });
});

test("a prefetch ends when somebody types", async () => {
  const desk = new Desk({ settings: { isPrefetching: true } });
  await desk.complete("x = █", "1");
  await pass(350);
  const prefetch = desk.server.last;
  await desk.ask("x = q█");
  expect(prefetch.signal.aborted).toBe(true);
});

test("a server that is away is said, and an answer takes it back", async () => {
  const failed = vi.fn();
  const desk = new Desk({ listener: { failed } });
  const asked = await desk.ask("x = █");
  await desk.server.last.fail(new ServerError("unreachable", "http://h does not answer"));
  expect((await asked.done).items).toEqual([]);
  expect(desk.status.view).toMatchObject({ kind: "error", problem: "unreachable" });
  expect(desk.status.view.spoken).toContain("fimserve serve");
  expect(failed).toHaveBeenCalledOnce();
  await desk.complete("x = 1\n█", "y = 2");
  expect(desk.status.view).toMatchObject({ kind: "ready", problem: null });
});

test("events tell lengths and never code", async () => {
  const desk = new Desk();
  await desk.complete("secret_name = █", "other_name");
  const text = JSON.stringify(desk.events);
  expect(text).not.toContain("secret_name");
  expect(text).not.toContain("other_name");
  expect(text).not.toContain("area.py");
  expect(desk.events[0]).toMatchObject({ type: "requested", prefix_chars: 14, suffix_chars: 0 });
  expect(desk.events[1]).toMatchObject({ type: "shown", completion_chars: 10, source: "network" });
});

test("code goes along only for users who said so", async () => {
  const desk = new Desk({ settings: { sharesCode: true } });
  await desk.complete("x = █", "1");
  expect(desk.events[1]).toMatchObject({ completion_text: "1", prefix_text: "x = " });
});
