// The editor in the page: its options, its colours, and the keys that leave it.

import type { editor as monacoEditor } from "monaco-editor";
import { editor, KeyCode, KeyMod } from "./monaco";

export type Theme = "light" | "dark";

const LABEL =
  "Code. Tab accepts a suggestion, Escape dismisses it. Escape, then Tab, leaves the editor.";

const OPTIONS: monacoEditor.IStandaloneEditorConstructionOptions = {
  ariaLabel: LABEL,
  automaticLayout: true,
  bracketPairColorization: { enabled: false },
  contextmenu: false,
  fixedOverflowWidgets: true,
  folding: false,
  fontSize: 14,
  hover: { enabled: "off" },
  inlineSuggest: {
    enabled: true,
    mode: "subwordSmart",
    showToolbar: "never",
    syntaxHighlightingEnabled: false,
  },
  lightbulb: { enabled: "off" as monacoEditor.ShowLightbulbIconMode },
  lineNumbersMinChars: 3,
  links: false,
  minimap: { enabled: false },
  model: null,
  occurrencesHighlight: "off",
  overviewRulerLanes: 0,
  padding: { top: 12, bottom: 12 },
  quickSuggestions: false,
  scrollBeyondLastLine: false,
  scrollbar: { alwaysConsumeMouseWheel: false },
  stickyScroll: { enabled: false },
  suggestOnTriggerCharacters: false,
  unicodeHighlight: { ambiguousCharacters: false, invisibleCharacters: false },
  wordBasedSuggestions: "off",
  wordWrap: "on",
  wrappingIndent: "indent",
};

export function makeEditor(parent: HTMLElement): monacoEditor.IStandaloneCodeEditor {
  defineTheme("light", "vs", { ghost: "#6a6f76", background: "#ffffff" });
  defineTheme("dark", "vs-dark", { ghost: "#9097a1", background: "#16181d" });
  ignoreCancelledWork();
  const made = editor.create(parent, OPTIONS);
  letTabLeaveAfterEscape(made);
  made.addAction({
    id: "fimserve.suggest",
    label: "Suggest something here",
    keybindings: [KeyMod.Alt | KeyCode.Backslash],
    run: () => suggestNow(made),
  });
  return made;
}

export function suggestNow(made: monacoEditor.IStandaloneCodeEditor): void {
  made.trigger("playground", "editor.action.inlineSuggest.trigger", {});
}

export function showTheme(theme: Theme): void {
  editor.setTheme(`fimserve-${theme}`);
}

function defineTheme(
  theme: Theme,
  base: monacoEditor.BuiltinTheme,
  { ghost, background }: { ghost: string; background: string },
): void {
  editor.defineTheme(`fimserve-${theme}`, {
    base,
    inherit: true,
    rules: [],
    colors: {
      "editor.background": background,
      // Monaco's own grey has too little contrast to be read with ease.
      "editorGhostText.foreground": ghost,
    },
  });
}

/** Monaco gives work up by rejecting promises that nobody waits for; VS Code ignores these too. */
function ignoreCancelledWork(): void {
  addEventListener("unhandledrejection", (event) => {
    if (event.reason instanceof Error && event.reason.name === "Canceled") event.preventDefault();
  });
}

export function acceptSuggestion(made: monacoEditor.IStandaloneCodeEditor): void {
  made.focus();
  made.trigger("playground", "editor.action.inlineSuggest.commit", {});
}

const KEYS_OF_LEAVING = new Set([KeyCode.Tab, KeyCode.Shift, KeyCode.Escape]);

/** Escape with nothing to dismiss hands the next Tab to the page; any other key takes it back. */
function letTabLeaveAfterEscape(made: monacoEditor.IStandaloneCodeEditor): void {
  const setLeaving = (isLeaving: boolean) => made.updateOptions({ tabFocusMode: isLeaving });
  made.addAction({
    id: "fimserve.leaveByTab",
    label: "Let Tab leave the editor",
    keybindings: [KeyCode.Escape],
    keybindingContext: "editorTextFocus && !inlineSuggestionVisible",
    run: () => setLeaving(true),
  });
  made.onKeyDown(({ keyCode }) => {
    if (!KEYS_OF_LEAVING.has(keyCode)) setLeaving(false);
  });
  made.onDidBlurEditorText(() => setLeaving(false));
}
