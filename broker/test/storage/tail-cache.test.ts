/** The tail cache alone, and under a log: what it serves, what it forgets, and whose memory it holds. */
import { expect } from "chai";
import { SharedMemory } from "../../src/base/index.ts";
import { SimWorld } from "../../src/sim/index.ts";
import { SeededRandom } from "../../src/base/index.ts";
import { LogTail, TailCache } from "../../src/storage/tail-cache.ts";
import { readBatchHeader } from "@tidemark/proto";
import { asLeaderEpoch, asMs, asOffset, makeBatch, specOf, StorageMachine } from "./support/storage-machine.ts";
import type { PartitionLog } from "../../src/storage/index.ts";

const BATCH = 20_000;

class Bench {
  readonly world = new SimWorld(new SeededRandom(1));
  readonly cache: TailCache;
  freed = 0;

  constructor(capBytes: number) {
    const process = this.world.startProcess();
    this.cache = new TailCache({ capBytes, clock: process, timers: process });
  }

  /** A received batch at `offset`, of which the receiver has let go. */
  add(tail: LogTail, offset: number, options: { bytes?: number; pinned?: number } = {}): Buffer {
    const { bytes = BATCH, pinned = bytes } = options;
    const buffer = Buffer.alloc(bytes, offset);
    const memory = new SharedMemory(pinned, bytes, () => {
      this.freed += 1;
      buffer.fill(0xee);
    });
    tail.add(buffer, asOffset(offset), asOffset(offset + 1), memory);
    memory.letGo();
    return buffer;
  }
}

function offsets(tail: LogTail, offset: number, maxBytes = 1e9, limit = 1e9): number[] | null {
  const found = tail.read(asOffset(offset), maxBytes, asOffset(limit));
  return found === null ? null : found.pieces.map((piece) => piece[0] ?? -1);
}

describe("TailCache", () => {
  it("serves the batches as they were received, whole, below the limit, the first one in any case", () => {
    const bench = new Bench(1e6);
    const tail = new LogTail(bench.cache);
    const received = bench.add(tail, 5);
    for (let offset = 6; offset < 10; offset += 1) bench.add(tail, offset);
    expect(tail.read(asOffset(5), 1, asOffset(9))?.pieces).to.deep.equal([received]);
    expect(tail.read(asOffset(5), 1, asOffset(9))?.pieces[0]).to.equal(received);
    expect(offsets(tail, 6, 2 * BATCH)).to.deep.equal([6, 7]);
    expect(offsets(tail, 6, 1e9, 8)).to.deep.equal([6, 7]);
    expect(tail.read(asOffset(6), 1e9, asOffset(9))).to.deep.include({ bytes: 3 * BATCH, nextOffset: 9 });
    expect([offsets(tail, 4), offsets(tail, 9, 1e9, 9), offsets(tail, 10)]).to.deep.equal([null, null, null]);
  });

  it("holds at most its cap: the log appended to least recently goes first, then the oldest batches", () => {
    const bench = new Bench(5 * BATCH);
    const first = new LogTail(bench.cache);
    const second = new LogTail(bench.cache);
    for (let offset = 0; offset < 3; offset += 1) bench.add(first, offset);
    for (let offset = 0; offset < 3; offset += 1) bench.add(second, offset);
    expect([offsets(first, 0), offsets(second, 0)]).to.deep.equal([null, [0, 1, 2]]);
    for (let offset = 3; offset < 600; offset += 1) {
      bench.add(second, offset);
      expect(bench.cache.heldBytes).to.be.at.most(5 * BATCH);
    }
    expect(offsets(second, 594)).to.equal(null);
    expect(offsets(second, 595)?.length).to.equal(5);
    expect(bench.freed).to.equal(3 + 595);
  });

  it("counts what is really held, and copies a batch out that would hold more than twice its bytes", () => {
    const bench = new Bench(10 * BATCH);
    const tail = new LogTail(bench.cache);
    bench.add(tail, 0, { pinned: 1.5 * BATCH });
    expect(bench.cache.heldBytes).to.equal(1.5 * BATCH);
    bench.add(tail, 1, { pinned: 3 * BATCH });
    expect(bench.cache.heldBytes).to.equal(2.5 * BATCH);
    expect(bench.freed).to.equal(1);
    expect(offsets(tail, 0)).to.deep.equal([0, 1]);
  });

  it("keeps no small batch, and nothing behind a gap", () => {
    const bench = new Bench(1e6);
    const tail = new LogTail(bench.cache);
    bench.add(tail, 0);
    bench.add(tail, 1, { bytes: 1000 });
    expect([offsets(tail, 0), bench.cache.heldBytes]).to.deep.equal([null, 0]);
    bench.add(tail, 2);
    bench.add(tail, 9);
    expect([offsets(tail, 2), offsets(tail, 9)]).to.deep.equal([null, [9]]);
  });

  it("leaves memory to a reader who still looks at it", () => {
    const bench = new Bench(1e6);
    const tail = new LogTail(bench.cache);
    bench.add(tail, 7);
    const found = tail.read(asOffset(7), 1, asOffset(8));
    for (const memory of found?.memories ?? []) memory.hold();
    tail.clear();
    expect([bench.freed, found?.pieces[0]?.[0]]).to.deep.equal([0, 7]);
    for (const memory of found?.memories ?? []) memory.letGo();
    expect([bench.freed, bench.cache.heldBytes]).to.deep.equal([1, 0]);
  });

  it("forgets what nobody appends to, and has no timer while it holds nothing", async () => {
    const bench = new Bench(1e6);
    const cold = new LogTail(bench.cache);
    const hot = new LogTail(bench.cache);
    bench.add(cold, 0);
    for (let second = 0; second < 25; second += 1) {
      bench.add(hot, second);
      await bench.world.runFor(1_000);
    }
    expect([offsets(cold, 0), offsets(hot, 24)]).to.deep.equal([null, [24]]);
    await bench.world.runUntilIdle();
    expect(bench.cache.heldBytes).to.equal(0);
  });
});

