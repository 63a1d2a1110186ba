/** What is drawn from the seed before a run (testing.md 3.4, the rows that concern a Raft group). */
import type { SeededRandom } from "../../base/index.ts";
import type { HostOptions } from "./replica-host.ts";

export interface GroupRunOptions {
  readonly votersCount: number;
  readonly learnersCount: number;
  readonly chaosMs: number;
  readonly delayMinMs: number;
  readonly delayMeanMs: number;
  readonly lossChance: number;
  readonly repeatChance: number;
  readonly diskMeanMs: number;
  /** Each per 20 ms of the group. */
  readonly crashChance: number;
  readonly wipeChance: number;
  readonly pauseChance: number;
  readonly partitionChance: number;
  readonly changeChance: number;
  readonly transferChance: number;
  readonly snapshotChance: number;
  /** Entries kept behind a snapshot, at most. */
  readonly trailingMax: number;
  readonly host: HostOptions;
}

export function drawRunOptions(random: SeededRandom): GroupRunOptions {
  const isQuick = random.chance(0.5);
  const isOn = (chance: number, most: number): number => (random.chance(chance) ? random.float() * most : 0);
  return {
    votersCount: random.pick([1, 3, 3, 3, 3, 5, 5]),
    learnersCount: random.between(0, 2),
    chaosMs: random.between(800, 2500),
    delayMinMs: isQuick ? 0 : random.between(0, 15),
    delayMeanMs: isQuick ? 1 + random.float() * 2 : 10 + random.float() * 30,
    lossChance: isOn(0.6, 0.3),
    repeatChance: isOn(0.5, 0.5),
    diskMeanMs: random.pick([0.5, 3, 20]),
    crashChance: isOn(0.7, 0.05),
    wipeChance: isOn(0.4, 0.02),
    pauseChance: isOn(0.4, 0.03),
    partitionChance: isOn(0.7, 0.06),
    changeChance: isOn(0.5, 0.2),
    transferChance: isOn(0.4, 0.05),
    snapshotChance: isOn(0.7, 0.1),
    trailingMax: random.pick([0, 3, 30]),
    host: {
      electionTicks: 10,
      heartbeatTicks: random.pick([1, 2, 3]),
      checkQuorumTicks: 15,
      appendBytesMax: random.pick([1, 200, 10_000]),
      inflightMessagesMax: random.pick([1, 4, 64]),
      inflightBytesMax: random.pick([100, 100_000]),
      uncommittedBytesMax: random.pick([500, 100_000]),
      chunkBytes: random.pick([7, 24]),
      campaignTicks: 10,
      backoffTicks: random.pick([1, 3, 10]),
      backoffTicksMax: random.pick([10, 20]),
      giveWayTicks: random.pick([1, 3, 5]),
    },
  };
}
