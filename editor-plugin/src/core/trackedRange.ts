// An accepted text on its way through later edits, and how much of it is still there.
//
// Edits before it move it, edits inside it grow or shrink it, edits over its borders cut it off
// there: the rules of `fimserve/lsp/tracked_range.py`. Knows nothing of clocks and events.

import { distance } from "fastest-levenshtein";
import type { Edit } from "./sourceDocument";

export interface TrackedRange {
  readonly start: number;
  readonly end: number;
}

export interface Remains {
  /** Levenshtein distance by the longer length; 1 where nothing is left. */
  readonly difference: number;
  /** UTF-16 code units on the longest common subsequence. */
  readonly retainedChars: number;
}

/** Returns where a range is after an edit. */
export function moveRange(range: TrackedRange, edit: Edit): TrackedRange {
  const { start, end } = range;
  const growth = edit.numInserted - (edit.end - edit.start);
  if (edit.start >= end) return range;
  if (edit.end <= start) return { start: start + growth, end: end + growth };
  if (edit.start >= start && edit.end <= end) return { start, end: end + growth };
  if (edit.start >= start) return { start, end: edit.start }; // over the right border
  const kept = Math.max(0, end - edit.end); // over the left border, or all of it
  const moved = edit.start + edit.numInserted;
  return { start: moved, end: moved + kept };
}

/** Returns what is left of a text; the one that was accepted is not empty. */
export function compareTexts(initial: string, current: string): Remains {
  return {
    difference: distance(initial, current) / Math.max(initial.length, current.length),
    retainedChars: numCommon(initial, current),
  };
}

/** Length of the longest common subsequence. */
function numCommon(left: string, right: string): number {
  let row = new Uint32Array(right.length + 1);
  for (let i = 0; i < left.length; i += 1) {
    const next = new Uint32Array(right.length + 1);
    for (let j = 0; j < right.length; j += 1) {
      next[j + 1] =
        left.charCodeAt(i) === right.charCodeAt(j)
          ? (row[j] ?? 0) + 1
          : Math.max(row[j + 1] ?? 0, next[j] ?? 0);
    }
    row = next;
  }
  return row[right.length] ?? 0;
}
