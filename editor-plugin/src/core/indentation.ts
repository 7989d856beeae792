// Indentation of lines, where only that of a suggestion's place has changed.

export interface SplitPrefix {
  /** Everything before the last line. */
  readonly rest: string;
  /** The last line, blanks alone. */
  readonly indent: string;
}

/** Splits a text whose last line holds blanks alone; returns null for others. */
export function splitIndent(prefix: string): SplitPrefix | null {
  const at = prefix.lastIndexOf("\n") + 1;
  const indent = prefix.slice(at);
  return /^[ \t]*$/.test(indent) ? { rest: prefix.slice(0, at), indent } : null;
}

/** Returns a text that was written behind one indentation as it belongs behind another, or null
 * where a line of it is indented by something else. */
export function reindent(text: string, from: string, to: string): string | null {
  const [head = "", ...others] = text.split("\n");
  if (/^[ \t]/.test(head)) return null;
  const moved = others.map((line) => reindentLine(line, from, to));
  return moved.includes(null) ? null : [head, ...moved].join("\n");
}

function reindentLine(line: string, from: string, to: string): string | null {
  if (line.trim() === "") return line;
  return line.startsWith(from) ? to + line.slice(from.length) : null;
}
