/**
 * What an operator asks of the metadata quorum, on the node that leads it: leadership for another voter, a seat given or taken. Each is
 * answered when it has happened. Loaded when somebody asks.
 *
 * Seats change one at a time, each after the one before has committed and an entry of the leader's own term has (semantics 10.1(7)): the
 * keeper of the seats (cluster/voter-keeper.ts) does that, by what is recorded here; this waits for it.
 */
import { ProtoError } from "@tidemark/proto";
import { changeVoter, type ClusterImage } from "../metadata/index.ts";
import type { Timers } from "../ports/index.ts";
import type { ReplicaId } from "../raft/index.ts";
import type { Consensus } from "./consensus.ts";
import {
  type LeaderTransfer,
  NotController,
  type SeatedVoters,
  type VoterChangeRequest,
} from "./controller-commands.ts";
import type { Submit } from "./controller-duties.ts";
import { quorumView } from "./quorum-view.ts";

export interface QuorumOperationsOptions {
  readonly nodeId: number;
  readonly consensus: Pick<Consensus, "voters" | "progress" | "softState" | "lastIndex" | "transferTo">;
  readonly timers: Timers;
  /** A voter that was silent for so long is not counted on. */
  readonly silentMs: number;
  /** What a transfer may take: the core gives one up after less. */
  readonly transferMs: number;
  /** Committed. */
  readonly image: () => ClusterImage;
  readonly submit: Submit;
}

/** Entries that a voter may lack and still be worth waiting for: it gets them in one breath. */
const LAG_MAX = 1_000;

export class QuorumOperations {
  readonly #options: QuorumOperationsOptions;
  readonly #waits = new Set<() => void>();

  constructor(options: QuorumOperationsOptions) {
    this.#options = options;
  }

  /** Something was applied, or Raft has another leader, or none: who waits looks again. */
  onChange(): void {
    for (const look of this.#waits) look();
  }

  /** Rejects with ProtoError BROKER_ID_NOT_REGISTERED, VOTER_NOT_FOUND, BROKER_NOT_AVAILABLE, INELIGIBLE_REPLICA. */
  async transferLeadership({ nodeId }: { readonly nodeId: number }): Promise<LeaderTransfer> {
    const { consensus, submit, transferMs } = this.#options;
    // Only who leads answers, and behind all that he has decided.
    const { metadataOffset } = await submit(() => ({ records: [], response: null }));
    const told = (): LeaderTransfer => ({ leaderId: nodeId, term: consensus.softState.term, metadataOffset });
    const target = this.#transferTarget(nodeId);
    if (nodeId === this.#options.nodeId) return told();
    const begun = consensus.transferTo(target);
    if (!begun.ok) throw new NotController(`leadership could not be handed over: ${begun.code}`);
    const isHandedOver = (): boolean => !this.#isLeading && consensus.softState.leader !== null;
    await this.#until(isHandedOver, transferMs);
    const leaderId = consensus.softState.leader?.nodeId ?? -1;
    if (leaderId === nodeId) return told();
    if (this.#isLeading)
      throw new ProtoError(
        "INELIGIBLE_REPLICA",
        `node ${nodeId} has not taken the lead within ${transferMs} ms, and node ${leaderId} leads on`,
      );
    throw new NotController(`node ${nodeId} has not won the election`, leaderId, { mayBeDone: true });
  }

  #transferTarget(nodeId: number): ReplicaId {
    const { consensus, image, silentMs } = this.#options;
    const { voters, progress } = consensus;
    const ids = voters.map((voter) => voter.nodeId).join(", ");
    const target = voters.find((voter) => voter.nodeId === nodeId);
    if (target === undefined) {
      if (!image().brokers.has(nodeId))
        throw new ProtoError("BROKER_ID_NOT_REGISTERED", `there is no broker ${nodeId}; the voters are ${ids}`);
      throw new ProtoError(
        "VOTER_NOT_FOUND",
        `broker ${nodeId} follows the metadata and does not vote; the voters are ${ids}`,
      );
    }
    const known = progress?.find(({ replica }) => replica.nodeId === nodeId);
    if (known !== undefined && known.silentMs >= silentMs)
      throw new ProtoError("BROKER_NOT_AVAILABLE", `node ${nodeId} was heard of ${known.silentMs} ms ago`);
    const lag = consensus.lastIndex - (known?.matchIndex ?? consensus.lastIndex);
    if (lag > LAG_MAX)
      throw new ProtoError(
        "INELIGIBLE_REPLICA",
        `node ${nodeId} has not caught up: it lacks ${lag} entries of the log`,
      );
    return target;
  }

  /** Rejects as `changeVoter` refuses; with REQUEST_TIMED_OUT when the seat has not followed in time: it will by itself. */
  async changeVoter({ nodeId, isVoter, timeoutMs }: VoterChangeRequest): Promise<SeatedVoters> {
    const { consensus, submit, silentMs } = this.#options;
    const { response } = await submit((working) =>
      changeVoter(working, { nodeId, isVoter }, quorumView(consensus, silentMs)),
    );
    if (!response.ok) throw new ProtoError(response.error, response.message);
    const isSeated = await this.#until(() => !this.#isLeading || this.#isAsWanted(nodeId, isVoter), timeoutMs);
    const index = consensus.lastIndex;
    const isCommitted = (): boolean => this.#options.image().metadataOffset >= index;
    const isDone = isSeated && (await this.#until(() => !this.#isLeading || isCommitted(), timeoutMs));
    if (!this.#isLeading)
      throw new NotController("this node leads no more", consensus.softState.leader?.nodeId ?? -1, { mayBeDone: true });
    if (!isDone) {
      const what = isVoter ? "has no seat yet: it lacks entries of the log" : "still has its seat";
      throw new ProtoError(
        "REQUEST_TIMED_OUT",
        `node ${nodeId} ${what}; it follows by itself, tidemark raft status shows when`,
      );
    }
    const voters = consensus.voters.map((voter) => voter.nodeId).sort((a, b) => a - b);
    return { voters, metadataOffset: index };
  }

  #isAsWanted(nodeId: number, isVoter: boolean): boolean {
    const seat = this.#options.consensus.voters.find((voter) => voter.nodeId === nodeId);
    if (!isVoter) return seat === undefined;
    // The seat of a disk that was replaced is not its seat.
    return seat !== undefined && seat.directoryId === this.#options.image().brokers.get(nodeId)?.directoryId;
  }

  get #isLeading(): boolean {
    return this.#options.consensus.softState.role === "leader";
  }

  /** False: it did not come to hold in time. */
  #until(holds: () => boolean, timeoutMs: number): Promise<boolean> {
    if (holds()) return Promise.resolve(true);
    return new Promise((resolve) => {
      const end = (isHeld: boolean): void => {
        timer.cancel();
        this.#waits.delete(look);
        resolve(isHeld);
      };
      const look = (): void => {
        if (holds()) end(true);
      };
      const timer = this.#options.timers.after(timeoutMs, () => end(holds()));
      this.#waits.add(look);
    });
  }
}
