/** The follower's end of streams, alone: how often it dials, and what it grants. */
import { expect } from "chai";
import { decodeReportFrame, encodeDataFrame } from "@tidemark/proto/replication";
import { SeededRandom } from "../../src/base/index.ts";
import { asLeaderEpoch, type SharedMemory } from "../../src/base/index.ts";
import type { PeerStream, PeerStreamHandlers } from "../../src/ports/index.ts";
import type { FollowedPartition, FollowerSeat } from "../../src/runtime/followed-partition.ts";
import { ReplicaFetcher } from "../../src/runtime/replica-fetcher.ts";
import { REPLICATION_WINDOW_BYTES } from "../../src/runtime/replication-window.ts";
import { Replication } from "../../src/runtime/replication.ts";
import { ReplicationThrottle } from "../../src/runtime/replication-throttle.ts";
import { Turn } from "../../src/runtime/turn.ts";
import { SimWorld } from "../../src/sim/index.ts";
import type { PartitionLog } from "../../src/storage/index.ts";
import { quietLogger } from "./support/partition-bench.ts";

/** Keeps whatever comes. */
class Hoarder {
  readonly topicId = "AAAAAAAAAAAAAAAAAAAAAQ";
  readonly partition = 0;
  seat: FollowerSeat | null = null;
  heldBytes = 0;
  #memories: SharedMemory[] = [];

  onStreamOpened(seat: FollowerSeat): void {
    this.seat = seat;
    seat.onReportDue();
  }

  onStreamLost(): void {
    // What came stays.
  }

  onData({ records }: { readonly records: Buffer }, memory: SharedMemory): void {
    memory.hold();
    this.#memories.push(memory);
    this.heldBytes += records.length;
  }

  takeReport(): object {
    const ask = { asks: true, readFrom: 0, epochBefore: -1 };
    return { leaderEpoch: 0, generation: 1, ...ask, appendedTo: 0, isSynced: false, durableLogStart: 0 };
  }

  letGo(): void {
    for (const memory of this.#memories.splice(0)) memory.letGo();
    this.seat?.onTaken(this.heldBytes);
    this.heldBytes = 0;
  }
}

class Bench {
  readonly world = new SimWorld(new SeededRandom(1));
  readonly streams: PeerStreamHandlers[] = [];
  readonly partition = new Hoarder();
  readonly fetcher: ReplicaFetcher;
  /** On the newest stream. */
  grantedBytes = 0;
  /** Nobody listens at the leader's address. */
  isGone = false;
  dialsCount = 0;

  constructor() {
    const process = this.world.startProcess();
    this.fetcher = new ReplicaFetcher(1, {
      transport: {
        openReplication: (_, handlers) => this.#open(handlers),
        isRefused: async () => {
          this.dialsCount += 1;
          await process.sleep(1);
          return this.isGone;
        },
      },
      timers: process,
      turn: new Turn(process),
      logger: quietLogger,
      addressOf: () => ({ nodeId: 1, host: "sim", port: 1 }),
      brokerEpoch: () => 1,
      brokerId: 2,
      throttle: new ReplicationThrottle(process, () => null),
      isFilling: () => false,
    });
    this.fetcher.follow(this.partition as unknown as FollowedPartition);
  }

  get stream(): PeerStreamHandlers {
    const stream = this.streams.at(-1);
    if (stream === undefined) throw new Error("no stream is open");
    return stream;
  }

  #open(handlers: PeerStreamHandlers): PeerStream {
    this.streams.push(handlers);
    this.grantedBytes = 0;
    return {
      send: (frame) => {
        this.grantedBytes += decodeReportFrame(frame as Buffer).creditBytes;
        return true;
      },
      bufferedBytes: 0,
      close: () => undefined,
    };
  }

  /** The slot of the only partition counts up with the streams. */
  frame(recordsBytes: number): Buffer {
    const records = recordsBytes === 0 ? [] : [Buffer.alloc(recordsBytes)];
    const marks = { highWatermark: 0, logStartOffset: 0, logEndOffset: 0 };
    const item = { slot: this.streams.length, leaderEpoch: 0, generation: 1, errorCode: 0, askedFrom: 0, ...marks };
    return Buffer.concat(encodeDataFrame([{ ...item, diverging: null, records }]));
  }
}

