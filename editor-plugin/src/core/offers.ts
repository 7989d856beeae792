// What was offered lately, so that typing along a suggestion needs no server and no new name.
//
// A suggestion offered at a place keeps its id while it is the same: shown again, or shown shorter
// because its beginning was typed, or longer again because that was deleted. The same definitions
// as `fimserve/lsp/offers.py`; beyond them a line that was indented anew keeps its suggestion.

import type { Surroundings } from "./documentContext";
import { reindent, splitIndent } from "./indentation";

export interface Suggestion {
  readonly completionId: string;
  readonly text: string;
  /** What events may say about it. */
  readonly facts: Readonly<Record<string, unknown>>;
  /** Its id for the server, where several came under one. */
  readonly servedId?: string;
}

export interface Offer {
  readonly uri: string;
  readonly around: Surroundings;
  readonly suggestion: Suggestion;
}

export interface Found {
  readonly offer: Offer;
  /** What of the suggestion is not written yet, never empty. */
  readonly rest: string;
}

/** Offers that are remembered in all documents together. */
export const MAX_OFFERS = 50;
/** Brackets that an editor closes by itself before a suggestion's place is another one. */
const MAX_AUTO_CLOSED = 3;

export class OfferBook {
  /** The one that was used last comes first. */
  private offers: Offer[] = [];

  /** Returns the newest offer that still holds at a place. */
  find(uri: string, around: Surroundings): Found | null {
    for (const offer of this.offers) {
      const rest = restAt(offer, uri, around);
      if (rest === null) continue;
      this.offers = [offer, ...this.offers.filter((other) => other !== offer)];
      return { offer, rest };
    }
    return null;
  }

  /** Remembers a suggestion; returns it under the id of an earlier one that says the same here. */
  add(uri: string, around: Surroundings, suggestion: Suggestion): Suggestion {
    const known = this.find(uri, around);
    if (known !== null && known.rest === suggestion.text) {
      return { ...suggestion, completionId: known.offer.suggestion.completionId };
    }
    const others = this.offers.filter(
      (offer) => offer.suggestion.completionId !== suggestion.completionId,
    );
    this.offers = [{ uri, around, suggestion }, ...others].slice(0, MAX_OFFERS);
    return suggestion;
  }

  /** Forgets a suggestion: accepted, the same text is a new one. */
  forget(completionId: string): void {
    this.offers = this.offers.filter((each) => each.suggestion.completionId !== completionId);
  }

  /** Follows a renamed document. */
  rename(from: string, to: string): void {
    this.offers = this.offers.map((each) => (each.uri === from ? { ...each, uri: to } : each));
  }

  /** Forgets everything, as when another server is asked from now on. */
  clear(): void {
    this.offers = [];
  }
}

/** Returns what of an offer is not written yet, or null where it does not belong. */
export function restAt(offer: Offer, uri: string, around: Surroundings): string | null {
  if (uri !== offer.uri) return null;
  const { text } = offer.suggestion;
  const before = offer.around.prefix;
  // What is short is compared first: this is asked of fifty offers at each key, in long documents.
  const typed = around.prefix.length < before.length ? null : around.prefix.slice(before.length);
  if (typed !== null && text.startsWith(typed) && around.prefix.startsWith(before)) {
    const closed = autoClosed(offer.around.suffix, around.suffix);
    if (closed === null || !text.endsWith(closed)) return null;
    return text.slice(typed.length, text.length - closed.length) || null;
  }
  const rest = restOfIndented(offer, around);
  return rest !== null && around.suffix === offer.around.suffix ? rest : null;
}

/** Returns the closing brackets that the editor put behind the cursor while opening ones were
 * typed, or null where the text behind it changed otherwise. */
function autoClosed(before: string, now: string): string | null {
  if (now === before) return "";
  for (let size = 1; size <= MAX_AUTO_CLOSED; size += 1) {
    const added = now.slice(0, size);
    if (!/^[)\]}"'`]+$/.test(added)) return null;
    // The end is cut where a long document is.
    const isSame = now.startsWith(before.slice(0, now.length - size), size);
    if (isSame && Math.abs(before.length + size - now.length) <= size) return added;
  }
  return null;
}

/** Returns the suggestion for a line that holds nothing yet and was indented otherwise since. */
function restOfIndented(offer: Offer, around: Surroundings): string | null {
  const before = splitIndent(offer.around.prefix);
  const now = splitIndent(around.prefix);
  if (before === null || now === null || before.rest !== now.rest) return null;
  return before.indent === now.indent
    ? null
    : reindent(offer.suggestion.text, before.indent, now.indent);
}
