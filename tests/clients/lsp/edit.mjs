// Edits a document as an editor does, with Microsoft's own protocol library between it and the
// language server, and prints what happened as JSON lines.
//   node edit.mjs URL COMMAND [ARGUMENT ...]
import { spawn } from "node:child_process";
import {
  CancellationTokenSource,
  ConfigurationRequest,
  createProtocolConnection,
  DidChangeTextDocumentNotification,
  DidOpenTextDocumentNotification,
  ExecuteCommandRequest,
  ExitNotification,
  InitializedNotification,
  InitializeRequest,
  InlineCompletionRequest,
  LogMessageNotification,
  ShutdownRequest,
  StreamMessageReader,
  StreamMessageWriter,
} from "vscode-languageserver-protocol/node";
import { TextDocument } from "vscode-languageserver-textdocument";

const [url, command, ...args] = process.argv.slice(2);
const child = spawn(command, args, { stdio: ["pipe", "pipe", "inherit"] });
const connection = createProtocolConnection(
  new StreamMessageReader(child.stdout),
  new StreamMessageWriter(child.stdin),
);
const say = (name, value) => console.log(JSON.stringify({ [name]: value }));
connection.onNotification(LogMessageNotification.type, (log) => say("log", log.message));
connection.onRequest(ConfigurationRequest.type, (asked) => asked.items.map(() => null));
connection.listen();

const uri = "file:///w/geo.py";
let document = TextDocument.create(uri, "python", 1, "s = '😀'\r\ndef area(r):\r\n    \r\n");

function change(range, text) {
  const contentChanges = [{ range, text }];
  document = TextDocument.update(document, contentChanges, document.version + 1);
  return connection.sendNotification(DidChangeTextDocumentNotification.type, {
    textDocument: { uri, version: document.version },
    contentChanges,
  });
}

function ask(position, token, context = { triggerKind: 2 }) {
  return connection.sendRequest(
    InlineCompletionRequest.type,
    { textDocument: { uri }, position, context },
    token,
  );
}

const outcome = (asked) => asked.then(
  (result) => ({ result }),
  (error) => ({ code: error.code }),
);

const { capabilities } = await connection.sendRequest(InitializeRequest.type, {
  processId: process.pid,
  rootUri: null,
  clientInfo: { name: "vscode-languageserver-protocol" },
  initializationOptions: { fimserve: { url } },
  capabilities: {
    general: { positionEncodings: ["utf-16"] },
    textDocument: { inlineCompletion: { dynamicRegistration: false } },
  },
  workspaceFolders: [{ uri: "file:///w", name: "w" }],
});
say("capabilities", capabilities);
await connection.sendNotification(InitializedNotification.type, {});
await connection.sendNotification(DidOpenTextDocumentNotification.type, {
  textDocument: { uri, languageId: "python", version: 1, text: document.getText() },
});

// A cancelled request.
const source = new CancellationTokenSource();
const cancelled = outcome(ask({ line: 0, character: 0 }, source.token, { triggerKind: 1 }));
setTimeout(() => source.cancel(), 300);
say("cancelled", await cancelled);

// Typing: each keystroke asks, and the request before it gives way.
const asked = [];
let cursor = { line: 2, character: 4 };
for (const char of "'😀', ") {
  await change({ start: cursor, end: cursor }, char);
  cursor = document.positionAt(document.offsetAt(cursor) + char.length);
  asked.push(outcome(ask(cursor)));
}
const typed = await Promise.all(asked);
say("typed", typed.map(({ code, result }) => code ?? result?.items.length ?? 0));
const item = typed.at(-1).result.items[0];
say("item", item);

// Acceptance: the edit, then the item's command.
await change(item.range, item.insertText);
say("accepted", await outcome(connection.sendRequest(ExecuteCommandRequest.type, item.command)));
say("text", document.getText());

await connection.sendRequest(ShutdownRequest.type);
await connection.sendNotification(ExitNotification.type);
child.on("exit", (code) => {
  say("exit", code);
  connection.dispose();
});
