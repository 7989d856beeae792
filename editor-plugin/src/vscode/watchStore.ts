// What is watched for persistence, on disk, so that a reload of the window loses nothing.
//
// One file per window. A window takes up what an earlier one of the same folders left; what nobody
// can observe any more is said to be censored by whichever window comes first.

import { type PersistenceWatch, WINDOWS_S, type Watched } from "../core/persistence";
import type { FileFolder } from "./storage";

const SAVE_AFTER_MS = 1_000;
const STALE_AFTER_MS = 60_000;

interface Saved {
  readonly workspace: string;
  readonly watched: readonly Watched[];
}

export class WatchStore {
  private timer: ReturnType<typeof setTimeout> | null = null;
  private isEmpty = true;

  /** @param workspace Stands for the folders of this window; empty where there are none. */
  constructor(
    private readonly folder: FileFolder,
    private readonly watch: PersistenceWatch,
    private readonly workspace: string,
    private readonly name = `${crypto.randomUUID()}.json`,
  ) {}

  async restore(): Promise<void> {
    for (const name of await this.folder.list().catch(() => [])) {
      const saved = await this.load(name);
      const isOurs = saved !== null && this.workspace !== "" && saved.workspace === this.workspace;
      if (saved !== null && !isOurs && !isStale(saved)) continue;
      if (saved !== null) this.watch.restore(saved.watched, Date.now());
      await this.folder.remove(name).catch(() => undefined);
    }
    this.planSave();
  }

  /** Removes what this window and earlier ones left, as when the user says no. */
  async clear(): Promise<void> {
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = null;
    this.isEmpty = true;
    const names = await this.folder.list().catch(() => []);
    await Promise.all(names.map((name) => this.folder.remove(name).catch(() => undefined)));
  }

  /** Saves soon: what is watched has changed, or moved. */
  planSave(): void {
    this.timer ??= setTimeout(() => void this.save(), SAVE_AFTER_MS);
  }

  async save(): Promise<void> {
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = null;
    const watched = this.watch.save();
    if (watched.length === 0 && this.isEmpty) return;
    this.isEmpty = watched.length === 0;
    const saved: Saved = { workspace: this.workspace, watched };
    const done = this.isEmpty
      ? this.folder.remove(this.name)
      : this.folder.write(this.name, JSON.stringify(saved));
    await done.catch(() => undefined);
  }

  private async load(name: string): Promise<Saved | null> {
    try {
      const saved = JSON.parse((await this.folder.read(name)) ?? "null") as Saved | null;
      return saved !== null && Array.isArray(saved.watched) ? saved : null;
    } catch {
      return null;
    }
  }
}

function isStale(saved: Saved): boolean {
  const lastWindowMs = 1000 * Math.max(...WINDOWS_S) + STALE_AFTER_MS;
  return saved.watched.every((each) => Date.now() > each.acceptedUnixMs + lastWindowMs);
}
