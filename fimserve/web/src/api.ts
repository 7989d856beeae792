// Asks the server for reports, with the key of this tab.

import type { Experiment, Overview, Report } from "./report";

/** The server's answer where it is none of the wanted ones. */
export class Refused extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

export class Api {
  constructor(private readonly key: () => string | null) {}

  async experiments(): Promise<Experiment[]> {
    return (await this.ask<{ experiments: Experiment[] }>("experiments")).experiments;
  }

  report(name: string): Promise<Report> {
    return this.ask(`experiments/${encodeURIComponent(name)}`);
  }

  overview(days: number): Promise<Overview> {
    return this.ask(`overview?days=${days}`);
  }

  private async ask<T>(path: string): Promise<T> {
    const key = this.key();
    const headers: Record<string, string> = key === null ? {} : { authorization: `Bearer ${key}` };
    const answer = await fetch(`/v1/ab/${path}`, { headers });
    if (answer.ok) return (await answer.json()) as T;
    throw new Refused(answer.status, await messageOf(answer));
  }
}

async function messageOf(answer: Response): Promise<string> {
  try {
    const body: { error?: { message?: string } } = await answer.json();
    if (body.error?.message) return body.error.message;
  } catch {
    // A proxy's page, perhaps.
  }
  return `The server answered ${answer.status}.`;
}
