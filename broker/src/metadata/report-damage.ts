/** Damage that a broker found while it runs (semantics 15.7(2)): the replica is taken out before it truncates, if others have its records. */
import type { DamageReport, DamageVerdict, TopicPartitions } from "./broker-requests.ts";
import { afterDamage } from "./broker-sweep.ts";
import type { Decision } from "./decision.ts";
import type { ClusterImage } from "./image.ts";
import { ListPool } from "./list-pool.ts";
import { surroundingsOf } from "./surroundings.ts";

/** One verdict per replica, in order. */
export function reportDamage(working: ClusterImage, report: DamageReport): Decision<DamageVerdict[]> {
  const { brokerId, brokerEpoch } = report;
  const isStale = working.brokers.get(brokerId)?.brokerEpoch !== brokerEpoch;
  const response: DamageVerdict[] = [];
  const damaged: TopicPartitions[] = [];
  const lists = new ListPool();
  for (const { topicId, partitions } of report.damaged) {
    const topic = working.topicsById.get(topicId);
    const taken = partitions.filter((number) => {
      const partition = topic?.partitions[number];
      const verdict = (error: DamageVerdict["error"]): boolean => {
        response.push({ topicId, partition: number, error });
        return error === "NONE";
      };
      if (isStale) return verdict("STALE_BROKER_EPOCH");
      if (topic === undefined || partition === undefined) return verdict("UNKNOWN_TOPIC_ID");
      const around = surroundingsOf(working, topic, lists);
      return verdict(afterDamage(partition, brokerId, around) === null ? "ELIGIBLE_LEADERS_NOT_AVAILABLE" : "NONE");
    });
    if (taken.length > 0) damaged.push({ topicId, partitions: taken });
  }
  return { records: damaged.length === 0 ? [] : [{ type: "replicasDamaged", brokerId, damaged }], response };
}
