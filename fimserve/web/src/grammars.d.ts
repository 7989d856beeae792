// Monaco types its grammars nowhere.
declare module "monaco-editor/languages/definitions/*" {
  import type { languages } from "monaco-editor/editor/editor.api.js";
  export const conf: languages.LanguageConfiguration;
  export const language: languages.IMonarchLanguage;
}

declare module "*.txt" {
  const text: string;
  export default text;
}
