// Composes the page: pickers, editor, provider, numbers. Every part decides for itself elsewhere.

import type { editor as monacoEditor } from "monaco-editor";
import type { Refusal } from "./completions";
import { EventQueue } from "./event_queue";
import { EventSwitch } from "./event_switch";
import { acceptSuggestion, makeEditor, showTheme, suggestNow } from "./editor";
import { KeyForm } from "./key";
import { Lifecycle } from "./lifecycle";
import { MeasuresPanel } from "./measures";
import { languages } from "./monaco";
import { byId } from "./page";
import { Provider, type Desk } from "./provider";
import { SamplePicker } from "./sample_picker";
import { LANGUAGES } from "./samples";
import { ThemeSwitch } from "./theme";

const UNAUTHORIZED = 401;
/** What a newer question of the same session does to an older one: nothing to report. */
const SUPERSEDED = 499;

function main(): void {
  const code = makeEditor(byId("editor", HTMLDivElement));
  new ThemeSwitch(byId("theme", HTMLButtonElement), showTheme);
  const status = byId("status", HTMLElement);
  const measures = new MeasuresPanel(
    byId("figures", HTMLElement),
    byId("suggestions", HTMLTableSectionElement),
  );
  const lines = byId("lines", HTMLSelectElement);
  const samples = new SamplePicker(
    byId("language", HTMLSelectElement),
    byId("sample", HTMLSelectElement),
    code,
  );
  const key = new KeyForm(byId("key", HTMLFormElement), () => {
    askAgain();
    tell();
  });
  const events = new EventSwitch(byId("events", HTMLElement), (isOn) => {
    if (!isOn) queue.clear();
  });
  const queue = new EventQueue({
    maySend: () => events.isOn,
    key: () => key.key,
    onSent: (count) => events.count(count),
    onOver: () => events.withdraw(),
  });
  const lifecycle = new Lifecycle((event) => queue.add(event), () => performance.now());
  const desk: Desk = {
    sessionOf: (model) => samples.sessionOf(model),
    isMultiline: () => ({ auto: null, one: false, several: true })[lines.value] ?? null,
    mayAsk: () => !key.isAsking,
    key: () => key.key,
    onAsked: (suggestion) => measures.add(suggestion),
    onChanged(suggestion) {
      if (suggestion.text !== "") status.textContent = "";
      measures.render();
    },
    onRefused,
  };
  const provider = new Provider(desk, lifecycle);

  function onRefused({ status: code, message }: Refusal): void {
    if (code === SUPERSEDED) return;
    if (code === UNAUTHORIZED) key.ask();
    status.textContent = message;
  }

  function tell(): void {
    void showHealth(byId("model", HTMLElement), events, key.key);
  }

  function askAgain(): void {
    provider.reset();
    status.textContent = "";
    code.focus();
    suggestNow(code);
  }

  lines.addEventListener("change", () => provider.reset());
  byId("reset", HTMLButtonElement).addEventListener("click", () => samples.restore());
  const accept = byId("accept", HTMLButtonElement);
  // The editor keeps the focus: without it the suggestion would go before it is taken.
  accept.addEventListener("mousedown", (event) => event.preventDefault());
  accept.addEventListener("click", () => acceptSuggestion(code));
  byId("skip", HTMLAnchorElement).addEventListener("click", (event) => {
    event.preventDefault();
    code.focus();
  });
  languages.registerInlineCompletionsProvider(LANGUAGES.map(({ id }) => id), provider);
  leaveWhenBehind(code, provider);
  addEventListener("pagehide", () => {
    lifecycle.finish();
    queue.leave();
  });
  tell();
}

function leaveWhenBehind(code: monacoEditor.ICodeEditor, provider: Provider): void {
  code.onDidChangeCursorPosition(({ position }) => {
    const model = code.getModel();
    if (model !== null) provider.leaveIfBehind(model, position);
  });
}

interface Health {
  model: string;
  device: string | null;
  events?: boolean;
}

/** A server that asks for keys tells a stranger nothing but that it is there. */
async function showHealth(
  place: HTMLElement,
  events: EventSwitch,
  key: string | null,
): Promise<void> {
  try {
    const headers: HeadersInit = key === null ? {} : { authorization: `Bearer ${key}` };
    const health: Partial<Health> = await (await fetch("/health", { headers })).json();
    if (health.events === true) events.offer();
    if (health.model === undefined || health.device === undefined) return;
    place.textContent = health.device === null ? health.model : `${health.model}, ${health.device}`;
  } catch {
    // The first suggestion says what is wrong.
  }
}

main();
