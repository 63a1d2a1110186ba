/**
 * Keeps the seats of the wanted voters taken, on the node that leads: of those that the configuration lists, but for what an operator has
 * chosen by hand. A voter that came back with another directory, as one that was emptied, loses its old seat and gets a new one (semantics
 * 10.1(8)), and one that has none yet gets it; one whose seat was taken away by hand loses it as soon as the others are a majority without
 * it. Only a broker that is registered and not fenced gets a seat, since that one has applied the metadata to its own registration at
 * least; one change at a time.
 *
 * A change counts from its append, and the old list is gone with it: who was heard a moment ago may be gone for good, and then the new list
 * may never have a majority, where the old one had. So a majority of the new list has to be heard of behind the thought of it, all within one round of about two heartbeats: messages
 * are counted, since the leader's ticks stand still with its loop.
 */
import { type ClusterImage, wantedVoters } from "../../metadata/index.ts";
import type { Clock, Logger, TimerHandle, Timers } from "../../ports/index.ts";
import { includesReplica, isSameReplica, type ReplicaId, replicaKey } from "../../raft/index.ts";
import type { Consensus, ProposeResult, QuorumProgress } from "../consensus.ts";

export interface VoterKeeperOptions {
  /** Of the configuration. */
  readonly listedIds: readonly number[];
  readonly consensus: Pick<Consensus, "replica" | "voters" | "progress" | "addVoter" | "removeVoter">;
  /** In which whoever is there is heard of: two heartbeats of the quorum. */
  readonly roundMs: number;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly logger: Logger;
  /** Applied. */
  image(): ClusterImage;
  /** Whether this node leads and decides. */
  isLeading(): boolean;
}

const RETRY_MS = 100;

export class VoterKeeper {
  readonly #options: VoterKeeperOptions;
  #timer: TimerHandle | null = null;
  /** The change that is due, when its round began, and how many messages had come from each by then. */
  #round: { readonly change: string; readonly since: number; readonly counts: ReadonlyMap<string, number> } | null =
    null;
  #isClosed = false;

  constructor(options: VoterKeeperOptions) {
    this.#options = options;
  }

  /** Brokers changed, or who leads. */
  look(): void {
    if (!this.#options.isLeading()) this.#round = null;
    if (this.#timer !== null || this.#isClosed || !this.#options.isLeading()) return;
    if (!this.#change()) {
      this.#round = null;
      return;
    }
    // What was begun must commit before the next step, and what was refused is tried again.
    this.#timer = this.#options.timers.after(RETRY_MS, () => {
      this.#timer = null;
      this.look();
    });
  }

  close(): void {
    this.#isClosed = true;
    this.#timer?.cancel();
  }

  /** False: every wanted voter that is there has its seat, and nobody whom an operator has taken it from. */
  #change(): boolean {
    const { listedIds, consensus } = this.#options;
    const { voters } = consensus;
    const image = this.#options.image();
    const unwanted = voters.find(({ nodeId }) => image.voterChoices.get(nodeId) === false);
    if (unwanted !== undefined) {
      const others = voters.filter((voter) => voter !== unwanted);
      if (this.#areThere(`without ${unwanted.directoryId}`, others))
        this.#tell("removed", unwanted, consensus.removeVoter(unwanted));
      return true;
    }
    for (const nodeId of wantedVoters(image, listedIds)) {
      const broker = image.brokers.get(nodeId);
      if (broker === undefined || broker.isFenced) continue;
      const { directoryId } = broker;
      const seat = voters.find((voter) => voter.nodeId === nodeId);
      if (seat?.directoryId === directoryId) continue;
      const replica = { nodeId, directoryId };
      // Nobody votes from a disk that was replaced: what is a majority without it is one with it.
      if (seat !== undefined) this.#tell("removed", seat, consensus.removeVoter(seat));
      else if (this.#areThere(`with ${directoryId}`, [...voters, replica]))
        this.#tell("added", replica, consensus.addVoter(replica));
      return true;
    }
    return false;
  }

  /** Whether a majority of them was heard of in this round. One that has not told yet that it holds anything counts for nothing. */
  #areThere(change: string, voters: readonly ReplicaId[]): boolean {
    const { clock, consensus, roundMs } = this.#options;
    const now = clock.monotonicNow();
    const progress = consensus.progress ?? [];
    if (this.#round?.change !== change) this.#round = { change, since: now, counts: countsOf(progress) };
    const { since, counts } = this.#round;
    const heard = progress.filter(
      ({ replica, matchIndex, heardCount }) =>
        includesReplica(voters, replica) &&
        (isSameReplica(replica, consensus.replica) ||
          (matchIndex > 0 && heardCount > (counts.get(replicaKey(replica)) ?? 0))),
    );
    if (heard.length * 2 > voters.length) return true;
    // Whoever was heard of may be gone when others come.
    if (now - since >= roundMs) this.#round = { change, since: now, counts: countsOf(progress) };
    return false;
  }

  #tell(change: "added" | "removed", { nodeId, directoryId }: ReplicaId, result: ProposeResult): void {
    if (result.ok) this.#options.logger.info("a voter changes its seat", { brokerId: nodeId, change, directoryId });
  }
}

function countsOf(progress: readonly QuorumProgress[]): ReadonlyMap<string, number> {
  return new Map(progress.map(({ replica, heardCount }) => [replicaKey(replica), heardCount]));
}
