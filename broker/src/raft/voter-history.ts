/**
 * Which voters are in force, and which would be again if the log were cut. A list counts from its append, committed or
 * not, and is undone when its entry is truncated (semantics 10.1(7), thesis 4.1).
 */
import { assert } from "../base/index.ts";
import type { LogIndex, ReplicaId } from "./types.ts";

interface VoterList {
  readonly index: LogIndex;
  readonly voters: readonly ReplicaId[];
}

export class VoterHistory {
  /** Ascending by index, never empty; the first belongs to the snapshot or to an entry below it. */
  #lists: VoterList[];

  constructor(index: LogIndex, voters: readonly ReplicaId[]) {
    this.#lists = [{ index, voters }];
  }

  get voters(): readonly ReplicaId[] {
    return this.#last.voters;
  }

  /** Where the list in force was appended. */
  get index(): LogIndex {
    return this.#last.index;
  }

  append(index: LogIndex, voters: readonly ReplicaId[]): void {
    assert(index > this.index, "lists of voters out of order");
    assert(voters.length > 0, "a list without voters");
    this.#lists.push({ index, voters });
  }

  /** The log ends before `index` now. */
  truncateFrom(index: LogIndex): void {
    while (this.index >= index) this.#lists.pop();
  }

  votersAt(index: LogIndex): readonly ReplicaId[] {
    const list = this.#lists.findLast((each) => each.index <= index);
    assert(list !== undefined, `the voters at ${index} are forgotten`);
    return list.voters;
  }

  /** Nobody will ask for lists before the one in force at `index`. */
  forgetBefore(index: LogIndex): void {
    const kept = this.#lists.findLastIndex((each) => each.index <= index);
    if (kept > 0) this.#lists = this.#lists.slice(kept);
  }

  get #last(): VoterList {
    const last = this.#lists.at(-1);
    assert(last !== undefined, "the voters of the snapshot were truncated");
    return last;
  }
}
