// What becomes of a suggestion: the cases of `tests/lsp/test_lifecycle.py`, and what VS Code adds.

import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { EventType, Facts } from "./eventMaker";
import { Lifecycle, READ_MS } from "./lifecycle";

const URI = "file:///w/a.py";
let events: { type: EventType; id: string | null; facts: Facts }[];
let lifecycle: Lifecycle;

beforeEach(() => {
  vi.useFakeTimers();
  events = [];
  const record = (type: EventType, id: string | null, facts: Facts = {}): void => {
    events.push({ type, id, facts });
  };
  lifecycle = new Lifecycle({ record }, () => Date.now());
});
afterEach(() => {
  vi.useRealTimers();
});

function offer(text: string, anchor = 10, completionId = "c-1", isCrlf = false): void {
  const facts = { language: "python" };
  lifecycle.offer({ completionId, uri: URI, text, anchor, numTyped: 0, numGiven: 0, isCrlf, facts });
}

function insert(start: number, inserted: string, numInserted = inserted.length): void {
  lifecycle.follow(URI, { start, end: start, inserted, numInserted });
}

function remove(start: number, end: number): void {
  lifecycle.follow(URI, { start, end, inserted: "", numInserted: 0 });
}

function types(): string[] {
  return events.map((event) => event.type);
}

test("shown, read, accepted", () => {
  offer("mean(values)");
  vi.advanceTimersByTime(READ_MS);
  vi.advanceTimersByTime(250);
  insert(10, "mean(values)");
  const accepted = lifecycle.accept("c-1");
  expect(accepted).toMatchObject({ uri: URI, start: 10, text: "mean(values)" });
  expect(types()).toEqual(["shown", "shown", "accepted"]);
  expect(events[1]?.facts).toMatchObject({ shown_ms: READ_MS });
  expect(events[2]?.facts).toMatchObject({ accepted_chars: 12, shown_ms: 1_000, language: "python" });
});

test("typed along six of ten characters, then accepted: four are accepted", () => {
  offer("0123456789");
  for (let i = 0; i < 6; i += 1) insert(10 + i, String(i));
  insert(16, "6789");
  expect(lifecycle.accept("c-1")).toMatchObject({ start: 16, text: "6789" });
  expect(events.at(-1)?.facts).toMatchObject({ accepted_chars: 4 });
});

test("parts are counted from the start, and the whole counts them too", () => {
  offer("mean(values) + 1");
  insert(10, "mean");
  lifecycle.takePart();
  lifecycle.takePart();
  offer("(values) + 1", 14);
  insert(14, "(values)");
  lifecycle.takePart();
  insert(22, " + 1");
  lifecycle.accept("c-1");
  const lengths = events.map((event) => [event.type, event.facts["accepted_chars"]]);
  expect(lengths).toEqual([
    ["shown", undefined],
    ["partially_accepted", 4],
    ["partially_accepted", 12],
    ["accepted", 16],
  ]);
});

test("the last part is the whole", () => {
  offer("mean");
  insert(10, "mean");
  lifecycle.takePart();
  lifecycle.accept("c-1");
  expect(types()).toEqual(["shown", "accepted"]);
});

test("what is typed along and deleted again leaves the suggestion", () => {
  offer("mean");
  insert(10, "me");
  remove(11, 12);
  expect(lifecycle.shown).toMatchObject({ numTyped: 1, cursor: 11 });
  insert(11, "ean");
  expect(lifecycle.accept("c-1")).toMatchObject({ start: 11, text: "ean" });
});

test("a pair that the editor closes is one character that was typed", () => {
  offer("f(x)");
  insert(10, "f");
  insert(11, "()");
  expect(lifecycle.shown).toMatchObject({ numTyped: 2, cursor: 12 });
  expect(types()).toEqual(["shown"]);
});