describe("TailCache that keeps nothing for readers", () => {
  it("holds for followers what they were not sent, where it lies, and lets go of it then", () => {
    const bench = new Bench(0);
    const tail = new LogTail(bench.cache);
    for (let offset = 0; offset < 4; offset += 1) bench.add(tail, offset, { pinned: 3 * BATCH });
    expect([bench.freed, bench.cache.heldBytes]).to.deep.equal([0, 12 * BATCH]);
    tail.dropBelow(asOffset(3));
    expect([bench.freed, offsets(tail, 2), offsets(tail, 3)]).to.deep.equal([3, null, [3]]);
    tail.dropBelow(asOffset(4));
    expect([bench.freed, bench.cache.heldBytes]).to.deep.equal([4, 0]);
  });

  it("holds a small batch that is alone, and of several none", () => {
    const bench = new Bench(0);
    const tail = new LogTail(bench.cache);
    bench.add(tail, 0, { bytes: 100 });
    expect(offsets(tail, 0)).to.deep.equal([0]);
    tail.dropBelow(asOffset(1));
    bench.add(tail, 1, { bytes: 100 });
    expect(offsets(tail, 1)).to.deep.equal([1]);
    bench.add(tail, 2, { bytes: 100 });
    expect([offsets(tail, 1), bench.freed, bench.cache.heldBytes]).to.deep.equal([null, 3, 0]);
  });

  it("holds no more for one that lags than for all", () => {
    const bench = new Bench(0);
    const tail = new LogTail(bench.cache);
    for (let offset = 0; offset < 1_000; offset += 1) bench.add(tail, offset);
    expect(bench.cache.heldBytes).to.be.within(15 * 2 ** 20, 16 * 2 ** 20);
    expect(offsets(tail, 0)).to.equal(null);
  });
});

/** Appends a batch of 20 kB that lies in memory of its own. */
function appendShared(log: PartitionLog): Buffer {
  const bytes = makeBatch({ valueBytes: BATCH });
  const memory = new SharedMemory(bytes.length, bytes.length, () => bytes.fill(0xee));
  const result = log.append(bytes, readBatchHeader(bytes, 0), asLeaderEpoch(0), asMs(1000), memory);
  if (!result.ok) throw new Error(result.code);
  log.writeAppended();
  void log.whenWritten().then(() => memory.letGo());
  return bytes;
}