describe("ReplicaFetcher", () => {
  it("rests longer and longer before it dials a leader again that sends what is no frame", async () => {
    const bench = new Bench();
    for (let i = 0; i < 1_000; i++) {
      await bench.world.runFor(10);
      if (bench.streams.length > 0) bench.stream.onFrame(Buffer.from("what is no frame"), null);
    }
    // Ten seconds: of 20 ms each they would be hundreds.
    expect(bench.streams.length).to.be.within(5, 20);
  });

  it("opens no stream while nobody listens at its leader's address, and one when somebody does", async () => {
    const bench = new Bench();
    await bench.world.runFor(10);
    bench.isGone = true;
    bench.stream.onClosed(null);
    await bench.world.runFor(10_000);
    expect(bench.streams).to.have.length(1);
    expect(bench.dialsCount).to.be.within(5, 20);
    bench.isGone = false;
    await bench.world.runFor(2_000);
    expect(bench.streams).to.have.length(2);
  });

  it("opens one stream when its leader moves, or it is closed, while it finds out", async () => {
    for (const isClosed of [false, true]) {
      const bench = new Bench();
      await bench.world.runFor(10);
      bench.stream.onClosed(null);
      while (bench.dialsCount === 0) await bench.world.runFor(0.5);
      if (isClosed) bench.fetcher.close();
      else bench.fetcher.restart();
      await bench.world.runFor(1_000);
      expect(bench.streams, String(isClosed)).to.have.length(isClosed ? 1 : 2);
    }
  });

  it("grants a window in all, over streams that broke with more than a window on their way", async () => {
    const bench = new Bench();
    await bench.world.runFor(10);
    expect(bench.grantedBytes).to.equal(REPLICATION_WINDOW_BYTES);
    bench.stream.onFrame(bench.frame(2 * REPLICATION_WINDOW_BYTES), null);
    bench.stream.onClosed(null);
    await bench.world.runFor(2_000);
    expect(bench.streams).to.have.length(2);
    expect(bench.grantedBytes, "what came is still held").to.equal(0);
    bench.partition.letGo();
    await bench.world.runFor(10);
    expect(bench.grantedBytes).to.equal(REPLICATION_WINDOW_BYTES);
  });
});

describe("Replication, following", () => {
  it("opens a stream once at a start, which registers first, and anew when the broker registers again", async () => {
    const world = new SimWorld(new SeededRandom(1));
    const process = world.startProcess();
    let brokerEpoch = -1;
    let opened = 0;
    const stream = { send: () => true, bufferedBytes: 0, close: () => undefined };
    const replication = new Replication(
      {
        brokerId: 2,
        clock: process,
        timers: process,
        turn: new Turn(process),
        logger: quietLogger,
        reserve: { hasRoom: () => true },
        onDiskFault: () => undefined,
        backoffMs: () => 1_000,
        maxBytes: () => 1e6,
        messageBytes: () => 1e6,
        findLed: () => ({ partition: null, code: "UNKNOWN_TOPIC_ID", mayCome: false }),
        isFilling: () => false,
        followerRate: () => null,
        leaderRate: () => null,
      },
      {
        transport: {
          openReplication: () => {
            opened += 1;
            return stream;
          },
          isRefused: async () => false,
        },
        addressOf: (nodeId) => ({ nodeId, host: "sim", port: 1 }),
        brokerEpoch: () => brokerEpoch,
      },
    );
    brokerEpoch = 7;
    const log = emptyLog() as unknown as PartitionLog;
    const onBadBytes = (): void => undefined;
    replication.follow({
      log,
      leaderId: 1,
      leaderEpoch: asLeaderEpoch(0),
      uncleanEpoch: -1,
      generation: 0,
      onBadBytes,
    });
    await world.runFor(10);
    replication.onApplied(true);
    await world.runFor(10);
    expect(opened).to.equal(1);
    brokerEpoch = 9;
    replication.onApplied(true);
    await world.runFor(10);
    expect(opened).to.equal(2);
  });
});

function emptyLog(): object {
  const ends = {
    logStartOffset: 0,
    durableLogStartOffset: 0,
    logEndOffset: 0,
    writtenEndOffset: 0,
    syncedEndOffset: 0,
  };
  const config = { durability: "page-cache" };
  return {
    topic: "t",
    partition: 0,
    topicId: "AAAAAAAAAAAAAAAAAAAAAQ",
    config,
    ...ends,
    highWatermark: 0,
    latestEpoch: -1,
  };
}
