// Composes the dashboard: what is chosen, what is asked for it, and where the answer is shown.

import { Api, Refused } from "./api";
import { Chart } from "./chart";
import kindsChart from "./charts/kinds.vl.json";
import latencyChart from "./charts/latency.vl.json";
import rateChart from "./charts/rate.vl.json";
import { KeyForm } from "./key";
import { byId } from "./page";
import type { Cell, Experiment, Measured, Report } from "./report";
import {
  day,
  showArms,
  showComparison,
  showExperiments,
  showKinds,
  showMetrics,
} from "./tables";
import { ThemeSwitch } from "./theme";

const UNAUTHORIZED = 401;
const FORBIDDEN = 403;
/** Kinds that are drawn; the table beneath has all. */
const NUM_KINDS = 12;
const ALL = "";

class Dashboard {
  private readonly status = byId("status", HTMLElement);
  private readonly chosen = byId("experiment", HTMLSelectElement);
  private readonly days = byId("days", HTMLSelectElement);
  private readonly key = new KeyForm(byId("key", HTMLFormElement), () => void this.load());
  private readonly api = new Api(() => this.key.key);
  private readonly acceptance = new Chart(byId("acceptance", HTMLDivElement), rateChart);
  private readonly persistence = new Chart(byId("persistence", HTMLDivElement), rateChart);
  private readonly latency = new Chart(byId("latency", HTMLDivElement), latencyChart);
  private readonly kinds = new Chart(byId("kinds", HTMLDivElement), kindsChart);
  /** Grows with each question: an answer that was overtaken is not shown. */
  private asked = 0;

  constructor() {
    this.chosen.addEventListener("change", () => {
      location.hash = encodeURIComponent(this.chosen.value);
      void this.show();
    });
    this.days.addEventListener("change", () => void this.show());
    byId("reload", HTMLButtonElement).addEventListener("click", () => void this.load());
  }

  async load(): Promise<void> {
    await this.tell(async () => {
      const known = await this.api.experiments();
      this.offer(known);
      showExperiments(byId("experiments", HTMLTableElement), known);
      byId("no-experiments", HTMLElement).hidden = known.length > 0;
      byId("experiments", HTMLTableElement).hidden = known.length === 0;
    });
    if (!this.key.isAsking) await this.show();
  }

  private offer(known: readonly Experiment[]): void {
    const wanted = this.chosen.value || decodeURIComponent(location.hash.slice(1));
    const begun = known.filter(({ started_ms }) => started_ms !== null).reverse();
    const options = begun.map(({ plan, state }) => new Option(`${plan.name} (${state})`, plan.name));
    this.chosen.replaceChildren(new Option("all traffic", ALL), ...options);
    this.chosen.value = begun.some(({ plan }) => plan.name === wanted) ? wanted : ALL;
  }

  private async show(): Promise<void> {
    const number = ++this.asked;
    const name = this.chosen.value;
    byId("days-label", HTMLElement).hidden = name !== ALL;
    this.status.textContent = "Measuring …";
    await this.tell(async () => {
      if (name === ALL) {
        const overview = await this.api.overview(Number(this.days.value));
        if (number !== this.asked) return;
        showMetrics(byId("metrics", HTMLTableElement), overview);
        await this.draw(overview, null);
      } else {
        const report = await this.api.report(name);
        if (number !== this.asked) return;
        showArms(byId("arms", HTMLTableElement), report);
        showComparison(byId("metrics", HTMLTableElement), report);
        await this.draw(report, report);
      }
    });
  }

  private async draw(measured: Measured, report: Report | null): Promise<void> {
    this.conclude(report);
    // Empty charts and tables would say nothing, the status does; a report says why it is empty.
    const isEmpty = measured.cells.length === 0;
    byId("results", HTMLElement).hidden = isEmpty && report === null;
    byId("arms-section", HTMLElement).hidden = report === null;
    const order = report?.arms.map(({ name }) => name) ?? ["all"];
    const days = measured.cells.filter(({ dimension }) => dimension === "day");
    await Promise.all([
      this.acceptance.show(toRates(days, "car", order)),
      this.persistence.show(toRates(days, "cpr_30", order)),
      this.latency.show(
        measured.latencies
          .map(({ arm, level, ms, interval: [lower, upper] }) => {
            return { arm, quantile: `p${Math.round(100 * level)}`, value: ms, lower, upper };
          })
          .sort((one, other) => order.indexOf(one.arm) - order.indexOf(other.arm)),
      ),
      this.kinds.show(
        measured.kinds.slice(0, NUM_KINDS).map(({ kind, car, interval: [lower, upper] }) => {
          return { kind, value: car, lower: Math.max(0, lower), upper };
        }),
      ),
    ]);
    showKinds(byId("kinds-table", HTMLTableElement), measured.kinds);
    const period = `${day(measured.since_ms)} to ${day(measured.until_ms)} UTC`;
    this.status.textContent = isEmpty ? `${period}: no suggestions yet.` : `${period}.`;
  }

  private conclude(report: Report | null): void {
    const place = byId("statements", HTMLUListElement);
    byId("conclusions", HTMLElement).hidden = report === null;
    place.replaceChildren(
      ...(report?.statements ?? []).map(({ level, text }) => {
        const item = document.createElement("li");
        item.className = level;
        if (level === "stop") item.setAttribute("role", "alert");
        const word = document.createElement("b");
        word.textContent = level;
        item.append(word, ` ${text}`);
        return item;
      }),
    );
  }

  /** Does something that asks the server; what goes wrong is said in words. */
  private async tell(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      byId("results", HTMLElement).hidden = true;
      if (error instanceof Refused && [UNAUTHORIZED, FORBIDDEN].includes(error.status)) {
        this.key.ask();
      }
      this.status.textContent =
        error instanceof Refused ? error.message : "The server does not answer.";
    }
  }
}

function toRates(cells: readonly Cell[], metric: Cell["metric"], order: readonly string[]): object[] {
  return cells
    .filter((cell) => cell.metric === metric)
    .sort((one, other) => order.indexOf(one.arm) - order.indexOf(other.arm))
    .map(({ key, arm, value, interval }) => {
      const [lower, upper] = interval ?? [value, value];
      const bounded = { lower: Math.max(0, lower), upper: Math.min(1, upper) };
      // A local midnight, so that the axis says the day that was meant.
      return { day: new Date(`${key}T00:00`).getTime(), arm, value, ...bounded };
    });
}

new ThemeSwitch(byId("theme", HTMLButtonElement), () => undefined);
void new Dashboard().load();
