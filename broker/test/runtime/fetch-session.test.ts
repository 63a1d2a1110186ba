/** Fetch sessions over real logs on the simulated disk: every record once, in order, within the credit; slabs come back. */
import { expect } from "chai";
import fc from "fast-check";
import { BatchField, RecordCursor } from "@tidemark/proto";
import { asOffset } from "../../src/base/index.ts";
import { FetchSession, SERVED_BYTES_PER_TURN, SLAB_BYTES, SlabPool } from "../../src/runtime/index.ts";
import type { FetchedPart, FetchMessage, FetchSink } from "../../src/runtime/index.ts";
import { PartitionBench } from "./support/partition-bench.ts";

/** Knows how much of it is lent out. */
class CountingPool extends SlabPool {
  lentBytes = 0;
  mostLentBytes = 0;

  override take(bytes: number): Buffer {
    const slab = super.take(bytes);
    this.lentBytes += slab.length;
    this.mostLentBytes = Math.max(this.mostLentBytes, this.lentBytes);
    return slab;
  }

  override give(slab: Buffer): void {
    this.lentBytes -= slab.length;
    super.give(slab);
  }
}

/** A reader's end: takes a message at a time, and lets it go when it is told to. */
class Reader implements FetchSink {
  readonly session: FetchSession;
  readonly slabs = new CountingPool();
  readonly parts: (Omit<FetchedPart, "records"> & { values: string[]; bytes: number })[] = [];
  /** Of the messages, in order. */
  readonly sizes: number[] = [];
  readonly #held: FetchMessage[] = [];
  readonly faults: unknown[] = [];
  maxAhead = 1;
  isHolding = false;

  constructor(bench: PartitionBench, { isFollower = false, messageBytes = SLAB_BYTES } = {}) {
    this.session = new FetchSession({
      clock: bench.process,
      turn: bench.turn,
      slabs: this.slabs,
      sink: this,
      isFollower,
      messageBytes: () => messageBytes,
    });
  }

  get isWritable(): boolean {
    return this.#held.length < this.maxAhead;
  }

  send(message: FetchMessage): void {
    if (!this.isWritable) throw new Error("sent to a full sink");
    for (const { records: pieces, ...part } of message.parts) {
      const records = Buffer.concat(pieces);
      const values: string[] = [];
      const cursor = new RecordCursor(records, { verifyCrc: true });
      while (cursor.next()) if (cursor.offset >= part.fetchOffset) values.push(cursor.value?.toString() ?? "null");
      this.parts.push({ ...part, values, bytes: records.length });
    }
    this.sizes.push(message.bytes);
    this.#held.push(message);
    if (!this.isHolding) this.letGo();
  }

