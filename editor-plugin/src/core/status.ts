// What the status bar says: the state, how fast answers come, who answers, and what to do about errors.

import type { Refusal } from "./trigger";
import { ServerError, type ServerProblem } from "./serverError";

export type StatusKind = "ready" | "asking" | "off" | "error";

export interface StatusView {
  readonly kind: StatusKind;
  /** Text of the status item, icon included. */
  readonly text: string;
  /** Lines of its tooltip. */
  readonly details: readonly string[];
  /** What a screen reader says. */
  readonly spoken: string;
  readonly problem: ServerProblem | null;
}

const REFUSALS: Readonly<Record<Refusal, string>> = {
  paused: "paused",
  language_off: "off for this language",
  editor_off: "hidden by the editor: switch editor.inlineSuggest.enabled on",
  virtual_document: "not in this kind of document",
  secrets_file: "not in files that hold secrets",
  too_many_lines: "not in a file of this length",
  minified: "not in minified code",
  several_cursors: "not with several cursors",
  selection: "not while text is selected",
  mid_word: "not inside a word",
  after_bracket: "not before other text of the line",
  text_behind: "not before other text of the line",
  comment: "not in comments",
};
/** Refusals that hold wherever the cursor is in the document. */
const LASTING = new Set<Refusal>([
  "paused",
  "language_off",
  "editor_off",
  "virtual_document",
  "secrets_file",
  "too_many_lines",
]);

export class Status {
  private numAsking = 0;
  private error: ServerError | null = null;
  private refusal: Refusal | null = null;
  private latencyMs: number | null = null;
  private model: string | null = null;
  /** Whether the server had no time for the last request. */
  private isBusy = false;

  constructor(
    private url: string,
    private readonly onChange: (view: StatusView) => void,
  ) {}

  /** Starts anew, as when another server is asked; it may be known already that it cannot be. */
  reset(url: string, error: ServerError | null = null): void {
    this.url = url;
    this.error = error;
    this.latencyMs = null;
    this.model = null;
    this.isBusy = false;
    this.tell();
  }

  noteRefusal(refusal: Refusal | null): void {
    if (this.refusal === refusal) return;
    this.refusal = refusal;
    this.tell();
  }

  noteAsking(): void {
    this.numAsking += 1;
    this.tell();
  }

  /** Notes the end of a request, null where it was given up; an error stays until the server completes
   * again. */
  noteEnd(end: { latencyMs: number; model: string | null } | ServerError | "busy" | null): void {
    this.numAsking = Math.max(0, this.numAsking - 1);
    if (end === "busy") this.isBusy = true;
    else if (end instanceof ServerError) this.error = end;
    else if (end !== null) {
      this.error = null;
      this.isBusy = false;
      this.latencyMs = end.latencyMs;
      this.model = end.model ?? this.model;
    }
    this.tell();
  }

  get view(): StatusView {
    if (this.refusal !== null && LASTING.has(this.refusal)) {
      const why = REFUSALS[this.refusal];
      return this.make("off", "$(circle-slash) fimserve", [`Completions are ${why}.`], why);
    }
    if (this.error !== null) {
      const { message, remedy, problem } = this.error;
      const details = [`No completions: ${message}.`, remedy, "Each key asks again."];
      return this.make("error", "$(warning) fimserve", details, `${message}. ${remedy}`, problem);
    }
    const took = this.latencyMs === null ? [] : [`${Math.round(this.latencyMs)} ms`];
    const details = [
      `Server: ${this.url}`,
      ...(this.model === null ? [] : [`Model: ${this.model}`]),
      ...took.map((each) => `Last answer: ${each}`),
      ...(this.isBusy ? ["The server was too busy for the last request; the next key asks again."] : []),
      ...(this.refusal === null ? [] : [`Here: ${REFUSALS[this.refusal]}.`]),
    ];
    const [icon, kind] = this.numAsking > 0 ? (["sync~spin", "asking"] as const) : (["sparkle", "ready"] as const);
    return this.make(kind, [`$(${icon}) fimserve`, ...took].join(" "), details, `completions ${kind}`);
  }

  private make(
    kind: StatusKind,
    text: string,
    details: readonly string[],
    spoken: string,
    problem: ServerProblem | null = null,
  ): StatusView {
    return { kind, text, details, spoken: `fimserve: ${spoken}`, problem };
  }

  private tell(): void {
    this.onChange(this.view);
  }
}
