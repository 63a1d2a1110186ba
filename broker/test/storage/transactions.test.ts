/** What a log keeps of transactions: markers, the transaction index (2.5(3)), open ones in the producer state (2.5(4)). */
import { expect } from "chai";
import fc from "fast-check";
import type { PartitionLog } from "../../src/storage/index.ts";
import { markerAt } from "../../src/storage/transaction-marker.ts";
import { decodeTxnIndex, encodeTxnIndex } from "../../src/storage/txn-index-file.ts";
import type { AbortedTransaction } from "../../src/storage/txn-index-file.ts";
import { append, asOffset, DATA, makeBatch, makeMarker, queue, StorageMachine } from "./support/storage-machine.ts";

const P = `${DATA}/t-0`;
const ONE = { segmentBytes: 100_000 };

describe("transaction markers", () => {
  it("say how a transaction ended, and by which coordinator", () => {
    expect(markerAt(makeMarker({ producerId: 1, type: "abort", coordinatorEpoch: 7 }), 0)).to.deep.equal({
      isAbort: true,
      coordinatorEpoch: 7,
    });
    expect(markerAt(makeMarker({ producerId: 1, type: "commit", coordinatorEpoch: 0 }), 0)?.isAbort).to.equal(false);
  });

  it("of an unknown type, or that are none, say nothing", () => {
    expect(markerAt(makeMarker({ producerId: 1, type: 5 }), 0)).to.equal(null);
    expect(markerAt(makeBatch({ valueBytes: 1000 }), 0)).to.equal(null);
    const marker = makeMarker({ producerId: 1, type: "abort" });
    for (let byte = 61; byte < marker.length; byte += 1) {
      const broken = Buffer.from(marker);
      broken[byte] = 0xff;
      expect(() => markerAt(broken, 0)).to.not.throw();
    }
  });
});

describe("transaction index file", () => {
  it("has Kafka's bytes: version i16, producer id, first, last and last stable offset", () => {
    const bytes = encodeTxnIndex([{ producerId: 1, firstOffset: 2, lastOffset: 3, lastStableOffset: 4 }]);
    expect(bytes.toString("hex")).to.equal("0000" + [1, 2, 3, 4].map((n) => n.toString(16).padStart(16, "0")).join(""));
  });

  it("refuses a wrong size, an unknown version, and markers out of order", () => {
    const entry = (lastOffset: number): AbortedTransaction => ({
      producerId: 1,
      firstOffset: 0,
      lastOffset,
      lastStableOffset: 9,
    });
    const good = encodeTxnIndex([entry(3), entry(5)]);
    expect(decodeTxnIndex(good)).to.have.length(2);
    expect(decodeTxnIndex(good.subarray(1))).to.equal(null);
    const versioned = Buffer.from(good);
    versioned[1] = 1;
    expect(decodeTxnIndex(versioned)).to.equal(null);
    expect(decodeTxnIndex(encodeTxnIndex([entry(5), entry(3)]))).to.equal(null);
  });
});

/** A transactional batch of `count` records. */
class Client {
  readonly #sequences = new Map<number, number>();
  readonly #log: PartitionLog;

  constructor(log: PartitionLog) {
    this.#log = log;
  }

