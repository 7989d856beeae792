// From a cursor to what is offered there: filters, what was offered before, the server, prefetch.
//
// The order of one request, with everything it needs passed in. Knows nothing of VS Code.

import type { Asker } from "./asker";
import type { DocumentContext, Surroundings } from "./documentContext";
import { firstLine } from "./documentContext";
import type { EventMaker, Facts } from "./eventMaker";
import type { Lifecycle, Offered } from "./lifecycle";
import { decideMultiline, type LineSetting } from "./lineMode";
import type { OfferBook, Suggestion } from "./offers";
import type { Completions, Question, Snippet } from "./question";
import type { Rhythm } from "./rhythm";
import type { SourceDocument } from "./sourceDocument";
import { numLineEnds } from "./sourceDocument";
import type { Status } from "./status";
import type { Throttle } from "./throttle";
import { findRefusal, type Place, type Refusal, type TriggerKind, type TriggerRules } from "./trigger";
import { trimAnswer } from "./trim";

export interface CompletionSettings extends TriggerRules {
  readonly lines: LineSetting;
  readonly maxTokens: number;
  /** How many suggestions an explicit request brings. */
  readonly numAlternatives: number;
  /** Whether what follows a suggestion is asked for while it is looked at. */
  readonly isPrefetching: boolean;
  /** Whether events may carry code: for users who were asked. */
  readonly sharesCode: boolean;
}

/** Finds pieces of other files; within its own time, never failing. */
export interface SnippetSource {
  find(document: SourceDocument, context: DocumentContext): Promise<readonly Snippet[]>;
  /** Returns what was found last for a document, without looking. */
  current(uri: string): readonly Snippet[];
}

export interface Item {
  readonly completionId: string;
  /** What is inserted between start and end, line ends as LF. */
  readonly text: string;
  readonly start: number;
  readonly end: number;
}

export interface Completion {
  readonly items: readonly Item[];
  readonly refusal: Refusal | null;
  /** Where the first item came from; null where there is none. */
  readonly source: string | null;
}

export interface CompleterParts {
  readonly client: Completions;
  readonly asker: Asker;
  readonly offers: OfferBook;
  readonly rhythm: Rhythm;
  readonly throttle: Throttle;
  readonly lifecycle: Lifecycle;
  readonly events: Pick<EventMaker, "record" | "hashOf">;
  readonly status: Pick<Status, "noteRefusal">;
  readonly snippets: SnippetSource;
  readonly settings: () => CompletionSettings;
  readonly nowMs: () => number;
}

/** How long a suggestion has stood when what would follow it is asked for. */
export const PREFETCH_AFTER_MS = 300;
/** Code on each side of the cursor that an event may carry. */
const MAX_SHARED_CHARS = 4_096;
/** A request this soon after an acceptance was caused by it. */
const AFTER_ACCEPT_MS = 1_000;

export class Completer {
  private acceptedAtMs: number | null = null;
  private numTypedChars = 0;
  private prefetchTimer: ReturnType<typeof setTimeout> | null = null;
  private prefetching: AbortController | null = null;
  private refreshing: string | null = null;

  constructor(private readonly parts: CompleterParts) {}

  /** Returns what to offer at a place; ends early, with nothing, when the signal is aborted. */
  async complete(place: Place, signal: AbortSignal): Promise<Completion> {
    const { offers, lifecycle, throttle, status } = this.parts;
    const startedMs = this.parts.nowMs();
    const refusal = findRefusal(place, this.parts.settings());
    status.noteRefusal(refusal);
    if (refusal !== null) return { items: [], refusal, source: null };
    const { context } = place;
    this.stopPrefetch();
    const isRefresh = this.refreshing === context.uri;
    this.refreshing = null;
    const kind = isRefresh ? "auto" : this.kindOf(place);
    const requestId = `vsc-${crypto.randomUUID()}`;
    // Behind what the menu's entry would insert there is no cursor yet: the item's start it is.
    lifecycle.ask(context.uri, context.end);
    if (!isRefresh) this.noteRequest(place, kind, requestId);
    const known = kind === "invoked" ? null : offers.find(context.uri, context.around);
    if (known !== null) {
      throttle.noteSent();
      const suggestion = withRest(known.offer.suggestion, known.rest);
      return this.offer(place, kind, [suggestion], startedMs);
    }
    const suggestions = await this.ask(place, kind, requestId, signal);
    if (signal.aborted || suggestions.length === 0) return { items: [], refusal: null, source: null };
    return this.offer(place, kind, suggestions, startedMs);
  }

