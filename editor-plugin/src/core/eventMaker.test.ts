// Events as the schema of `docs/events.md` wants them, whatever the facts are.

import { beforeEach, expect, test } from "vitest";
import { EventMaker, type FimEvent } from "./eventMaker";

let events: FimEvent[];
let maker: EventMaker;

beforeEach(() => {
  events = [];
  maker = new EventMaker((event) => events.push(event), {}, "secret", () => 1_790_000_000_000.5);
});

test("what stood on the screen over a weekend has stood for a day", () => {
  maker.record("dismissed", "c-1", { shown_ms: 200_000_000, visible_ms: 61.5 });
  expect(events[0]).toMatchObject({
    shown_ms: 86_400_000,
    visible_ms: 61.5,
    at_ms: 1_790_000_000_000,
  });
});

test("what is unknown is left out, and names hold no spaces", () => {
  maker.record("shown", "c-1", { language: "Visual Basic", shown_ms: null, server_ms: 3 });
  const [event] = events;
  expect(event).toMatchObject({ language: "Visual-Basic", completion_id: "c-1" });
  expect(Object.keys(event ?? {})).not.toContain("shown_ms");
  expect(Object.keys(event ?? {})).not.toContain("server_ms");
});

test("an event about an id that no event may have is left out", () => {
  maker.record("shown", "with a space");
  expect(events).toEqual([]);
});
