// Grey text for Monaco: keeps one suggestion alive while typing agrees with it, asks anew where it
// does not, and lets the text grow as it streams in.

import type { CancellationToken, editor, IDisposable, IRange, Position } from "monaco-editor";
import { complete, Refusal, type Question } from "./completions";
import type { Lifecycle, Reason } from "./lifecycle";
import { languages } from "./monaco";
import { Suggestion } from "./suggestion";

/** Milliseconds without a key before a question is sent: typing at speed asks less often. */
const QUIET_MS = 25;

/** Milliseconds in which a suggestion that was taken is told to be. */
const SETTLING_MS = 50;

const End = languages.InlineCompletionEndOfLifeReasonKind;
const Trigger = languages.InlineCompletionTriggerKind;

interface Item extends languages.InlineCompletion {
  suggestion: Suggestion;
  /** What of the suggestion is in it, and how much of that was taken so far. */
  rest: string;
  numTaken: number;
}
type Listener = (hint: languages.IInlineCompletionChangeHint) => void;
type Items = languages.InlineCompletions<Item>;

export interface Desk {
  /** Session of an open document. */
  sessionOf(model: editor.ITextModel): string;
  isMultiline(): boolean | null;
  /** Whether asking makes sense now, which it does not while a key is missing. */
  mayAsk(): boolean;
  key(): string | null;
  onAsked(suggestion: Suggestion): void;
  onChanged(suggestion: Suggestion): void;
  onRefused(refusal: Refusal): void;
}

export class Provider implements languages.InlineCompletionsProvider<Items> {
  /** Monaco's own wait would come on top of ours. */
  readonly debounceDelayMs = 0;
  private current: Suggestion | null = null;
  private readonly listeners = new Set<Listener>();
  private isGrowing = false;

  constructor(
    private readonly desk: Desk,
    private readonly lifecycle: Lifecycle,
  ) {}

  readonly onDidChangeInlineCompletions = (listener: Listener): IDisposable => {
    this.listeners.add(listener);
    return { dispose: () => void this.listeners.delete(listener) };
  };

  async provideInlineCompletions(
    model: editor.ITextModel,
    position: Position,
    context: languages.InlineCompletionContext,
    token: CancellationToken,
  ): Promise<Items | null> {
    const asked = this.questionAt(model, position);
    if (!this.isStillGood(asked)) {
      if (context.triggerKind === Trigger.Automatic) await pause(QUIET_MS);
      if (token.isCancellationRequested) return null;
      if (!this.desk.mayAsk()) return null;
      if (!this.isStillGood(asked)) this.ask(asked, context.triggerKind);
    }
    const suggestion = this.current;
    if (suggestion === null) return null;
    await suggestion.begun;
    const rest = restAt(suggestion, asked);
    if (!rest || token.isCancellationRequested) return null;
    return { items: [itemAt(model, position, rest, suggestion)] };
  }

  /** Stop an answer that the text has left behind, without waiting for the next question. */
  leaveIfBehind(model: editor.ITextModel, position: Position): void {
    const current = this.current;
    const asked = this.questionAt(model, position);
    if (current === null || restAt(current, asked) !== null) return;
    if (current.isRunning) current.abort();
    const reason = reasonOf(current, asked);
    const leftAtMs = performance.now();
    // Taking a suggestion moves the cursor too, and is told right after.
    setTimeout(() => this.lifecycle.dismiss(current, reason, leftAtMs), SETTLING_MS);
  }

  /** Forget the suggestion, as when a setting changed that it was asked under. */
  reset(): void {
    this.current?.abort();
    this.current = null;
  }

  handleItemDidShow(_: Items, { suggestion }: Item): void {
    this.lifecycle.show(suggestion);
  }

  handlePartialAccept(
    _: Items,
    item: Item,
    _numChars: number,
    { acceptedLength }: languages.PartialAcceptInfo,
  ): void {
    const taken = Math.min(acceptedLength, item.rest.length);
    this.lifecycle.takePart(item.suggestion, taken - item.numTaken);
    item.numTaken = Math.max(item.numTaken, taken);
  }