  /** Notes that somebody typed; pasted text does not count. */
  noteTyped(numChars: number): void {
    this.numTypedChars += numChars;
    this.parts.rhythm.noteKey(this.parts.nowMs());
  }

  noteAccepted(completionId: string): void {
    this.acceptedAtMs = this.parts.nowMs();
    this.parts.offers.forget(completionId);
    this.parts.asker.noteAccepted(completionId);
  }

  /** Notes that the editor is about to ask again for a text that has grown, not because of a key; null
   * where it has asked, or did not. */
  noteRefresh(uri: string | null): void {
    this.refreshing = uri;
  }

  dispose(): void {
    this.stopPrefetch();
    this.parts.asker.abort("closed");
  }

  private kindOf(place: Place): TriggerKind {
    const acceptedAtMs = this.acceptedAtMs;
    this.acceptedAtMs = null;
    const isCaused = acceptedAtMs !== null && this.parts.nowMs() - acceptedAtMs < AFTER_ACCEPT_MS;
    return place.kind === "auto" && isCaused ? "after_accept" : place.kind;
  }

  private noteRequest(place: Place, kind: TriggerKind, requestId: string): void {
    const { around } = place.context;
    const typed = this.numTypedChars;
    this.numTypedChars = 0;
    this.parts.events.record("requested", null, {
      ...this.factsOf(place.context, kind),
      request_id: requestId,
      prefix_chars: around.prefix.length,
      suffix_chars: around.suffix.length,
      ...(typed > 0 ? { typed_chars: typed } : {}),
    });
  }

  private async ask(
    place: Place,
    kind: TriggerKind,
    requestId: string,
    signal: AbortSignal,
  ): Promise<Suggestion[]> {
    const { asker, throttle, nowMs } = this.parts;
    const { context } = place;
    const plan = throttle.plan(context, kind, nowMs());
    // Gathered while we wait for the next key.
    const snippets = this.parts.snippets.find(place.document, context);
    const makeQuestion = async (): Promise<Question> =>
      this.makeQuestion(context, await snippets, requestId);
    const first = await asker.ask(context, plan, makeQuestion, signal);
    if (first !== null) throttle.noteSent();
    const found = first === null ? [] : [first];
    const { numAlternatives } = this.parts.settings();
    if (kind !== "invoked" || numAlternatives < 2 || signal.aborted) return found;
    return [...found, ...(await this.askMore(context, await makeQuestion(), found, signal))];
  }

  /** Asks for other suggestions than the likeliest, by sampling. */
  private async askMore(
    context: DocumentContext,
    question: Question,
    known: readonly Suggestion[],
    signal: AbortSignal,
  ): Promise<Suggestion[]> {
    const numChoices = this.parts.settings().numAlternatives;
    // A session of its own: it must not end what is asked at the cursor next.
    const asked = { ...question, numChoices, session: `${question.session}-more` };
    const answer = await this.parts.client.complete(asked, signal, () => undefined).catch(() => null);
    const texts = new Set(known.map((each) => each.text));
    const others: Suggestion[] = [];
    for (const [index, raw] of (answer?.texts ?? []).entries()) {
      const text = trimAnswer(raw, context);
      if (text === "" || texts.has(text) || answer === null) continue;
      texts.add(text);
      const { completionId: servedId } = answer;
      const told = { source: "network", request_id: question.requestId, choice_index: index };
      const facts = { ...answer.facts, ...told };
      others.push({ completionId: `${servedId}-${index}`, text, facts, servedId });
    }
    return others.slice(0, numChoices - known.length);
  }

  private makeQuestion(
    context: DocumentContext,
    snippets: readonly Snippet[],
    requestId: string,
  ): Question {
    const { lines, maxTokens } = this.parts.settings();
    return {
      around: context.around,
      path: context.path,
      language: context.language,
      snippets,
      session: `vsc-${this.parts.events.hashOf(context.uri)}`,
      requestId,
      multiline: decideMultiline(context, lines),
      maxTokens,
      numChoices: 1,
      isBackground: false,
    };
  }

  private offer(
    place: Place,
    kind: TriggerKind,
    suggestions: readonly Suggestion[],
    startedMs: number,
  ): Completion {
    const { context } = place;
    const items = suggestions.map((each) => ({
      completionId: each.completionId,
      text: context.given + each.text,
      start: context.start,
      end: context.end,
    }));
    const [first] = suggestions;
    if (first === undefined) return { items: [], refusal: null, source: null };
    const visibleMs = this.parts.nowMs() - startedMs;
    const [offered, ...others] = suggestions.map((each) => this.offeredOf(place, kind, each));
    if (offered !== undefined) {
      const facts = { ...offered.facts, visible_ms: visibleMs };
      this.parts.lifecycle.offer({ ...offered, facts }, others);
    }
    if (this.parts.settings().isPrefetching) this.planPrefetch(context, first);
    return { items, refusal: null, source: String(first.facts["source"]) };
  }

