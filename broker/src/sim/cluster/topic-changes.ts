/** Of what administrators do, what changes topics that are written to, and looks at them. */
import { loadAdmin } from "../../api/index.ts";
import type { ServedClient } from "./client-links.ts";
import type { Deletions } from "./deletions.ts";
import type { FaultAtlas } from "./fault-atlas.ts";

type Ask = (client: ServedClient) => Promise<unknown>;

export function setOfTopic(topic: string, key: string, value: number): Ask {
  const changes = [{ name: key, operation: "set" as const, value: String(value) }];
  return async ({ door: { context } }) =>
    (await loadAdmin()).handleAlterConfigs(context, [{ type: "topic", name: topic, changes }], {
      isValidateOnly: false,
    });
}

/** `share`: of what may be read, in percent. Who does not lead refuses. */
export function deleteRecords(
  { topic, partition, share }: { topic: string; partition: number; share: number },
  deletions: Deletions,
): Ask {
  return async ({ door: { context } }) => {
    const led = context.replicas.find(topic, partition);
    if (led === undefined) return;
    const beforeOffset = Math.floor((led.highWatermark * share) / 100);
    deletions.onAsked(topic, partition, beforeOffset);
    const { handleDeleteRecords } = await loadAdmin();
    const [deleted] = await handleDeleteRecords(context, [{ topic, partition, beforeOffset }], 5_000);
    if (deleted?.code !== "NONE") return;
    const { topics, brokers } = context.image();
    const replicas = topics.get(topic)?.partitions[partition]?.replicas ?? [];
    const liveIds = replicas.filter((id) => brokers.get(id)?.isFenced === false);
    deletions.onAnswered(topic, partition, deleted.lowWatermark, liveIds);
  };
}

/** A seat among the controllers is given, or taken. */
export function changeVoter({ of, isVoter }: { of: number; isVoter: boolean }, atlas: FaultAtlas): Ask | null {
  if (!isVoter && !atlas.mayTakeSeat()) return null;
  return async ({ door: { context } }) =>
    (await loadAdmin()).handleChangeQuorumVoter(context, { nodeId: of, isVoter, timeoutMs: 5_000 });
}

/** The broker reads what it has of it, and says what is bad. */
export function verify({ topic, partition }: { topic: string; partition: number }): Ask {
  return async ({ door: { context } }) =>
    (await loadAdmin()).handleDigestReplica(context, { topic, partition, fromOffset: 0 });
}
