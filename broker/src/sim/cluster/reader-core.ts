/**
 * The SDK's reader between a fetch stream and whoever takes the records, as the simulation drives it: shapes of client/src/core, whose
 * code is handed in. It checks every batch (ST2), and knows where it stands.
 */
export interface ReaderPosition {
  /** What to ask for. */
  readonly fetchOffset: number;
  /** The next record to hand out has this offset or a later one. */
  readonly readOffset: number;
  /** Takes in what was fetched: batches of so many bytes, the rest is damaged; null: not for where it stands. */
  onFetched(fetched: {
    readonly fetchOffset: number;
    readonly visibleEnd: number;
    readonly records: Buffer;
  }): { readonly bytes: number; readonly recordsCount: number } | null;
  restartAt(offset: number): void;
}

export interface ReaderBuffer {
  readonly cursor: { readonly offset: number; readonly value: Buffer | null };
  push(chunk: {
    readonly source: null;
    readonly position: ReaderPosition;
    readonly records: Buffer;
    readonly recordsCount: number;
    readonly leaderEpoch: number;
  }): void;
  /** Moves to the next record. False: nothing is here now. */
  next(): boolean;
  /** What was used up since the last call. */
  takeFreed(): readonly { readonly bytes: number }[];
}

export interface ReaderCore {
  readonly position: ReaderPosition;
  readonly buffer: ReaderBuffer;
}

export type MakeReaderCore = (partition: number) => ReaderCore;
