/**
 * The log as the core sees it: all entries behind the place where it was cut, in memory, the tail of which is not on disk
 * yet. It stays small: snapshots follow each other every few MiB (semantics 10.2), and whoever lacks more gets one.
 *
 *     base < … <= snapshot … applied <= min(commit, stable)          stable <= writing <= last
 *
 * Invariants: indexes run without gap from base + 1; terms never fall along the log; committed entries are never
 * truncated (10.1(3), P18); the commit index never falls; entries are handed out for applying in order, once, and only
 * when they are on this disk.
 *
 * Not here: who decides what commits (leader), and the disk.
 */
import { assert } from "../base/index.ts";
import { entryBytes } from "./types.ts";
import type { Entry, EntryBody, LogIndex, ReplicaId, Snapshot, Term } from "./types.ts";
import { VoterHistory } from "./voter-history.ts";

/**
 * What of a stored log still counts beside a snapshot: all of it if it continues or contains the snapshot, nothing if it
 * does neither. The latter is what a crash between the install of a snapshot and the cut of the log leaves (10.2).
 */
export function survivingEntries(snapshot: Snapshot, entries: readonly Entry[]): readonly Entry[] {
  const first = entries[0];
  if (first === undefined || first.index === snapshot.index + 1) return entries;
  const atEnd = entries[snapshot.index - first.index];
  return atEnd?.term === snapshot.term ? entries : [];
}

export class RaftLog {
  /** The last entry that was cut. */
  #baseIndex: LogIndex;
  #baseTerm: Term;
  /** From base + 1 on. */
  #entries: Entry[];
  #snapshot: Snapshot;
  #history: VoterHistory;
  /** On disk up to here. */
  #stableIndex: LogIndex;
  /** What the write that is out makes stable, as far as it has not been truncated since; 0 = none is out. */
  #writingIndex: LogIndex = 0;
  /** Never falls. Set in `commitTo` and `restore` only. */
  #commitIndex: LogIndex;
  /** Handed out for applying. */
  #appliedIndex: LogIndex;

  constructor(snapshot: Snapshot, stored: readonly Entry[]) {
    const first = stored[0];
    assert(first === undefined || first.index <= snapshot.index + 1, "entries are missing behind the snapshot");
    assert(survivingEntries(snapshot, stored).length === stored.length, "the log does not hold its snapshot");
    this.#snapshot = snapshot;
    this.#history = new VoterHistory(snapshot.index, snapshot.voters);
    this.#stableIndex = snapshot.index;
    this.#commitIndex = snapshot.index;
    this.#appliedIndex = snapshot.index;
    this.#entries = [];
    if (first !== undefined && first.index <= snapshot.index) {
      // The term before the first entry is not stored, so the first itself serves as the base.
      this.#baseIndex = first.index;
      this.#baseTerm = first.term;
      this.#push(stored.slice(1));
    } else {
      this.#baseIndex = snapshot.index;
      this.#baseTerm = snapshot.term;
      this.#push(stored);
    }
    this.#stableIndex = this.lastIndex;
  }

  /** Of the oldest entry that is kept; one beyond the last if none is. */
  get firstIndex(): LogIndex {
    return this.#baseIndex + 1;
  }

  get lastIndex(): LogIndex {
    return this.#baseIndex + this.#entries.length;
  }

  get lastTerm(): Term {
    return this.#entries.at(-1)?.term ?? this.#baseTerm;
  }

  get stableIndex(): LogIndex {
    return this.#stableIndex;
  }

  get commitIndex(): LogIndex {
    return this.#commitIndex;
  }

  get appliedIndex(): LogIndex {
    return this.#appliedIndex;
  }

  get snapshot(): Snapshot {
    return this.#snapshot;
  }

  /** In force now, committed or not. */
  get voters(): readonly ReplicaId[] {
    return this.#history.voters;
  }

  /** Where the list in force was appended. */
  get votersIndex(): LogIndex {
    return this.#history.index;
  }

  votersAt(index: LogIndex): readonly ReplicaId[] {
    return this.#history.votersAt(index);
  }

