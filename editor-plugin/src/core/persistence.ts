// How much of an accepted suggestion is still there 30 seconds to 10 minutes later.
//
// Watches accepted texts through edits, renames, closed tabs and reloads of the window, and says at
// each window what is left: compared, removed, or not observed and why. The definitions are those of
// `fimserve/lsp/persistence.py`. Knows no clock: the time comes in.

import type { EventMaker, Facts } from "./eventMaker";
import type { Accepted } from "./lifecycle";
import { type Edit, lengthIn, numLineEnds, type SourceDocument, toLf } from "./sourceDocument";
import { compareTexts, moveRange, type TrackedRange } from "./trackedRange";

/** Ages at which an accepted text is looked at. */
export const WINDOWS_S: readonly number[] = [30, 120, 300, 600];
/** A look that comes later, as after a sleep of the machine, says nothing of its window. */
export const MAX_LATE_MS = 10_000;
const MAX_WATCHED = 200;
/** Shorter texts stand in a document by chance too, and are not searched for. */
const MIN_SEARCHED_CHARS = 12;

type CensorReason = "editor_closed" | "file_gone" | "tracking_lost" | "asleep";

/** One accepted text, as it also outlives a reload of the window. */
export interface Watched {
  completionId: string;
  uri: string;
  facts: Facts;
  /** As it was accepted. */
  text: string;
  acceptedUnixMs: number;
  /** Windows still to come. */
  windowsS: number[];
  /** Where it is; null until a document is seen to hold it. */
  range: TrackedRange | null;
  /** What stood there when the document was seen last; null while the document is followed. */
  lastSeen: string | null;
  /** Whether the edit that inserts it may still be on its way. */
  waitsForEdit: boolean;
  start: number;
  isCrlf: boolean;
}

export class PersistenceWatch {
  private watched: Watched[] = [];

  /**
   * @param open Returns an open document.
   * @param scale Shortens the windows, for tests; events say the windows they stand for.
   */
  constructor(
    private readonly events: Pick<EventMaker, "record">,
    private readonly open: (uri: string) => SourceDocument | null,
    private readonly scale = 1,
  ) {}

  get size(): number {
    return this.watched.length;
  }

  /** Unix time at which the next window comes, or null where nothing is watched. */
  get nextLookMs(): number | null {
    const times = this.watched.map((each) => this.dueMs(each));
    return times.length === 0 ? null : Math.min(...times);
  }

  /** Watches a text that was just accepted, or is about to be inserted. */
  add(accepted: Accepted, unixMs: number): void {
    if (accepted.text === "") return;
    const { completionId, uri, facts, text, start, isCrlf } = accepted;
    const watched: Watched = {
      completionId,
      uri,
      facts,
      text,
      acceptedUnixMs: unixMs,
      windowsS: [...WINDOWS_S],
      range: null,
      lastSeen: null,
      waitsForEdit: true,
      start,
      isCrlf,
    };
    this.locate(watched);
    this.watched.push(watched);
    const [oldest] = this.watched;
    if (this.watched.length > MAX_WATCHED && oldest !== undefined) this.lose(oldest, "tracking_lost");
  }

  /** Follows an edit of a document, which is changed already. */
  follow(uri: string, edit: Edit): void {
    for (const each of this.of(uri)) {
      if (each.lastSeen !== null) continue;
      if (each.range !== null) each.range = moveRange(each.range, edit);
      else if (each.waitsForEdit) {
        each.waitsForEdit = false;
        this.locate(each);
      }
    }
  }

  /** Says what is left of every text whose next window has come. */
  look(unixMs: number): void {
    for (const each of [...this.watched]) {
      while (each.windowsS.length > 0 && unixMs >= this.dueMs(each)) {
        const lateMs = unixMs - this.dueMs(each);
        this.observe(each, each.windowsS.shift() ?? 0, lateMs);
      }
      if (each.windowsS.length === 0) this.watched = this.watched.filter((other) => other !== each);
    }
  }

  /** Notes that a document is about to be closed, or is out of sight from now on: what stands in it
   * now is what is looked for when it is open again. */
  leave(document: SourceDocument): void {
    for (const each of this.of(document.uri)) {
      if (each.range === null || each.lastSeen !== null) continue;
      each.lastSeen = toLf(document.slice(each.range.start, each.range.end));
    }
  }

  /** Notes that a document is open again. */
  return(document: SourceDocument): void {
    for (const each of this.of(document.uri)) {
      if (each.range === null || each.lastSeen === null) continue;
      const found = findAgain(document, each.range, each.lastSeen);
      if (found === null) this.lose(each, "tracking_lost");
      else each.range = found;
      each.lastSeen = null;
    }
  }

