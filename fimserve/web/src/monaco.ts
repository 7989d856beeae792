// The editor: Monaco's core, inline suggestions, and what a person expects of keys. No language
// services, no find widget (the browser finds), no worker: nothing here asks for one.

import "monaco-editor/features/bracketMatching/register.js";
import "monaco-editor/features/caretOperations/register.js";
import "monaco-editor/features/clipboard/register.js";
import "monaco-editor/features/codeEditor/register.js";
import "monaco-editor/features/comment/register.js";
import "monaco-editor/features/cursorUndo/register.js";
import "monaco-editor/features/indentation/register.js";
import "monaco-editor/features/inlineCompletions/register.js";
import "monaco-editor/features/lineSelection/register.js";
import "monaco-editor/features/linesOperations/register.js";
import "monaco-editor/features/toggleTabFocusMode/register.js";
import "monaco-editor/features/wordOperations/register.js";
import * as cpp from "monaco-editor/languages/definitions/cpp/cpp.js";
import * as csharp from "monaco-editor/languages/definitions/csharp/csharp.js";
import * as go from "monaco-editor/languages/definitions/go/go.js";
import * as java from "monaco-editor/languages/definitions/java/java.js";
import * as javascript from "monaco-editor/languages/definitions/javascript/javascript.js";
import * as python from "monaco-editor/languages/definitions/python/python.js";
import * as rust from "monaco-editor/languages/definitions/rust/rust.js";
import * as typescript from "monaco-editor/languages/definitions/typescript/typescript.js";
import { editor, KeyCode, KeyMod, languages, Uri } from "monaco-editor/editor/editor.api.js";

const GRAMMARS = { python, java, javascript, typescript, go, rust, cpp, csharp };

for (const [id, { conf, language }] of Object.entries(GRAMMARS)) {
  languages.register({ id });
  languages.setLanguageConfiguration(id, conf);
  languages.setMonarchTokensProvider(id, language);
}

export { editor, KeyCode, KeyMod, languages, Uri };
