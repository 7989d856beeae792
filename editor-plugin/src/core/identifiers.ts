// Names near a cursor: what to look up, and what makes two pieces of code alike.

/** Names that say nothing about what code is about, of the common languages together. */
const KEYWORDS = new Set(
  ("and as async await bool boolean break case catch class const continue def default del do elif " +
    "else enum except export extends false final finally float fn for foreach from func function go " +
    "if impl implements import in int interface is lambda let match mut new nil none not null or " +
    "package pass pub public private protected raise return self static str string struct super " +
    "switch this throw throws true try type undefined use val var void while with yield")
    .split(" "),
);

export interface Identifier {
  readonly name: string;
  /** Offset of its first character in the text. */
  readonly at: number;
}

/** Returns the different names of a text, the last ones first. */
export function lastIdentifiers(text: string, maxCount: number): Identifier[] {
  const found = new Map<string, Identifier>();
  const all = [...text.matchAll(/[A-Za-z_$][\w$]{2,}/g)].toReversed();
  for (const match of all) {
    const [name] = match;
    if (found.size >= maxCount) break;
    if (!isKeyword(name) && !found.has(name)) found.set(name, { name, at: match.index });
  }
  return [...found.values()];
}

/** Returns the names of a text, parts of composed names too. */
export function identifierSet(text: string): Set<string> {
  const words = new Set<string>();
  for (const [name] of text.matchAll(/[A-Za-z_$][\w$]+/g)) {
    if (isKeyword(name)) continue;
    words.add(name);
    for (const [part] of name.matchAll(/[A-Z]?[a-z]{3,}|[A-Z]{3,}/g)) words.add(part.toLowerCase());
  }
  return words;
}

/** Returns the share of two sets that they have in common. */
export function jaccard(left: ReadonlySet<string>, right: ReadonlySet<string>): number {
  let numCommon = 0;
  for (const each of left) if (right.has(each)) numCommon += 1;
  const numAll = left.size + right.size - numCommon;
  return numAll === 0 ? 0 : numCommon / numAll;
}

function isKeyword(name: string): boolean {
  return KEYWORDS.has(name.toLowerCase());
}
