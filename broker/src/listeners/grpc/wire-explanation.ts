/** What is known of one partition (15.6) in the words of the wire. */
import type { ExplainPartitionResponse as WireExplanation } from "@tidemark/proto";
import type { PartitionExplanation } from "../../api/index.ts";

/** Of a partition that there is not. */
export const UNEXPLAINED: Omit<WireExplanation, "brokerId" | "metadataOffset"> = {
  controllerId: -1,
  topicId: "",
  leaderId: -1,
  leaderEpoch: 0,
  replicas: [],
  isr: [],
  elr: [],
  lastIsr: [],
  recovering: false,
  minInsyncReplicas: 0,
  countsSynced: false,
  brokers: [],
  candidates: [],
  replica: null,
  full: false,
  syncRunningMs: 0,
  syncMeanMs: 0,
  inquiry: null,
  changes: [],
  nowMs: 0,
  errorCode: 0,
  errorMessage: "",
};

export function toWireExplanation(explained: PartitionExplanation): WireExplanation {
  const { image, replica, inquiry, changes, brokers, candidates, isFull, ...rest } = explained;
  return {
    ...UNEXPLAINED,
    ...rest,
    full: isFull,
    leaderId: image.leaderId,
    leaderEpoch: image.leaderEpoch,
    replicas: [...image.replicas],
    isr: [...image.isr],
    elr: [...image.elr],
    lastIsr: image.lastIsr.map((member) => ({ ...member })),
    recovering: image.isRecovering,
    candidates: [...candidates],
    brokers: brokers.map((broker) => ({ ...broker })),
    replica: replica === null ? null : toWireReplica(replica),
    inquiry:
      inquiry === null
        ? null
        : {
            unclean: inquiry.isUnclean,
            waitedMs: inquiry.waitedMs,
            answers: inquiry.answers.map(({ isDamaged, ...answer }) => ({ ...answer, damaged: isDamaged })),
          },
    changes: changes.map(({ at, metadataOffset, event }) => ({
      atMs: at ?? -1,
      metadataOffset,
      type: event.type,
      reason: "reason" in event ? event.reason : "",
      isr: "isr" in event ? [...event.isr] : [],
      isrBefore: "isr" in event ? [...event.isrBefore] : [],
      leaderId: "leaderId" in event ? event.leaderId : -1,
      leaderBefore: "leaderId" in event ? event.leaderBefore : -1,
      leaderEpoch: "leaderId" in event ? event.leaderEpoch : -1,
      brokerId: "brokerId" in event ? event.brokerId : -1,
    })),
  };
}

function toWireReplica(replica: NonNullable<PartitionExplanation["replica"]>): NonNullable<WireExplanation["replica"]> {
  const { damage, isRepairing, isStopped, led, ...rest } = replica;
  return {
    ...rest,
    damagedFrom: damage?.offset ?? -1,
    damage: damage === null ? "" : `${damage.path}: ${damage.reason}`,
    repairing: isRepairing,
    stopped: isStopped,
    led:
      led === null
        ? null
        : {
            endOffset: led.endOffset,
            logEndOffset: led.logEndOffset,
            epochStartOffset: led.epochStartOffset,
            configuredMinIsr: led.minInsyncReplicas,
            lagTimeMaxMs: led.lagTimeMaxMs,
            proposed: led.proposedIsr !== null,
            proposedIsr: [...(led.proposedIsr ?? [])],
            lingering: led.isLingering,
            followers: led.followers.map(({ isInIsr, isProposed, isLive, isWaitedFor, ...follower }) => ({
              ...follower,
              inIsr: isInIsr,
              proposed: isProposed,
              live: isLive,
              waitedFor: isWaitedFor,
            })),
          },
  };
}
