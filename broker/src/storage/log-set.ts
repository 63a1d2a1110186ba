/** The logs of a data directory by the name of their directories: those that metadata places here, and those that it does not (yet). */
import type { SegmentedLog } from "./segmented-log.ts";

export class LogSet {
  readonly placed = new Map<string, SegmentedLog>();
  /** On disk, and no replica was placed for them; their checkpoint entries live on with them. */
  readonly unplaced = new Map<string, SegmentedLog>();

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
}
