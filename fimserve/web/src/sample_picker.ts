// Which file is open: one editor model per sample, so that what was typed is there on return.

import type { editor as monacoEditor } from "monaco-editor";
import { editor, Uri } from "./monaco";
import { LANGUAGES, type Language, type Sample } from "./samples";

const CURSOR = "█";

export class SamplePicker {
  private readonly models = new Map<Sample, monacoEditor.ITextModel>();
  private readonly views = new Map<Sample, monacoEditor.ICodeEditorViewState | null>();
  private readonly tab = randomName();
  private open: Sample | null = null;

  constructor(
    private readonly languages: HTMLSelectElement,
    private readonly samples: HTMLSelectElement,
    private readonly code: monacoEditor.IStandaloneCodeEditor,
  ) {
    languages.replaceChildren(...LANGUAGES.map(({ id, label }) => new Option(label, id)));
    languages.addEventListener("change", () => this.listSamples());
    samples.addEventListener("change", () => this.show());
    this.listSamples();
  }

  /** Name the session of a document: this tab's own, so that two tabs never end each other. */
  sessionOf(model: monacoEditor.ITextModel): string {
    return `playground-${this.tab}${model.uri.path}`;
  }

  /** Put the sample back as it was. */
  restore(): void {
    const sample = this.open;
    if (sample === null) return;
    this.models.get(sample)?.setValue(textOf(sample));
    this.placeCursor(sample);
    this.code.focus();
  }

  private get language(): Language {
    const found = LANGUAGES.find(({ id }) => id === this.languages.value);
    if (found === undefined) throw new Error(`no language is ${this.languages.value}`);
    return found;
  }

  private listSamples(): void {
    const options = this.language.samples.map(({ path }, index) => new Option(path, String(index)));
    this.samples.replaceChildren(...options);
    this.show();
  }

  private show(): void {
    if (this.open !== null) this.views.set(this.open, this.code.saveViewState());
    const sample = this.language.samples[Number(this.samples.value)];
    if (sample === undefined) return;
    this.open = sample;
    const known = this.models.get(sample);
    this.code.setModel(known ?? this.makeModel(sample));
    if (known === undefined) this.placeCursor(sample);
    else this.code.restoreViewState(this.views.get(sample) ?? null);
  }

  private makeModel(sample: Sample): monacoEditor.ITextModel {
    const address = `file:///${sample.path}`;
    const made = editor.createModel(textOf(sample), this.language.id, Uri.parse(address));
    this.models.set(sample, made);
    return made;
  }

  private placeCursor(sample: Sample): void {
    const model = this.models.get(sample);
    if (model === undefined) return;
    const position = model.getPositionAt(sample.text.indexOf(CURSOR));
    this.code.setPosition(position);
    this.code.revealPositionInCenterIfOutsideViewport(position);
  }
}

function textOf({ text }: Sample): string {
  return text.replace(CURSOR, "");
}

function randomName(): string {
  // Not randomUUID: that one is missing where the page is not served over TLS.
  const numbers = crypto.getRandomValues(new Uint32Array(2));
  return Array.from(numbers, (number) => number.toString(36)).join("");
}
