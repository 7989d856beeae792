// What is left of accepted texts at each window: the cases of `tests/lsp/test_persistence.py`, and
// renames, closed tabs and reloads.

import { beforeEach, expect, test } from "vitest";
import { TestDocument } from "../../test/notation";
import type { EventType, Facts } from "./eventMaker";
import type { Accepted } from "./lifecycle";
import { PersistenceWatch } from "./persistence";
import type { SourceDocument } from "./sourceDocument";

const URI = "file:///w/src/area.py";
let documents: Map<string, SourceDocument>;
let facts: Facts[];
let watch: PersistenceWatch;

beforeEach(() => {
  documents = new Map();
  facts = [];
  watch = makeWatch();
});

function makeWatch(): PersistenceWatch {
  const record = (_type: EventType, _id: string | null, told: Facts = {}): void => {
    facts.push(told);
  };
  return new PersistenceWatch({ record }, (uri) => documents.get(uri) ?? null);
}

function write(text: string, uri = URI): TestDocument {
  const document = new TestDocument(text, { uri });
  documents.set(uri, document);
  return document;
}

/** Accepts what stands between ├ and ┤, at the time 0. */
function accept(marked: string): void {
  const start = marked.indexOf("├");
  const text = marked.slice(start + 1, marked.indexOf("┤"));
  write(marked.replace(/[├┤]/g, ""));
  const accepted: Accepted = {
    completionId: "c-1",
    uri: URI,
    start,
    text: text.replaceAll("\r\n", "\n"),
    isCrlf: marked.includes("\r\n"),
    facts: { language: "python" },
  };
  watch.add(accepted, 0);
}

function edit(start: number, end: number, inserted: string): void {
  const before = documents.get(URI)?.slice(0, 1_000_000) ?? "";
  write(before.slice(0, start) + inserted + before.slice(end));
  watch.follow(URI, { start, end, inserted, numInserted: inserted.length });
}

function look(seconds: number): Facts | undefined {
  watch.look(seconds * 1_000);
  return facts.at(-1);
}

test("untouched, it is there at all windows", () => {
  accept("x = ├mean(y)┤\n");
  expect(look(29)).toBeUndefined();
  for (const after of [30, 120, 300, 600]) {
    const kept = { difference: 0, retained_chars: 7, current_chars: 7, current_lines: 1 };
    expect(look(after)).toEqual({ language: "python", after_s: after, ...kept });
  }
  expect(watch.size).toBe(0);
});

test("three of ten characters replaced make a difference of 0.3", () => {
  accept("x = ├0123456789┤");
  edit(11, 14, "abc");
  expect(look(30)).toMatchObject({ difference: 0.3, retained_chars: 7 });
});

test("edits before it move it", () => {
  accept("x = ├mean(y)┤");
  edit(0, 0, "# the mean\n");
  expect(look(30)).toMatchObject({ difference: 0 });
});

test("removed once, it is removed for good", () => {
  accept("x = ├mean(y)┤");
  edit(4, 11, "");
  expect(look(30)).toMatchObject({ after_s: 30, removed: true, difference: 1, retained_chars: 0 });
  expect(look(600)).toMatchObject({ after_s: 30 });
  expect(facts).toHaveLength(1);
});

test("a look that comes late says nothing of its window", () => {
  accept("x = ├mean(y)┤");
  expect(look(45)).toMatchObject({ after_s: 30, censored: true, censor_reason: "asleep" });
  expect(look(121)).toMatchObject({ after_s: 120, difference: 0 });
});

test("the edit that inserts it may come after its acceptance", () => {
  write("x = ");
  watch.add({ completionId: "c-1", uri: URI, start: 4, text: "1", isCrlf: false, facts: {} }, 0);
  edit(4, 4, "1");
  expect(look(30)).toMatchObject({ difference: 0 });
});

test("one that never appears is lost", () => {
  write("x = ");
  watch.add({ completionId: "c-1", uri: URI, start: 4, text: "1", isCrlf: false, facts: {} }, 0);
  edit(4, 4, "2");
  expect(look(30)).toMatchObject({ censored: true, censor_reason: "tracking_lost" });
});

test("lengths count a line end as one", () => {
  accept("x = ├a\r\nb┤\r\n");
  expect(look(30)).toMatchObject({ difference: 0, current_chars: 3, current_lines: 2 });
});

test("a renamed document is followed", () => {
  accept("x = ├mean(y)┤");
  const document = documents.get(URI);
  watch.rename("file:///w/src", "file:///w/lib");
  documents.clear();
  if (document !== undefined) documents.set("file:///w/lib/area.py", document);
  expect(look(30)).toMatchObject({ difference: 0 });
});

test("a closed document is not observed, and found again once it is open", () => {
  accept("x = ├mean(values)┤");
  watch.leave(documents.get(URI) as SourceDocument);
  documents.clear();
  expect(look(30)).toMatchObject({ censored: true, censor_reason: "tracking_lost" });
  watch.return(write("import math\nx = mean(values)"));
  expect(look(120)).toMatchObject({ difference: 0 });
});

test("what is not found again is lost, at all windows", () => {
  accept("x = ├mean(values)┤");
  watch.leave(documents.get(URI) as SourceDocument);
  watch.return(write("x = median(values)"));
  expect(facts.map((each) => each["censor_reason"])).toEqual(Array(4).fill("tracking_lost"));
});

test("a deleted file is censored, not removed", () => {
  accept("x = ├mean(y)┤");
  watch.remove(URI);
  expect(facts).toHaveLength(4);
  expect(facts[0]).toMatchObject({ censored: true, censor_reason: "file_gone" });
});

test("a reload of the window loses nothing but the windows that passed meanwhile", () => {
  accept("x = ├0123456789┤");
  edit(4, 5, "a");
  look(30);
  const saved = JSON.parse(JSON.stringify(watch.save())) as ReturnType<PersistenceWatch["save"]>;
  watch = makeWatch();
  watch.restore(saved, 200_000);
  expect(facts.at(-1)).toMatchObject({ after_s: 120, censored: true, censor_reason: "editor_closed" });
  expect(look(300)).toMatchObject({ after_s: 300, difference: 0.1 });
});

test("a document that opens later than its window is waited for", () => {
  accept("x = ├0123456789┤");
  const saved = watch.save();
  const document = documents.get(URI) as SourceDocument;
  documents.clear();
  watch = makeWatch();
  watch.restore(saved, 10_000);
  documents.set(URI, document);
  watch.return(document);
  expect(look(30)).toMatchObject({ difference: 0 });
});

test("the editor that goes away censors all windows still to come", () => {
  accept("x = ├mean(y)┤");
  look(30);
  watch.finish();
  expect(facts.map((each) => each["censor_reason"])).toEqual([
    undefined,
    "editor_closed",
    "editor_closed",
    "editor_closed",
  ]);
});

test("shortened windows keep their names", () => {
  const told: Facts[] = [];
  const short = new PersistenceWatch(
    { record: (_type, _id, given = {}) => void told.push(given) },
    (uri) => documents.get(uri) ?? null,
    0.1,
  );
  write("x = 1");
  short.add({ completionId: "c", uri: URI, start: 4, text: "1", isCrlf: false, facts: {} }, 0);
  expect(short.nextLookMs).toBe(3_000);
  short.look(3_000);
  expect(told).toEqual([expect.objectContaining({ after_s: 30, difference: 0 })]);
});
