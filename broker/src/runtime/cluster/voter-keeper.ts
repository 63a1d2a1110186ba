/**
 * Keeps the seats of the wanted voters taken, on the node that leads: of those that the configuration lists, but for what an operator has
 * chosen by hand. A voter that came back with another directory, as one that was emptied, loses its old seat and gets a new one (semantics
 * 10.1(8)), and one that has none yet gets it; one whose seat was taken away by hand loses it as soon as the others are a majority without
 * it. Only a broker that is registered and not fenced gets a seat, since that one has applied the metadata to its own registration at
 * least; one change at a time.
 *
 * A change counts from its append, and the old list is gone with it: who was heard a moment ago may be gone for good, and then the new list
 * may never have a majority, where the old one had. So a majority of the new list has to be heard of behind the thought of it.
 */
import { type ClusterImage, wantedVoters } from "../../metadata/index.ts";
import type { Clock, Logger, TimerHandle, Timers } from "../../ports/index.ts";
import type { ReplicaId } from "../../raft/index.ts";
import type { Consensus, ProposeResult } from "../consensus.ts";
import { quorumView } from "../quorum-view.ts";

export interface VoterKeeperOptions {
  /** Of the configuration. */
  readonly listedIds: readonly number[];
  readonly consensus: Pick<Consensus, "voters" | "progress" | "addVoter" | "removeVoter">;
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
  /** The change that is due, and when it was first thought of in this reign. */
  #due: { readonly change: string; readonly since: number } | null = null;
  #isClosed = false;

  constructor(options: VoterKeeperOptions) {
    this.#options = options;
  }

  /** Brokers changed, or who leads. */
  look(): void {
    if (!this.#options.isLeading()) this.#due = null;
    if (this.#timer !== null || this.#isClosed || !this.#options.isLeading()) return;
    if (!this.#change()) {
      this.#due = null;
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

  /** Whether a majority of them was heard of since the change was first due. */
  #areThere(change: string, voters: readonly ReplicaId[]): boolean {
    const { clock, consensus } = this.#options;
    const now = clock.monotonicNow();
    if (this.#due?.change !== change) this.#due = { change, since: now };
    const view = quorumView({ voters, progress: consensus.progress }, now - this.#due.since);
    return view.voters.filter(({ isHeard }) => isHeard).length * 2 > voters.length;
  }

  #tell(change: "added" | "removed", { nodeId, directoryId }: ReplicaId, result: ProposeResult): void {
    if (result.ok) this.#options.logger.info("a voter changes its seat", { brokerId: nodeId, change, directoryId });
  }
}
