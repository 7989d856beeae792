// Events on their way to the server: segments on disk that nobody waits for.
//
// An event is written to disk with its neighbours, sent, and removed once the server has it; what was
// sent and not acknowledged is sent again under the same ids, so it counts once. Several windows share
// the folder without a lock: whoever finds a segment may send it. Where the server is away for so
// long that MAX_SEGMENTS are full, the oldest go, and are counted.

import type { FimEvent } from "./eventMaker";
import type { Delivery } from "./fimClient";

export const MAX_BATCH = 100;
/** 20,000 events: many hours of somebody who types without a pause. */
export const MAX_SEGMENTS = 200;
/** How long a first event waits for others. */
export const GATHER_MS = 500;
export const FIRST_RETRY_MS = 1_000;
export const LAST_RETRY_MS = 60_000;

/** A folder; names sort by age. */
export interface SegmentFolder {
  list(): Promise<string[]>;
  /** Returns null where there is no such file. */
  read(name: string): Promise<string | null>;
  write(name: string, text: string): Promise<void>;
  remove(name: string): Promise<void>;
}

interface Segment {
  readonly name: string;
  /** Server that the events are for: another one does not know their completions. */
  readonly server: string;
  readonly events: FimEvent[];
}

export class EventQueue {
  /** Events that went without being sent, for want of room. */
  numDropped = 0;
  /** Events that the server will not have. */
  numRefused = 0;
  private open: Segment | null = null;
  /** Segments not acknowledged yet, by name; those of other windows are read when their turn comes. */
  private readonly waiting = new Map<string, Segment | null>();
  private timer: ReturnType<typeof setTimeout> | null = null;
  private writeTimer: ReturnType<typeof setTimeout> | null = null;
  private running: Promise<void> | null = null;
  private pauseMs = FIRST_RETRY_MS;
  /** Segments that hold more than their file does. */
  private readonly unwritten = new Set<Segment>();
  private numNamed = 0;
  private isClosed = false;

  constructor(
    private readonly folder: SegmentFolder,
    private readonly send: (events: readonly FimEvent[]) => Promise<Delivery>,
    private server: string,
    private readonly warn: (message: string) => void = () => undefined,
    private readonly unixMs: () => number = Date.now,
  ) {}

  /** Number of segments not acknowledged yet. */
  get numWaiting(): number {
    return this.waiting.size;
  }

  /** Takes up what earlier windows left. */
  async adopt(): Promise<void> {
    const names = await this.folder.list().catch(() => []);
    for (const name of names.toSorted()) if (!this.waiting.has(name)) this.waiting.set(name, null);
    if (this.waiting.size > 0) this.schedule(0);
  }

  add(event: FimEvent): void {
    if (this.isClosed) return;
    if (this.open === null || this.open.events.length >= MAX_BATCH) {
      this.open = { name: this.makeName(), server: this.server, events: [] };
      this.waiting.set(this.open.name, this.open);
    }
    this.open.events.push(event);
    this.unwritten.add(this.open);
    // On disk soon even where the next try is a minute away.
    this.writeTimer ??= setTimeout(() => void this.writeAll(), GATHER_MS);
    if (this.timer === null && this.running === null) this.schedule(GATHER_MS);
  }

  /** Sends to another server from now on; what waits is about completions that it does not know. */
  async changeServer(server: string): Promise<void> {
    if (server === this.server) return;
    this.server = server;
    await this.clear();
  }

  /** Forgets everything that waits, what earlier windows left too, as when the user says no. */
  async clear(): Promise<void> {
    const left = await this.folder.list().catch(() => []);
    const names = new Set([...this.waiting.keys(), ...left]);
    this.waiting.clear();
    this.unwritten.clear();
    this.open = null;
    await Promise.all([...names].map((name) => this.folder.remove(name).catch(() => undefined)));
  }

  /** Writes what is not on disk yet, and stops; the next window sends it. */
  async close(): Promise<void> {
    this.isClosed = true;
    if (this.timer !== null) clearTimeout(this.timer);
    await this.writeAll();
  }

