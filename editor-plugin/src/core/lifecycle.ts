// What becomes of suggestions on the screen: shown, read, typed along, accepted, dismissed.
//
// One suggestion is on the screen at a time. VS Code does not tell when it shows or hides one: what
// was returned counts as shown until the text, the caret or another suggestion says that it is gone.
// The definitions are those of `fimserve/lsp/lifecycle.py`; what this editor tells beyond them is
// Escape, lost focus and parts that are taken.

import type { EventMaker, EventType, Facts } from "./eventMaker";
import { type Edit, lengthIn } from "./sourceDocument";

/** How long a suggestion has stood when it counts as read. */
export const READ_MS = 750;
/** What an editor writes for one key. */
const AUTO_PAIRS = new Set(["()", "[]", "{}", '""', "''", "``"]);
/** Suggestions whose acceptance is still understood. */
const MAX_VIEWS = 50;

export type DismissReason =
  | "typed_over"
  | "caret_moved"
  | "escape"
  | "file_switched"
  | "replaced"
  | "blurred"
  | "other";

export interface Offered {
  readonly completionId: string;
  readonly uri: string;
  /** What accepting it inserts at the anchor, line ends as LF. */
  readonly text: string;
  /** Offset at which the text begins. */
  readonly anchor: number;
  /** Characters of the text that stand in the document already. */
  readonly numTyped: number;
  /** Characters at its beginning that came from the editor's menu. */
  readonly numGiven: number;
  readonly isCrlf: boolean;
  /** What events about it say. */
  readonly facts: Facts;
  /** Code, for users who share it; said once, when it is shown. */
  readonly texts?: Facts;
  /** Its id for the server, where several suggestions came under one. */
  readonly servedId?: string;
}

/** The suggestion on the screen. */
export interface Shown {
  readonly offered: Offered;
  /** Characters of it that are written. */
  readonly numTyped: number;
  /** Offset at which the cursor is while it stands. */
  readonly cursor: number;
}

export interface Accepted {
  readonly completionId: string;
  readonly uri: string;
  /** Offset at which its text begins. */
  readonly start: number;
  /** What was inserted, without what stood there already. */
  readonly text: string;
  readonly isCrlf: boolean;
  readonly facts: Facts;
}

interface View {
  offered: Offered;
  viewId: string;
  shownAtMs: number | null;
  numTyped: number;
  /** The same before the last edit, which may have been the acceptance. */
  numTypedBefore: number;
  /** Accepted in parts, of this text. */
  numTaken: number;
  /** The same of what stood before this text, when the suggestion was longer. */
  numTakenBefore: number;
  readTimer: ReturnType<typeof setTimeout> | null;
}

export class Lifecycle {
  private current: View | null = null;
  /** Suggestions for the same place that the user can turn to, which VS Code does not tell. */
  private others: View[] = [];
  private readonly views = new Map<string, View>();

  constructor(
    private readonly events: Pick<EventMaker, "record">,
    private readonly nowMs: () => number,
  ) {}

  get shown(): Shown | null {
    const view = this.current;
    if (view === null) return null;
    return { offered: view.offered, numTyped: view.numTyped, cursor: cursorOf(view) };
  }

  /** Notes that the editor asks at a place: a suggestion elsewhere is gone. */
  ask(uri: string, cursor: number): void {
    if (this.current === null) return;
    if (this.current.offered.uri !== uri) this.dismiss("file_switched");
    else if (cursorOf(this.current) !== cursor) this.dismiss("caret_moved");
  }

  /** Notes that an item is about to be shown, and others that can be turned to. */
  offer(offered: Offered, others: readonly Offered[] = []): void {
    const before = this.current;
    const view = makeView(offered);
    if (before !== null && before.offered.completionId === offered.completionId) {
      // The same suggestion, as long as it has been looked at.
      view.viewId = before.viewId;
      view.shownAtMs = before.shownAtMs;
      view.readTimer = before.readTimer;
      view.numTakenBefore = before.numTakenBefore + before.numTaken;
    } else {
      this.dismiss("replaced");
    }
    this.current = view;
    this.others = others.map(makeView);
    for (const each of [...this.others, view]) this.remember(each);
    if (view.shownAtMs === null) this.show(view);
  }

  /** Notes an edit of a document. */
  follow(uri: string, edit: Edit): void {
    const view = this.current;
    if (view === null || view.offered.uri !== uri) return;
    const others = this.others.filter((other) => followEdit(other, edit));
    if (followEdit(view, edit)) this.others = others;
    else if (others[0] === undefined) this.dismiss("typed_over");
    else this.turnTo(others[0], others.slice(1));
  }

  /** Notes that the part that was inserted last was accepted, not typed. */
  takePart(): void {
    const view = this.current;
    if (view === null) return;
    const taken = view.numTyped - view.numTypedBefore;
    if (taken <= 0 || view.numTyped >= view.offered.text.length) return;
    view.numTaken += taken;
    view.numTypedBefore = view.numTyped;
    this.record("partially_accepted", view, {
      accepted_chars: view.numTakenBefore + view.numTaken,
      shown_ms: this.shownMs(view),
    });
  }

