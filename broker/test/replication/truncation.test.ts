/**
 * The truncation decision, enumerated: all small logs that three replicas can come to (4 epochs, 5 offsets), each pair of a
 * leader and a follower, against an oracle that compares batch by batch.
 *
 * A log is what the rules allow: each epoch has one leader, which appends to the log it was chosen with; a follower holds a
 * prefix of what some leader had. So logs branch, and never hold two records of one (offset, epoch).
 */
import { expect } from "chai";
import { asLeaderEpoch, asOffset } from "../../src/base/index.ts";
import { truncationPoint } from "../../src/replication/index.ts";
import type { EpochEnd } from "../../src/replication/index.ts";
import { EpochCache } from "../../src/storage/epoch-cache.ts";

/** The epoch of the record at each offset. */
type Epochs = readonly number[];

const EPOCHS = 4;
const OFFSETS = 5;

/** Where each epoch's leader began: the log it was chosen with, as (epoch of that log's leader, length). */
type History = readonly { readonly from: number; readonly length: number }[];

/** The log of the leader of `epoch` when it has `length` records. */
function logOf(history: History, epoch: number, length: number): number[] {
  const begun = history[epoch];
  if (begun === undefined) return [];
  if (length <= begun.length) return logOf(history, begun.from, length);
  const inherited = logOf(history, begun.from, begun.length);
  while (inherited.length < length) inherited.push(epoch);
  return inherited;
}

/** Every way in which the leaders of epochs 0 to 3 can have been chosen. */
function* histories(begun: History = []): Generator<History> {
  if (begun.length === EPOCHS) {
    yield begun;
    return;
  }
  if (begun.length === 0) {
    yield* histories([{ from: -1, length: 0 }]);
    return;
  }
  for (let from = 0; from < begun.length; from++) {
    for (let length = 0; length <= OFFSETS; length++) {
      // Below its start the log is the one of an earlier leader: the same choice, counted there.
      if (length < (begun[from]?.length ?? 0)) continue;
      yield* histories([...begun, { from, length }]);
    }
  }
}

function entriesOf(log: Epochs): EpochCache {
  const cache = new EpochCache();
  for (const [offset, epoch] of log.entries()) cache.add(asLeaderEpoch(epoch), asOffset(offset));
  return cache;
}

/** Records of one (offset, epoch) are one record, and all before it is the same (RE1, RE4). */
function commonLength(one: Epochs, other: Epochs): number {
  let length = 0;
  while (length < one.length && length < other.length && one[length] === other[length]) length++;
  return length;
}

interface Settled {
  readonly length: number;
  readonly rounds: number;
  readonly least: number;
}

/** Leader and follower as in 5.2(2) and 5.3(3), until the leader serves. */
function settle(leaderLog: Epochs, leaderEpoch: number, followerLog: Epochs): Settled {
  const leader = entriesOf(leaderLog);
  leader.add(asLeaderEpoch(leaderEpoch), asOffset(leaderLog.length));
  const follower = entriesOf(followerLog);
  let length = followerLog.length;
  let least = length;
  for (let rounds = 0; rounds < 20; rounds++) {
    const asked = follower.latest;
    if (asked < 0) return { length, rounds, least };
    const end: EpochEnd | null = leader.endOffsetFor(asked, asOffset(leaderLog.length));
    if (end === null) throw new Error("a leader knows its own epoch at least");
    if (end.epoch >= asked && end.endOffset >= length) return { length, rounds, least };
    const at = asOffset(length);
    const to = truncationPoint(end, {
      logEndOffset: at,
      endOffsetFor: (epoch) => follower.endOffsetFor(epoch, at),
    });
    expect(to).to.be.at.most(length);
    follower.truncateEnd(to);
    length = to;
    least = Math.min(least, length);
  }
  throw new Error("it asks for ever");
}

describe("The truncation decision", () => {
  it("leaves exactly what a follower shares with its leader, over all small logs (P01, P02)", () => {
    let pairs = 0;
    let truncations = 0;
    let roundsMost = 0;
    for (const history of histories()) {
      const leaderEpoch = EPOCHS - 1;
      const began = history[leaderEpoch]?.length ?? 0;
      for (let leaderEnd = began; leaderEnd <= OFFSETS; leaderEnd++) {
        const leaderLog = logOf(history, leaderEpoch, leaderEnd);
        for (let epoch = 0; epoch < EPOCHS; epoch++) {
          for (let end = 0; end <= OFFSETS; end++) {
            const followerLog = logOf(history, epoch, end);
            // A follower has nothing of this epoch that the leader did not send.
            if (epoch === leaderEpoch && end > leaderEnd) continue;
            const { length, rounds, least } = settle(leaderLog, leaderEpoch, followerLog);
            const common = commonLength(leaderLog, followerLog);
            const what = `leader ${leaderLog.join("")} (epoch ${leaderEpoch}), follower ${followerLog.join("")}`;
            expect(length, what).to.equal(common);
            expect(least, `${what}: cut below what is shared`).to.equal(common);
            pairs++;
            if (rounds > 0) truncations++;
            roundsMost = Math.max(roundsMost, rounds);
          }
        }
      }
    }
    expect(pairs).to.be.greaterThan(50_000);
    expect(truncations).to.be.greaterThan(1_000);
    // KIP-279: once per epoch at most.
    expect(roundsMost).to.be.within(2, EPOCHS);
  });
});
