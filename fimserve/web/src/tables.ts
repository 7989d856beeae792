// Tables of the dashboard: rows of text, made of nodes and never of markup.

import type { Experiment, Interval, Kind, Overview, Report } from "./report";

type Row = readonly string[];

export function fillTable(table: HTMLTableElement, names: Row, rows: readonly Row[]): void {
  const head = document.createElement("thead");
  head.append(rowOf(names, "col"));
  const body = document.createElement("tbody");
  body.append(...rows.map((row) => rowOf(row)));
  for (const part of [table.tHead, ...table.tBodies]) part?.remove();
  table.append(head, body);
}

function rowOf(values: Row, scope?: "col"): HTMLTableRowElement {
  const row = document.createElement("tr");
  values.forEach((value, index) => {
    const cell = document.createElement(scope !== undefined || index === 0 ? "th" : "td");
    if (cell.tagName === "TH") cell.scope = scope ?? "row";
    cell.textContent = value;
    row.append(cell);
  });
  return row;
}

export function showArms(table: HTMLTableElement, { arms }: Report): void {
  fillTable(
    table,
    ["arm", "planned", "users", "triggered", "counted", "accepted"],
    arms.map((arm) => [
      arm.name,
      share(arm.share),
      ...[arm.num_users, arm.num_triggered, arm.counted, arm.accepted].map(String),
    ]),
  );
}

export function showComparison(table: HTMLTableElement, { metrics }: Report): void {
  fillTable(
    table,
    ["metric", "arm", "control", "treatment", "difference, 95 %", "at any time", "p, corrected"],
    metrics.map((row) => [
      row.title,
      row.arm,
      amount(row.control, row.is_share),
      amount(row.treatment, row.is_share),
      bounds(row.fixed, row.is_share),
      row.anytime === null ? "too early" : bounds(row.anytime, row.is_share),
      row.p_adjusted.toFixed(4),
    ]),
  );
}

export function showMetrics(table: HTMLTableElement, { metrics }: Overview): void {
  fillTable(
    table,
    ["metric", "value", "95 %"],
    metrics.map((row) => [
      row.title,
      amount(row.value, row.is_share),
      bounds(row.interval, row.is_share),
    ]),
  );
}

export function showKinds(table: HTMLTableElement, kinds: readonly Kind[]): void {
  fillTable(
    table,
    ["kind", "acceptance", "95 %", "refused", "of"],
    kinds.map((row) => [
      row.kind,
      share(row.car),
      bounds(row.interval, true),
      String(row.refused),
      String(row.counted),
    ]),
  );
}

export function showExperiments(table: HTMLTableElement, known: readonly Experiment[]): void {
  fillTable(
    table,
    ["experiment", "state", "since (UTC)", "arms", "why stopped"],
    known.map((one) => [
      one.plan.name,
      one.state,
      day(one.stopped_ms ?? one.started_ms ?? one.created_ms),
      one.plan.arms
        .map(({ name, share }) => `${name} ${share}${name in one.stopped_arms ? " (stopped)" : ""}`)
        .join(", "),
      [
        ...Object.entries(one.stopped_arms).map(([name, [, reason]]) => `${name}: ${reason}`),
        ...(one.reason === null ? [] : [one.reason]),
      ].join("; "),
    ]),
  );
}

export function day(ms: number): string {
  return new Date(ms).toISOString().slice(0, 16).replace("T", " ");
}

function share(value: number): string {
  return `${(100 * value).toFixed(2)} %`;
}

function amount(value: number, isShare: boolean): string {
  return isShare ? share(value) : value.toPrecision(4);
}

function bounds([lower, upper]: Interval, isShare: boolean): string {
  return `${amount(lower, isShare)} to ${amount(upper, isShare)}`;
}