  letGo(): void {
    for (const message of this.#held.splice(0)) message.release();
    this.session.onWritable();
  }

  onReadFault(cause: unknown): void {
    this.faults.push(cause);
  }

  get values(): string[] {
    return this.parts.flatMap(({ values }) => values);
  }
}

function sumOf(parts: readonly { readonly bytes: number }[]): number {
  return parts.reduce((sum, { bytes }) => sum + bytes, 0);
}

describe("FetchSession", () => {
  it("answers at once where the log stands, and sends what comes later", async () => {
    const bench = await PartitionBench.open();
    const reader = new Reader(bench);
    reader.session.grant(1_000_000);
    reader.session.subscribe({
      subscriptionId: 7,
      partition: bench.partition,
      offset: asOffset(0),
      maxBytes: SLAB_BYTES,
    });
    await bench.turnEnds();
    expect(reader.parts).to.have.length(1);
    expect(reader.parts[0]).to.deep.include({ subscriptionId: 7, code: "NONE", highWatermark: 0, bytes: 0 });
    bench.append({ values: ["a", "b"] });
    await bench.turnEnds();
    expect(reader.values).to.deep.equal(["a", "b"]);
    expect(reader.parts.at(-1)).to.deep.include({ fetchOffset: 0, highWatermark: 2 });
  });

  it("says nothing while nothing happens", async () => {
    const bench = await PartitionBench.open();
    const reader = new Reader(bench);
    reader.session.grant(1_000_000);
    reader.session.subscribe({
      subscriptionId: 1,
      partition: bench.partition,
      offset: asOffset(0),
      maxBytes: SLAB_BYTES,
    });
    await bench.world.runFor(60_000);
    expect(reader.parts).to.have.length(1);
  });

  it("hands out nothing above the high watermark", async () => {
    const bench = await PartitionBench.open({ durability: "group-commit" });
    bench.disk.faults.add({ operation: "datasync", effect: "stall", path: /\.log$/u, stallMs: 500 });
    const reader = new Reader(bench);
    reader.session.grant(1_000_000);
    reader.session.subscribe({
      subscriptionId: 1,
      partition: bench.partition,
      offset: asOffset(0),
      maxBytes: SLAB_BYTES,
    });
    bench.append({ values: ["unsynced"] }, "leader");
    await bench.turnEnds();
    expect(reader.values).to.deep.equal([]);
    await bench.world.runFor(2_000);
    expect(reader.values).to.deep.equal(["unsynced"]);
  });

  it("refuses offsets outside the log, and takes the end itself (12.1(4))", async () => {
    const bench = await PartitionBench.open();
    bench.append({ values: ["a"] });
    await bench.turnEnds();
    const reader = new Reader(bench);
    for (const [i, offset] of [2, 1].entries()) {
      reader.session.subscribe({
        subscriptionId: i,
        partition: bench.partition,
        offset: asOffset(offset),
        maxBytes: SLAB_BYTES,
      });
    }
    await bench.turnEnds();
    expect(reader.parts.map(({ code }) => code)).to.deep.equal(["OFFSET_OUT_OF_RANGE", "NONE"]);
  });

  it("says the end of a leadership last, and nothing after it", async () => {
    const bench = await PartitionBench.open();
    const reader = new Reader(bench);
    reader.session.grant(1_000_000);
    reader.session.subscribe({
      subscriptionId: 1,
      partition: bench.partition,
      offset: asOffset(0),
      maxBytes: SLAB_BYTES,
    });
    bench.append({ values: ["a"] });
    await bench.turnEnds();
    bench.partition.close("NOT_LEADER_OR_FOLLOWER");
    await bench.world.runFor(1_000);
    expect(reader.parts.at(-1)?.code).to.equal("NOT_LEADER_OR_FOLLOWER");
  });

  it("answers 56 when the log cannot be read, and the process lives", async () => {
    const bench = await PartitionBench.open();
    bench.append({ values: ["x".repeat(5_000)] });
    await bench.turnEnds();
    bench.disk.faults.add({ operation: "read", effect: "EMFILE", probability: 1 });
    const reader = new Reader(bench);
    reader.session.grant(1_000_000);
    reader.session.subscribe({
      subscriptionId: 1,
      partition: bench.partition,
      offset: asOffset(0),
      maxBytes: SLAB_BYTES,
    });
    await bench.world.runFor(1_000);
    expect(reader.parts.at(-1)?.code).to.equal("KAFKA_STORAGE_ERROR");
  });

  it("sends every record once and in order, within the credit but for one batch, whatever credit and sink do", async () => {
    const step = fc.oneof(
      {
        weight: 4,
        arbitrary: fc.record({
          kind: fc.constant("append" as const),
          sizes: fc.array(fc.integer({ min: 1, max: 3_000 }), { minLength: 1, maxLength: 5 }),
        }),
      },
      {
        weight: 4,
        arbitrary: fc.record({ kind: fc.constant("grant" as const), bytes: fc.integer({ min: 1, max: 20_000 }) }),
      },
      { weight: 2, arbitrary: fc.record({ kind: fc.constant("hold" as const), isHolding: fc.boolean() }) },
      { weight: 2, arbitrary: fc.record({ kind: fc.constant("wait" as const), ms: fc.integer({ min: 0, max: 50 }) }) },
      {
        weight: 1,
        arbitrary: fc.record({
          kind: fc.constant("subscribe" as const),
          from: fc.double({ min: 0, max: 1, noNaN: true }),
          maxBytes: fc.integer({ min: 1, max: 5_000 }),
        }),
      },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), fc.nat(1_000), async (steps, seed) => {
        const bench = await PartitionBench.open({ seed, log: { segmentBytes: 20_000, indexIntervalBytes: 500 } });
        const reader = new Reader(bench);
        const written: string[] = [];
        const starts = new Map<number, number>();
        let granted = 0;
        let largestBatch = 0;
        for (const event of steps) {
          if (event.kind === "append") {
            const values = event.sizes.map((size, i) => `${written.length + i}:${"v".repeat(size)}`);
            written.push(...values);
            largestBatch = Math.max(largestBatch, 100 + values.join("").length + 12 * values.length);
            bench.append({ values });
            await bench.turnEnds();
          } else if (event.kind === "grant") {
            granted += event.bytes;
            reader.session.grant(event.bytes);
          } else if (event.kind === "hold") {
            reader.isHolding = event.isHolding;
            if (!event.isHolding) reader.letGo();
          } else if (event.kind === "wait") {
            await bench.world.runFor(event.ms);
          } else {
            const id = starts.size + 1;
            const offset = Math.floor(event.from * written.length);
            starts.set(id, offset);
            reader.session.subscribe({
              subscriptionId: id,
              partition: bench.partition,
              offset: asOffset(offset),
              maxBytes: event.maxBytes,
            });
          }
          const sent = reader.parts.reduce((sum, { bytes }) => sum + bytes, 0);
          // Reads beside may each have set their first batch against the same last byte of credit.
          expect(sent).to.be.at.most(granted + largestBatch * Math.max(1, starts.size));
        }
        reader.isHolding = false;
        reader.letGo();
        reader.session.grant(100_000_000);
        await bench.world.runFor(10_000);
        for (const [id, from] of starts) {
          const values = reader.parts
            .filter(({ subscriptionId }) => subscriptionId === id)
            .flatMap(({ values: own }) => own);
          expect(values).to.deep.equal(written.slice(from));
        }
      }),
      { numRuns: 40 },
    );
  });