  /** Notes that a suggestion was accepted as a whole; returns what was inserted, or null where
   * nothing is known of it or it was accepted before. */
  accept(completionId: string): Accepted | null {
    const view = this.views.get(completionId);
    if (view === undefined) return null;
    this.views.delete(completionId);
    if (this.others.includes(view)) this.turnTo(view);
    const { offered } = view;
    const isInserted = view.numTyped === offered.text.length;
    const numTyped = isInserted ? view.numTypedBefore : view.numTyped;
    const numOwn = Math.max(numTyped, offered.numGiven);
    const text = offered.text.slice(numOwn);
    this.record("accepted", view, {
      accepted_chars: text.length + view.numTakenBefore + view.numTaken,
      shown_ms: this.shownMs(view),
    });
    stopTimer(view);
    if (this.current === view) {
      this.current = null;
      this.others = [];
    }
    const start = offered.anchor + lengthIn(offered, offered.text.slice(0, numOwn));
    const { uri, isCrlf, facts } = offered;
    return { completionId: servedIdOf(offered), uri, start, text, isCrlf, facts };
  }

  /** Notes that the suggestion on the screen went away. */
  dismiss(reason: DismissReason): void {
    const view = this.current;
    this.current = null;
    this.others = [];
    if (view === null) return;
    stopTimer(view);
    this.record("dismissed", view, { dismiss_reason: reason, shown_ms: this.shownMs(view) });
  }

  /** Notes that a document was closed. */
  close(uri: string): void {
    if (this.current?.offered.uri === uri) this.dismiss("other");
  }

  /** Notes that another one is on the screen; since when, nobody tells: it is known from now on. */
  private turnTo(view: View, others: View[] = []): void {
    this.dismiss("replaced");
    this.current = view;
    this.others = others;
    this.show(view);
  }

  private remember(view: View): void {
    this.views.delete(view.offered.completionId);
    this.views.set(view.offered.completionId, view);
    for (const oldest of this.views.keys()) {
      if (this.views.size <= MAX_VIEWS) break;
      this.views.delete(oldest);
    }
  }

  private show(view: View): void {
    view.shownAtMs = this.nowMs();
    this.record("shown", view, view.offered.texts ?? {});
    view.readTimer = setTimeout(() => this.read(view), READ_MS);
  }

  private read(view: View): void {
    // The timer belongs to the showing, which goes on in a newer view of the same suggestion.
    const current = this.current;
    if (current === null || current.viewId !== view.viewId) return;
    current.readTimer = null;
    this.record("shown", current, { shown_ms: this.shownMs(current) });
  }

  private shownMs(view: View): number | null {
    return view.shownAtMs === null ? null : this.nowMs() - view.shownAtMs;
  }

  private record(type: EventType, view: View, facts: Facts): void {
    const { offered, viewId } = view;
    this.events.record(type, servedIdOf(offered), { view_id: viewId, ...offered.facts, ...facts });
  }
}

function makeView(offered: Offered): View {
  return {
    offered,
    viewId: crypto.randomUUID(),
    shownAtMs: null,
    numTyped: offered.numTyped,
    numTypedBefore: offered.numTyped,
    numTaken: 0,
    numTakenBefore: 0,
    readTimer: null,
  };
}

function servedIdOf(offered: Offered): string {
  return offered.servedId ?? offered.completionId;
}

/** Follows an edit; returns whether the suggestion still stands after it. */
function followEdit(view: View, edit: Edit): boolean {
  const { offered } = view;
  view.numTypedBefore = view.numTyped;
  const cursor = cursorOf(view);
  if (edit.start === cursor && edit.end === edit.start) {
    const opener = edit.inserted.charAt(0);
    if (AUTO_PAIRS.has(edit.inserted) && offered.text.startsWith(opener, view.numTyped)) {
      view.numTyped += 1; // the other half was the editor's
      return true;
    }
    if (!offered.text.startsWith(edit.inserted, view.numTyped)) return false;
    view.numTyped += edit.inserted.length;
    return true;
  }
  if (edit.end !== cursor || edit.inserted !== "" || edit.start < offered.anchor) return false;
  // Deleted again, from the end of what was typed.
  let numTyped = view.numTyped;
  while (numTyped > 0 && offered.anchor + lengthIn(offered, offered.text.slice(0, numTyped)) > edit.start) {
    numTyped -= 1;
  }
  view.numTyped = numTyped;
  return true;
}

/** Offset of the cursor while the user types along. */
function cursorOf(view: View): number {
  const { offered, numTyped } = view;
  return offered.anchor + lengthIn(offered, offered.text.slice(0, numTyped));
}

function stopTimer(view: View): void {
  if (view.readTimer !== null) clearTimeout(view.readTimer);
  view.readTimer = null;
}
