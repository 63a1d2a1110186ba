/** The logs of a data directory by the name of their directories: those that metadata places here, and those that it does not (yet). */
import type { AsideSuffix } from "./directory-names.ts";
import type { SegmentedLog } from "./segmented-log.ts";

export class LogSet {
  readonly placed = new Map<string, SegmentedLog>();
  /** On disk, and no replica was placed for them; their checkpoint entries live on with them. */
  readonly unplaced = new Map<string, SegmentedLog>();
  /** Of the latter, those that go, and what becomes of them: closed, and no checkpoint is to speak of them any more. */
  readonly leaving = new Map<SegmentedLog, AsideSuffix>();

  find(key: string): SegmentedLog | undefined {
    return this.placed.get(key) ?? this.unplaced.get(key);
  }

  has(key: string): boolean {
    return this.placed.has(key) || this.unplaced.has(key);
  }

  *all(): Iterable<SegmentedLog> {
    yield* this.placed.values();
    yield* this.unplaced.values();
  }

  /** Whom checkpoints speak of. */
  kept(): SegmentedLog[] {
    return [...this.all()].filter((log) => !this.leaving.has(log));
  }
}
