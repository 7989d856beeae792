// Pieces of other files for each document, kept as they are while somebody types.
//
// They stand at the beginning of the prompt: with other ones the server would have to compute all of
// it again. So they are gathered once when a document is first asked about, for at most 150 ms, and
// again only while the cursor rests, when the server can be told ahead.

import type { SnippetSource } from "./completer";
import type { DocumentContext } from "./documentContext";
import type { Snippet } from "./question";
import type { SourceDocument } from "./sourceDocument";

export const CEILING_MS = 150;
const MAX_SNIPPETS = 6;
const MAX_CHARS = 6_000;
const MAX_DOCUMENTS = 20;

/** Finds pieces of code for a place, most relevant first; may take its time and fail. */
export type Finder = (
  document: SourceDocument,
  context: DocumentContext,
) => Promise<readonly Snippet[]> | readonly Snippet[];

export class SnippetKeeper implements SnippetSource {
  private readonly kept = new Map<string, readonly Snippet[]>();
  private readonly gathering = new Map<string, Promise<void>>();

  /** @param finders The most relevant first. */
  constructor(
    private readonly finders: readonly Finder[],
    private readonly isOn: () => boolean,
  ) {}

  /** Returns what is kept for a document, without looking. */
  current(uri: string): readonly Snippet[] {
    return this.isOn() ? (this.kept.get(uri) ?? []) : [];
  }

  async find(document: SourceDocument, context: DocumentContext): Promise<readonly Snippet[]> {
    if (!this.isOn()) return [];
    if (!this.kept.has(document.uri)) {
      let timer: ReturnType<typeof setTimeout> | undefined;
      const ceiling = new Promise<void>((resolve) => {
        timer = setTimeout(resolve, CEILING_MS);
      });
      await Promise.race([this.gather(document, context), ceiling]);
      clearTimeout(timer);
      // What comes later waits until the cursor rests.
      if (!this.kept.has(document.uri)) this.keep(document.uri, []);
    }
    return this.current(document.uri);
  }

  /** Looks again; what was there stays as it is where nothing new is found. */
  async refresh(document: SourceDocument, context: DocumentContext): Promise<void> {
    if (this.isOn()) await this.gather(document, context, true);
  }

  forget(uri: string): void {
    this.kept.delete(uri);
  }

  private gather(
    document: SourceDocument,
    context: DocumentContext,
    isRefresh = false,
  ): Promise<void> {
    const { uri } = document;
    const running = this.gathering.get(uri);
    if (running !== undefined) return running;
    const gathered = this.runFinders(document, context)
      .then((found) => {
        const before = this.kept.get(uri);
        const isNew = found.some((each) => !before?.some((known) => known.text === each.text));
        if (before === undefined || (isRefresh && isNew)) this.keep(uri, found);
      })
      .finally(() => this.gathering.delete(uri));
    this.gathering.set(uri, gathered);
    return gathered;
  }

  private async runFinders(
    document: SourceDocument,
    context: DocumentContext,
  ): Promise<readonly Snippet[]> {
    const found = await Promise.all(
      this.finders.map(async (find) => {
        try {
          return await find(document, context);
        } catch {
          return []; // a language server's failure is not ours
        }
      }),
    );
    return choose(found.flat());
  }

  private keep(uri: string, snippets: readonly Snippet[]): void {
    this.kept.delete(uri);
    this.kept.set(uri, snippets);
    const [oldest] = this.kept.keys();
    if (this.kept.size > MAX_DOCUMENTS && oldest !== undefined) this.kept.delete(oldest);
  }
}

function choose(found: readonly Snippet[]): Snippet[] {
  const chosen: Snippet[] = [];
  let numChars = 0;
  for (const snippet of found) {
    const isKnown = chosen.some((each) => each.text.includes(snippet.text));
    if (isKnown || snippet.text.trim() === "") continue;
    if (chosen.length >= MAX_SNIPPETS || numChars + snippet.text.length > MAX_CHARS) break;
    chosen.push(snippet);
    numChars += snippet.text.length;
  }
  return chosen;
}
