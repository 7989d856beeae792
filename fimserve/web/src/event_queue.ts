// Brings events to this server: in batches, again under the same ids until one is acknowledged.
// Knows nothing of what they mean.

export type Event = Readonly<Record<string, string | number | boolean>>;

export interface EventSettings {
  /** Whether events may be sent now: the person's choice, and a key where one is wanted. */
  maySend(): boolean;
  key(): string | null;
  /** Called with the number of events that the server has, after each batch. */
  onSent(count: number): void;
  /** Called once where the server wants no events from this page. */
  onOver(): void;
}

const QUIET_MS = 500;
const MAX_BATCH = 100;
/** Older events are forgotten: what a server that is away for an hour would get. */
const MAX_WAITING = 500;
const FIRST_RETRY_MS = 2_000;
const MAX_RETRY_MS = 60_000;

export class EventQueue {
  private waiting: Event[] = [];
  private isSending = false;
  private isOver = false;
  private retryMs = FIRST_RETRY_MS;
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly settings: EventSettings) {}

  add(event: Event): void {
    if (this.isOver || !this.settings.maySend()) return;
    this.waiting = [...this.waiting, event].slice(-MAX_WAITING);
    this.wake(QUIET_MS);
  }

  /** Forget what was not sent yet, as when a person says no. */
  clear(): void {
    this.waiting = [];
  }

  /** Send what is left although the page goes away. */
  leave(): void {
    if (this.waiting.length > 0 && this.settings.maySend()) void this.post(this.waiting, true);
  }

  private wake(ms: number): void {
    this.timer ??= setTimeout(() => {
      this.timer = undefined;
      void this.send();
    }, ms);
  }

  private async send(): Promise<void> {
    if (this.isSending || this.isOver || this.waiting.length === 0) return;
    this.isSending = true;
    const batch = this.waiting.slice(0, MAX_BATCH);
    const isDone = await this.post(batch, false);
    this.isSending = false;
    if (isDone) this.waiting = this.waiting.filter((event) => !batch.includes(event));
    this.retryMs = isDone ? FIRST_RETRY_MS : Math.min(2 * this.retryMs, MAX_RETRY_MS);
    if (this.waiting.length > 0) this.wake(isDone ? 0 : this.retryMs);
  }

  /** Return whether a batch needs no further try: it is stored, or it never will be. */
  private async post(batch: readonly Event[], keepalive: boolean): Promise<boolean> {
    const key = this.settings.key();
    try {
      const response = await fetch("/v1/events", {
        method: "POST",
        headers: {
          "content-type": "application/json",
          ...(key === null ? {} : { authorization: `Bearer ${key}` }),
        },
        body: JSON.stringify({ events: batch }),
        keepalive,
      });
      if (response.ok) this.settings.onSent(batch.length);
      if (response.status === 404 || response.status === 403) this.end();
      // A key may come yet (401), a busy server has time later (429), a broken one is mended (5xx).
      return response.ok || !(response.status === 401 || response.status === 429 || response.status >= 500);
    } catch {
      return false;
    }
  }

  private end(): void {
    this.isOver = true;
    this.clear();
    this.settings.onOver();
  }
}