  private offeredOf(place: Place, kind: TriggerKind, suggestion: Suggestion): Offered {
    const { context } = place;
    const text = context.given + suggestion.text;
    const standing = place.document.slice(context.start, context.end);
    const { completionId, servedId } = suggestion;
    return {
      completionId,
      uri: context.uri,
      text,
      anchor: context.start,
      numTyped: text.startsWith(standing) ? standing.length : 0,
      numGiven: context.given.length,
      isCrlf: context.isCrlf,
      facts: { ...this.factsOf(context, kind), ...suggestion.facts, ...measure(suggestion.text) },
      ...(servedId === undefined ? {} : { servedId }),
      ...(this.parts.settings().sharesCode ? { texts: textsOf(context, suggestion.text) } : {}),
    };
  }

  private factsOf(context: DocumentContext, kind: TriggerKind): Facts {
    return {
      trigger: kind,
      language: context.language,
      file_hash: this.parts.events.hashOf(context.uri),
      session_hash: this.parts.events.hashOf(`session:${context.uri}`),
      multiline: decideMultiline(context, this.parts.settings().lines),
    };
  }

  private planPrefetch(context: DocumentContext, suggestion: Suggestion): void {
    this.stopPrefetch();
    this.prefetchTimer = setTimeout(() => void this.prefetch(context, suggestion), PREFETCH_AFTER_MS);
  }

  /** Asks for what would follow a suggestion, as if it had been accepted. */
  private async prefetch(context: DocumentContext, suggestion: Suggestion): Promise<void> {
    const { lifecycle, asker, offers, client } = this.parts;
    const { shown } = lifecycle;
    if (shown?.offered.completionId !== suggestion.completionId || asker.isBusy) return;
    const after = contextAfter(context, suggestion.text);
    if (offers.find(after.uri, after.around) !== null) return;
    const controller = new AbortController();
    this.prefetching = controller;
    const requestId = `vsc-${crypto.randomUUID()}`;
    const question = this.makeQuestion(after, this.parts.snippets.current(after.uri), requestId);
    const answer = await client
      .complete({ ...question, isBackground: true }, controller.signal, () => undefined)
      .catch(() => null);
    const text = trimAnswer(answer?.texts[0] ?? "", after);
    if (answer === null || text === "") return;
    const facts = { ...answer.facts, source: "speculative", request_id: requestId };
    offers.add(after.uri, after.around, { completionId: answer.completionId, text, facts });
  }

  private stopPrefetch(): void {
    if (this.prefetchTimer !== null) clearTimeout(this.prefetchTimer);
    this.prefetchTimer = null;
    this.prefetching?.abort();
    this.prefetching = null;
  }
}

/** Returns the place behind a suggestion, as if it stood in the document. */
function contextAfter(context: DocumentContext, text: string): DocumentContext {
  const around: Surroundings = {
    prefix: context.around.prefix + text,
    suffix: context.around.suffix,
  };
  const linePrefix = around.prefix.slice(around.prefix.lastIndexOf("\n") + 1);
  const lineSuffix = firstLine(around.suffix);
  const line = context.line + numLineEnds(text);
  return { ...context, around, linePrefix, lineSuffix, line, given: "" };
}

/** Returns what is left of a suggestion, and where it came from this time. */
function withRest(suggestion: Suggestion, rest: string): Suggestion {
  const isWhole = rest === suggestion.text;
  const isNew = isWhole && suggestion.facts["source"] === "speculative";
  const source = isNew ? "speculative" : isWhole ? "cache" : "typed_through";
  // Times belong to the first showing.
  const lasting = Object.entries(suggestion.facts).filter(([name]) => !name.endsWith("_ms"));
  return { ...suggestion, text: rest, facts: { ...Object.fromEntries(lasting), source } };
}

function textsOf(context: DocumentContext, text: string): Facts {
  return {
    completion_text: text,
    prefix_text: context.around.prefix.slice(-MAX_SHARED_CHARS),
    suffix_text: context.around.suffix.slice(0, MAX_SHARED_CHARS),
  };
}

function measure(text: string): Facts {
  return { completion_chars: text.length, completion_lines: numLineEnds(text) + 1 };
}
