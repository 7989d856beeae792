// Events on their way: on disk before they are sent, sent until they are taken, counted once.

import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { settle } from "../../test/fakeServer";
import type { FimEvent } from "./eventMaker";
import { EventQueue, LAST_RETRY_MS, MAX_BATCH, MAX_SEGMENTS, type SegmentFolder } from "./eventQueue";
import type { Delivery } from "./fimClient";

class MemoryFolder implements SegmentFolder {
  readonly files = new Map<string, string>();
  async list(): Promise<string[]> {
    return [...this.files.keys()];
  }
  async read(name: string): Promise<string | null> {
    return this.files.get(name) ?? null;
  }
  async write(name: string, text: string): Promise<void> {
    this.files.set(name, text);
  }
  async remove(name: string): Promise<void> {
    this.files.delete(name);
  }
}

/** A server that counts ids, and answers as it is told. */
class Store {
  readonly ids: string[] = [];
  delivery: Delivery = "done";
  numBatches = 0;
  maxBatch = MAX_BATCH;
  /** Events that it will not have. */
  readonly invalid = new Set<string>();
  readonly send = async (events: readonly FimEvent[]): Promise<Delivery> => {
    this.numBatches += 1;
    expect(events.length).toBeLessThanOrEqual(MAX_BATCH);
    if (this.delivery !== "done") return this.delivery;
    if (events.length > this.maxBatch) return "too_many";
    const invalidAt = events.findIndex((event) => this.invalid.has(event.id));
    if (invalidAt >= 0) return { invalidAt };
    this.ids.push(...events.map((event) => event.id));
    return "done";
  };
}

let folder: MemoryFolder;
let store: Store;

beforeEach(() => {
  vi.useFakeTimers();
  folder = new MemoryFolder();
  store = new Store();
});
afterEach(() => {
  vi.useRealTimers();
});

function makeQueue(server = "http://h"): EventQueue {
  return new EventQueue(folder, store.send, server);
}

function addAll(queue: EventQueue, count: number, from = 0): string[] {
  const ids = Array.from({ length: count }, (_, index) => `e-${from + index}`);
  for (const id of ids) queue.add({ id });
  return ids;
}

test("events travel together and leave nothing behind", async () => {
  const queue = makeQueue();
  const ids = addAll(queue, 3);
  await vi.advanceTimersByTimeAsync(1_000);
  expect([store.ids, store.numBatches]).toEqual([ids, 1]);
  expect([queue.numWaiting, folder.files.size]).toEqual([0, 0]);
});

test("a server that is down for an hour gets everything, once, in order", async () => {
  const queue = makeQueue();
  store.delivery = "later";
  const ids: string[] = [];
  for (let minute = 0; minute < 60; minute += 1) {
    ids.push(...addAll(queue, 30, ids.length));
    await vi.advanceTimersByTimeAsync(60_000);
  }
  expect(store.ids).toEqual([]);
  expect(store.numBatches).toBeLessThan(100);
  store.delivery = "done";
  await vi.advanceTimersByTimeAsync(LAST_RETRY_MS + 1_000);
  expect(store.ids).toEqual(ids);
  expect(folder.files.size).toBe(0);
});

test("what an earlier window could not send, the next one sends", async () => {
  store.delivery = "later";
  const queue = makeQueue();
  const ids = addAll(queue, 150);
  await vi.advanceTimersByTimeAsync(600);
  ids.push(...addAll(queue, 5, 150));
  await queue.close();
  store.delivery = "done";
  const next = makeQueue();
  await next.adopt();
  await vi.advanceTimersByTimeAsync(100);
  expect(store.ids.toSorted()).toEqual(ids.toSorted());
  expect(folder.files.size).toBe(0);
});

test("an event is on disk soon, also while the next try is a minute away", async () => {
  store.delivery = "later";
  const queue = makeQueue();
  addAll(queue, 1);
  await vi.advanceTimersByTimeAsync(120_000);
  addAll(queue, 1, 1);
  await vi.advanceTimersByTimeAsync(600);
  expect([...folder.files.values()].join()).toContain("e-1");
});

