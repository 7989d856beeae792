// One chart: a dataflow that was compiled when the page was built, and rows that come later.
//
// Vega's expressions are interpreted, not compiled: the page's policy allows no code from text. Of
// Vega only what these charts need is bundled.

import { transforms } from "vega-dataflow";
import * as encodings from "vega-encode";
import { expressionInterpreter } from "vega-interpreter";
import * as dataTransforms from "vega-transforms";
import { View } from "vega-view";
import * as viewTransforms from "vega-view-transforms";

Object.assign(transforms, dataTransforms, viewTransforms, encodings);

export class Chart {
  private readonly view: View;
  private shown: readonly object[] = [];

  constructor(
    private readonly place: HTMLElement,
    dataflow: object,
  ) {
    this.view = new View(dataflow, { renderer: "svg", expr: expressionInterpreter, hover: false });
    this.view.initialize(place);
    new ResizeObserver(() => void this.draw()).observe(place);
  }

  async show(rows: readonly object[]): Promise<void> {
    this.shown = rows;
    this.view.data("rows", rows);
    await this.draw();
  }

  private async draw(): Promise<void> {
    // The rest of the page says it where there is nothing.
    this.place.hidden = this.shown.length === 0;
    if (this.place.hidden || this.place.clientWidth === 0) return;
    await this.view.width(this.place.clientWidth).runAsync();
  }
}
