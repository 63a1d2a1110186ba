/** What is drawn from the seed before a run (testing.md 3.4, the rows that concern one partition's replication). */
import type { SeededRandom } from "../../base/index.ts";

export interface ClusterRunOptions {
  readonly brokersCount: number;
  readonly minIsr: number;
  /** The topic is in a synced mode: only synced ends count (15.1). */
  readonly isSynced: boolean;
  /** A page-cache topic is raised to a synced mode during the run (15.1(5)). */
  readonly raisesMode: boolean;
  readonly chaosMs: number;
  readonly lagTimeMaxMs: number;
  readonly sessionMs: number;
  readonly delayMinMs: number;
  readonly delayMeanMs: number;
  readonly metadataMeanMs: number;
  /** Of requests to the controller and of its answers. */
  readonly lossChance: number;
  /** Of requests to the controller that are long on their way. */
  readonly clogChance: number;
  /** Before a follower has a stream, besides the way. */
  readonly dialMeanMs: number;
  /** Of a broker that is down, per 10 ms that it is looked at. */
  readonly startChance: number;
  /** A high watermark without data waits so long, at most. */
  readonly markMeanMs: number;
  /** Frames on their way to one follower, at most. */
  readonly framesMax: number;
  /** Of a high-watermark checkpoint, per 10 ms. */
  readonly checkpointChance: number;
  /** 41 though nothing, or everything, was done. */
  readonly notControllerChance: number;
  readonly writeMeanMs: number;
  readonly syncMeanMs: number;
  readonly badBatchChance: number;
  readonly batchOffsetsMax: number;
  readonly frameBatchesMax: number;
  /** Each per 10 ms of the cluster. */
  readonly produceChance: number;
  readonly writeFaultChance: number;
  readonly crashChance: number;
  readonly powerChance: number;
  /** A power failure takes all brokers. */
  readonly blackoutChance: number;
  readonly stopChance: number;
  /** Of a broker that is down. */
  readonly wipeChance: number;
  readonly pauseChance: number;
  readonly resetChance: number;
  readonly fenceChance: number;
  readonly cutOffChance: number;
  readonly moveChance: number;
  readonly minIsrChance: number;
  readonly uncleanChance: number;
  readonly deleteChance: number;
  /** Of a deletion that goes exactly as far as some replica's log. */
  readonly deleteAtEndChance: number;
  /** Brokers that have no replica at first. */
  readonly sparesCount: number;
  /** Of another target, or a cancel. */
  readonly reassignChance: number;
}

export function drawRunOptions(random: SeededRandom): ClusterRunOptions {
  const isQuick = random.chance(0.5);
  const isOn = (chance: number, most: number): number => (random.chance(chance) ? random.float() * most : 0);
  const brokersCount = random.pick([2, 3, 3, 3, 3, 3, 4, 5]);
  const isSynced = random.chance(0.55);
  return {
    brokersCount,
    minIsr: random.pick([1, 2, 2, 2, Math.min(3, brokersCount)]),
    isSynced,
    raisesMode: !isSynced && random.chance(0.3),
    chaosMs: random.between(400, 2500),
    lagTimeMaxMs: random.pick([40, 150, 400]),
    sessionMs: random.pick([60, 200]),
    delayMinMs: isQuick ? 0 : random.between(0, 8),
    delayMeanMs: isQuick ? 0.5 + random.float() : 2 + random.float() * 20,
    metadataMeanMs: random.pick([0.5, 4, 40]),
    lossChance: isOn(0.5, 0.4),
    clogChance: isOn(0.3, 0.5),
    dialMeanMs: random.pick([0, 0, 100]),
    startChance: random.pick([0.2, 0.7]),
    markMeanMs: random.pick([1, 5, 100]),
    framesMax: random.pick([1, 3]),
    checkpointChance: random.pick([0.1, 0.1, 0.005]),
    notControllerChance: isOn(0.3, 0.3),
    writeMeanMs: random.pick([0, 0, 0, 0.5, 8]),
    syncMeanMs: random.pick([0.5, 3, 20, 60]),
    badBatchChance: isOn(0.2, 0.1),
    batchOffsetsMax: random.pick([1, 1, 3]),
    frameBatchesMax: random.pick([1, 2, 8]),
    produceChance: random.pick([0.05, 0.3, 0.8]),
    writeFaultChance: isOn(0.2, 0.05),
    crashChance: isOn(0.7, 0.04),
    powerChance: isOn(0.6, 0.04),
    blackoutChance: isOn(0.3, 0.3),
    stopChance: isOn(0.4, 0.02),
    wipeChance: isOn(0.3, 0.15),
    pauseChance: isOn(0.4, 0.04),
    resetChance: isOn(0.6, 0.1),
    fenceChance: isOn(0.5, 0.04),
    cutOffChance: isOn(0.4, 0.03),
    moveChance: isOn(0.6, 0.08),
    minIsrChance: isOn(0.25, 0.1),
    uncleanChance: isOn(0.15, 0.05),
    deleteChance: isOn(0.3, 0.05),
    deleteAtEndChance: random.fork("deletions").chance(0.3) ? 0.5 : 0,
    ...drawMoves(random),
  };
}

function drawMoves(random: SeededRandom): Pick<ClusterRunOptions, "sparesCount" | "reassignChance"> {
  if (random.chance(0.5)) return { sparesCount: 0, reassignChance: 0 };
  return { sparesCount: random.pick([0, 1, 2, 2, 3]), reassignChance: random.float() * 0.1 };
}
