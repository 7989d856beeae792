// What the dashboard uses of Vega's parts, which come without types.

declare module "vega-dataflow" {
  export const transforms: Record<string, unknown>;
}
declare module "vega-transforms";
declare module "vega-view-transforms";
declare module "vega-encode";
declare module "vega-interpreter" {
  export const expressionInterpreter: unknown;
}
declare module "vega-view" {
  export class View {
    constructor(dataflow: object, options: { renderer: "svg"; expr: unknown; hover: boolean });
    initialize(place: HTMLElement): this;
    width(pixels: number): this;
    data(name: string, rows: readonly object[]): this;
    runAsync(): Promise<this>;
  }
}
/** A Vega-Lite chart, compiled and parsed when the page is built. */
declare module "*.vl.json" {
  const dataflow: object;
  export default dataflow;
}
