// Composes, registers and disposes; everything that decides is in core.

import * as vscode from "vscode";
import { ServerError, type ServerProblem } from "./core/serverError";
import type { StatusView } from "./core/status";
import { isOnFor } from "./core/trigger";
import { showMenu } from "./vscode/menu";
import { ACCEPTED_COMMAND, InlineProvider } from "./vscode/provider";
import { onSettings, pauseLanguage, setEnabled } from "./vscode/settings";
import { SignIn } from "./vscode/signIn";
import { MENU_COMMAND, StatusBar } from "./vscode/statusBar";
import { FimWindow } from "./vscode/window";

const SECRET = "secret";
const PROBLEMS_OF_ADDRESS = new Set<ServerProblem>([
  "bad_url",
  "unreachable",
  "no_tls",
  "no_such_route",
  "not_a_server",
]);
let window: FimWindow | null = null;

export async function activate(context: vscode.ExtensionContext): Promise<void> {
  const log = vscode.window.createOutputChannel("fimserve", { log: true });
  const statusBar = new StatusBar();
  const signIn = new SignIn(context.secrets);
  let view: StatusView | null = null;
  let isAsked = false;
  const onStatus = (now: StatusView): void => {
    view = now;
    statusBar.show(now);
  };
  const onProblem = (error: ServerError): void => {
    // Asked once: no popup per key.
    const isAboutKey = error.problem === "key_missing" || error.problem === "key_refused";
    if (!isAboutKey || isAsked) return;
    isAsked = true;
    void offerSignIn(error);
  };
  const secret = context.globalState.get<string>(SECRET) ?? crypto.randomUUID();
  await context.globalState.update(SECRET, secret);
  const fim = new FimWindow(context, signIn, log, secret, onStatus, onProblem);
  window = fim;
  onStatus(fim.status.view);

  const reconfigure = (): void => void fim.configure();
  const commands: Record<string, (...given: never[]) => unknown> = {
    [ACCEPTED_COMMAND]: (completionId: string) => fim.noteAccepted(completionId),
    [MENU_COMMAND]: () => showMenu(fim.settings, view?.details ?? []),
    "fimserve.trigger": () => vscode.commands.executeCommand("editor.action.inlineSuggest.trigger"),
    "fimserve.acceptNextWord": () => fim.takePart("editor.action.inlineSuggest.acceptNextWord"),
    "fimserve.acceptNextLine": () => fim.takePart("editor.action.inlineSuggest.acceptNextLine"),
    "fimserve.dismiss": () => {
      fim.lifecycle.dismiss("escape");
      return vscode.commands.executeCommand("editor.action.inlineSuggest.hide");
    },
    "fimserve.toggle": () => setEnabled(fim.settings.isPaused),
    "fimserve.toggleLanguage": () => {
      const language = vscode.window.activeTextEditor?.document.languageId;
      return language && pauseLanguage(language, !isOnFor(language, fim.settings));
    },
    "fimserve.signIn": async () => {
      if (fim.addressError !== null) return warn(fim.addressError);
      if (await signIn.askForKey(fim.settings.url)) {
        await fim.configure();
        await checkServer(fim);
      }
    },
    "fimserve.signOut": async () => {
      const wasKept = await signIn.forgetKey(fim.settings.url);
      const what = wasKept ? "the key is forgotten" : "no key is kept";
      await vscode.window.showInformationMessage(`fimserve: ${what} for ${fim.client.baseUrl}.`);
    },
    "fimserve.checkServer": () => checkServer(fim),
    "fimserve.openSettings": () => open("workbench.action.openSettings", "@ext:fimserve.fimserve"),
    "fimserve.openWalkthrough": () =>
      open("workbench.action.openWalkthrough", "fimserve.fimserve#start"),
    "fimserve.openLog": () => log.show(),
  };
  for (const [name, run] of Object.entries(commands)) {
    context.subscriptions.push(vscode.commands.registerCommand(name, run));
  }
  context.subscriptions.push(
    log,
    statusBar,
    onSettings(reconfigure, () => fim.noteRefusal()),
    signIn.onChange(reconfigure),
    vscode.languages.registerInlineCompletionItemProvider(
      { pattern: "**" },
      new InlineProvider(() => fim.completer),
    ),
    vscode.workspace.onDidChangeTextDocument((change) => fim.noteChange(change)),
    vscode.workspace.onDidOpenTextDocument((document) => fim.noteOpened(document)),
    vscode.workspace.onDidCloseTextDocument((document) => fim.noteClosed(document)),
    vscode.workspace.onDidSaveTextDocument((document) => fim.noteRecent(document)),
    vscode.workspace.onDidRenameFiles(({ files }) => {
      for (const { oldUri, newUri } of files) fim.noteRenamed(oldUri.toString(), newUri.toString());
    }),
    vscode.workspace.onDidDeleteFiles(({ files }) => {
      for (const uri of files) fim.noteDeleted(uri.toString());
    }),
    vscode.window.onDidChangeTextEditorSelection((change) => fim.noteSelection(change)),
    vscode.window.onDidChangeActiveTextEditor((editor) => fim.noteActive(editor)),
    vscode.window.onDidChangeWindowState((state) => {
      if (!state.focused) fim.lifecycle.dismiss("blurred");
    }),
  );
  await fim.start();
}

export async function deactivate(): Promise<void> {
  await window?.stop();
  window = null;
}

async function checkServer(fim: FimWindow): Promise<void> {
  try {
    const models = await fim.client.fetchModels();
    await vscode.window.showInformationMessage(
      `fimserve: ${fim.client.baseUrl} serves ${models.join(", ") || "no model"}.`,
    );
  } catch (error) {
    if (!(error instanceof ServerError)) throw error;
    await warn(error);
  }
}

/** Says what is wrong and what to do; of an address, where it is set. */
async function warn(error: ServerError): Promise<void> {
  const choices = PROBLEMS_OF_ADDRESS.has(error.problem) ? ["Open Settings"] : [];
  const text = `fimserve: ${error.message}. ${error.remedy}`;
  const chosen = await vscode.window.showWarningMessage(text, ...choices);
  if (chosen !== undefined) await open("workbench.action.openSettings", "fimserve.url");
}

async function offerSignIn(error: ServerError): Promise<void> {
  const chosen = await vscode.window.showWarningMessage(`fimserve: ${error.message}.`, "Sign In");
  if (chosen !== undefined) await vscode.commands.executeCommand("fimserve.signIn");
}

function open(command: string, argument: string): Thenable<unknown> {
  return vscode.commands.executeCommand(command, argument);
}