  /** Sends now what waits; resolves once it is sent, or cannot be. */
  async flush(): Promise<void> {
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = null;
    this.running ??= this.run().finally(() => {
      this.running = null;
    });
    await this.running;
  }

  private schedule(delayMs: number): void {
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.flush(), delayMs);
  }

  private async run(): Promise<void> {
    let isAway = false;
    while (this.waiting.size > 0 && !isAway && !this.isClosed) {
      await this.writeAll();
      await this.dropOldest();
      const [name] = this.waiting.keys();
      if (name === undefined) break;
      isAway = !(await this.sendSegment(name));
    }
    if (this.isClosed || this.waiting.size === 0) return;
    this.schedule(this.pauseMs);
    this.pauseMs = Math.min(2 * this.pauseMs, LAST_RETRY_MS);
  }

  /** Sends one segment; returns whether it is off our hands. */
  private async sendSegment(name: string): Promise<boolean> {
    const segment = this.waiting.get(name) ?? (await this.load(name));
    if (segment === null || segment.server !== this.server) return this.forget(name);
    // What comes while it travels goes into the next one.
    if (segment === this.open) this.open = null;
    if (!(await this.deliver(segment.events))) return false;
    this.pauseMs = FIRST_RETRY_MS;
    return this.forget(name);
  }

  /** Brings events to the server, in parts where it wants fewer at once, without those that it will not
   * have; returns whether all are off our hands. */
  private async deliver(events: readonly FimEvent[]): Promise<boolean> {
    if (events.length === 0) return true;
    const delivery = await this.send(events);
    if (delivery === "later") return false;
    if (delivery === "done") return true;
    if (delivery === "too_many" && events.length > 1) {
      const half = Math.ceil(events.length / 2);
      return (await this.deliver(events.slice(0, half))) && this.deliver(events.slice(half));
    }
    const invalidAt = typeof delivery === "object" ? delivery.invalidAt : events.length;
    const others = events.filter((_, at) => at !== invalidAt);
    this.noteRefused(others.length < events.length ? 1 : events.length);
    return others.length < events.length ? this.deliver(others) : true;
  }

  private noteRefused(count: number): void {
    // Said once: a server that stores no events refuses every batch.
    if (this.numRefused === 0) this.warn("the server refuses events; they are dropped");
    this.numRefused += count;
  }

  private async forget(name: string): Promise<boolean> {
    this.waiting.delete(name);
    await this.folder.remove(name).catch(() => undefined);
    return true;
  }

  private async writeAll(): Promise<void> {
    if (this.writeTimer !== null) clearTimeout(this.writeTimer);
    this.writeTimer = null;
    const segments = [...this.unwritten];
    this.unwritten.clear();
    for (const { name, server, events } of segments) {
      if (!this.waiting.has(name)) continue;
      const text = JSON.stringify({ server, events });
      // Without a disk they are still sent from memory.
      await this.folder.write(name, text).catch((error: unknown) => this.warn(`events: ${String(error)}`));
      // The user may have said no meanwhile.
      if (!this.waiting.has(name)) await this.folder.remove(name).catch(() => undefined);
    }
  }

  private async load(name: string): Promise<Segment | null> {
    const text = await this.folder.read(name).catch(() => null);
    if (text === null) return null;
    try {
      const { server, events } = JSON.parse(text) as Segment;
      return typeof server === "string" && Array.isArray(events) ? { name, server, events } : null;
    } catch {
      this.warn(`events: ${name} is unreadable and was removed`);
      return null;
    }
  }

  private async dropOldest(): Promise<void> {
    for (const name of [...this.waiting.keys()].slice(0, -MAX_SEGMENTS)) {
      this.numDropped += this.waiting.get(name)?.events.length ?? MAX_BATCH;
      await this.forget(name);
    }
  }

  private makeName(): string {
    const time = String(Math.floor(this.unixMs())).padStart(15, "0");
    this.numNamed += 1;
    return `${time}-${this.numNamed}-${crypto.randomUUID().slice(0, 8)}.json`;
  }
}
