/**
 * Keeps the seats of the listed voters taken, on the node that leads: a voter that came back with another directory, as one that was
 * emptied, loses its old seat and gets a new one (semantics 10.1(8)), and one that has none yet gets it. Only a broker that is registered
 * and not fenced counts, since that one has applied the metadata to its own registration at least; one change at a time.
 */
import type { ClusterImage } from "../../metadata/index.ts";
import type { Logger, TimerHandle, Timers } from "../../ports/index.ts";
import type { Consensus } from "../consensus.ts";

export interface VoterKeeperOptions {
  /** Of the configuration. */
  readonly listedIds: readonly number[];
  readonly consensus: Pick<Consensus, "voters" | "addVoter" | "removeVoter">;
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
  #isClosed = false;

  constructor(options: VoterKeeperOptions) {
    this.#options = options;
  }

  /** Brokers changed, or who leads. */
  look(): void {
    if (this.#timer !== null || this.#isClosed || !this.#options.isLeading()) return;
    if (!this.#change()) return;
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

  /** False: every listed voter that is there has its seat. */
  #change(): boolean {
    const { listedIds, consensus, logger } = this.#options;
    const { brokers } = this.#options.image();
    for (const nodeId of listedIds) {
      const broker = brokers.get(nodeId);
      if (broker === undefined || broker.isFenced) continue;
      const { directoryId } = broker;
      const seat = consensus.voters.find((voter) => voter.nodeId === nodeId);
      if (seat?.directoryId === directoryId) continue;
      const result = seat === undefined ? consensus.addVoter({ nodeId, directoryId }) : consensus.removeVoter(seat);
      const change = seat === undefined ? "added" : "removed";
      if (result.ok) logger.info("a voter changes its seat", { brokerId: nodeId, change, directoryId });
      return true;
    }
    return false;
  }
}
