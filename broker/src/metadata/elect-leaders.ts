/** Elections that are asked for, and the balance of preferred leaders (semantics 9(1), 9(8)). */
import type { ElectionResult, ElectionTarget, ElectionType } from "./broker-requests.ts";
import type { Decision } from "./decision.ts";
import type { ClusterImage, PartitionImage, TopicImage } from "./image.ts";
import { acceptable, isReassigning, preferable } from "./partition-rules.ts";
import type { LeaderChoice, MetadataRecord } from "./records.ts";
import { TopicRows } from "./topic-rows.ts";

/** Partitions and who shall lead them; one record per leader and way of choosing says it for all. */
export class ChosenLeaders {
  readonly #rows = new Map<string, { leaderId: number; choice: LeaderChoice; partitions: TopicRows }>();

  add(choice: LeaderChoice, leaderId: number, topicId: string, partition: number): void {
    const key = `${choice} ${leaderId}`;
    let row = this.#rows.get(key);
    if (row === undefined) {
      row = { leaderId, choice, partitions: new TopicRows() };
      this.#rows.set(key, row);
    }
    row.partitions.add(topicId, partition);
  }

  get records(): MetadataRecord[] {
    return [...this.#rows.values()].map(({ leaderId, choice, partitions }) => ({
      type: "leadersChosen",
      leaderId,
      choice,
      partitions: partitions.rows,
    }));
  }
}

/**
 * One result per target, in order; without targets one per partition that needed it. An unclean election begins here and is not
 * decided: its targets have NONE when they may be asked for.
 */
export function electLeaders(
  working: ClusterImage,
  type: ElectionType,
  targets: readonly ElectionTarget[] | null,
): Decision<ElectionResult[]> {
  const chosen = new ChosenLeaders();
  const response: ElectionResult[] = [];
  for (const { topic: name, partition: number } of targets ?? everyPartition(working)) {
    const topic = working.topics.get(name);
    const partition = topic?.partitions[number];
    const result = (error: ElectionResult["error"], message: string): void => {
      // Of all partitions nobody asks which ones are as they should be.
      if (targets === null && error === "ELECTION_NOT_NEEDED") return;
      response.push({ topic: name, partition: number, error, message });
    };
    if (topic === undefined || partition === undefined) {
      result("UNKNOWN_TOPIC_OR_PARTITION", `there is no partition ${number} of topic ${name}`);
    } else if (type === "preferred") {
      const [preferred = -1] = partition.replicas;
      if (partition.leaderId === preferred) result("ELECTION_NOT_NEEDED", `broker ${preferred} leads it`);
      else if (mayLead(working, partition, preferred)) {
        chosen.add("inSync", preferred, topic.topicId, number);
        result("NONE", "");
      } else
        result(
          "PREFERRED_LEADER_NOT_AVAILABLE",
          `broker ${preferred} is not in sync, may not lead, or is being drained`,
        );
    } else if (partition.leaderId !== -1) result("ELECTION_NOT_NEEDED", `broker ${partition.leaderId} leads it`);
    else if (acceptable(partition.replicas, working.brokers).length === 0) {
      result("ELIGIBLE_LEADERS_NOT_AVAILABLE", `none of the brokers ${partition.replicas.join(", ")} is alive`);
    } else result("NONE", "");
  }
  return { records: chosen.records, response };
}

function* everyPartition({ topics }: ClusterImage): Generator<ElectionTarget> {
  for (const topic of topics.values()) {
    for (const { partition } of topic.partitions) yield { topic: topic.name, partition };
  }
}

function mayLead({ brokers }: ClusterImage, { isr }: PartitionImage, brokerId: number): boolean {
  return preferable(isr, brokers).includes(brokerId);
}

/**
 * Gives leadership back to preferred replicas, for brokers that miss more than `imbalancePercent` of theirs (9(8)): to those alone that
 * could be asked for by hand, each by one change of epoch. A partition that moves is left as it is until it has: its copies come from
 * who leads it, under that broker's throttle. Answers how many change hands.
 */
export function balanceLeaders(working: ClusterImage, imbalancePercent: number): Decision<number> {
  const preferredOf = new Map<number, { count: number; away: [TopicImage, PartitionImage][] }>();
  for (const topic of working.topics.values()) {
    for (const partition of topic.partitions) {
      const [preferred = -1] = partition.replicas;
      const row = preferredOf.get(preferred) ?? { count: 0, away: [] };
      preferredOf.set(preferred, row);
      row.count += 1;
      if (partition.leaderId !== preferred) row.away.push([topic, partition]);
    }
  }
  const chosen = new ChosenLeaders();
  let moved = 0;
  for (const [preferred, { count, away }] of preferredOf) {
    if (away.length * 100 <= count * imbalancePercent) continue;
    for (const [{ topicId }, partition] of away) {
      if (isReassigning(partition) || !mayLead(working, partition, preferred)) continue;
      chosen.add("inSync", preferred, topicId, partition.partition);
      moved += 1;
    }
  }
  return { records: chosen.records, response: moved };
}
