// Asks the server for the place of a cursor: waits, joins what is on its way, or sends.
//
// One request is live at a time. A new key joins it while its answer may still agree with what is
// typed; otherwise it is aborted over the wire. What comes is remembered as an offer whoever waits.

import type { DocumentContext } from "./documentContext";
import { LiveRequest } from "./liveRequest";
import type { OfferBook, Suggestion } from "./offers";
import { aborted, pause } from "./pause";
import type { Completions, Question } from "./question";
import type { Rhythm } from "./rhythm";
import { ServerError } from "./serverError";
import type { Status } from "./status";
import type { Plan } from "./throttle";
import { trimAnswer } from "./trim";

/** How long the rest of an answer is waited for once its first line is there. */
export const EARLY_MS = 120;

export type Ending = "answered" | "nothing" | "aborted" | "failed";

export interface AskerListener {
  /** A request ended, for counting. */
  readonly ended?: (ending: Ending) => void;
  /** A request went out. */
  readonly sent?: (question: Question) => void;
  /** The server does not complete. */
  readonly failed?: (error: ServerError, question: Question) => void;
  /** What was shown as its first line is longer now. */
  readonly grown?: (suggestion: Suggestion) => void;
}

interface Running {
  readonly live: LiveRequest;
  /** The offer that its answer became; null where there is none. */
  readonly absorbed: Promise<Suggestion | null>;
}

export class Asker {
  private running: Running | null = null;
  private readonly accepted = new Set<string>();

  constructor(
    private readonly client: Completions,
    private readonly offers: OfferBook,
    private readonly rhythm: Rhythm,
    private readonly status: Pick<Status, "noteAsking" | "noteEnd">,
    private readonly nowMs: () => number,
    private readonly listener: AskerListener = {},
  ) {}

  get isBusy(): boolean {
    return this.running !== null;
  }

  /** Returns a suggestion for a place, or null where there is none or nobody waits any more.
   *
   * @param makeQuestion Called when the request is to go out.
   */
  async ask(
    context: DocumentContext,
    plan: Plan,
    makeQuestion: () => Promise<Question>,
    signal: AbortSignal,
  ): Promise<Suggestion | null> {
    const startedMs = this.nowMs();
    const { running } = this;
    if (running !== null && running.live.mayAgree(context.uri, context.around)) {
      const waitMs = running.live.isKept ? Number.POSITIVE_INFINITY : plan.waitMs;
      await this.join(running, context, waitMs, signal);
      const found = this.offers.find(context.uri, context.around);
      if (found !== null) return { ...found.offer.suggestion, text: found.rest };
    } else {
      running?.live.abort("diverged");
      await pause(plan.waitMs, signal);
    }
    if (signal.aborted) return null;
    const question = await makeQuestion();
    if (signal.aborted) return null;
    return this.send(question, context, plan.isKept, startedMs, signal);
  }

  /** Aborts what is on its way for another document, or for any. */
  abort(reason: "left" | "closed", uri: string | null = null): void {
    if (this.running !== null && (uri === null || this.running.live.context.uri === uri)) {
      this.running.live.abort(reason);
    }
  }

  /** Notes that a suggestion was accepted: what still comes of it is another one. */
  noteAccepted(completionId: string): void {
    this.accepted.add(completionId);
  }

  /** Waits for an answer as long as it may agree; gives one that says nothing only so much time. */
  private join(
    running: Running,
    context: DocumentContext,
    waitMs: number,
    signal: AbortSignal,
  ): Promise<void> {
    const { live } = running;
    return live.hold(async () => {
      const isCut = aborted(signal);
      const isOver = { value: false };
      const over = pauseFinite(waitMs, signal).then(() => {
        isOver.value = true;
      });
      while (!signal.aborted && !live.isDone && live.mayAgree(context.uri, context.around)) {
        const isSilent = live.text === "";
        if (isSilent && isOver.value) break;
        const waits = [live.nextText(), isCut];
        await Promise.race(isSilent ? [...waits, over] : waits);
      }
      if (live.isDone) await running.absorbed;
    });
  }