test.each([
  ["typed_over", () => insert(10, "q")],
  ["typed_over", () => insert(3, "q")],
  ["typed_over", () => remove(9, 10)],
  ["caret_moved", () => lifecycle.ask(URI, 50)],
  ["file_switched", () => lifecycle.ask("file:///w/b.py", 10)],
  ["replaced", () => offer("median", 10, "c-2")],
  ["escape", () => lifecycle.dismiss("escape")],
  ["other", () => lifecycle.close(URI)],
])("it is gone: %s", (reason, act) => {
  offer("mean");
  vi.advanceTimersByTime(100);
  act();
  expect(events[1]).toMatchObject({
    type: "dismissed",
    facts: { dismiss_reason: reason, shown_ms: 100 },
  });
});

test("it stays: asked again where the cursor is", () => {
  offer("mean");
  insert(10, "m");
  lifecycle.ask(URI, 11);
  expect(types()).toEqual(["shown"]);
});

test("shown again it has been looked at all the time", () => {
  offer("mean");
  vi.advanceTimersByTime(500);
  insert(10, "m");
  offer("ean", 11);
  vi.advanceTimersByTime(300);
  lifecycle.dismiss("escape");
  expect(types()).toEqual(["shown", "shown", "dismissed"]);
  expect(events[1]?.facts).toMatchObject({ shown_ms: READ_MS });
  expect(events[2]?.facts).toMatchObject({ shown_ms: 800 });
  expect(new Set(events.map((event) => event.facts["view_id"])).size).toBe(1);
});

test("one that goes early is never read", () => {
  offer("mean");
  vi.advanceTimersByTime(READ_MS - 1);
  lifecycle.dismiss("escape");
  vi.advanceTimersByTime(1_000);
  expect(types()).toEqual(["shown", "dismissed"]);
});

function offerSeveral(...texts: string[]): void {
  const [first, ...others] = texts.map((text, index) => ({
    completionId: `c-${index}`,
    uri: URI,
    text,
    anchor: 10,
    numTyped: 0,
    numGiven: 0,
    isCrlf: false,
    facts: index === 0 ? {} : { choice_index: index - 1 },
    ...(index === 0 ? {} : { servedId: "s" }),
  }));
  if (first !== undefined) lifecycle.offer(first, others);
}

test.each([["once it is inserted"], ["before it is inserted"]])(
  "another one that was turned to is accepted, told %s",
  (when) => {
    offerSeveral("mean", "median", "mode");
    if (when === "once it is inserted") insert(10, "mode");
    expect(lifecycle.accept("c-2")).toMatchObject({ completionId: "s", start: 10, text: "mode" });
    if (when === "before it is inserted") insert(10, "mode");
    expect(events.map(({ type, id, facts }) => [type, id, facts["choice_index"]])).toEqual([
      ["shown", "c-0", undefined],
      ["dismissed", "c-0", undefined],
      ["shown", "s", 1],
      ["accepted", "s", 1],
    ]);
    expect(events[1]?.facts).toMatchObject({ dismiss_reason: "replaced" });
    expect(events[3]?.facts).toMatchObject({ accepted_chars: 4 });
  },
);

test("typing that only another one goes on from turns to it", () => {
  offerSeveral("mean", "median", "mode");
  insert(10, "m");
  insert(11, "ed");
  expect(lifecycle.shown).toMatchObject({ offered: { completionId: "c-1" }, numTyped: 3 });
  insert(13, "q");
  expect(types()).toEqual(["shown", "dismissed", "shown", "dismissed"]);
  expect(events[3]).toMatchObject({ id: "s", facts: { dismiss_reason: "typed_over" } });
});

test("accepted once, it is not accepted again", () => {
  offer("mean");
  insert(10, "mean");
  expect(lifecycle.accept("c-1")).not.toBeNull();
  expect(lifecycle.accept("c-1")).toBeNull();
  expect(lifecycle.accept("c-9")).toBeNull();
});

test("line ends of two characters move the cursor by two", () => {
  offer("a\nb", 10, "c-1", true);
  insert(10, "a");
  insert(11, "\n", 2);
  expect(lifecycle.shown).toMatchObject({ numTyped: 2, cursor: 13 });
  insert(13, "b");
  expect(lifecycle.accept("c-1")).toMatchObject({ start: 13, text: "b" });
});
