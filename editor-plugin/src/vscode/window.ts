// One window of the editor at work: composes the core, and brings it what VS Code tells.

import * as vscode from "vscode";
import { Asker } from "../core/asker";
import { Completer } from "../core/completer";
import { findContext } from "../core/documentContext";
import { EventMaker, type FimEvent } from "../core/eventMaker";
import { EventQueue } from "../core/eventQueue";
import { FimClient } from "../core/fimClient";
import { Lifecycle } from "../core/lifecycle";
import { OfferBook, type Suggestion } from "../core/offers";
import { looksTaken, numTypedBy } from "../core/partDetector";
import { PersistenceWatch } from "../core/persistence";
import type { Completions } from "../core/question";
import { RecentFiles } from "../core/recentFiles";
import { Rhythm } from "../core/rhythm";
import type { ServerError } from "../core/serverError";
import { SnippetKeeper } from "../core/snippetKeeper";
import { toLf } from "../core/sourceDocument";
import { Status, type StatusView } from "../core/status";
import { Throttle } from "../core/throttle";
import { findDocumentRefusal, type Refusal } from "../core/trigger";
import { WarmUp, type WarmUpPlace } from "../core/warmUp";
import { findDefinitions, readClipboard } from "./languageServices";
import { readSettings, type Settings, showsSuggestions } from "./settings";
import type { SignIn } from "./signIn";
import { FileFolder } from "./storage";
import { editsOf, findOpen, findOtherCells, VscodeDocument } from "./vscodeDocument";
import { WatchStore } from "./watchStore";

/** Other sources of grey text, by which acceptance would be misjudged. */
const OTHER_PROVIDERS = [
  "github.copilot",
  "sourcegraph.cody-ai",
  "tabbyml.vscode-tabby",
  "ggml-org.llama-vscode",
  "codeium.codeium",
  "continue.continue",
  "supermaven.supermaven",
];
const MAX_SIMILAR = 3;
/** Timers and the clock on the wall are not one clock. */
const LOOK_LATE_MS = 50;

export class FimWindow {
  settings: Settings = readSettings();
  readonly completer: Completer;
  readonly status: Status;
  readonly lifecycle: Lifecycle;
  readonly watch: PersistenceWatch;
  client: FimClient;
  private readonly events: EventMaker;
  private readonly queue: EventQueue;
  private readonly watchStore: WatchStore;
  private readonly offers = new OfferBook();
  private readonly recent = new RecentFiles();
  private readonly snippets: SnippetKeeper;
  private readonly warmUp: WarmUp;
  private readonly user: string;
  private lookTimer: ReturnType<typeof setTimeout> | null = null;
  /** Whether the next edit is a part of a suggestion taken by one of our commands. */
  private takesPart = false;
  private versionAtSelection = -1;
  private active: vscode.TextDocument | null = null;

  constructor(
    context: vscode.ExtensionContext,
    private readonly signIn: SignIn,
    private readonly log: vscode.LogOutputChannel,
    secret: string,
    onStatus: (view: StatusView) => void,
    private readonly onProblem: (error: ServerError) => void,
  ) {
    const storage = context.globalStorageUri;
    this.events = new EventMaker(
      (event) => this.takeEvent(event),
      {
        editor: "vscode",
        editor_version: vscode.version,
        client: "fimserve-vscode",
        client_version: String((context.extension.packageJSON as { version: string }).version),
        window_hash: crypto.randomUUID().replaceAll("-", ""),
      },
      secret,
    );
    this.user = this.events.hashOf("user");
    this.client = this.makeClient(null);
    // The client of the moment: a change of settings makes another one.
    const server: Completions = { complete: (...asked) => this.client.complete(...asked) };
    this.queue = new EventQueue(
      new FileFolder(vscode.Uri.joinPath(storage, "events")),
      (events) => this.client.sendEvents(events),
      this.client.baseUrl,
      (message) => this.log.warn(message),
    );
    const nowMs = (): number => performance.now();
    this.status = new Status(this.client.baseUrl, onStatus);
    this.lifecycle = new Lifecycle(this.events, nowMs);
    this.watch = new PersistenceWatch(this.events, findOpen, this.settings.persistenceScale);
    this.watchStore = new WatchStore(
      new FileFolder(vscode.Uri.joinPath(storage, "watched")),
      this.watch,
      (vscode.workspace.workspaceFolders ?? []).map((each) => each.uri.toString()).join(" "),
    );
    const rhythm = new Rhythm();
    const asker = new Asker(server, this.offers, rhythm, this.status, nowMs, {
      sent: (question) => this.log.debug(`${question.requestId} asked`),
      failed: (error, question) => this.noteFailure(error, question.requestId),
      grown: (suggestion) => this.refresh(suggestion),
    });
    this.snippets = new SnippetKeeper(
      [
        findDefinitions,
        (_, place) => this.recent.findSimilar(place, MAX_SIMILAR),
        () => (this.settings.usesClipboard ? readClipboard() : []),
      ],
      () => this.settings.usesSnippets,
    );
    this.completer = new Completer({
      client: server,
      asker,
      offers: this.offers,
      rhythm,
      throttle: new Throttle(rhythm),
      lifecycle: this.lifecycle,
      events: this.events,
      status: this.status,
      snippets: this.snippets,
      settings: () => this.settings,
      nowMs,
    });
    this.warmUp = new WarmUp(server, () => asker.isBusy);
  }