  /** Follows a renamed document, or the documents of a renamed folder. */
  rename(from: string, to: string): void {
    for (const each of this.watched) {
      if (each.uri === from || each.uri.startsWith(`${from}/`)) each.uri = to + each.uri.slice(from.length);
    }
  }

  /** Notes that a file was deleted. */
  remove(uri: string): void {
    for (const each of this.of(uri)) this.lose(each, "file_gone");
  }

  /** Gives up everything: the editor goes away, or the user wants no events. */
  finish(): void {
    for (const each of [...this.watched]) this.lose(each, "editor_closed");
  }

  /** Returns what is watched, to be restored after a reload. */
  save(): Watched[] {
    return this.watched.map((each) => {
      const document = each.lastSeen === null ? this.open(each.uri) : null;
      const lastSeen =
        document === null || each.range === null
          ? each.lastSeen
          : toLf(document.slice(each.range.start, each.range.end));
      return { ...each, windowsS: [...each.windowsS], lastSeen };
    });
  }

  /** Takes up what was saved before a reload; windows that passed meanwhile were not observed. */
  restore(saved: readonly Watched[], unixMs: number): void {
    for (const each of saved) {
      const watched = { ...each, windowsS: [...each.windowsS], waitsForEdit: false };
      this.watched.push(watched);
      while (watched.windowsS.length > 0 && unixMs >= this.dueMs(watched)) {
        this.censor(watched, watched.windowsS.shift() ?? 0, "editor_closed");
      }
      if (watched.windowsS.length === 0) this.watched.pop();
      const document = this.open(each.uri);
      if (document !== null) this.return(document);
    }
  }

  private dueMs(watched: Watched): number {
    return watched.acceptedUnixMs + (watched.windowsS[0] ?? 0) * 1000 * this.scale;
  }

  private of(uri: string): Watched[] {
    return this.watched.filter((each) => each.uri === uri);
  }

  /** Finds a text where accepting it puts it. */
  private locate(watched: Watched): void {
    const document = this.open(watched.uri);
    const end = watched.start + lengthIn(watched, watched.text);
    if (document !== null && toLf(document.slice(watched.start, end)) === watched.text) {
      watched.range = { start: watched.start, end };
    }
  }

  private observe(watched: Watched, windowS: number, lateMs: number): void {
    const { range } = watched;
    const document = watched.lastSeen === null ? this.open(watched.uri) : null;
    if (lateMs > MAX_LATE_MS) this.censor(watched, windowS, "asleep");
    else if (range === null || document === null) this.censor(watched, windowS, "tracking_lost");
    else if (range.start >= range.end) {
      watched.windowsS = []; // removed once is removed for good
      this.record(watched, windowS, { removed: true, difference: 1, retained_chars: 0 });
    } else {
      const current = toLf(document.slice(range.start, range.end));
      const { difference, retainedChars } = compareTexts(watched.text, current);
      this.record(watched, windowS, {
        difference,
        retained_chars: retainedChars,
        current_chars: current.length,
        current_lines: numLineEnds(current) + 1,
      });
    }
  }

  private lose(watched: Watched, reason: CensorReason): void {
    for (const windowS of watched.windowsS) this.censor(watched, windowS, reason);
    watched.windowsS = [];
    this.watched = this.watched.filter((other) => other !== watched);
  }

  private censor(watched: Watched, windowS: number, reason: CensorReason): void {
    this.record(watched, windowS, { censored: true, censor_reason: reason });
  }

  private record(watched: Watched, windowS: number, facts: Facts): void {
    const { completionId, facts: common } = watched;
    this.events.record("persisted", completionId, { ...common, ...facts, after_s: windowS });
  }
}

/** Returns where a text is in a document that was out of sight, or null where nobody can say. */
function findAgain(document: SourceDocument, range: TrackedRange, text: string): TrackedRange | null {
  if (toLf(document.slice(range.start, range.end)) === text) return range;
  if (text.length < MIN_SEARCHED_CHARS) return null;
  const whole = document.slice(0, Number.MAX_SAFE_INTEGER);
  const searched = document.isCrlf ? text.replaceAll("\n", "\r\n") : text;
  const at = whole.indexOf(searched);
  const isOnly = at >= 0 && whole.indexOf(searched, at + 1) < 0;
  return isOnly ? { start: at, end: at + searched.length } : null;
}