  handleEndOfLifetime(
    _: Items,
    { suggestion, rest, numTaken }: Item,
    reason: languages.InlineCompletionEndOfLifeReason<Item>,
  ): void {
    if (reason.kind === End.Ignored) return;
    if (reason.kind === End.Accepted) this.lifecycle.accept(suggestion, rest.length - numTaken);
    else this.lifecycle.dismiss(suggestion, "escape");
    suggestion.outcome = reason.kind === End.Accepted ? "accepted" : "dismissed";
    if (reason.kind === End.Rejected) suggestion.abort();
    this.desk.onChanged(suggestion);
  }

  disposeInlineCompletions(): void {}

  private questionAt(model: editor.ITextModel, position: Position): Question {
    const text = model.getValue();
    const cursor = model.getOffsetAt(position);
    return {
      prefix: text.slice(0, cursor),
      suffix: text.slice(cursor),
      language: model.getLanguageId(),
      path: model.uri.path.slice(1),
      session: this.desk.sessionOf(model),
      multiline: this.desk.isMultiline(),
    };
  }

  private isStillGood(asked: Question): boolean {
    const current = this.current;
    if (current === null || current.state === "failed" || current.signal.aborted) return false;
    const rest = restAt(current, asked);
    return rest !== null && (rest !== "" || current.isRunning || isSamePlace(current, asked));
  }

  private ask(question: Question, kind: languages.InlineCompletionTriggerKind): void {
    const previous = this.current;
    if (previous !== null) this.lifecycle.dismiss(previous, reasonOf(previous, question));
    if (previous?.isRunning) {
      previous.abort();
    } else if (previous?.state === "whole" && previous.text !== "") {
      previous.outcome ??= "passed over";
      this.desk.onChanged(previous);
    }
    const suggestion = new Suggestion(question, () => performance.now());
    this.current = suggestion;
    this.desk.onAsked(suggestion);
    this.lifecycle.ask(suggestion, kind === Trigger.Automatic ? "auto" : "invoked");
    const { signal, requestId } = suggestion;
    suggestion
      .follow(complete(question, this.desk.key(), signal, requestId), () =>
        this.onPiece(suggestion),
      )
      .catch((error: unknown) => {
        const refusal = refusalOf(error);
        this.lifecycle.fail(suggestion, refusal.status);
        this.desk.onRefused(refusal);
      });
  }

  private onPiece(suggestion: Suggestion): void {
    this.desk.onChanged(suggestion);
    this.lifecycle.grow(suggestion);
    if (this.isGrowing) return;
    this.isGrowing = true;
    // At most once a frame: a fast server sends more pieces than anybody sees.
    requestAnimationFrame(() => {
      this.isGrowing = false;
      if (suggestion === this.current && !suggestion.signal.aborted) {
        for (const listener of this.listeners) listener({ data: "grown" });
      }
    });
  }
}

function restAt(suggestion: Suggestion, asked: Question): string | null {
  return suggestion.restAt(asked.prefix, asked.suffix, asked.session);
}

function isSamePlace(suggestion: Suggestion, asked: Question): boolean {
  return suggestion.question.prefix === asked.prefix;
}

function itemAt(
  model: editor.ITextModel,
  position: Position,
  rest: string,
  suggestion: Suggestion,
): Item {
  const { lineNumber, column } = position;
  const behind = model.getLineContent(lineNumber).slice(column - 1);
  // Monaco shows several lines only where the replaced range reaches the end of the line.
  const replaced = rest.includes("\n") ? behind : "";
  const range: IRange = {
    startLineNumber: lineNumber,
    startColumn: column,
    endLineNumber: lineNumber,
    endColumn: column + replaced.length,
  };
  return { insertText: rest + replaced, range, suggestion, rest, numTaken: 0 };
}

/** Why a suggestion is over where the text around the cursor is now this. */
function reasonOf({ question }: Suggestion, asked: Question): Reason {
  if (question.session !== asked.session) return "file_switched";
  const isTyped = asked.prefix.startsWith(question.prefix) && asked.suffix === question.suffix;
  if (isTyped && asked.prefix !== question.prefix) return "typed_over";
  return isTyped ? "replaced" : "caret_moved";
}

function refusalOf(error: unknown): Refusal {
  if (error instanceof Refusal) return error;
  return new Refusal(0, "The server does not answer. Is fimserve running?");
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
