/** A wall clock that jumps back an hour, and forth again, under a running broker: what is measured is measured by the monotonic one. */
import { expect } from "chai";
import { asMs } from "../../src/base/index.ts";
import type { Broker } from "../../src/index.ts";
import { SystemClock } from "../../src/platform/index.ts";
import type { Clock } from "../../src/ports/index.ts";
import { batch, recordsOf } from "./support/batches.ts";
import { RawClient } from "./support/raw-client.ts";
import { freshDirectory, removeDirectory, startBroker } from "./support/test-broker.ts";

const HOUR_MS = 3_600_000;

class JumpingClock implements Clock {
  readonly #real = new SystemClock();
  offsetMs = 0;

  wallNow() {
    return asMs(this.#real.wallNow() + this.offsetMs);
  }

  monotonicNow() {
    return this.#real.monotonicNow();
  }
}

describe("a wall clock that jumps back an hour", () => {
  let directory: string;
  let clock: JumpingClock;
  let broker: Broker;
  let client: RawClient;

  const flags = (): Record<string, string> => ({
    "log.dirs": directory,
    "log.segment.bytes": "1048576",
    "log.retention.check.interval.ms": "50",
    "log.segment.delete.delay.ms": "0",
  });

  const open = async (): Promise<void> => {
    broker = await startBroker(flags(), { world: { clock } });
    client = new RawClient(broker.grpcAddress);
  };

  const close = async (): Promise<void> => {
    client.close();
    await broker.stop();
  };

  beforeEach(async () => {
    directory = freshDirectory();
    clock = new JumpingClock();
    await open();
  });

  afterEach(async () => {
    await close();
    removeDirectory(directory);
  });

  const send = async (
    topic: string,
    values: readonly string[],
    over: { timestamp?: number; producerId?: number; baseSequence?: number } = {},
  ) => {
    const producer = client.produceStream();
    await producer.opened();
    return producer.produce(topic, batch({ timestamp: Date.now(), ...over, values }));
  };

  const valuesOf = async (topic: string, count: number): Promise<string[]> => {
    const reader = client.fetchStream();
    reader.send({ creditBytes: 8 * 1024 * 1024 });
    reader.subscribe(1, topic, 0);
    const values: string[] = [];
    while (values.length < count) values.push(...recordsOf((await reader.part()).records).map(({ value }) => value));
    return values;
  };

  it("refuses no record of a client whose clock is right, and keeps the order", async () => {
    await client.createTopic("t");
    expect((await send("t", ["before"])).errorCode).to.equal(0);
    clock.offsetMs = -HOUR_MS;
    expect(await send("t", ["during"])).to.include({ errorCode: 0, baseOffset: 1 });
    clock.offsetMs = 0;
    expect(await send("t", ["after"])).to.include({ errorCode: 0, baseOffset: 2 });
    expect(await valuesOf("t", 3)).to.deep.equal(["before", "during", "after"]);
  });

  it("stamps by the clock as it is where the topic keeps the append's time, and finds records by time all the same", async () => {
    await client.createTopic("t", { config: { "message.timestamp.type": "LogAppendTime" } });
    const first = await send("t", ["before"]);
    clock.offsetMs = -HOUR_MS;
    const second = await send("t", ["during"]);
    expect(first.logAppendTime - second.logAppendTime).to.be.within(HOUR_MS - 60_000, HOUR_MS);
    expect(await client.listOffset("t", first.logAppendTime)).to.include({ errorCode: 0, offset: 0 });
    expect(await client.listOffset("t", first.logAppendTime + 1)).to.include({ errorCode: 0, offset: -1 });
    expect(await valuesOf("t", 2)).to.deep.equal(["before", "during"]);
  });

  it("neither rolls nor retains wrongly: what is young stays, what is old goes when the clock is right again", async () => {
    await client.createTopic("t", {
      config: { "retention.ms": String(HOUR_MS / 2), "segment.ms": String(HOUR_MS / 4) },
    });
    const big = "x".repeat(400_000);
    clock.offsetMs = -HOUR_MS;
    for (let i = 0; i < 8; i++) expect((await send("t", [big], { timestamp: clock.wallNow() })).errorCode).to.equal(0);
    expect(await client.listOffset("t", -2)).to.include({ offset: 0 });
    // All of it is older than retention.ms now.
    clock.offsetMs = 0;
    const start = async (): Promise<number> => (await client.listOffset("t", -2)).offset;
    while ((await start()) < 8) await new Promise((resolve) => setImmediate(resolve));
    expect(await send("t", ["young"])).to.include({ errorCode: 0, baseOffset: 8 });
    clock.offsetMs = -HOUR_MS;
    expect((await send("t", ["young too"], { timestamp: clock.wallNow() })).errorCode).to.equal(0);
    expect(await client.listOffset("t", -2)).to.include({ offset: 8 });
  });

  it("forgets no producer, and knows its retry (11.1(4) counts by the monotonic clock)", async () => {
    await client.createTopic("t");
    const mine = { producerId: 7, baseSequence: 0 };
    expect(await send("t", ["once"], mine)).to.include({ errorCode: 0, baseOffset: 0, duplicate: false });
    for (const offsetMs of [-HOUR_MS, 48 * HOUR_MS, 0]) {
      clock.offsetMs = offsetMs;
      expect(await send("t", ["once"], mine)).to.include({ errorCode: 0, baseOffset: 0, duplicate: true });
    }
  });

  it("wakes a reader that waits at the tail", async () => {
    await client.createTopic("t");
    const waiting = valuesOf("t", 1);
    clock.offsetMs = -HOUR_MS;
    expect((await send("t", ["woken"])).errorCode).to.equal(0);
    expect(await waiting).to.deep.equal(["woken"]);
  });

  it("stops cleanly, and starts again with all there was, in the past", async () => {
    await client.createTopic("t");
    await send("t", ["before"]);
    clock.offsetMs = -HOUR_MS;
    await send("t", ["during"]);
    await close();
    await open();
    expect(broker.openReport).to.include({ clean: true });
    expect(await valuesOf("t", 2)).to.deep.equal(["before", "during"]);
    await client.createTopic("made-in-the-past");
    expect((await send("made-in-the-past", ["x"])).errorCode).to.equal(0);
  });
});
