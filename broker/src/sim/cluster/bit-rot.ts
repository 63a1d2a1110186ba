/**
 * Bytes of a log that are others than those that were written. One bit of a log turns over: in the page cache and on the medium, of a broker that runs or of one that is down, in a closed segment or in
 * the one that is written to. What it hits is drawn as shares, since how long a log is when it strikes is not known before.
 *
 * Not in the leader epoch of a batch: it lies outside the CRC, and of the last batch of a log nothing tells that an epoch which the metadata has
 * come to is another one than it had (decision 0038); whoever compares replicas here goes by the CRC.
 */
import { BatchField, validateStoredBatch } from "@tidemark/proto";
import type { SeededRandom } from "../../base/index.ts";
import { PAGE_BYTES, type PagedFile } from "../paged-file.ts";
import { type ClusterBroker, DATA } from "./cluster-broker.ts";
import type { BatchPlace, FaultAtlas } from "./fault-atlas.ts";
import { type FiledSegment, goodBatchesIn, segmentsOf } from "./replica-files.ts";
import type { ClusterTopic } from "./run-options.ts";

/** Shares in [0, 1). */
export type MisdirectParams = {
  /** Which segment was to be written, and which one was hit. */
  readonly from: number;
  readonly to: number;
  /** Which page of each. */
  readonly fromPage: number;
  readonly toPage: number;
};

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

/** A segment of a replica. */
interface Place {
  readonly topic: ClusterTopic;
  readonly partition: number;
  readonly segment: FiledSegment;
}

/** A batch that has bad bytes now. */
export interface Hit {
  readonly topic: string;
  readonly partition: number;
  readonly baseOffset: number;
  readonly segment: string;
  /** All that, in words. */
  readonly text: string;
}

/** What was hit; null: nothing, for there is nothing, or no other copy. */
export function rot(
  broker: ClusterBroker,
  params: RotParams,
  {
    atlas,
    topics,
    onTail,
  }: { readonly atlas: FaultAtlas; readonly topics: readonly ClusterTopic[]; readonly onTail: () => void },
): Hit | null {
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
  const text = `${topic.name}-${partition}/${segment.name} byte ${at} (batch of ${baseOffset})`;
  return { topic: topic.name, partition, baseOffset, segment: segment.name, text };
}

export function drawMisdirect(random: SeededRandom): MisdirectParams {
  return { from: random.float(), to: random.float(), fromPage: random.float(), toPage: random.float() };
}

/** Bytes of a segment that are good, and of which batches. */
interface Stretch extends Place {
  readonly at: number;
  readonly bytes: Buffer;
}

/**
 * A page that was written once to a closed segment has landed on another one of the same replica: there it is found with a right CRC,
 * perhaps, and at the wrong offsets; and where it should be are zeros. In words what was hit; null: nothing, or there is no other copy.
 */
export function misdirect(
  broker: ClusterBroker,
  { from, to, fromPage, toPage }: MisdirectParams,
  { atlas, topics }: { readonly atlas: FaultAtlas; readonly topics: readonly ClusterTopic[] },
): string | null {
  const found = segmentsAt(broker, topics, false);
  const source = found[Math.floor(from * found.length)];
  const others = found.filter(({ topic, partition }) => topic === source?.topic && partition === source.partition);
  const target = others[Math.floor(to * others.length)];
  if (source === undefined || target === undefined) return null;
  const [astray, hit] = [pageOf(source, fromPage), pageOf(target, toPage)];
  if (source.segment.file === target.segment.file && astray.at === hit.at) return null;
  const landed = {
    ...hit,
    bytes: Buffer.concat([astray.bytes, hit.bytes.subarray(astray.bytes.length)]).subarray(0, hit.bytes.length),
  };
  const gone = { ...astray, bytes: Buffer.alloc(astray.bytes.length) };
  const damaged = [...hurtBy(landed), ...hurtBy(gone)];
  if (damaged.length === 0 || damaged.some(({ isNoticed, place }) => !isNoticed || !atlas.mayRot(broker, place)))
    return null;
  for (const { segment, at, bytes } of [landed, gone]) segment.file.overwriteAtRest(at, bytes);
  for (const { place, undo, nextOffset } of damaged)
    atlas.onRot(broker, { topic: place.topic.name, partition: place.partition, nextOffset, undo }, "bytes");
  return `${target.topic.name}-${target.partition}/${target.segment.name} at ${hit.at} is what belongs at ${astray.at} of ${source.segment.name}`;
}

function pageOf(place: Place, share: number): Stretch {
  const { bytes } = place.segment;
  const at = Math.floor(share * Math.ceil(bytes.length / PAGE_BYTES)) * PAGE_BYTES;
  return { ...place, at, bytes: bytes.subarray(at, at + PAGE_BYTES) };
}

/** The batches that are others when these bytes stand there. Unnoticed: one that is good as it is then, where the one before was. */
function hurtBy({ topic, partition, segment, at, bytes }: Stretch): {
  readonly place: BatchPlace;
  readonly nextOffset: number;
  readonly isNoticed: boolean;
  readonly undo: () => void;
}[] {
  const before = segment.bytes;
  const after = Buffer.from(before);
  after.set(bytes, at);
  return goodBatchesIn(segment).flatMap(({ from, to, baseOffset, nextOffset }) => {
    const [was, is] = [before.subarray(from, to), after.subarray(from, to)];
    if (was.equals(is)) return [];
    const step = validateStoredBatch(after, from, after.length);
    const isNoticed = !step.ok || step.header.baseOffset !== baseOffset;
    const undo = (): void => {
      const { file } = segment;
      const now = Buffer.alloc(is.length);
      if (to > file.sizeBytes || file.read(now, from) < now.length || !now.equals(is)) return;
      file.overwriteAtRest(from, was);
    };
    return [{ place: { topic, partition, baseOffset, bytes: Buffer.from(was) }, nextOffset, isNoticed, undo }];
  });
}

function byteAt(file: PagedFile, at: number): number {
  const byte = Buffer.alloc(1);
  file.read(byte, at);
  return byte[0] ?? -1;
}

function segmentsAt({ disk }: ClusterBroker, topics: readonly ClusterTopic[], isActive: boolean): Place[] {
  return topics.flatMap((topic) =>
    Array.from({ length: topic.partitions }, (_, partition) => {
      const segments = segmentsOf(disk, `${DATA}/${topic.name}-${partition}`).filter(({ bytes }) => bytes.length > 0);
      const wanted = isActive ? segments.slice(-1) : segments.slice(0, -1);
      return wanted.map((segment) => ({ topic, partition, segment }));
    }).flat(),
  );
}
