// Whether a place may be asked about at all. Every refusal has a name; what passes is an opportunity.

import type { DocumentContext } from "./documentContext";
import type { SourceDocument } from "./sourceDocument";

export type TriggerKind = "auto" | "invoked" | "after_accept";

export type Refusal =
  | "paused"
  | "language_off"
  | "editor_off"
  | "virtual_document"
  | "secrets_file"
  | "too_many_lines"
  | "minified"
  | "several_cursors"
  | "selection"
  | "mid_word"
  | "after_bracket"
  | "text_behind"
  | "comment";

export interface TriggerRules {
  readonly isPaused: boolean;
  /** Language ids on and off; `*` stands for those not named, which are on by default. */
  readonly languages: Readonly<Record<string, boolean>>;
  readonly inComments: boolean;
}

export interface Place {
  readonly document: SourceDocument;
  readonly context: DocumentContext;
  readonly kind: TriggerKind;
  readonly numCursors: number;
  readonly hasSelection: boolean;
}

export const MAX_LINES = 8_000;
/** Longest line that somebody wrote, in documents of more than MIN_MINIFIED_CHARS. */
export const MAX_LINE_CHARS = 1_000;
export const MIN_MINIFIED_CHARS = 20_000;
/** Text behind the cursor, closing brackets and the like aside (llama.vscode's value). */
export const MAX_BEHIND_CHARS = 8;

/** Schemes of documents that a person writes; `git:`, `output:` and their like are views. */
const WRITTEN_SCHEMES = new Set([
  "file",
  "untitled",
  "vscode-remote",
  "vscode-vfs",
  "vscode-notebook-cell",
]);

const SECRETS = [
  /(^|[\\/])\.env(rc|\.[^\\/]*)?$/i,
  /\.(env|tfvars|tfstate)$/i,
  /\.(pem|key|p12|pfx|jks|keystore|kdbx|asc|gpg|ppk)$/i,
  /(^|[\\/])id_(rsa|dsa|ecdsa|ed25519)$/i,
  /(^|[\\/])\.?(netrc|npmrc|pypirc|pgpass|htpasswd|dockercfg|git-credentials)$/i,
  /(^|[\\/])(credentials|secrets?)(\.(json|ya?ml|toml|ini|txt|properties))?$/i,
  /(^|[\\/])\.(ssh|aws|gnupg|kube)[\\/]/i,
];

/** Marks that begin a comment; languages that are not named have those of C. */
const COMMENT_MARKS: Readonly<Record<string, readonly string[]>> = Object.fromEntries(
  [
    ["#", "python ruby shellscript perl yaml toml dockerfile makefile r julia elixir powershell coffeescript"],
    ["#", "cmake nim properties dotenv ignore gdscript"],
    ["--", "sql lua haskell elm ada vhdl"],
    [";", "clojure lisp scheme ini asm"],
    ["%", "latex tex bibtex erlang matlab prolog"],
    ["<!--", "html xml markdown vue svelte"],
    ["'", "vb"],
    ["", "plaintext json"],
  ].flatMap(([mark = "", names = ""]) =>
    names.split(" ").map((name) => [name, mark === "" ? [] : [mark]]),
  ),
);
const C_MARKS = ["//", "/*"];

/** Returns why a place is not asked about, or null where it is. */
export function findRefusal(place: Place, rules: TriggerRules): Refusal | null {
  return findDocumentRefusal(place.document, rules) ?? findPlaceRefusal(place, rules);
}

/** Returns why a document gets no completions, wherever the cursor is. */
export function findDocumentRefusal(document: SourceDocument, rules: TriggerRules): Refusal | null {
  if (rules.isPaused) return "paused";
  if (!isOnFor(document.language, rules)) return "language_off";
  if (!WRITTEN_SCHEMES.has(document.uri.slice(0, document.uri.indexOf(":")))) {
    return "virtual_document";
  }
  if (isSecretsFile(document.uri)) return "secrets_file";
  return document.numLines > MAX_LINES ? "too_many_lines" : null;
}

export function isOnFor(language: string, rules: Pick<TriggerRules, "languages">): boolean {
  return rules.languages[language] ?? rules.languages["*"] ?? true;
}

export function isSecretsFile(uri: string): boolean {
  const path = uri.replace(/[?#].*$/, "");
  return SECRETS.some((pattern) => pattern.test(path));
}

function findPlaceRefusal(place: Place, rules: TriggerRules): Refusal | null {
  const { context } = place;
  if (place.numCursors > 1) return "several_cursors";
  if (place.hasSelection) return "selection";
  if (isMinified(place.document, context)) return "minified";
  if (!rules.inComments && isInComment(context)) return "comment";
  // Somebody who asks knows what he wants.
  return place.kind === "invoked" ? null : findLineRefusal(context);
}

function findLineRefusal(context: DocumentContext): Refusal | null {
  const { linePrefix, lineSuffix } = context;
  if (/[\p{L}\p{N}_$]$/u.test(linePrefix) && /^[\p{L}\p{N}_$]/u.test(lineSuffix)) {
    return "mid_word";
  }
  const behind = lineSuffix.replace(/^[\s)\]}>"'`;:,]+/, "").trimEnd();
  if (behind !== "" && /[)\]}]\s*$/.test(linePrefix)) return "after_bracket";
  return behind.length > MAX_BEHIND_CHARS ? "text_behind" : null;
}

function isMinified(document: SourceDocument, context: DocumentContext): boolean {
  const isLong = context.linePrefix.length + context.lineSuffix.length > MAX_LINE_CHARS;
  return isLong && document.offsetOfLine(document.numLines) > MIN_MINIFIED_CHARS;
}

function isInComment(context: DocumentContext): boolean {
  const marks = COMMENT_MARKS[context.language] ?? C_MARKS;
  const line = context.linePrefix.trimStart();
  const isMarked = marks.some((mark) => line.startsWith(mark) || line.includes(` ${mark} `));
  return isMarked || (marks === C_MARKS && line.startsWith("*") && isInBlockComment(context));
}

function isInBlockComment(context: DocumentContext): boolean {
  const { prefix } = context.around;
  return prefix.lastIndexOf("/*") > prefix.lastIndexOf("*/");
}