  /** Takes up what earlier windows left, and the documents that are open already. */
  async start(): Promise<void> {
    await this.configure();
    await this.watchStore.restore();
    this.planLook();
    if (this.settings.events !== "off") await this.queue.adopt();
    const { activeTextEditor } = vscode.window;
    if (activeTextEditor !== undefined) this.noteActive(activeTextEditor);
  }

  /** Says what is left to say; what cannot be sent now is on disk for the next window. */
  async stop(): Promise<void> {
    this.warmUp.cancel();
    this.completer.dispose();
    this.lifecycle.dismiss("other");
    if (this.lookTimer !== null) clearTimeout(this.lookTimer);
    await Promise.all([this.watchStore.save(), this.queue.close()]);
  }

  /** Goes on with the settings and the key as they are now. */
  async configure(): Promise<void> {
    this.settings = readSettings();
    const before = this.client.baseUrl;
    this.client = this.makeClient(await this.signIn.readKey(this.settings.url));
    this.status.reset(this.client.baseUrl, this.addressError);
    this.offers.clear();
    if (this.client.baseUrl !== before) await this.queue.changeServer(this.client.baseUrl);
    if (this.settings.events === "off") await this.forgetEvents();
    this.noteRefusal();
  }

  /** What is wrong with the address of the server; null where it is one. */
  get addressError(): ServerError | null {
    return this.client.findAddressError();
  }

  noteChange(change: vscode.TextDocumentChangeEvent): void {
    const uri = change.document.uri.toString();
    for (const edit of editsOf(change)) {
      const before = this.lifecycle.shown;
      this.lifecycle.follow(uri, edit);
      this.watch.follow(uri, edit);
      const { shown } = this.lifecycle;
      const follows = before !== null && shown?.offered === before.offered;
      const grew = follows && shown.numTyped > before.numTyped;
      const hasMenuChoice = (shown?.offered.numGiven ?? 0) > 0;
      if (grew && (this.takesPart || looksTaken(edit, hasMenuChoice))) this.lifecycle.takePart();
      else this.completer.noteTyped(numTypedBy(edit));
    }
    if (change.contentChanges.length > 0) {
      this.warmUp.cancel();
      if (this.watch.size > 0) this.watchStore.planSave();
    }
  }

  noteSelection(change: vscode.TextEditorSelectionChangeEvent): void {
    const { document, selection } = change.textEditor;
    const isMoved = document.version === this.versionAtSelection;
    this.versionAtSelection = document.version;
    const { shown } = this.lifecycle;
    if (shown?.offered.uri === document.uri.toString()) {
      const cursor = document.offsetAt(selection.active);
      if (cursor !== shown.cursor) this.lifecycle.dismiss("caret_moved");
    }
    if (isMoved && selection.isEmpty) this.planWarmUp(change.textEditor);
  }

  noteActive(editor: vscode.TextEditor | undefined): void {
    if (editor !== undefined) this.lifecycle.dismiss("file_switched");
    this.noteRefusal();
    if (editor === undefined) return;
    // As it was left, saved or not.
    if (this.active !== null && !this.active.isClosed) this.noteRecent(this.active);
    this.active = editor.document;
    this.noteRecent(editor.document);
    this.planWarmUp(editor);
  }

  noteOpened(document: vscode.TextDocument): void {
    this.watch.return(new VscodeDocument(document));
  }

  noteClosed(document: vscode.TextDocument): void {
    this.lifecycle.close(document.uri.toString());
    this.watch.leave(new VscodeDocument(document));
    this.noteRecent(document);
  }

  /** Notes how a document looks now, for pieces that are like other code. */
  noteRecent(document: vscode.TextDocument): void {
    const source = new VscodeDocument(document);
    const isFit = findDocumentRefusal(source, this.settings) === null;
    if (isFit && this.settings.usesSnippets && source.path !== null) {
      this.recent.note(source.uri, source.path, toLf(document.getText()));
    }
  }