  send(producerId: number, records = 1): void {
    const baseSequence = this.#sequences.get(producerId) ?? 0;
    this.#sequences.set(producerId, baseSequence + records);
    append(this.#log, makeBatch({ records, producerId, baseSequence, isTransactional: true }));
  }

  end(producerId: number, type: "abort" | "commit"): void {
    append(this.#log, makeMarker({ producerId, type, coordinatorEpoch: 3 }));
  }
}

describe("a log with transactions", () => {
  it("knows the aborted ones, whose last stable offset is where the oldest still open one begins", async () => {
    const machine = new StorageMachine();
    const { log } = await machine.fresh(ONE);
    const client = new Client(log);
    append(log);
    client.send(1); // 1
    client.send(2, 2); // 2, 3
    expect(log.firstOpenTransactionOffset).to.equal(1);
    client.end(2, "abort"); // 4
    client.send(3); // 5
    client.end(1, "commit"); // 6
    expect(log.firstOpenTransactionOffset).to.equal(5);
    client.end(3, "abort"); // 7
    client.end(3, "abort"); // 8: of a transaction without records
    expect(log.firstOpenTransactionOffset).to.equal(null);
    const all = [
      { producerId: 2, firstOffset: 2, lastOffset: 4, lastStableOffset: 1 },
      { producerId: 3, firstOffset: 5, lastOffset: 7, lastStableOffset: 8 },
    ];
    expect(log.abortedTransactions(asOffset(0), log.logEndOffset)).to.deep.equal(all);
    expect(log.abortedTransactions(asOffset(5), log.logEndOffset)).to.deep.equal(all.slice(1));
    expect(log.abortedTransactions(asOffset(0), asOffset(5))).to.deep.equal(all.slice(0, 1));
    expect(log.producer(2)?.lastSequence, "a marker leaves the sequence").to.equal(1);
  });

  it("has them in a file only where there are some, and open ones in the snapshot, over a clean stop and a crash", async () => {
    for (const isClean of [true, false]) {
      const machine = new StorageMachine();
      const { directory, log } = await machine.fresh();
      const client = new Client(log);
      for (let i = 0; i < 20; i += 1) append(log);
      client.send(1);
      client.send(2);
      client.end(1, "abort");
      for (let i = 0; i < 20; i += 1) append(log);
      if (isClean) await machine.run(directory.close(1));
      else await machine.synced(log);
      await machine.letPass(10);
      machine.restart(isClean ? "power" : "process");
      const { log: again } = await machine.again();
      const files = machine.names().filter((name) => name.endsWith(".txnindex"));
      expect(files, "one segment has an aborted transaction").to.have.length(1);
      expect(machine.bytes(`${P}/${files[0]}`).length, `clean ${isClean} ${machine.names().join(" ")}`).to.equal(34);
      expect(again.abortedTransactions(asOffset(0), again.logEndOffset)).to.deep.equal([
        { producerId: 1, firstOffset: 20, lastOffset: 22, lastStableOffset: 21 },
      ]);
      expect(again.firstOpenTransactionOffset).to.equal(21);
      append(again, makeMarker({ producerId: 2, type: "abort" }));
      expect(again.abortedTransactions(asOffset(21), again.logEndOffset).at(-1)).to.deep.equal({
        producerId: 2,
        firstOffset: 21,
        lastOffset: 43,
        lastStableOffset: 44,
      });
    }
  });

  it("makes the file of an index anew whose sync failed, and does not write into it (3.4(3))", async () => {
    // What a failed sync leaves on the medium is chance.
    for (let seed = 1; seed <= 12; seed += 1) {
      const machine = new StorageMachine({ seed });
      const { directory, log } = await machine.fresh(ONE);
      const client = new Client(log);
      client.send(1);
      client.end(1, "abort");
      machine.medium.faults.add({ operation: "datasync", effect: "EIO", path: /\.txnindex$/, times: 1 });
      await machine.run(directory.close(1));
      machine.restart("process");
      const healed = await machine.again(ONE);
      await machine.run(healed.directory.close(2));
      machine.restart("power");
      const { directory: last, log: again } = await machine.again(ONE);
      expect(last.report.clean).to.equal(true);
      expect(again.abortedTransactions(asOffset(0), again.logEndOffset), `seed ${seed}`).to.deep.equal([
        { producerId: 1, firstOffset: 0, lastOffset: 1, lastStableOffset: 2 },
      ]);
    }
  });

  it("makes a corrupt index anew after a clean stop (4.1), and loses nothing behind it", async () => {
    const machine = new StorageMachine();
    const { directory, log } = await machine.fresh();
    const client = new Client(log);
    for (let i = 0; i < 30; i += 1) {
      client.send(i % 3);
      if (i % 5 === 4) client.end(i % 3, "abort");
    }
    const expected = log.abortedTransactions(asOffset(0), log.logEndOffset);
    expect(expected.length).to.be.greaterThan(3);
    await machine.run(directory.close(1));
    const [first] = machine.names().filter((name) => name.endsWith(".txnindex"));
    for (const damage of [
      Buffer.alloc(33),
      Buffer.alloc(34, 0xff),
      Buffer.concat([machine.bytes(`${P}/${first}`), Buffer.from([1])]),
    ]) {
      machine.put(`${P}/${first}`, damage);
      machine.restart("process");
      const { directory: next, log: again } = await machine.again();
      expect(again.abortedTransactions(asOffset(0), again.logEndOffset)).to.deep.equal(expected);
      expect([again.isDamaged, again.logEndOffset]).to.deep.equal([false, log.logEndOffset]);
      await machine.run(next.close(1));
    }
  });

  it("forgets what a failed write or a truncation takes back, and opens the transaction again", async () => {
    const machine = new StorageMachine();
    const { log } = await machine.fresh(ONE);
    const client = new Client(log);
    client.send(1);
    client.send(2);
    client.end(2, "abort");
    machine.medium.faults.add({ operation: "write", effect: "ENOSPC", path: /\.log$/u });
    queue(log, makeMarker({ producerId: 1, type: "abort" }));
    expect(log.writeAppended()).to.not.equal(null);
    await machine.letPass(100);
    expect(log.abortedTransactions(asOffset(0), asOffset(100)).map(({ producerId }) => producerId)).to.deep.equal([2]);
    expect(log.firstOpenTransactionOffset).to.equal(0);
    append(log, makeMarker({ producerId: 1, type: "abort" }));
    await machine.run(log.truncateTo(asOffset(2)));
    expect(log.abortedTransactions(asOffset(0), asOffset(100))).to.deep.equal([]);
    expect(log.firstOpenTransactionOffset).to.equal(0);
    append(log, makeMarker({ producerId: 1, type: "commit" }));
    expect(log.firstOpenTransactionOffset).to.equal(1);
  });

  it("equals a slow oracle over any history of transactions, truncations, restarts and crashes", async () => {
    const step = fc.oneof(
      {
        weight: 6,
        arbitrary: fc.record({
          kind: fc.constant("send" as const),
          producer: fc.nat(3),
          records: fc.integer({ min: 1, max: 3 }),
        }),
      },
      {
        weight: 3,
        arbitrary: fc.record({ kind: fc.constantFrom("abort" as const, "commit" as const), producer: fc.nat(3) }),
      },
      { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom("stop" as const, "kill" as const) }) },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant("truncate" as const), back: fc.nat(6) }) },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 60 }), async (steps) => {
        const machine = new StorageMachine();
        const config = { segmentBytes: 600 };
        let { directory, log } = await machine.fresh(config);
        let history: { offset: number; count: number; producer: number; kind: "send" | "abort" | "commit" }[] = [];
        for (const one of steps) {
          if (one.kind === "send") {
            const baseSequence = (log.producer(one.producer)?.lastSequence ?? -1) + 1;
            history.push({ offset: log.logEndOffset, count: one.records, producer: one.producer, kind: "send" });
            append(
              log,
              makeBatch({
                records: one.records,
                producerId: one.producer,
                baseSequence,
                isTransactional: true,
                valueBytes: 60,
              }),
            );
          } else if (one.kind === "abort" || one.kind === "commit") {
            history.push({ offset: log.logEndOffset, count: 1, producer: one.producer, kind: one.kind });
            append(log, makeMarker({ producerId: one.producer, type: one.kind }));
          } else if (one.kind === "truncate") {
            await machine.run(log.truncateTo(asOffset(Math.max(0, log.logEndOffset - one.back))));
            history = history.filter(({ offset, count }) => offset + count <= log.logEndOffset);
          } else {
            if (one.kind === "stop") await machine.run(directory.close(1));
            machine.restart("process");
            ({ directory, log } = await machine.again(config));
          }
          const open = new Map<number, number>();
          const aborted: AbortedTransaction[] = [];
          for (const { offset, producer, kind } of history) {
            const firstOffset = open.get(producer);
            if (kind === "send") open.set(producer, firstOffset ?? offset);
            else open.delete(producer);
            const lastStableOffset = Math.min(offset + 1, ...open.values());
            if (kind === "abort" && firstOffset !== undefined)
              aborted.push({ producerId: producer, firstOffset, lastOffset: offset, lastStableOffset });
          }
          expect(log.firstOpenTransactionOffset).to.equal(open.size === 0 ? null : Math.min(...open.values()));
          expect(log.abortedTransactions(asOffset(0), log.logEndOffset)).to.deep.equal(aborted);
          const from = Math.floor(log.logEndOffset / 2);
          expect(log.abortedTransactions(asOffset(from), log.logEndOffset)).to.deep.equal(
            aborted.filter(({ lastOffset }) => lastOffset >= from),
          );
        }
      }),
      { numRuns: 60 },
    );
  });

  it("is made anew and not written over where a sync of it failed in the life before (3.4(3), decision 0009)", async () => {
    for (let seed = 1; seed <= 8; seed += 1) {
      const machine = new StorageMachine({ seed });
      const config = { segmentBytes: 500 };
      const { directory, log } = await machine.fresh(config);
      append(log, makeBatch({ producerId: 1, isTransactional: true }));
      append(log, makeMarker({ producerId: 1, type: "abort" }));
      machine.medium.faults.add({ operation: "datasync", effect: "EIO", path: /\.txnindex$/u });
      while (log.segmentCount < 3) append(log);
      await machine.letPass(1000);
      expect(machine.offline?.kind).to.equal("EIO");
      await machine.run(directory.close(1));
      machine.restart("process");
      const { log: healed } = await machine.again(config);
      const aborted = healed.abortedTransactions(asOffset(0), healed.logEndOffset);
      expect(aborted).to.have.length(1);
      // The recovery point passes the segment: nobody will make its index again.
      await machine.letPass(20_000);
      expect(healed.recoveryPoint).to.be.above(2);
      machine.restart("power");
      const { log: again } = await machine.again(config);
      expect(again.abortedTransactions(asOffset(0), again.logEndOffset)).to.deep.equal(aborted);
    }
  });
});
