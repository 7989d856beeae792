// One line or several. The server looks at the syntax around the cursor; it is told only where the
// line itself leaves no choice, or where the user has one.

import type { DocumentContext } from "./documentContext";

export type LineSetting = "auto" | "single" | "multi";

/** Returns whether several lines are wanted; null leaves it to the server. */
export function decideMultiline(context: DocumentContext, setting: LineSetting): boolean | null {
  // What goes in before other text of the line cannot end on another line.
  if (context.lineSuffix.trim() !== "") return false;
  if (setting === "auto") return null;
  return setting === "multi";
}