test("refused events are dropped, and it is said once", async () => {
  const warn = vi.fn();
  store.delivery = "never";
  const queue = new EventQueue(folder, store.send, "http://h", warn);
  addAll(queue, 2);
  await vi.advanceTimersByTimeAsync(1_000);
  addAll(queue, 2, 2);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(queue.numRefused).toBe(4);
  expect(warn).toHaveBeenCalledOnce();
  expect(folder.files.size).toBe(0);
});

test("an event that is not valid takes no other with it", async () => {
  store.invalid.add("e-3").add("e-7");
  const queue = makeQueue();
  const ids = addAll(queue, 10);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(store.ids).toEqual(ids.filter((id) => !store.invalid.has(id)));
  expect([queue.numRefused, folder.files.size]).toEqual([2, 0]);
});

test("a server that wants fewer at once gets them in parts", async () => {
  store.maxBatch = 3;
  const queue = makeQueue();
  const ids = addAll(queue, 10);
  await vi.advanceTimersByTimeAsync(1_000);
  expect([store.ids, folder.files.size]).toEqual([ids, 0]);
  store.maxBatch = 0;
  addAll(queue, 2, 10);
  await vi.advanceTimersByTimeAsync(1_000);
  expect([queue.numRefused, folder.files.size]).toEqual([2, 0]);
});

test("the oldest go when there is no more room", async () => {
  store.delivery = "later";
  const queue = makeQueue();
  addAll(queue, MAX_BATCH * (MAX_SEGMENTS + 2));
  await vi.advanceTimersByTimeAsync(1_000);
  expect(queue.numDropped).toBe(2 * MAX_BATCH);
  expect(queue.numWaiting).toBe(MAX_SEGMENTS);
});

test("another server is not told of completions that it does not know", async () => {
  store.delivery = "later";
  const queue = makeQueue("http://old");
  addAll(queue, 2);
  await queue.close();
  store.delivery = "done";
  const next = makeQueue("http://new");
  await next.adopt();
  await vi.advanceTimersByTimeAsync(100);
  expect([store.ids, folder.files.size]).toEqual([[], 0]);
});

test("a file that cannot be read stops nobody", async () => {
  folder.files.set("000000000000001-x.json", "{broken");
  const queue = makeQueue();
  await queue.adopt();
  const ids = addAll(queue, 1);
  await vi.advanceTimersByTimeAsync(1_000);
  expect([store.ids, folder.files.size]).toEqual([ids, 0]);
});

test("without a disk events are sent all the same", async () => {
  folder.write = async () => Promise.reject(new Error("disk full"));
  const queue = makeQueue();
  const ids = addAll(queue, 2);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(store.ids).toEqual(ids);
});

test("a user who says no leaves nothing on disk", async () => {
  store.delivery = "later";
  const queue = makeQueue();
  addAll(queue, 250);
  await vi.advanceTimersByTimeAsync(1_000);
  await queue.clear();
  await settle();
  expect([queue.numWaiting, folder.files.size]).toEqual([0, 0]);
});

test("a user who says no leaves nothing of earlier windows either", async () => {
  store.delivery = "later";
  const earlier = makeQueue();
  addAll(earlier, 2);
  await earlier.close();
  expect(folder.files.size).toBe(1);
  await makeQueue().clear();
  expect(folder.files.size).toBe(0);
});

test("what is being written while the user says no does not stay", async () => {
  store.delivery = "later";
  const queue = makeQueue();
  const write = folder.write.bind(folder);
  let goOn: () => void = () => undefined;
  folder.write = async (name, text) => {
    await new Promise<void>((resolve) => {
      goOn = resolve;
    });
    await write(name, text);
  };
  addAll(queue, 1);
  await vi.advanceTimersByTimeAsync(600);
  await queue.clear();
  goOn();
  await settle();
  expect(folder.files.size).toBe(0);
});
