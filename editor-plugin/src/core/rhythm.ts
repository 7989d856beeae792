// How fast somebody types and how fast the server answers, as running averages.

/** Weight of the newest value. */
const ALPHA = 0.2;
/** A pause that is no typing. */
const MAX_GAP_MS = 1_000;

export class Rhythm {
  private lastKeyMs: number | null = null;
  /** Between two keys; a fast typist's until it is measured. */
  gapMs = 150;
  /** From request to whole answer; a small model's until it is measured. */
  latencyMs = 100;

  noteKey(nowMs: number): void {
    const gap = this.lastKeyMs === null ? null : nowMs - this.lastKeyMs;
    this.lastKeyMs = nowMs;
    if (gap !== null && gap < MAX_GAP_MS) this.gapMs += ALPHA * (gap - this.gapMs);
  }

  noteAnswer(latencyMs: number): void {
    this.latencyMs += ALPHA * (latencyMs - this.latencyMs);
  }
}
