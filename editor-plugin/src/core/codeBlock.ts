// The block of code that begins on a line, told by indentation: what is shown of a definition.

const MAX_BLOCK_LINES = 40;
const MAX_BLOCK_CHARS = 1_600;

/** Returns the lines of the block, with the indentation of its first line taken off. */
export function codeBlockAt(lines: readonly string[], line: number): string {
  const first = lines[line] ?? "";
  const indent = widthOf(first);
  let end = line + 1;
  for (let at = line + 1; at < Math.min(lines.length, line + MAX_BLOCK_LINES); at += 1) {
    const text = lines[at] ?? "";
    if (text.trim() === "") continue;
    const isCloser = widthOf(text) === indent && /^\s*[)\]}]/.test(text);
    if (widthOf(text) <= indent && !isCloser) break;
    end = at + 1;
    // A bracket that opens the body too, as in `) {`, is not the end.
    if (isCloser && !/[{([:]\s*$/.test(text)) break;
  }
  const block = lines.slice(line, end).map((text) => text.slice(Math.min(indent, widthOf(text))));
  return block.join("\n").slice(0, MAX_BLOCK_CHARS).trimEnd();
}

function widthOf(line: string): number {
  return line.length - line.trimStart().length;
}