  /** Null where the log was cut, and beyond its end. */
  termAt(index: LogIndex): Term | null {
    if (index === this.#baseIndex) return this.#baseTerm;
    return this.#entries[index - this.#baseIndex - 1]?.term ?? null;
  }

  /** Does it hold this entry? Then it holds everything before it too (log matching, thesis 3.5). */
  holds(index: LogIndex, term: Term): boolean {
    return this.termAt(index) === term;
  }

  /** May a replica with this end lead somebody with this log (thesis 3.6.1)? */
  isUpToDate(lastIndex: LogIndex, lastTerm: Term): boolean {
    return lastTerm > this.lastTerm || (lastTerm === this.lastTerm && lastIndex >= this.lastIndex);
  }

  /** Entries from `from` on, as many as `bytesMax` allows, and one if there is any. */
  slice(from: LogIndex, bytesMax: number, to: LogIndex = this.lastIndex): readonly Entry[] {
    assert(from > this.#baseIndex, "entries were asked for that are cut");
    let bytes = 0;
    let end = from;
    for (; end <= to; end++) {
      const entry = this.#entries[end - this.#baseIndex - 1];
      if (entry === undefined) break;
      bytes += entryBytes(entry);
      if (bytes > bytesMax && end > from) break;
    }
    return this.#entries.slice(from - this.#baseIndex - 1, end - this.#baseIndex - 1);
  }

  /** The leader's own append. */
  append(term: Term, body: EntryBody): Entry {
    const entry = { index: this.lastIndex + 1, term, body };
    this.#push([entry]);
    return entry;
  }

  /**
   * A follower's append behind an entry that it holds: what it has already stays, what contradicts goes (thesis 3.5).
   * Answers the index of the last entry that now agrees with the leader's.
   */
  merge(previousIndex: LogIndex, entries: readonly Entry[]): LogIndex {
    const agreed = entries.findIndex((entry) => !this.holds(entry.index, entry.term));
    if (agreed >= 0) {
      const fresh = entries.slice(agreed);
      this.#truncateFrom(fresh[0]?.index ?? this.lastIndex + 1);
      this.#push(fresh);
    }
    return previousIndex + entries.length;
  }

  /**
   * The highest entry at or below `index` whose term is at most `term`: where two logs that differ at (index, term) may
   * agree (thesis 3.5: a whole term is passed over at a time).
   */
  agreementBelow(index: LogIndex, term: Term): { readonly index: LogIndex; readonly term: Term } {
    let place = Math.min(index, this.lastIndex);
    for (; place > this.#baseIndex; place--) {
      const there = this.termAt(place);
      if (there !== null && there <= term) return { index: place, term: there };
    }
    return { index: this.#baseIndex, term: this.#baseTerm };
  }

  /** False if nothing moved. */
  commitTo(index: LogIndex): boolean {
    if (index <= this.#commitIndex) return false;
    assert(index <= this.lastIndex, `commit index ${index} beyond the log end ${this.lastIndex}: entries were lost`);
    this.#commitIndex = index;
    return true;
  }

  /** What is not on disk yet; it is being written from now on. */
  beginWrite(): readonly Entry[] {
    assert(this.#writingIndex === 0, "two writes at a time");
    if (this.#stableIndex === this.lastIndex) return [];
    this.#writingIndex = this.lastIndex;
    return this.#entries.slice(this.#stableIndex - this.#baseIndex);
  }

  hasUnstable(): boolean {
    return this.#stableIndex < this.lastIndex;
  }

  finishWrite(): void {
    this.#stableIndex = Math.max(this.#stableIndex, this.#writingIndex);
    this.#writingIndex = 0;
  }

  /** The next entries to apply, at most about `bytesMax`. They count as applied from now on. */
  takeCommitted(bytesMax: number): readonly Entry[] {
    const to = Math.min(this.#commitIndex, this.#stableIndex);
    if (to <= this.#appliedIndex) return [];
    const entries = this.slice(this.#appliedIndex + 1, bytesMax, to);
    this.#appliedIndex += entries.length;
    return entries;
  }

  hasCommitted(): boolean {
    return Math.min(this.#commitIndex, this.#stableIndex) > this.#appliedIndex;
  }

  /** Puts the log on a snapshot that it does not hold: everything else in it goes (10.2). */
  restore(snapshot: Snapshot): void {
    assert(snapshot.index > this.#commitIndex, "a snapshot below the commit index was installed");
    assert(!this.holds(snapshot.index, snapshot.term), "a snapshot was installed that the log holds");
    this.#snapshot = snapshot;
    this.#history = new VoterHistory(snapshot.index, snapshot.voters);
    this.#baseIndex = snapshot.index;
    this.#baseTerm = snapshot.term;
    this.#entries = [];
    this.#stableIndex = snapshot.index;
    this.#writingIndex = 0;
    this.#commitIndex = snapshot.index;
    this.#appliedIndex = snapshot.index;
  }

  /** An own snapshot of applied state is durable. */
  onSnapshotWritten(snapshot: Snapshot): void {
    assert(snapshot.index > this.#snapshot.index, "a snapshot older than the one before");
    assert(snapshot.index <= this.#appliedIndex, "a snapshot of what is not applied");
    assert(this.holds(snapshot.index, snapshot.term), "a snapshot of another log");
    this.#snapshot = snapshot;
    this.#history.forgetBefore(snapshot.index);
  }

  /** Forgets entries up to `index`, which a durable snapshot contains; the shell cuts its store alike. */
  cutTo(index: LogIndex): void {
    assert(index <= this.#snapshot.index, "the log is cut only behind a durable snapshot");
    if (index <= this.#baseIndex) return;
    const term = this.termAt(index);
    assert(term !== null, "the log is cut beyond its end");
    this.#entries = this.#entries.slice(index - this.#baseIndex);
    this.#baseIndex = index;
    this.#baseTerm = term;
  }

  #truncateFrom(index: LogIndex): void {
    if (index > this.lastIndex) return;
    assert(index > this.#commitIndex, `committed entries would be truncated from ${index}`);
    this.#entries.length = index - this.#baseIndex - 1;
    this.#stableIndex = Math.min(this.#stableIndex, index - 1);
    this.#writingIndex = Math.min(this.#writingIndex, index - 1);
    this.#history.truncateFrom(index);
  }

  #push(entries: readonly Entry[]): void {
    for (const entry of entries) {
      assert(entry.index === this.lastIndex + 1, "entries with a gap");
      assert(entry.term >= this.lastTerm, "terms fall along the log");
      this.#entries.push(entry);
      // The list of a snapshot already counts those below its end.
      if (entry.body.kind === "voters" && entry.index > this.#snapshot.index) {
        this.#history.append(entry.index, entry.body.voters);
      }
    }
  }
}
