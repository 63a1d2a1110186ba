/** The fetch stream of one client, on a call that takes what it is sent when the test says so. */
import { expect } from "chai";
import { wire } from "@tidemark/proto";
import { FetchStream } from "../../../src/listeners/grpc/fetch-stream.ts";
import type { DoorContext } from "../../../src/listeners/grpc/door-context.ts";
import type { StreamCall, StreamListener } from "../../../src/listeners/grpc/stream-call.ts";
import { FetchMemory, SLAB_BYTES, SlabPool } from "../../../src/runtime/index.ts";
import { PartitionBench } from "../../runtime/support/partition-bench.ts";

class SlowCall {
  readonly client = { clientId: "c" };
  readonly aheadBytes = 0;
  readonly untaken: (() => void)[] = [];
  isOver = false;
  listener: StreamListener | null = null;

  listen(listener: StreamListener): void {
    this.listener = listener;
  }

  send(_pieces: readonly Uint8Array[], onTaken: () => void): void {
    this.untaken.push(onTaken);
  }

  end(): void {
    this.isOver = true;
    this.listener?.onClosed();
  }

  pause(): void {}
  resume(): void {}
}

describe("FetchStream", () => {
  it("counts what was sent until it is taken, also when its client has ended its side", async () => {
    const bench = await PartitionBench.open();
    for (let at = 0; at < 10; at++) bench.append({ values: ["x".repeat(8_000)] });
    await bench.world.runFor(100);
    const memory = new FetchMemory({ timers: bench.process, maxBytes: () => 64 * SLAB_BYTES });
    const call = new SlowCall();
    const context = {
      clock: bench.process,
      turn: bench.turn,
      slabs: new SlabPool(),
      fetchMemory: memory,
      counters: { fetchStreams: 0, fetchRequests: 0, bytesOut: 0, fetchRequestsFailed: 0 },
      requests: { of: () => null, record: () => undefined },
      config: { current: { maxPartitionsPerBroker: 10, fetchMaxBytes: SLAB_BYTES } },
      replicas: { find: () => bench.partition },
    };
    let isClosed = false;
    const stream = new FetchStream(call as unknown as StreamCall, context as unknown as DoorContext, () => {
      isClosed = true;
    });
    const subscribe = {
      subscriptionId: 1,
      topic: "t",
      partition: 0,
      topicId: Buffer.alloc(0),
      offset: 0,
      maxBytes: SLAB_BYTES,
      isolation: 0,
      currentLeaderEpoch: -1,
      isSuspect: false,
    };
    const request = { subscribe: [subscribe], unsubscribe: [], creditBytes: SLAB_BYTES };
    stream.onMessage(wire.fetchRequest.encode(request), null);
    await bench.world.runFor(100);
    const held = memory.lentBytes;
    expect(held).to.be.greaterThan(0);
    stream.onEnd();
    await bench.world.runFor(100);
    expect([memory.lentBytes, call.isOver, isClosed]).to.deep.equal([held, false, false]);
    for (const take of call.untaken.splice(0)) take();
    expect([memory.lentBytes, call.isOver, isClosed]).to.deep.equal([0, true, true]);
  });
});
