/**
 * What leaders here propose about their in-sync replicas (semantics 7(6), 7(7)), on its way to the controller: outside the
 * append path, those of a turn in one request, one request at a time. An attempt that brought no answer, or found no
 * controller, is made again unchanged; any other answer goes to its partition, which knows the proposal by its id.
 */
import type { ErrorName } from "@tidemark/proto";
import type { IsrProposal as ProposalOnWire } from "../metadata/index.ts";
import type { Clock, Failpoint, Logger, TimerHandle, Timers } from "../ports/index.ts";
import type { IsrProposal } from "../replication/index.ts";
import type { ControllerCommands } from "./controller-commands.ts";
import type { Partition } from "./partition.ts";
import type { Turn } from "./turn.ts";

/** Until an attempt without an answer is made again: at first, and at most. */
const RETRY_MS = 50;
const RETRY_MS_MAX = 1_000;
/** Of a request or an answer that a failpoint drops. */
const LOST = new Error("dropped by a failpoint");

export interface IsrSenderDeps {
  readonly commands: Pick<ControllerCommands, "alterPartitions">;
  readonly failpoint: Failpoint;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly turn: Turn;
  readonly logger: Logger;
  readonly brokerId: number;
  /** As registered. */
  brokerEpoch(): number;
  /** Metadata that is applied here. */
  appliedOffset(): number;
}

interface Waiting {
  readonly partition: Partition;
  readonly proposal: IsrProposal;
}

export class IsrSender {
  readonly #deps: IsrSenderDeps;
  #queue: Waiting[] = [];
  /** With a proposal that is not over, and when it was made. */
  readonly #proposing = new Map<Partition, number>();
  #isSending = false;
  #isAsked = false;
  #retry: TimerHandle | null = null;
  #retryMs = RETRY_MS;
  #isClosed = false;
  readonly #flush = (): void => {
    this.#isAsked = false;
    this.#send();
  };

  constructor(deps: IsrSenderDeps) {
    this.#deps = deps;
  }

  propose(partition: Partition, proposal: IsrProposal): void {
    this.#queue.push({ partition, proposal });
    this.#proposing.set(partition, this.#deps.clock.monotonicNow());
    this.#askForSend();
  }

  /** Since the proposal of this partition that is not over was made; -1 = there is none. */
  ageMs(partition: Partition): number {
    const madeAt = this.#proposing.get(partition);
    return madeAt === undefined ? -1 : this.#deps.clock.monotonicNow() - madeAt;
  }

  /** Metadata up to `metadataOffset` is applied, and the partitions were told of what concerns them. */
  onApplied(metadataOffset: number): void {
    for (const partition of this.#proposing.keys()) {
      if (!partition.onApplied(metadataOffset)) this.#proposing.delete(partition);
    }
  }

  close(): void {
    this.#isClosed = true;
    this.#retry?.cancel();
  }

  #askForSend(): void {
    if (this.#isAsked || this.#isSending || this.#retry !== null || this.#isClosed) return;
    this.#isAsked = true;
    this.#deps.turn.flush(this.#flush);
  }

  #send(): void {
    const sent = this.#queue.filter(({ partition }) => partition.closedCode === "NONE");
    this.#queue = [];
    if (sent.length === 0 || this.#isClosed) return;
    this.#isSending = true;
    const { brokerId, commands } = this.#deps;
    const partitions = sent.map(onWire);
    const request = { brokerId, brokerEpoch: this.#deps.brokerEpoch(), partitions };
    const { failpoint } = this.#deps;
    const onLost = (cause: unknown): void => {
      this.#isSending = false;
      this.#deps.logger.warn("changes of in-sync replicas were not answered", { count: sent.length, err: cause });
      for (const waiting of sent) this.#again(waiting);
      // They may all be over, and others have come meanwhile.
      if (this.#queue.length > 0) this.#askForSend();
    };
    const answer = failpoint("isr.propose") ? Promise.reject(LOST) : commands.alterPartitions(request);
    answer.then(
      ({ metadataOffset, results }) => {
        if (failpoint("isr.confirm")) return onLost(LOST);
        this.#isSending = false;
        this.#retryMs = RETRY_MS;
        for (const [i, waiting] of sent.entries())
          this.#onAnswer(waiting, results[i]?.error ?? "NOT_CONTROLLER", metadataOffset);
        if (this.#queue.length > 0) this.#askForSend();
      },
      (cause: unknown) => onLost(cause),
    );
  }

  #onAnswer(waiting: Waiting, error: ErrorName, metadataOffset: number): void {
    if (error === "NOT_CONTROLLER") return this.#again(waiting);
    const { partition, proposal } = waiting;
    const { topic, partition: number } = partition;
    const isr = proposal.isr.map(({ brokerId }) => brokerId);
    const { logger } = this.#deps;
    if (error === "NONE" || error === "NEW_LEADER_ELECTED")
      logger.info("in-sync replicas changed", { topic, partition: number, isr });
    else logger.info("a change of in-sync replicas was refused", { topic, partition: number, isr, code: error });
    const appliedOffset = this.#deps.appliedOffset();
    partition.onProposalAnswered({ proposalId: proposal.proposalId, metadataOffset, appliedOffset });
  }

  #again({ partition, proposal }: Waiting): void {
    if (this.#isClosed) return;
    const again = partition.retryProposal(proposal.proposalId);
    if (again === null) return;
    this.#queue.push({ partition, proposal: again });
    if (this.#retry !== null) return;
    this.#retry = this.#deps.timers.after(this.#retryMs, () => {
      this.#retry = null;
      this.#askForSend();
    });
    this.#retryMs = Math.min(this.#retryMs * 2, RETRY_MS_MAX);
  }
}

function onWire({ partition, proposal }: Waiting): ProposalOnWire {
  const { leaderEpoch, partitionEpoch, isr, isRecovering } = proposal;
  return { topicId: partition.topicId, partition: partition.partition, leaderEpoch, partitionEpoch, isr, isRecovering };
}