describe("log: its cached tail", () => {
  const WIDE = { segmentBytes: 1_000_000 };

  async function cachedLog() {
    const machine = new StorageMachine();
    machine.tailCacheBytes = 1e6;
    const { directory, log } = await machine.fresh(WIDE);
    return { machine, directory, log };
  }

  it("gives what a read from the file gives, and nothing beyond the written end or the limit", async () => {
    const { machine, log } = await cachedLog();
    for (let i = 0; i < 5; i += 1) appendShared(log);
    await machine.letPass(1);
    const cached = log.readCached(asOffset(1), 1e9, log.logEndOffset);
    const read = await machine.run(log.read(asOffset(1), 1e6, log.logEndOffset));
    expect(Buffer.concat(cached?.pieces ?? []).equals(read.records)).to.equal(true);
    expect(log.readCached(asOffset(1), 1e9, asOffset(3))?.nextOffset).to.equal(3);
    machine.medium.slowWriteMs = 50;
    // Until one is written off the loop: how slow each is, is chance.
    while (log.writtenEndOffset === log.logEndOffset) appendShared(log);
    const nextOffset = log.readCached(asOffset(1), 1e9, log.logEndOffset)?.nextOffset;
    expect(nextOffset).to.equal(log.writtenEndOffset);
    await machine.run(log.whenWritten());
    expect(log.readCached(asOffset(1), 1e9, log.logEndOffset)?.nextOffset).to.equal(log.logEndOffset);
  });

  it("is there for followers alone where nothing is kept for readers, from their first read to the end of the last", async () => {
    const machine = new StorageMachine();
    const { log } = await machine.fresh(WIDE);
    const at = (offset: number): number | null =>
      log.readCached(asOffset(offset), 1e9, log.logEndOffset)?.nextOffset ?? null;
    appendShared(log);
    expect(at(0)).to.equal(null);
    log.onFollowersAt(asOffset(1));
    appendShared(log);
    appendShared(log);
    expect([at(0), at(1)]).to.deep.equal([null, 3]);
    log.onFollowersAt(asOffset(2));
    expect([at(1), at(2)]).to.deep.equal([null, 3]);
    log.onFollowersAt(null);
    appendShared(log);
    expect([at(2), at(3)]).to.deep.equal([null, null]);
    await machine.letPass(1);
  });

  it("is there from the first batch of a log, where followers were there before it", async () => {
    const machine = new StorageMachine();
    const { log } = await machine.fresh(WIDE);
    log.onFollowersAt(asOffset(0));
    appendShared(log);
    expect(log.readCached(asOffset(0), 1e9, log.logEndOffset)?.nextOffset).to.equal(1);
    await machine.letPass(1);
  });

  it("forgets with a truncation: other batches come at the same offsets (5.5(1), P42)", async () => {
    const { machine, log } = await cachedLog();
    for (let i = 0; i < 3; i += 1) appendShared(log);
    await machine.run(log.truncateTo(asOffset(1)));
    expect(log.readCached(asOffset(0), 1e9, asOffset(3))).to.equal(null);
    const again = appendShared(log);
    expect(log.readCached(asOffset(1), 1e9, asOffset(2))?.pieces).to.deep.equal([again]);
  });

  it("never holds what a failed write took back (P40, P42)", async () => {
    const { machine, log } = await cachedLog();
    appendShared(log);
    machine.medium.faults.add({ operation: "write", effect: "ENOSPC", path: /\.log$/u });
    appendShared(log);
    expect(log.logEndOffset).to.equal(1);
    await machine.letPass(100);
    const next = appendShared(log);
    expect(log.readCached(asOffset(1), 1e9, asOffset(2))?.pieces).to.deep.equal([next]);
  });

  it("lets go of all memory with a deletion, a stop, or a directory that goes offline", async () => {
    for (const end of ["delete", "stop", "offline"] as const) {
      const { machine, directory, log } = await cachedLog();
      const bytes = appendShared(log);
      await machine.letPass(1);
      expect(bytes[0]).to.equal(0);
      if (end === "delete") await machine.run(directory.deleteLog("t", specOf().partition));
      else if (end === "stop") await machine.run(directory.close(1));
      else {
        machine.medium.faults.add({ operation: "datasync", effect: "EIO" });
        log.sync();
        await machine.letPass(100);
      }
      expect(bytes[0], end).to.equal(0xee);
    }
  });
});
