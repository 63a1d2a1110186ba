/** What is drawn from the seed before a run (testing.md 3.4). */
import type { CodecId } from "@tidemark/proto";
import type { SeededRandom } from "../../base/index.ts";
import { PEER_STREAM_AHEAD_BYTES } from "../../ports/index.ts";
import type { SimNetworkOptions } from "../network/index.ts";
import type { DirectoryMode } from "../sim-tree.ts";
import { type ChangeChances, drawChanges } from "./changes.ts";
import { drawFaults, type FaultChances } from "./fault-rows.ts";
import type { ProducerKind } from "./sim-producer.ts";

export interface ClusterOptions {
  readonly brokersCount: number;
  readonly topics: readonly ClusterTopic[];
  /** The first is idempotent: what it has sent shows whether writes go on. */
  readonly producers: readonly ProducerKind[];
  /** Beside the one of each partition: each of a partition that has one already. */
  readonly moreReaders: number;
  /** Of one producer, between two records. */
  readonly recordIntervalMs: number;
  readonly valueBytesMax: number;
  readonly maxInFlight: number;
  readonly deliveryTimeoutMs: number;
  /** Of links, between any two, while faults strike. */
  readonly network: SimNetworkOptions;
  /** Of a replication stream, on their way, before its leader has to wait. */
  readonly streamAheadBytes: number;
  readonly directoryMode: DirectoryMode;
  /** Segments, queues and intervals so small that a short run crosses every boundary. */
  readonly isTiny: boolean;
  readonly segmentBytes: number;
  /** Between two looks at closed segments; 0: none. */
  readonly scrubIntervalMs: number;
  readonly racksCount: number;
  readonly sessionTimeoutMs: number;
  /** Of the safety phase. */
  readonly chaosMs: number;
  /** Behind the faults all but one are healed first, and have to do without it (3.3). */
  readonly healsCoreFirst: boolean;
  /** In the end, when all have stopped, most disks are lost: nobody may bear another cluster on them (10.1(8)). */
  readonly losesMost: boolean;
  /** Per second of the cluster. */
  readonly faults: FaultChances;
  /** The same, of what administrators do. */
  readonly changes: ChangeChances;
}

export interface ClusterTopic {
  readonly name: string;
  readonly partitions: number;
  readonly replicationFactor: number;
  readonly minIsr: number;
  /** What administrators lower it to at most: below 2 there is nobody to mend a replica from. */
  readonly minIsrLeast: number;
  readonly durability: string;
  /** -1: nothing is deleted for its size. */
  readonly retentionBytes: number;
}

/** One run in so many lasts for most of an hour: what comes with age (sessions, retention, deadlines, what is never let go) shows in no short one. */
const LASTING_ONE_IN = 25;
/** Lasting runs have as many records and faults as others, so much further apart. */
const LASTING_SPREAD = 40;
/** One run in so many has the whole range of partitions and clients; the others are small, and many of them fit into a minute. */
const WIDE_ONE_IN = 8;
const WIDE_PARTITIONS = 8;
const SMALL_PRODUCERS = 4;
/** Producers, and readers beside the one of each partition. */
const WIDE_CLIENTS = 16;

/** `given`: what the run is told. One that is told how long it lasts is of the short kind, with as many faults. */
export function drawClusterOptions(random: SeededRandom, given: Partial<ClusterOptions> = {}): ClusterOptions {
  const options = drawShort(random);
  const isLasting = given.chaosMs === undefined && random.fork("length").chance(1 / LASTING_ONE_IN);
  return { ...(isLasting ? lasting(options) : options), ...given };
}

function lasting(options: ClusterOptions): ClusterOptions {
  const rarer = <Name extends string>(chances: Readonly<Partial<Record<Name, number>>>) =>
    Object.fromEntries(
      Object.entries<number>(chances as Record<Name, number>).map(([name, chance]) => [name, chance / LASTING_SPREAD]),
    ) as Partial<Record<Name, number>>;
  return {
    ...options,
    chaosMs: options.chaosMs * 4 * LASTING_SPREAD,
    recordIntervalMs: options.recordIntervalMs * LASTING_SPREAD,
    faults: rarer(options.faults),
    changes: rarer(options.changes),
  };
}

function drawShort(random: SeededRandom): ClusterOptions {
  const options = drawSmall(random);
  const width = random.fork("width");
  return width.chance(1 / WIDE_ONE_IN) ? widened(options, width) : options;
}

