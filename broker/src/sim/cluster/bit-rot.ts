/**
 * One bit of a log turns over: in the page cache and on the medium, of a broker that runs or of one that is down, in a closed segment or in
 * the one that is written to. What it hits is drawn as shares, since how long a log is when it strikes is not known before.
 *
 * Not in the leader epoch of a batch: it lies outside the CRC, and nothing else in the format of Kafka tells that it is another.
 */
import { BatchField } from "@tidemark/proto";
import type { SeededRandom } from "../../base/index.ts";
import { type ClusterBroker, DATA } from "./cluster-broker.ts";
import type { FaultAtlas } from "./fault-atlas.ts";
import { goodBatchesIn, segmentsOf } from "./replica-files.ts";
import type { ClusterTopic } from "./run-options.ts";

export type RotParams = {
  readonly topic: string;
  readonly partition: number;
  /** The last segment, or one before it. */
  readonly isActive: boolean;
  /** Which of the segments, and which of its bytes: in [0, 1). */
  readonly segment: number;
  readonly at: number;
  readonly bit: number;
};

export function drawRot(random: SeededRandom, topics: readonly ClusterTopic[]): RotParams {
  const { name, partitions } = random.pick(topics);
  return {
    topic: name,
    partition: random.below(partitions),
    isActive: random.chance(0.3),
    segment: random.float(),
    at: random.float(),
    bit: random.below(8),
  };
}

/** In words what was hit; null: nothing, for there is nothing, or no other copy. */
export function rot(
  broker: ClusterBroker,
  params: RotParams,
  {
    atlas,
    topics,
    onTail,
  }: { readonly atlas: FaultAtlas; readonly topics: readonly ClusterTopic[]; readonly onTail: () => void },
): string | null {
  const topic = topics.find(({ name }) => name === params.topic);
  if (topic === undefined) return null;
  const directory = `${DATA}/${topic.name}-${params.partition}`;
  const segments = segmentsOf(broker.disk, directory);
  const active = segments.pop();
  const segment = params.isActive ? active : segments[Math.floor(params.segment * segments.length)];
  if (segment === undefined) return null;
  const batches = goodBatchesIn(segment);
  const at = Math.floor(params.at * (batches.at(-1)?.to ?? 0));
  const batch = batches.find(({ from, to }) => from <= at && at < to);
  if (batch === undefined) return null;
  const { from, to, baseOffset } = batch;
  const isEpoch = at - from >= BatchField.LEADER_EPOCH && at - from < BatchField.LEADER_EPOCH + 4;
  const bytes = Buffer.from(segment.bytes.subarray(from, to));
  const place = { topic, partition: params.partition, baseOffset, bytes };
  // A recovery cuts the active segment there, and says nothing: it was torn, for all it knows.
  if (isEpoch || (params.isActive ? !atlas.mayRotTail(broker, place) : !atlas.mayRot(broker, place))) return null;
  if (params.isActive) onTail();
  segment.file.flipBit(at, params.bit);
  atlas.onRot(broker, place, params.isActive ? "tail" : "bytes");
  return `${directory}/${segment.name} byte ${at} (batch of ${baseOffset})`;
}