  noteRenamed(from: string, to: string): void {
    this.watch.rename(from, to);
    this.offers.rename(from, to);
    this.recent.forget(from);
    const open = findOpen(to);
    if (open !== null) this.watch.return(open);
  }

  noteDeleted(uri: string): void {
    this.watch.remove(uri);
    this.recent.forget(uri);
  }

  noteAccepted(completionId: string): void {
    this.completer.noteAccepted(completionId);
    const accepted = this.lifecycle.accept(completionId);
    if (accepted === null || this.settings.events === "off") return;
    this.watch.add(accepted, Date.now());
    this.watchStore.planSave();
    this.planLook();
  }

  /** Takes a part of the suggestion by a command of the editor. */
  async takePart(command: string): Promise<void> {
    this.takesPart = true;
    try {
      await vscode.commands.executeCommand(command);
    } finally {
      this.takesPart = false;
    }
  }

  /** Says at once where there are no completions, and takes away what is shown there. */
  noteRefusal(): void {
    const document = vscode.window.activeTextEditor?.document;
    // What held for a document that is left holds no longer.
    const anywhere = this.settings.isPaused ? "paused" : null;
    const refusal = document === undefined ? anywhere : this.refusalOf(document);
    this.status.noteRefusal(refusal);
    if (refusal === null || this.lifecycle.shown === null) return;
    this.lifecycle.dismiss("other");
    void vscode.commands.executeCommand("editor.action.inlineSuggest.hide");
  }

  /** Returns why nothing is done for a document before somebody asks, or null. */
  private refusalOf(document: vscode.TextDocument): Refusal | null {
    const refusal = findDocumentRefusal(new VscodeDocument(document), this.settings);
    return refusal ?? (showsSuggestions(document) ? null : "editor_off");
  }

  /** Forgets what waits to be said, and the accepted texts that are watched. */
  private async forgetEvents(): Promise<void> {
    this.watch.finish();
    await Promise.all([this.watchStore.clear(), this.queue.clear()]);
  }

  private makeClient(apiKey: string | null): FimClient {
    const { url, model } = this.settings;
    return new FimClient({ url, apiKey, model, user: this.user });
  }

  private takeEvent(event: FimEvent): void {
    if (this.settings.events === "off") return;
    const isOther = OTHER_PROVIDERS.some((id) => vscode.extensions.getExtension(id)?.isActive);
    this.queue.add({ ...event, user_hash: this.user, other_provider: isOther });
  }

  private noteFailure(error: ServerError, requestId: string): void {
    this.log.warn(`${requestId} ${error.message}. ${error.remedy}`);
    const { problem, status } = error;
    this.events.record("error", null, {
      error_code: problem,
      http_status: status,
      request_id: requestId,
    });
    this.onProblem(error);
  }

  /** Shows the rest of a suggestion whose first line is on the screen. */
  private refresh(suggestion: Suggestion): void {
    const { shown } = this.lifecycle;
    const uri = vscode.window.activeTextEditor?.document.uri.toString();
    if (shown?.offered.completionId !== suggestion.completionId || shown.offered.uri !== uri) return;
    this.completer.noteRefresh(uri);
    const isOver = (): void => this.completer.noteRefresh(null);
    void vscode.commands.executeCommand("editor.action.inlineSuggest.trigger").then(isOver, isOver);
  }

  private planWarmUp(editor: vscode.TextEditor): void {
    const source = new VscodeDocument(editor.document);
    const isOff = this.refusalOf(editor.document) !== null;
    if (isOff || !this.settings.isWarmingUp) return this.warmUp.cancel();
    this.warmUp.plan(async (): Promise<WarmUpPlace> => {
      const cursor = editor.document.offsetAt(editor.selection.active);
      const context = findContext(source, cursor, null, findOtherCells(editor.document));
      await this.snippets.refresh(source, context);
      return {
        around: context.around,
        path: context.path,
        language: context.language,
        session: `vsc-${this.events.hashOf(context.uri)}`,
        snippets: this.snippets.current(context.uri),
      };
    });
  }

  private planLook(): void {
    if (this.lookTimer !== null) clearTimeout(this.lookTimer);
    const nextMs = this.watch.nextLookMs;
    if (nextMs === null) return;
    this.lookTimer = setTimeout(() => this.look(), Math.max(0, nextMs - Date.now()) + LOOK_LATE_MS);
  }

  private look(): void {
    this.watch.look(Date.now());
    this.watchStore.planSave();
    this.planLook();
  }
}