  private send(
    question: Question,
    context: DocumentContext,
    isKept: boolean,
    startedMs: number,
    signal: AbortSignal,
  ): Promise<Suggestion | null> {
    this.running?.live.abort("replaced");
    const live = new LiveRequest(this.client, question, context, isKept, this.nowMs(), this.nowMs);
    this.status.noteAsking();
    this.listener.sent?.(question);
    const running: Running = { live, absorbed: this.absorb(live, startedMs) };
    this.running = running;
    return live.hold(() => this.waitFor(running, startedMs, signal));
  }

  /** Waits for the whole answer, or shows its first line while the rest takes long. */
  private async waitFor(
    running: Running,
    startedMs: number,
    signal: AbortSignal,
  ): Promise<Suggestion | null> {
    const { live } = running;
    const isCut = aborted(signal).then(() => "cut" as const);
    const whole = running.absorbed;
    while (!live.isDone) {
      const isFirstLine = firstLineOf(live) !== null;
      const next = isFirstLine ? pause(EARLY_MS, signal) : live.nextText();
      const what = await Promise.race([isCut, whole.then(() => "whole" as const), next]);
      if (what === "cut") return null;
      if (what === "whole") break;
      if (isFirstLine && !live.isDone) return this.showEarly(running, startedMs);
    }
    return whole;
  }

  private showEarly(running: Running, startedMs: number): Suggestion | null {
    const { live } = running;
    const text = firstLineOf(live);
    if (text === null || live.completionId === null) return null;
    const ttftMs = live.startedMs - startedMs + (live.firstTextMs ?? 0);
    const facts = { source: "network", request_id: live.question.requestId, ttft_ms: ttftMs };
    const suggestion = this.remember(live, { completionId: live.completionId, text, facts });
    void running.absorbed.then((whole) => {
      if (whole !== null && whole.text.length > text.length) this.listener.grown?.(whole);
    });
    return suggestion;
  }

  /** Makes an offer of the answer, whoever waits for it. */
  private async absorb(live: LiveRequest, startedMs: number): Promise<Suggestion | null> {
    const outcome = await live.outcome;
    if (this.running?.live === live) this.running = null;
    if (outcome.kind === "aborted") return this.end("aborted");
    if (outcome.kind === "failed") {
      const error = toServerError(outcome.error);
      this.listener.failed?.(error, live.question);
      return this.end("failed", error);
    }
    const { answer } = outcome;
    if (answer === null) return this.end("nothing", "busy");
    const tookMs = this.nowMs() - live.startedMs;
    this.rhythm.noteAnswer(tookMs);
    const model = answer.facts["model"];
    this.status.noteEnd({ latencyMs: tookMs, model: typeof model === "string" ? model : null });
    this.listener.ended?.("answered");
    const text = trimAnswer(answer.texts[0] ?? "", live.context);
    if (text === "") return null;
    const serverMs = answer.facts["server_ms"];
    return this.remember(live, {
      completionId: answer.completionId,
      text,
      facts: {
        ...answer.facts,
        source: "network",
        request_id: live.question.requestId,
        snippets: live.question.snippets.length,
        ttft_ms: live.startedMs - startedMs + (live.firstTextMs ?? tookMs),
        e2e_ms: live.startedMs - startedMs + tookMs,
        transport_ms: typeof serverMs === "number" ? Math.max(0, tookMs - serverMs) : null,
      },
    });
  }

  private remember(live: LiveRequest, suggestion: Suggestion): Suggestion {
    const { completionId } = suggestion;
    const id = this.accepted.has(completionId) ? `${completionId}-rest` : completionId;
    const { uri, around } = live.context;
    return this.offers.add(uri, around, { ...suggestion, completionId: id });
  }

  private end(ending: Ending, why: ServerError | "busy" | null = null): null {
    this.status.noteEnd(why);
    this.listener.ended?.(ending);
    return null;
  }
}

/** Returns the first line of what came so far once it is whole and worth showing. */
function firstLineOf(live: LiveRequest): string | null {
  const end = live.text.indexOf("\n", live.text.search(/[^\n]/) + 1);
  if (end <= 0) return null;
  const text = trimAnswer(live.text.slice(0, end), live.context);
  return text === "" || text.startsWith("\n") ? null : text;
}

function pauseFinite(ms: number, signal: AbortSignal): Promise<void> {
  return Number.isFinite(ms) ? pause(ms, signal) : aborted(signal);
}

function toServerError(error: unknown): ServerError {
  return error instanceof ServerError ? error : new ServerError("failed", String(error));
}
