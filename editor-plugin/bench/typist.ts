// A typist: which keys, and when. The same seed gives the same keys at the same times.
//
// Gaps between keys are lognormal, as keystroke studies find them; beginnings of words and lines take
// longer, and now and then a wrong key is pressed and taken back.

export interface Key {
  /** Milliseconds since the key before. */
  readonly gapMs: number;
  readonly act: "insert" | "backspace";
  readonly text: string;
}

const IN_WORD_MS = 125;
const WORD_MS = 190;
const LINE_MS = 520;
const SPREAD = 0.45;
const TYPO_SHARE = 0.02;
const NOTICE_MS = 260;

/** Returns random numbers from 0 to 1 (mulberry32). */
export function makeRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Returns the keys that write a text; the editor indents new lines by itself. */
export function typeText(text: string, random: () => number): Key[] {
  const keys: Key[] = [];
  let before = "\n";
  for (let at = 0; at < text.length; ) {
    const piece = /^\n[ \t]*/.exec(text.slice(at))?.[0] ?? text.charAt(at);
    const medianMs = before === "\n" ? LINE_MS : /\w/.test(before) ? IN_WORD_MS : WORD_MS;
    const gapMs = medianMs * Math.exp(SPREAD * normal(random));
    if (/[a-z]/.test(piece) && random() < TYPO_SHARE) {
      keys.push({ gapMs, act: "insert", text: piece === "x" ? "z" : "x" });
      keys.push({ gapMs: NOTICE_MS * Math.exp(SPREAD * normal(random)), act: "backspace", text: "" });
      keys.push({ gapMs: IN_WORD_MS, act: "insert", text: piece });
    } else keys.push({ gapMs, act: "insert", text: piece });
    before = piece.startsWith("\n") ? "\n" : piece;
    at += piece.length;
  }
  return keys;
}

function normal(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}
