// Numbers of the last suggestions: the newest in words, those before as a table.

import type { Suggestion } from "./suggestion";

const NUM_ROWS = 8;

interface Measures {
  ttft: string;
  e2e: string;
  prompt: string;
  cached: string;
  new: string;
}

export class MeasuresPanel {
  private readonly shown: Suggestion[] = [];
  private num = 0;
  private readonly numbers = new WeakMap<Suggestion, number>();

  constructor(
    private readonly figures: HTMLElement,
    private readonly rows: HTMLTableSectionElement,
  ) {}

  add(suggestion: Suggestion): void {
    this.num += 1;
    this.numbers.set(suggestion, this.num);
    this.shown.unshift(suggestion);
    this.shown.length = Math.min(this.shown.length, NUM_ROWS);
    this.render();
  }

  render(): void {
    const measured = this.shown.find(({ usage }) => usage !== null) ?? this.shown[0];
    if (measured !== undefined) this.renderFigures(measuresOf(measured));
    this.rows.replaceChildren(...this.shown.map((suggestion) => this.rowOf(suggestion)));
  }

  private renderFigures(measures: Measures): void {
    for (const place of this.figures.querySelectorAll<HTMLElement>("[data-measure]")) {
      const value = measures[place.dataset["measure"] as keyof Measures];
      if (place.textContent !== value) place.textContent = value;
    }
  }

  private rowOf(suggestion: Suggestion): HTMLTableRowElement {
    const row = document.createElement("tr");
    const measures = measuresOf(suggestion);
    const head = document.createElement("th");
    head.scope = "row";
    head.textContent = String(this.numbers.get(suggestion));
    row.append(head);
    for (const value of [...Object.values(measures), fateOf(suggestion)]) {
      const cell = document.createElement("td");
      cell.textContent = value;
      row.append(cell);
    }
    return row;
  }
}

function measuresOf({ ttftMs, e2eMs, usage }: Suggestion): Measures {
  return {
    ttft: inMs(ttftMs),
    e2e: inMs(e2eMs),
    prompt: usage === null ? "–" : String(usage.promptTokens),
    cached: usage === null ? "–" : String(usage.cachedTokens),
    new: usage === null ? "–" : String(usage.newTokens),
  };
}

function inMs(value: number | null): string {
  return value === null ? "–" : `${Math.round(value)} ms`;
}

function fateOf({ outcome, state, text }: Suggestion): string {
  if (outcome !== null) return outcome;
  if (state === "whole") return text === "" ? "nothing to suggest" : "shown";
  return state;
}