/** As many records a second as with the most producers of a small run. */
function widened(options: ClusterOptions, random: SeededRandom): ClusterOptions {
  const clients = random.between(1, WIDE_CLIENTS);
  const producersCount = random.between(1, clients);
  const producers = options.producers.slice(0, producersCount);
  while (producers.length < producersCount) producers.push(drawProducer(random));
  return {
    ...options,
    topics: options.topics.map((topic) => ({ ...topic, partitions: random.between(1, WIDE_PARTITIONS) })),
    producers,
    moreReaders: clients - producersCount,
    streamAheadBytes: random.pick([512, 8_192]),
    recordIntervalMs: options.recordIntervalMs * Math.max(1, producersCount / SMALL_PRODUCERS),
  };
}

function drawSmall(random: SeededRandom): ClusterOptions {
  const brokersCount = random.pick([1, 3, 3, 3, 3, 3, 3, 5]);
  return {
    brokersCount,
    topics: drawTopics(random.fork("topics"), brokersCount),
    producers: drawProducers(random.fork("producers")),
    moreReaders: 0,
    streamAheadBytes: PEER_STREAM_AHEAD_BYTES,
    recordIntervalMs: random.pick([20, 50, 150]),
    valueBytesMax: random.pick([20, 200, 2000]),
    maxInFlight: random.between(1, 5),
    deliveryTimeoutMs: random.pick([5_000, 30_000, 120_000]),
    network: drawNetwork(random),
    directoryMode: random.pick(["strict", "journal"]),
    ...drawSegments(random.fork("segments")),
    scrubIntervalMs: random.pick([0, 3_000, 10_000]),
    racksCount: Math.min(random.between(1, 3), brokersCount),
    sessionTimeoutMs: random.pick([1_500, 3_000, 9_000]),
    chaosMs: random.between(5, 25) * 1_000,
    healsCoreFirst: random.chance(0.6),
    losesMost: random.fork("most disks").chance(0.15),
    faults: drawFaults(random.fork("faults")),
    changes: drawChanges(random.fork("changes")),
  };
}

function drawSegments(random: SeededRandom): Pick<ClusterOptions, "isTiny" | "segmentBytes"> {
  const isTiny = random.chance(0.6);
  return { isTiny, segmentBytes: random.pick(isTiny ? [1_024, 4_096, 4_096, 16_384] : [16_384, 131_072, 1_048_576]) };
}

function drawProducers(random: SeededRandom): ProducerKind[] {
  const others = Array.from({ length: random.between(0, SMALL_PRODUCERS - 1) }, () => drawProducer(random));
  return [{ acks: "all", isIdempotent: true, codec: drawCodec(random) }, ...others];
}

function drawProducer(random: SeededRandom): ProducerKind {
  const acks = random.pick(["all", "all", "all", "leader", "none"] as const);
  return { acks, isIdempotent: acks === "all" && random.chance(0.6), codec: drawCodec(random) };
}

function drawCodec(random: SeededRandom): CodecId {
  return random.chance(0.5) ? 0 : random.pick([1, 2, 3, 4]);
}

function drawNetwork(random: SeededRandom): SimNetworkOptions {
  const isQuick = random.chance(0.5);
  const isOn = (chance: number, most: number): number => (random.chance(chance) ? random.float() * most : 0);
  return {
    delayMs: isQuick ? { min: 0.1, max: 1 } : { min: random.between(0, 10), max: random.between(10, 60) },
    raftLoss: isOn(0.4, 0.3),
    raftDuplication: isOn(0.4, 0.5),
    raftReordering: isOn(0.4, 0.3),
    bytesPerMs: random.pick([0, 0, 0, 20, 200]),
    streamPieces: random.fork("pieces").pick([0, 0.1, 0.5]),
  };
}

/** In most runs of several brokers all can be mended from others, so that what is damaged may be. */
function drawTopics(random: SeededRandom, brokersCount: number): ClusterTopic[] {
  const isMendable = random.chance(0.65);
  return Array.from({ length: random.between(1, 2) }, (_, slot) =>
    drawTopic(random, { slot, brokersCount, isMendable }),
  );
}

function drawTopic(
  random: SeededRandom,
  { slot, brokersCount, isMendable }: { slot: number; brokersCount: number; isMendable: boolean },
): ClusterTopic {
  const replicationFactor = random.pick([brokersCount, brokersCount, brokersCount, Math.min(2, brokersCount)]);
  const minIsr = Math.min(isMendable ? random.pick([2, 2, 2, 3]) : random.pick([1, 2, 3]), replicationFactor);
  return {
    name: `topic-${slot}`,
    partitions: random.between(1, 4),
    replicationFactor,
    minIsr,
    minIsrLeast: isMendable ? Math.min(minIsr, 2) : 1,
    durability: random.pick(["page-cache", "group-commit", "group-commit", "group-commit", "fsync-each"]),
    retentionBytes: random.pick([-1, -1, -1, 8_000, 60_000]),
  };
}
