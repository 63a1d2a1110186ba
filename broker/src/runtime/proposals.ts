/**
 * The working state of the node that leads Raft (semantics 10.3): what is committed, and every record that it has proposed in its
 * term. A command is decided on it and applied to it in one stretch; its answer, a refusal too, leaves when all that it was decided on
 * is committed.
 */
import { assert } from "../base/index.ts";
import {
  applyEntry,
  brokersBelow,
  type ClusterImage,
  type Decision,
  encodeRecords,
  levelOf,
  type MetadataDelta,
  type MetadataEntry,
  type MetadataRecord,
} from "../metadata/index.ts";
import { ProtoError } from "@tidemark/proto";
import type { Clock } from "../ports/index.ts";
import type { Consensus, ConsensusRefusal } from "./consensus.ts";
import { NotController } from "./controller-commands.ts";

/** An entry that was proposed and is not committed. */
interface Proposal {
  readonly index: number;
  readonly term: number;
  readonly image: ClusterImage;
  readonly delta: MetadataDelta;
  readonly entry: MetadataEntry;
  /** Monotonic ms. */
  readonly proposedAt: number;
  /** Answers that leave with its commit. */
  readonly waiters: { readonly commit: () => void; readonly drop: (error: Error) => void }[];
}

interface TakenProposal extends Pick<Proposal, "image" | "delta" | "entry"> {
  /** From its proposal to its commit. */
  readonly seconds: number;
  readonly answer: () => void;
}

export class Proposals {
  readonly #consensus: Consensus;
  readonly #clock: Clock;
  readonly #levelOf: typeof levelOf;
  #working: ClusterImage;
  /** Of the newest records in it: entries without any, which move its offset too, may not be committed when all of those are. */
  #decidedAt: number;
  /** In order of index. */
  #pending: Proposal[] = [];
  /** Consensus may tell of earlier entries while it takes the next one, and whoever hears of them may ask for more. */
  #isProposing = false;
  /** What `drop` was given: nothing is decided here any more. */
  #dropped: Error | null = null;

  /** `needs`: which metadata brokers have to understand for these records; another one for tests. */
  constructor(consensus: Consensus, committed: ClusterImage, clock: Clock, needs = levelOf) {
    this.#levelOf = needs;
    this.#consensus = consensus;
    this.#clock = clock;
    this.#working = committed;
    this.#decidedAt = committed.metadataOffset;
  }

  /** Entries that are not this leader's commands move its offset too. */
  get working(): ClusterImage {
    const { lastIndex } = this.#consensus;
    if (this.#working.metadataOffset < lastIndex) this.#working = { ...this.#working, metadataOffset: lastIndex };
    return this.#working;
  }

  get isEmpty(): boolean {
    return this.count === 0;
  }

  /** Entries that are not committed. */
  get count(): number {
    return this.#pending.length;
  }

  /** Resolves with the offset of what was decided on. Rejects with what `drop` was given. */
  submit<Response>(
    decide: (working: ClusterImage) => Decision<Response>,
  ): Promise<{ readonly response: Response; readonly metadataOffset: number }> {
    if (this.#dropped !== null) return Promise.reject(this.#dropped);
    if (this.#isProposing) return Promise.resolve().then(() => this.submit(decide));
    const { records, response } = decide(this.working);
    if (records.length > 0) {
      const refusal = this.#propose(records);
      if (refusal !== null) return Promise.reject(refusal);
    }
    // Without records too: a refusal may rest on what is proposed and not committed.
    const newest = this.#pending.at(-1);
    if (newest === undefined) {
      return Promise.resolve({ response, metadataOffset: this.#decidedAt });
    }
    return new Promise((resolve, reject) => {
      const commit = (): void => resolve({ response, metadataOffset: newest.index });
      const isProposed = records.length > 0;
      newest.waiters.push({ commit, drop: (error) => reject(isProposed ? asUncertain(error) : error) });
    });
  }

  #propose(records: readonly MetadataRecord[]): Error | null {
    const behind = brokersBelow(this.#working, this.#levelOf(records));
    if (behind.length > 0) return unreadable(behind);
    const { image, delta } = applyEntry(this.#working, this.#working.metadataOffset + 1, records);
    const at = Math.round(this.#clock.wallNow());
    const proposedAt = this.#clock.monotonicNow();
    const entry: MetadataEntry = { at, records };
    this.#isProposing = true;
    const proposed = this.#consensus.propose([encodeRecords(records, at)]);
    this.#isProposing = false;
    if (!proposed.ok) return refusedError(proposed.code);
    assert(proposed.firstIndex === image.metadataOffset, "a proposal has another index than it was decided for");
    this.#working = image;
    this.#decidedAt = image.metadataOffset;
    this.#pending.push({
      index: proposed.firstIndex,
      term: proposed.term,
      image,
      delta,
      entry,
      proposedAt,
      waiters: [],
    });
    return null;
  }

  /** What a committed entry comes to, if it is the next of these; `answer` is called when that is applied. */
  take(index: number, term: number): TakenProposal | null {
    const [next] = this.#pending;
    if (next === undefined || next.index !== index) return null;
    assert(next.term === term, "another entry was committed in the place of a proposal");
    this.#pending.shift();
    const { image, delta, entry, proposedAt, waiters } = next;
    const seconds = (this.#clock.monotonicNow() - proposedAt) / 1_000;
    return { image, delta, entry, seconds, answer: () => waiters.forEach(({ commit }) => commit()) };
  }

  /** The working state is gone, and whoever waits for more is told (10.3(4)). */
  drop(error: Error): void {
    this.#dropped = error;
    const dropped = this.#pending;
    this.#pending = [];
    for (const { waiters } of dropped) for (const { drop } of waiters) drop(error);
  }
}

/** Whoever could not read it would stop for good when it is committed. */
function unreadable(brokerIds: readonly number[]): ProtoError {
  const [who, them] = brokerIds.length === 1 ? ["broker", "it"] : ["brokers", "them"];
  const ids = brokerIds.join(", ");
  return new ProtoError(
    "UNSUPPORTED_VERSION",
    `${who} ${ids} could not read this change: upgrade ${them} first, or remove ${them} from the cluster if gone`,
  );
}

/** Deposed with the change on its way: who comes next may find it. */
function asUncertain(error: Error): Error {
  if (!(error instanceof NotController)) return error;
  return new NotController(error.message, error.leaderId, { cause: error.cause, mayBeDone: true });
}

export function refusedError(code: ConsensusRefusal): ProtoError {
  if (code === "SUSPENDED") return new ProtoError("KAFKA_STORAGE_ERROR", NO_ROOM);
  return new NotController(`the change was not taken: ${code}`);
}

export const NO_ROOM =
  "the broker has no room to store metadata: its disk is full; changes are taken again by themselves once there is space";
