/**
 * What a look at a data directory finds: the shape that `logs verify` and `logs recover --dry-run` report in.
 *
 * damage: bytes that were on stable storage are bad, missing or contradict each other; the directory is not healthy.
 * warning: nothing is lost, but somebody should know, or the next start will tidy it.
 * note: as it has to be; a torn tail above the recovery point, what a deletion left.
 */
export type Severity = "damage" | "warning" | "note";

/** Stable names of what can be found. */
export type FindingKind =
  | "bad-batch"
  | "torn-tail"
  | "offset"
  | "gap"
  | "hole"
  | "overlap"
  | "epoch"
  | "records"
  | "index"
  | "time-index"
  | "txn-index"
  | "snapshot"
  | "epoch-file"
  | "partition-metadata"
  | "checkpoint"
  | "lost-tail"
  | "identity"
  | "leftover"
  | "set-aside"
  | "unclean-stop"
  | "failed-sync"
  | "foreign"
  | "gone";

export interface Finding {
  readonly severity: Severity;
  readonly kind: FindingKind;
  /** The file or directory it concerns. */
  readonly path: string;
  /** Byte place in the file; null = the file as a whole. */
  readonly position: number | null;
  /** Offset in the partition, where one can be named. */
  readonly offset: number | null;
  readonly message: string;
}

/** Findings of one kind in one file that are listed; of the others only their number is kept. */
const LISTED_PER_FILE = 5;

/** Collects findings. A file of which everything is wrong does not fill the memory. */
export class Findings {
  readonly #listed: Finding[] = [];
  readonly #counts = new Map<string, number>();

  add(
    severity: Severity,
    kind: FindingKind,
    path: string,
    message: string,
    place: { readonly position?: number; readonly offset?: number } = {},
  ): void {
    const key = `${severity} ${kind} ${path}`;
    const count = (this.#counts.get(key) ?? 0) + 1;
    this.#counts.set(key, count);
    if (count > LISTED_PER_FILE) return;
    this.#listed.push({
      severity,
      kind,
      path,
      position: place.position ?? null,
      offset: place.offset ?? null,
      message,
    });
  }

  /** In the order they were found; one more line for each kind of which more was found than is listed. */
  all(): Finding[] {
    const more = [...this.#counts].flatMap(([key, count]): Finding[] => {
      if (count <= LISTED_PER_FILE) return [];
      const listed = this.#listed.find(({ severity, kind, path }) => `${severity} ${kind} ${path}` === key);
      if (listed === undefined) return [];
      const message = `${count - LISTED_PER_FILE} more of this kind in this file`;
      return [{ ...listed, position: null, offset: null, message }];
    });
    return [...this.#listed, ...more];
  }
}
