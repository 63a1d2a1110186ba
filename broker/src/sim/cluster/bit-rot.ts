/**
 * One bit of a log turns over: in the page cache and on the medium, of a broker that runs or of one that is down, in a closed segment or in
 * the one that is written to. What it hits is drawn as shares, since how long a log is when it strikes is not known before.
 *
 * Not in the leader epoch of a batch: it lies outside the CRC, and of the last batch of a log nothing tells that an epoch which the metadata has
 * come to is another one than it had (decision 0038); whoever compares replicas here goes by the CRC.
 */
import { BatchField } from "@tidemark/proto";
import type { SeededRandom } from "../../base/index.ts";
import type { PagedFile } from "../paged-file.ts";
import { type ClusterBroker, DATA } from "./cluster-broker.ts";
import type { FaultAtlas } from "./fault-atlas.ts";
import { type FiledSegment, goodBatchesIn, segmentsOf } from "./replica-files.ts";
import type { ClusterTopic } from "./run-options.ts";

/** Shares in [0, 1). */
export type RotParams = {
  /** Which of the segments that the broker has: one that is written to, or one that is closed. */
  readonly isActive: boolean;
  readonly segment: number;
  /** Which of its bytes. */
  readonly at: number;
  readonly bit: number;
};

export function drawRot(random: SeededRandom): RotParams {
  return { isActive: random.chance(0.3), segment: random.float(), at: random.float(), bit: random.below(8) };
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
  const found = segmentsAt(broker, topics, params.isActive);
  const hit = found[Math.floor(params.segment * found.length)];
  if (hit === undefined) return null;
  const { topic, partition, segment } = hit;
  const batches = goodBatchesIn(segment);
  const at = Math.floor(params.at * (batches.at(-1)?.to ?? 0));
  const batch = batches.find(({ from, to }) => from <= at && at < to);
  if (batch === undefined) return null;
  const { from, to, baseOffset, nextOffset } = batch;
  const isEpoch = at - from >= BatchField.LEADER_EPOCH && at - from < BatchField.LEADER_EPOCH + 4;
  const bytes = Buffer.from(segment.bytes.subarray(from, to));
  const place = { topic, partition, baseOffset, bytes };
  // A recovery cuts the active segment there, and says nothing: it was torn, for all it knows.
  if (isEpoch || (params.isActive ? !atlas.mayRotTail(broker, place) : !atlas.mayRot(broker, place))) return null;
  if (params.isActive) onTail();
  const { file } = segment;
  file.flipBit(at, params.bit);
  const bad = byteAt(file, at);
  const undo = (): void => {
    if (at < file.sizeBytes && byteAt(file, at) === bad) file.flipBit(at, params.bit);
  };
  atlas.onRot(broker, { topic: topic.name, partition, nextOffset, undo }, params.isActive ? "tail" : "bytes");
  return `${topic.name}-${partition}/${segment.name} byte ${at} (batch of ${baseOffset})`;
}

function byteAt(file: PagedFile, at: number): number {
  const byte = Buffer.alloc(1);
  file.read(byte, at);
  return byte[0] ?? -1;
}

function segmentsAt(
  { disk }: ClusterBroker,
  topics: readonly ClusterTopic[],
  isActive: boolean,
): { readonly topic: ClusterTopic; readonly partition: number; readonly segment: FiledSegment }[] {
  return topics.flatMap((topic) =>
    Array.from({ length: topic.partitions }, (_, partition) => {
      const segments = segmentsOf(disk, `${DATA}/${topic.name}-${partition}`).filter(({ bytes }) => bytes.length > 0);
      const wanted = isActive ? segments.slice(-1) : segments.slice(0, -1);
      return wanted.map((segment) => ({ topic, partition, segment }));
    }).flat(),
  );
}
