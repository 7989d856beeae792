// Whether an edit took a part of the suggestion on the screen, rather than being typed.
//
// VS Code tells of whole acceptances only. Parts that are taken by our own commands are known; one that
// is taken otherwise, as by the suggestion's toolbar, is an edit that writes several characters of
// the suggestion at once.

import type { Edit } from "./sourceDocument";

const AUTO_PAIRS = new Set(["()", "[]", "{}", '""', "''", "``"]);

/** Returns whether an edit that follows the suggestion looks like a part that was taken. */
export function looksTaken(edit: Edit, hasMenuChoice: boolean): boolean {
  const { inserted } = edit;
  // Enter writes the indentation along, and an entry of the menu is the menu's.
  if (inserted.length < 2 || inserted.startsWith("\n") || hasMenuChoice) return false;
  return !AUTO_PAIRS.has(inserted);
}

/** Returns how many characters of an edit were typed by hand. */
export function numTypedBy(edit: Edit): number {
  const { inserted } = edit;
  if (inserted.length <= 1) return inserted.length;
  return AUTO_PAIRS.has(inserted) || /^\n[ \t]*$/.test(inserted) ? 1 : 0;
}
