/**
 * Keeps the seats of the wanted voters taken, on the node that leads: of those that the configuration lists, but for what an operator has
 * chosen by hand. A voter that came back with another directory, as one that was emptied, loses its old seat and gets a new one (semantics
 * 10.1(8)), and one that has none yet gets it; one whose seat was taken away by hand loses it as soon as the others are a majority without
 * it. Only a broker that is registered and not fenced gets a seat, since that one has applied the metadata to its own registration at
 * least; one change at a time.
 */
import { type ClusterImage, isRemovable, wantedVoters } from "../../metadata/index.ts";
import type { Logger, TimerHandle, Timers } from "../../ports/index.ts";
import type { ReplicaId } from "../../raft/index.ts";
import type { Consensus, ProposeResult } from "../consensus.ts";
import { quorumView } from "../quorum-view.ts";

export interface VoterKeeperOptions {
  /** Of the configuration. */
  readonly listedIds: readonly number[];
  readonly consensus: Pick<Consensus, "voters" | "progress" | "addVoter" | "removeVoter">;
  /** A voter that was silent for so long is not counted on. */
  readonly silentMs: number;
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

  /** False: every wanted voter that is there has its seat, and nobody whom an operator has taken it from. */
  #change(): boolean {
    const { listedIds, consensus, silentMs } = this.#options;
    const image = this.#options.image();
    const unwanted = consensus.voters.find(({ nodeId }) => image.voterChoices.get(nodeId) === false);
    if (unwanted !== undefined) {
      const mayGo = isRemovable(unwanted.nodeId, quorumView(consensus, silentMs));
      if (mayGo) this.#tell("removed", unwanted, consensus.removeVoter(unwanted));
      return true;
    }
    for (const nodeId of wantedVoters(image, listedIds)) {
      const broker = image.brokers.get(nodeId);
      if (broker === undefined || broker.isFenced) continue;
      const { directoryId } = broker;
      const seat = consensus.voters.find((voter) => voter.nodeId === nodeId);
      if (seat?.directoryId === directoryId) continue;
      if (seat !== undefined) this.#tell("removed", seat, consensus.removeVoter(seat));
      else this.#tell("added", { nodeId, directoryId }, consensus.addVoter({ nodeId, directoryId }));
      return true;
    }
    return false;
  }

  #tell(change: "added" | "removed", { nodeId, directoryId }: ReplicaId, result: ProposeResult): void {
    if (result.ok) this.#options.logger.info("a voter changes its seat", { brokerId: nodeId, change, directoryId });
  }
}