  it("serves a hot and a lagging subscription in turns", async () => {
    const bench = await PartitionBench.open();
    for (let i = 0; i < 60; i++) bench.append({ values: [`${i}:${"x".repeat(1_000)}`] });
    await bench.turnEnds();
    const reader = new Reader(bench);
    for (const id of [1, 2])
      reader.session.subscribe({
        subscriptionId: id,
        partition: bench.partition,
        offset: asOffset(0),
        maxBytes: 3_000,
      });
    reader.session.grant(10_000_000);
    await bench.world.runFor(1_000);
    const order = reader.parts.filter(({ bytes }) => bytes > 0).map(({ subscriptionId }) => subscriptionId);
    for (let i = 0; i + 1 < order.length; i++) expect(order[i]).to.not.equal(order[i + 1]);
  });

  it("reads a few megabytes ahead and no more, whatever credit and subscriptions ask for, and everything in the end", async () => {
    const bench = await PartitionBench.open({ log: { segmentBytes: 64 * 1024 } });
    const sent: string[] = [];
    for (let i = 0; i < 20; i++) {
      sent.push(`${i}:${"x".repeat(10_000)}`);
      bench.append({ values: sent.slice(-1) });
      await bench.turnEnds();
    }
    const reader = new Reader(bench);
    reader.isHolding = true;
    reader.session.grant(Number.MAX_SAFE_INTEGER);
    for (let id = 1; id <= 50; id++)
      reader.session.subscribe({
        subscriptionId: id,
        partition: bench.partition,
        offset: asOffset(0),
        maxBytes: 55 * 1024 * 1024,
      });
    await bench.world.runFor(1_000);
    expect(reader.slabs.mostLentBytes).to.be.below(12 * SLAB_BYTES);
    reader.isHolding = false;
    reader.letGo();
    await bench.world.runFor(60_000);
    for (let id = 1; id <= 50; id++) {
      const values = reader.parts.flatMap((part) => (part.subscriptionId === id ? part.values : []));
      expect(values.join(), `subscription ${id}`).to.equal(sent.join());
    }
    expect(reader.slabs.mostLentBytes).to.be.below(12 * SLAB_BYTES);
    expect(reader.slabs.lentBytes).to.equal(0);
  });

  it("lets a batch that a message has no room for wait, and does not look for room without end (P57)", async () => {
    // A whole segment leaves a message less than one batch, and the batches are too small to be kept in memory.
    const bench = await PartitionBench.open({ log: { segmentBytes: 1_040_000 } });
    const values = Array.from({ length: 100 }, (_, i) => `${i}:`.padEnd(12_000, "x"));
    for (const value of values) {
      bench.append({ values: [value] });
      await bench.turnEnds();
    }
    let reads = 0;
    bench.disk.observer = {
      onAsked: (operation, path) => {
        if (operation === "read" && path.endsWith(".log") && ++reads > 1_000) throw new Error("it reads without end");
      },
      onChange: () => undefined,
    };
    const reader = new Reader(bench);
    const subscribe = (subscriptionId: number, offset: number): void =>
      reader.session.subscribe({
        subscriptionId,
        partition: bench.partition,
        offset: asOffset(offset),
        maxBytes: SLAB_BYTES,
      });
    reader.session.grant(100_000_000);
    reader.isHolding = true;
    subscribe(1, 0);
    subscribe(2, 100);
    // The sink is full with an answer without records, and the segment has been read: it leaves with what follows.
    await bench.world.runFor(1_000);
    expect(reader.parts).to.have.length(1);
    subscribe(3, 90);
    subscribe(4, 90);
    reader.isHolding = false;
    reader.letGo();
    await bench.world.runFor(1_000);
    const valuesOf = (id: number): string[] =>
      reader.parts.flatMap(({ subscriptionId, values: own }) => (subscriptionId === id ? own : []));
    expect(valuesOf(1).join()).to.equal(values.join());
    for (const id of [3, 4]) expect(valuesOf(id).join()).to.equal(values.slice(90).join());
    expect(reader.slabs.lentBytes).to.equal(0);
  });

