/**
 * Who leads a partition of which nobody is known to hold everything (semantics 9(3), 9(7)): its brokers are asked how far their logs
 * go, and the longest leads. Here is whom to ask and what the answers mean; asking is the controller's (runtime).
 */
import type { ReplicaEnd } from "./broker-requests.ts";
import type { ClusterImage, PartitionImage } from "./image.ts";
import { acceptable, candidatesOf, isDamaged, isOpen, isUsable } from "./partition-rules.ts";
import { surroundingsOf } from "./surroundings.ts";

/** `lastIsr`: those who must have all that was committed. `unclean`: whoever lives; what it lacks is lost. */
export type InquiryKind = "lastIsr" | "unclean";

/** What a broker said of one replica, and as whom. */
export interface LogEnd extends Pick<ReplicaEnd, "latestEpoch" | "logEndOffset" | "logStartOffset" | "isDamaged"> {
  readonly brokerEpoch: number;
  readonly directoryId: string;
}

/** Whether the last ISR of this partition is to be asked. */
export function needsInquiry(working: ClusterImage, topicId: string, number: number): boolean {
  const topic = working.topicsById.get(topicId);
  const partition = topic?.partitions[number];
  if (topic === undefined || partition === undefined) return false;
  return isOpen(partition, surroundingsOf(working, topic));
}

/** Whose answers are waited for. Some of them may not be registered. */
export function whomToAsk({ brokers }: ClusterImage, partition: PartitionImage, kind: InquiryKind): number[] {
  if (kind === "lastIsr") return candidatesOf(partition, brokers);
  return partition.replicas.filter((id) => isUsable(brokers.get(id)));
}

/** An answer counts only for the broker epoch and the directory that gave it. */
export function counts(
  { brokers }: ClusterImage,
  brokerId: number,
  answer: Pick<LogEnd, "brokerEpoch" | "directoryId">,
): boolean {
  const broker = brokers.get(brokerId);
  return broker?.brokerEpoch === answer.brokerEpoch && broker.directoryId === answer.directoryId;
}

/**
 * The leader that follows from the answers so far; null: none yet, or none at all. `isLate`: 10 s have passed since the first answer.
 * When all have answered the greatest log leads as soon as it is acceptable, and no other; later the greatest acceptable one.
 */
export function longestLog(
  working: ClusterImage,
  topicId: string,
  partition: PartitionImage,
  answers: ReadonlyMap<number, LogEnd>,
  { kind, isLate }: { readonly kind: InquiryKind; readonly isLate: boolean },
): number | null {
  const asked = whomToAsk(working, partition, kind);
  const heard = asked.flatMap((brokerId) => {
    const answer = answers.get(brokerId);
    if (answer === undefined || !counts(working, brokerId, answer)) return [];
    // Reported by an earlier life, which ended before it was cut: this one may not have found it again yet (15.7(3)).
    const broker = working.brokers.get(brokerId);
    const isKnown = broker !== undefined && isDamaged(broker, topicId, partition.partition);
    return [{ brokerId, ...answer, isDamaged: answer.isDamaged || isKnown }];
  });
  if (heard.length < asked.length && !isLate) return null;
  const mayLead = acceptable(
    heard.map(({ brokerId }) => brokerId),
    working.brokers,
  );
  const able = isLate ? heard.filter(({ brokerId }) => mayLead.includes(brokerId)) : heard;
  // Damaged ones are never chosen from the last ISR, though they know what was deleted; where loss is allowed, they come last.
  const field = kind === "lastIsr" ? reaching(able).filter((end) => !end.isDamaged) : able;
  const [greatest] = [...field].sort(longerFirst);
  if (greatest === undefined) return null;
  const best = field.filter((end) => longerFirst(end, greatest) === 0).map(({ brokerId }) => brokerId);
  return partition.replicas.find((id) => best.includes(id) && mayLead.includes(id)) ?? null;
}

/**
 * Those that end no lower than the others begin. What lies below a log start was committed before it was deleted: of the last ISR, who
 * ends before it has lost its tail, however new its epoch is, while a log of which nothing is left but its start names none (decision
 * 0037).
 */
function reaching<End extends LogEnd>(ends: readonly End[]): readonly End[] {
  const deletedTo = Math.max(...ends.map(({ logStartOffset = 0 }) => logStartOffset));
  return ends.filter(({ logEndOffset, logStartOffset = 0 }) => Math.max(logEndOffset, logStartOffset) >= deletedTo);
}

function longerFirst(a: LogEnd, b: LogEnd): number {
  return Number(a.isDamaged) - Number(b.isDamaged) || b.latestEpoch - a.latestEpoch || b.logEndOffset - a.logEndOffset;
}