  for (const where of ["at the tail", "in an older segment"] as const) {
    it(`answers 56 for a batch ${where} whose length has rotted, and takes no memory for it`, async () => {
      const bench = await PartitionBench.open({ log: { segmentBytes: 1_000 } });
      const isOlder = where === "in an older segment";
      for (const value of ["a", "b", "c", isOlder ? "d".repeat(900) : "d"]) bench.append({ values: [value] });
      await bench.turnEnds();
      expect(bench.partition.segmentsCount).to.equal(isOlder ? 2 : 1);
      const reader = new Reader(bench);
      reader.session.grant(1);
      reader.session.subscribe({ subscriptionId: 1, partition: bench.partition, offset: asOffset(0), maxBytes: 1 });
      await bench.world.runFor(1_000);
      expect(reader.values).to.deep.equal(["a"]);
      // The reader knows where the next batch begins, and does not look at those before it again.
      const at = reader.parts[0]?.bytes ?? 0;
      const [segment] = bench.log.segments();
      bench.disk.fileAt(segment?.path ?? "")?.flipBit(at + BatchField.BATCH_LENGTH, 4);
      reader.session.grant(100_000_000);
      await bench.world.runFor(1_000);
      expect(reader.values).to.deep.equal(["a"]);
      expect(reader.parts.at(-1)).to.deep.include({ code: "KAFKA_STORAGE_ERROR", fetchOffset: 1 });
      expect(reader.slabs.mostLentBytes).to.be.at.most(4 * SLAB_BYTES);
      expect(reader.slabs.lentBytes).to.equal(0);
    });
  }

  it("shares each turn among all readers: a request that arrives beside many of them waits for one share, not for all", async () => {
    const bench = await PartitionBench.open({ log: { segmentBytes: 64 * 1024 * 1024 } });
    for (let i = 0; i < 20; i++) {
      bench.append({ values: ["x".repeat(200_000)] });
      await bench.turnEnds();
    }
    const readers = Array.from({ length: 8 }, () => new Reader(bench));
    for (const reader of readers) {
      reader.maxAhead = 3;
      reader.isHolding = true;
      reader.session.grant(100_000_000);
      reader.session.subscribe({
        subscriptionId: 1,
        partition: bench.partition,
        offset: asOffset(0),
        maxBytes: SLAB_BYTES,
      });
    }
    const outcome = bench.append({ values: ["arrives with them"] });
    const sentBytes = (): number => readers.reduce((sum, { parts }) => sum + sumOf(parts), 0);
    const perTurn: number[] = [];
    for (let before = 0; await bench.world.step(); before = sentBytes()) {
      if (sentBytes() > before) perTurn.push(sentBytes() - before);
      if (perTurn.length === 1)
        expect(outcome.answer, "it is answered before the first of them has more").to.not.equal(null);
      // Each has had a message before any has two.
      const counts = readers.map(({ parts }) => parts.length);
      expect(Math.max(...counts) - Math.min(...counts)).to.be.at.most(1);
      for (const reader of readers) reader.letGo();
    }
    for (const { values } of readers) expect(values).to.have.length(21);
    // The message that passes the share is sent whole.
    expect(Math.max(...perTurn)).to.be.below(SERVED_BYTES_PER_TURN + SLAB_BYTES);
  });

  it("reads off the loop for two readers at a time, whatever is asked for: writes and syncs find a thread (1.10)", async () => {
    const bench = await PartitionBench.open({ log: { segmentBytes: 64 * 1024 } });
    for (let i = 0; i < 20; i++) {
      bench.append({ values: ["x".repeat(10_000)] });
      await bench.turnEnds();
    }
    let askedCount = 0;
    bench.disk.observer = {
      onAsked: (operation, path) => (operation === "read" && path.endsWith(".log") ? askedCount++ : askedCount),
      onChange: () => undefined,
    };
    bench.disk.faults.add({ operation: "read", effect: "stall", path: /\.log$/u, stallMs: 1_000, times: 10_000 });
    const readers = Array.from({ length: 10 }, () => new Reader(bench));
    for (const { session } of readers) {
      session.grant(100_000_000);
      for (let id = 1; id <= 4; id++)
        session.subscribe({
          subscriptionId: id,
          partition: bench.partition,
          offset: asOffset(id),
          maxBytes: SLAB_BYTES,
        });
    }
    await bench.world.runFor(900);
    expect(askedCount).to.equal(2);
    await bench.world.runFor(10_000_000);
    for (const { parts } of readers)
      for (let id = 1; id <= 4; id++) {
        const own = parts.filter(({ subscriptionId }) => subscriptionId === id);
        expect(own.flatMap(({ values }) => values)).to.have.length(20 - id);
      }
  });

  it("gives a follower all that it can take in one turn: acknowledgements wait for it", async () => {
    const bench = await PartitionBench.open({ log: { segmentBytes: 64 * 1024 * 1024 } });
    for (let i = 0; i < 20; i++) bench.append({ values: ["x".repeat(200_000)] });
    await bench.turnEnds();
    const follower = new Reader(bench, { isFollower: true });
    follower.maxAhead = 3;
    follower.isHolding = true;
    follower.session.grant(100_000_000);
    follower.session.subscribe({
      subscriptionId: 1,
      partition: bench.partition,
      offset: asOffset(0),
      maxBytes: SLAB_BYTES,
    });
    await bench.turnEnds();
    expect(follower.parts).to.have.length(3);
  });

  it("puts no more into a message than it may hold, but for a first batch, which is whole", async () => {
    const value = "x".repeat(1_000);
    for (const [messageBytes, batchesEach] of [
      [2_500, 2],
      [0, 1],
    ] as const) {
      const bench = await PartitionBench.open();
      for (let batch = 0; batch < 4; batch += 1) bench.append({ values: [value] });
      await bench.turnEnds();
      const reader = new Reader(bench, { isFollower: true, messageBytes });
      reader.session.grant(1_000_000);
      const { partition } = bench;
      reader.session.subscribe({ subscriptionId: 1, partition, offset: asOffset(0), maxBytes: SLAB_BYTES });
      await bench.turnEnds();
      expect(reader.values).to.have.length(4);
      const batchBytes = sumOf(reader.parts) / 4;
      expect(reader.sizes).to.deep.equal(Array.from({ length: 4 / batchesEach }, () => batchesEach * batchBytes));
    }
  });

  it("sends the newest large batches out of memory, in order with what lies on disk, and lets go of it when they have left", async () => {
    const bench = await PartitionBench.open();
    const values = Array.from({ length: 12 }, (_, i) => String.fromCodePoint(97 + i).repeat(150_000));
    const outcomes = values.map((value) => bench.append({ values: [value] }));
    await bench.turnEnds();
    const whatIsCached = bench.partition.readCached(asOffset(11), SLAB_BYTES);
    expect(whatIsCached?.nextOffset).to.equal(12);
    // The cache of the bench holds six of them; the others come from the file.
    expect(bench.partition.readCached(asOffset(5), SLAB_BYTES)).to.equal(null);
    const reader = new Reader(bench);
    reader.isHolding = true;
    reader.maxAhead = 100;
    let reads = 0;
    bench.disk.observer = {
      onAsked: (operation, path) => (operation === "read" && path.endsWith(".log") ? reads++ : reads),
      onChange: () => undefined,
    };
    reader.session.grant(10_000_000);
    reader.session.subscribe({
      subscriptionId: 1,
      partition: bench.partition,
      offset: asOffset(6),
      maxBytes: SLAB_BYTES,
    });
    await bench.world.runFor(100);
    expect(reader.values.join("") === values.slice(6).join("")).to.equal(true);
    expect(reads).to.equal(0);
    expect(outcomes.every(({ isTaken }) => isTaken)).to.equal(true);
    // The cache forgets, and the messages still hold what they say.
    const piece = whatIsCached?.pieces[0];
    await bench.world.runFor(60_000);
    expect(bench.partition.readCached(asOffset(11), SLAB_BYTES)).to.equal(null);
    expect(piece?.at(-2)).to.equal("l".codePointAt(0));
    reader.letGo();
    expect(piece?.at(-2)).to.equal(0xee);

    const behind = new Reader(bench);
    behind.session.grant(10_000_000);
    behind.session.subscribe({
      subscriptionId: 1,
      partition: bench.partition,
      offset: asOffset(0),
      maxBytes: SLAB_BYTES,
    });
    await bench.world.runFor(1_000);
    expect(behind.values.join("") === values.join("")).to.equal(true);
  });
});
