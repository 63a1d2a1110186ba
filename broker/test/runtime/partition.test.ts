/** One partition over the real log on the simulated disk: what is answered, when, and what is in the log then. */
import { expect } from "chai";
import fc from "fast-check";
import { asBrokerId } from "../../src/base/index.ts";
import { PartitionBench, settings } from "./support/partition-bench.ts";
import type { LogConfig } from "../../src/storage/index.ts";
import type { Answer } from "./support/partition-bench.ts";

const LOG_FILE = /\.log$/u;

function ok(answer: Answer | null, baseOffset: number): void {
  expect(answer).to.deep.include({ code: "NONE", baseOffset });
}

describe("Partition", () => {
  describe("the turn", () => {
    it("writes all batches of a turn with one write, in order, and answers them at its end", async () => {
      const bench = await PartitionBench.open();
      let writes = 0;
      bench.disk.observer = {
        onAsked: () => undefined,
        onChange: (operation, path) => (operation === "write" && LOG_FILE.test(path) ? writes++ : writes),
      };
      const outcomes = ["a", "b", "c"].map((value) => bench.append({ values: [value] }));
      expect(
        outcomes.map(({ answer }) => answer),
        "nothing inside the call",
      ).to.deep.equal([null, null, null]);
      await bench.turnEnds();
      for (const [i, { answer }] of outcomes.entries()) ok(answer, i);
      expect(writes).to.equal(1);
      expect(await bench.visible()).to.deep.equal(["a", "b", "c"]);
    });

    it("assigns offsets without a gap over batches of several records", async () => {
      const bench = await PartitionBench.open();
      const first = bench.append({ values: ["a", "b", "c"] });
      const second = bench.append({ values: ["d"] });
      await bench.turnEnds();
      ok(first.answer, 0);
      ok(second.answer, 3);
      expect(bench.partition.highWatermark).to.equal(4);
    });
  });

  describe("acks (8.1, 15.1)", () => {
    it("page-cache: acks=all is answered with the write", async () => {
      const bench = await PartitionBench.open();
      const outcome = bench.append({}, "all");
      await bench.turnEnds();
      ok(outcome.answer, 0);
      expect(bench.purgatory.count).to.equal(0);
    });

    it("group-commit: acks=leader with the write, acks=all with the sync, and nothing is visible before", async () => {
      const bench = await PartitionBench.open({ durability: "group-commit" });
      bench.disk.faults.add({ operation: "datasync", effect: "stall", path: LOG_FILE, stallMs: 500 });
      const leader = bench.append({ values: ["l"] }, "leader");
      const all = bench.append({ values: ["a"] }, "all");
      await bench.turnEnds();
      ok(leader.answer, 0);
      expect(all.answer).to.equal(null);
      expect(await bench.visible()).to.deep.equal([]);
      await bench.world.runFor(2_000);
      ok(all.answer, 1);
      expect(await bench.visible()).to.deep.equal(["l", "a"]);
      expect(bench.purgatory.count).to.equal(0);
    });

    it("fsync-each: acks=leader waits for the sync too, acks=none for nothing", async () => {
      const bench = await PartitionBench.open({ durability: "fsync-each" });
      bench.disk.faults.add({ operation: "datasync", effect: "stall", path: LOG_FILE, stallMs: 500 });
      const none = bench.append({}, "none");
      const leader = bench.append({}, "leader");
      await bench.turnEnds();
      ok(none.answer, 0);
      expect(leader.answer).to.equal(null);
      await bench.world.runFor(2_000);
      ok(leader.answer, 1);
    });

    it("one sync answers everything that was written before it began (15.1(3))", async () => {
      const bench = await PartitionBench.open({ durability: "group-commit" });
      let syncs = 0;
      bench.disk.observer = {
        onChange: () => undefined,
        onAsked: (operation, path) => (operation === "datasync" && LOG_FILE.test(path) ? syncs++ : syncs),
      };
      bench.disk.faults.add({ operation: "datasync", effect: "stall", path: LOG_FILE, stallMs: 100 });
      const first = bench.append({});
      await bench.turnEnds();
      const later = Array.from({ length: 20 }, () => bench.append({}));
      await bench.turnEnds();
      await bench.world.runFor(2_000);
      for (const { answer } of [first, ...later]) expect(answer?.code).to.equal("NONE");
      expect(syncs).to.equal(2);
    });

    it("refuses acks=all below min ISR, takes acks=leader, and shows it to nobody (6(3), 8.2)", async () => {
      const bench = await PartitionBench.open({ membership: { replicas: [1, 2], isr: [1], minIsr: 2 } });
      const all = bench.append({ values: ["refused"] }, "all");
      const leader = bench.append({ values: ["taken"] }, "leader");
      await bench.turnEnds();
      expect(all.answer?.code).to.equal("NOT_ENOUGH_REPLICAS");
      ok(leader.answer, 0);
      expect(await bench.visible()).to.deep.equal([]);
      expect(await bench.written()).to.deep.equal(["taken"]);
    });

    it("moves the tide when the metadata lets it (6(1))", async () => {
      const bench = await PartitionBench.open({ membership: { replicas: [1, 2], isr: [1, 2], minIsr: 1 } });
      const waiting = bench.append({ values: ["w"] });
      await bench.turnEnds();
      expect(waiting.answer).to.equal(null);
      bench.partition.onMetadata({
        partitionEpoch: 1,
        replicas: [1, 2].map(asBrokerId),
        isr: [asBrokerId(1)],
        minInsyncReplicas: 1,
        isRecovering: false,
      });
      ok(waiting.answer, 0);
    });

    it("answers REQUEST_TIMED_OUT at the deadline, and the batch may still commit", async () => {
      const bench = await PartitionBench.open({ durability: "group-commit" });
      bench.disk.faults.add({ operation: "datasync", effect: "stall", path: LOG_FILE, stallMs: 10_000 });
      const outcome = bench.append({ values: ["late"] }, "all", 1_000);
      await bench.world.runFor(900);
      expect(outcome.answer).to.equal(null);
      await bench.world.runFor(400);
      expect(outcome.answer).to.deep.include({ code: "REQUEST_TIMED_OUT" });
      await bench.world.runFor(20_000);
      expect(await bench.visible()).to.deep.equal(["late"]);
      expect(bench.purgatory.count).to.equal(0);
    });

    it("a sync that fails is told to the owner, and nobody who waited for it is answered well (3.4(3))", async () => {
      const bench = await PartitionBench.open({ durability: "group-commit" });
      bench.disk.faults.add({ operation: "datasync", effect: "EIO", path: LOG_FILE });
      const outcome = bench.append({}, "all", 1_000);
      await bench.world.runFor(5_000);
      expect(outcome.answer?.code).to.not.equal("NONE");
      expect(bench.diskFaults.map(({ kind }) => kind)).to.include("EIO");
    });
  });

  describe("settings that change", () => {
    const members = {
      partitionEpoch: 0,
      replicas: [asBrokerId(1)],
      isr: [asBrokerId(1)],
      minInsyncReplicas: 1,
      isRecovering: false,
    };
    const reconfigure = (bench: PartitionBench, over: Partial<LogConfig>): void =>
      bench.partition.reconfigure(settings, { ...bench.log.config, ...over }, members);

    it("a raised mode counts synced ends from there on; what was visible stays so (15.1(5))", async () => {
      const bench = await PartitionBench.open({ durability: "page-cache" });
      const before = bench.append({ values: ["written"] });
      await bench.turnEnds();
      ok(before.answer, 0);
      bench.disk.faults.add({ operation: "datasync", effect: "stall", path: LOG_FILE, stallMs: 100 });
      reconfigure(bench, { durability: "group-commit" });
      const after = bench.append({ values: ["synced"] });
      await bench.turnEnds();
      expect([after.answer, await bench.visible()]).to.deep.equal([null, ["written"]]);
      await bench.world.runFor(1_000);
      ok(after.answer, 1);
      expect(await bench.visible()).to.deep.equal(["written", "synced"]);
      expect(bench.log.syncedEndOffset).to.equal(2);
    });

    it("a raised mode syncs what was written before it, by itself, and a loss of power finds it", async () => {
      const bench = await PartitionBench.open({ durability: "page-cache" });
      bench.append({ values: ["written"] });
      await bench.turnEnds();
      expect(bench.log.syncedEndOffset).to.equal(0);
      reconfigure(bench, { durability: "group-commit" });
      await bench.world.runFor(1_000);
      expect(bench.log.syncedEndOffset).to.equal(1);
    });

    it("fsync-each holds acks=leader back from the stretch on that raised it", async () => {
      const bench = await PartitionBench.open({ durability: "group-commit" });
      bench.disk.faults.add({ operation: "datasync", effect: "stall", path: LOG_FILE, stallMs: 100 });
      const before = bench.append({}, "leader");
      await bench.turnEnds();
      ok(before.answer, 0);
      reconfigure(bench, { durability: "fsync-each" });
      const after = bench.append({}, "leader");
      await bench.turnEnds();
      expect(after.answer).to.equal(null);
      await bench.world.runFor(1_000);
      ok(after.answer, 1);
    });

    it("a lower min.insync.replicas moves the tide at once", async () => {
      const bench = await PartitionBench.open({ membership: { replicas: [1, 2], isr: [1], minIsr: 2 } });
      const waiting = bench.append({ values: ["w"] }, "leader");
      await bench.turnEnds();
      ok(waiting.answer, 0);
      expect(await bench.visible()).to.deep.equal([]);
      const two = { ...members, replicas: [1, 2].map(asBrokerId) };
      bench.partition.reconfigure(settings, bench.log.config, two);
      expect(await bench.visible()).to.deep.equal(["w"]);
    });

    it("a change after the end of the leadership moves nothing", async () => {
      const bench = await PartitionBench.open({ durability: "page-cache" });
      bench.partition.close("NOT_LEADER_OR_FOLLOWER");
      reconfigure(bench, { durability: "group-commit" });
      await bench.world.runFor(1_000);
      expect(bench.diskFaults).to.deep.equal([]);
    });
  });

  describe("a failed write (3.1(12))", () => {
    it("fails with 56 everything that was handed over, and leaves the log as it was", async () => {
      const bench = await PartitionBench.open();
      bench.append({ values: ["before"] });
      await bench.turnEnds();
      bench.disk.faults.add({ operation: "write", effect: "ENOSPC", path: LOG_FILE });
      const failed = ["x", "y", "z"].map((value) => bench.append({ values: [value] }));
      await bench.turnEnds();
      for (const { answer } of failed) expect(answer?.code).to.equal("KAFKA_STORAGE_ERROR");
      expect(bench.partition.logEndOffset).to.equal(1);
      // The cut file is synced before the next append (5.5(3)).
      await bench.world.runFor(1_000);
      const next = bench.append({ values: ["after"] });
      await bench.turnEnds();
      ok(next.answer, 1);
      expect(await bench.visible()).to.deep.equal(["before", "after"]);
      expect(bench.diskFaults, "a full disk is no broken one (3.8(2))").to.deep.equal([]);
    });

    it("keeps what was whole when the write fell short and could not be completed", async () => {
      const bench = await PartitionBench.open();
      const outcomes = Array.from({ length: 8 }, (_, i) => bench.append({ values: [`${i}`] }));
      bench.disk.faults.add({ operation: "write", effect: "short", path: LOG_FILE });
      bench.disk.faults.add({ operation: "write", effect: "ENOSPC", path: LOG_FILE });
      await bench.turnEnds();
      const answered = outcomes.filter(({ answer }) => answer?.code === "NONE").length;
      const codes = outcomes.map(({ answer }) => answer?.code);
      expect(
        codes.slice(answered).every((code) => code === "KAFKA_STORAGE_ERROR"),
        codes.join(),
      ).to.equal(true);
      await bench.world.runFor(1_000);
      expect(await bench.visible()).to.deep.equal(Array.from({ length: answered }, (_, i) => `${i}`));
    });

    it("fails a duplicate of what failed, and takes its retry as new (P42, P73)", async () => {
      const bench = await PartitionBench.open();
      bench.disk.faults.add({ operation: "write", effect: "ENOSPC", path: LOG_FILE });
      const original = bench.append({ producerId: 9, sequence: 0 }, "leader");
      const retry = bench.append({ producerId: 9, sequence: 0 }, "leader");
      await bench.turnEnds();
      expect(original.answer?.code).to.equal("KAFKA_STORAGE_ERROR");
      expect(retry.answer?.code).to.equal("KAFKA_STORAGE_ERROR");
      await bench.world.runFor(1_000);
      const again = bench.append({ producerId: 9, sequence: 0 }, "leader");
      await bench.turnEnds();
      expect(again.answer).to.deep.include({ code: "NONE", baseOffset: 0, isDuplicate: false });
    });

    it("takes nothing into a disk that is full but for its reserve, and answers duplicates all the same (3.8(2))", async () => {
      const bench = await PartitionBench.open();
      const original = bench.append({ producerId: 5, sequence: 0 });
      await bench.turnEnds();
      ok(original.answer, 0);
      bench.hasRoom = false;
      const refused = bench.append({ producerId: 5, sequence: 1 });
      const retry = bench.append({ producerId: 5, sequence: 0 });
      await bench.turnEnds();
      expect(refused.answer).to.deep.include({ code: "KAFKA_STORAGE_ERROR", isUnwritten: true });
      expect(retry.answer).to.deep.include({ code: "NONE", baseOffset: 0, isDuplicate: true });
      bench.hasRoom = true;
      const again = bench.append({ producerId: 5, sequence: 1 });
      await bench.turnEnds();
      ok(again.answer, 1);
    });

    it("reports anything worse than a full disk", async () => {
      const bench = await PartitionBench.open();
      bench.disk.faults.add({ operation: "write", effect: "EIO", path: LOG_FILE });
      const outcome = bench.append({});
      await bench.turnEnds();
      expect(outcome.answer).to.deep.include({ code: "KAFKA_STORAGE_ERROR", isUnwritten: false });
      expect(bench.diskFaults.map(({ kind }) => kind)).to.include("EIO");
    });
  });

  describe("idempotent producers (11.1)", () => {
    it("answers a duplicate with the old offsets, and it waits as its original does (8.2)", async () => {
      const bench = await PartitionBench.open({ durability: "group-commit" });
      bench.disk.faults.add({ operation: "datasync", effect: "stall", path: LOG_FILE, stallMs: 300 });
      const original = bench.append({ producerId: 5, sequence: 0, values: ["a", "b"] });
      await bench.turnEnds();
      const retry = bench.append({ producerId: 5, sequence: 0, values: ["a", "b"] });
      const impatient = bench.append({ producerId: 5, sequence: 0, values: ["a", "b"] }, "leader");
      await bench.turnEnds();
      expect(retry.answer, "not synced yet").to.equal(null);
      expect(impatient.answer).to.deep.include({ code: "NONE", isDuplicate: true });
      await bench.world.runFor(2_000);
      ok(original.answer, 0);
      expect(retry.answer).to.deep.include({ code: "NONE", baseOffset: 0, isDuplicate: true });
      expect(await bench.visible()).to.deep.equal(["a", "b"]);
    });

    it("takes five batches of one producer in one turn", async () => {
      const bench = await PartitionBench.open();
      const outcomes = [0, 1, 2, 3, 4].map((sequence) => bench.append({ producerId: 5, sequence }));
      await bench.turnEnds();
      for (const [i, { answer }] of outcomes.entries()) ok(answer, i);
    });

    it("looks up after a restart what it remembers no more; later batches wait behind and keep their order (P62)", async () => {
      const bench = await PartitionBench.open();
      for (let sequence = 0; sequence < 6; sequence++)
        bench.append({ producerId: 5, sequence, values: [`${sequence}`] });
      bench.append({ producerId: 6, sequence: 0, values: ["other"] });
      await bench.turnEnds();
      await bench.stop();
      const retries = [1, 2, 3, 4, 5].map((sequence) =>
        bench.append({ producerId: 5, sequence, values: [`${sequence}`] }),
      );
      const fresh = bench.append({ producerId: 5, sequence: 6, values: ["6"] });
      const other = bench.append({ producerId: 6, sequence: 1, values: ["more"] });
      await bench.world.step();
      expect(other.answer, "another producer does not wait").to.deep.include({ code: "NONE" });
      expect(fresh.answer, "behind the look-up").to.equal(null);
      await bench.world.runFor(1_000);
      for (const [i, { answer }] of retries.entries())
        expect(answer).to.deep.include({ code: "NONE", baseOffset: i + 1, isDuplicate: true });
      expect(fresh.answer).to.deep.include({ code: "NONE", isDuplicate: false });
      expect(await bench.visible()).to.deep.equal(["0", "1", "2", "3", "4", "5", "other", "more", "6"]);
    });

    it("refuses with 45 what the log does not know either", async () => {
      const bench = await PartitionBench.open();
      bench.append({ producerId: 5, sequence: 100 });
      await bench.turnEnds();
      await bench.stop();
      const never = bench.append({ producerId: 5, sequence: 50 });
      await bench.world.runFor(1_000);
      expect(never.answer?.code).to.equal("OUT_OF_ORDER_SEQUENCE_NUMBER");
    });

    it("answers 7 when a look-up takes longer than the client waits, to those behind it too, and the rest goes on in order", async () => {
      const bench = await PartitionBench.open();
      for (let sequence = 0; sequence < 8; sequence++)
        bench.append({ producerId: 5, sequence, values: [`${sequence}`] });
      await bench.turnEnds();
      await bench.stop();
      bench.disk.faults.add({ operation: "read", effect: "stall", stallMs: 10_000, path: LOG_FILE });
      const late = [0, 8].map((sequence) => bench.append({ producerId: 5, sequence, values: ["late"] }, "all", 1_000));
      const patient = [0, 8].map((sequence) => bench.append({ producerId: 5, sequence, values: ["8"] }));
      await bench.world.runFor(5_000);
      for (const { answer, isTaken } of late)
        expect([answer?.code, isTaken]).to.deep.equal(["REQUEST_TIMED_OUT", true]);
      for (const { answer } of patient) expect(answer).to.equal(null);
      await bench.world.runFor(20_000);
      expect(patient[0]?.answer).to.deep.include({ code: "NONE", baseOffset: 0, isDuplicate: true });
      expect(patient[1]?.answer).to.deep.include({ code: "NONE", baseOffset: 8, isDuplicate: false });
      expect(await bench.visible()).to.deep.equal(["0", "1", "2", "3", "4", "5", "6", "7", "8"]);
      expect(bench.purgatory.count).to.equal(0);
      expect(bench.partition.isQuiet).to.equal(true);
    });

    it("answers 56 when the log could not be searched, to the whole queue behind it, and the client may ask again", async () => {
      const bench = await PartitionBench.open();
      for (let sequence = 0; sequence < 8; sequence++) bench.append({ producerId: 5, sequence });
      await bench.turnEnds();
      await bench.stop();
      const fault = bench.disk.faults.add({ operation: "read", effect: "EMFILE", probability: 1 });
      const outcomes = [0, 8].map((sequence) => bench.append({ producerId: 5, sequence }));
      await bench.world.runFor(1_000);
      fault.remove();
      expect(fault.firedCount, "the fault struck").to.be.greaterThan(0);
      for (const { answer } of outcomes) expect(answer?.code).to.equal("KAFKA_STORAGE_ERROR");
      const again = bench.append({ producerId: 5, sequence: 0 });
      await bench.world.runFor(1_000);
      expect(again.answer).to.deep.include({ code: "NONE", baseOffset: 0, isDuplicate: true });
    });
  });

  describe("the end of a leadership (8.2)", () => {
    it("answers everybody who waits in the same stretch, and takes nothing more", async () => {
      const bench = await PartitionBench.open({ durability: "group-commit" });
      bench.disk.faults.add({ operation: "datasync", effect: "stall", path: LOG_FILE, stallMs: 5_000 });
      const parked = bench.append({});
      await bench.turnEnds();
      const queued = bench.append({});
      bench.partition.close("NOT_LEADER_OR_FOLLOWER");
      expect(parked.answer?.code).to.equal("NOT_LEADER_OR_FOLLOWER");
      expect(queued.answer?.code).to.equal("NOT_LEADER_OR_FOLLOWER");
      const late = bench.append({});
      await bench.world.runFor(10_000);
      expect(late.answer?.code).to.equal("NOT_LEADER_OR_FOLLOWER");
      expect(bench.purgatory.count).to.equal(0);
      expect(bench.partition.isQuiet).to.equal(true);
    });

    it("is not waited for where only other replicas are missing: they may be gone", async () => {
      const membership = { replicas: [1, 2], isr: [1, 2], minIsr: 1 };
      const bench = await PartitionBench.open({ durability: "group-commit", membership });
      bench.disk.faults.add({ operation: "datasync", effect: "stall", path: LOG_FILE, stallMs: 500 });
      const outcome = bench.append({});
      await bench.turnEnds();
      expect(bench.partition.isQuiet, "its own sync is under way").to.equal(false);
      await bench.world.runFor(1_000);
      expect([bench.partition.isQuiet, outcome.answer]).to.deep.equal([true, null]);
    });

    it("answers those who wait behind a look-up, and its finding comes to nobody", async () => {
      const bench = await PartitionBench.open();
      for (let sequence = 0; sequence < 8; sequence++) bench.append({ producerId: 5, sequence });
      await bench.turnEnds();
      await bench.stop();
      const outcomes = [0, 1].map((sequence) => bench.append({ producerId: 5, sequence }));
      bench.turn.flush(() => bench.partition.close("UNKNOWN_TOPIC_OR_PARTITION"));
      await bench.world.runFor(1_000);
      for (const { answer } of outcomes) expect(answer?.code).to.equal("UNKNOWN_TOPIC_OR_PARTITION");
    });
  });

  it("never loses, doubles or reorders what it acknowledged, over faults, retries and kills", async () => {
    const step = fc.oneof(
      {
        weight: 6,
        arbitrary: fc.record({
          kind: fc.constant("send" as const),
          producer: fc.constantFrom(1, 2),
          count: fc.integer({ min: 1, max: 3 }),
        }),
      },
      { weight: 2, arbitrary: fc.record({ kind: fc.constant("turn" as const) }) },
      {
        weight: 1,
        arbitrary: fc.record({
          kind: fc.constant("fault" as const),
          effect: fc.constantFrom("ENOSPC" as const, "short" as const),
          skipCount: fc.nat(2),
        }),
      },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant("kill" as const) }) },
      {
        weight: 2,
        arbitrary: fc.record({ kind: fc.constant("retry" as const), producer: fc.constantFrom(1, 2), back: fc.nat(7) }),
      },
    );
    const slowWrites = fc.constantFrom(0, 0, 10, 60);
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { maxLength: 40 }),
        fc.nat(1000),
        slowWrites,
        async (steps, seed, slowWriteMs) => {
          const bench = await PartitionBench.open({ seed, log: { segmentBytes: 700, indexIntervalBytes: 100 } });
          bench.disk.slowWriteMs = slowWriteMs;
          /** Per producer its values in order, each sent until acknowledged: what an idempotent client does. */
          const clients = new Map([1, 2].map((producer) => [producer, new Client(producer)]));
          for (const event of steps) {
            if (event.kind === "turn") {
              await bench.world.runFor(50);
            } else if (event.kind === "fault") {
              bench.disk.faults.add({
                operation: "write",
                effect: event.effect,
                path: LOG_FILE,
                skipCount: event.skipCount,
              });
            } else if (event.kind === "kill") {
              await bench.kill();
            } else if (event.kind === "send") {
              for (let i = 0; i < event.count; i++) await clients.get(event.producer)?.sendNext(bench);
            } else {
              const known = clients.get(event.producer);
              const target = known?.acknowledged.at(-1 - event.back);
              if (known === undefined || target === undefined) continue;
              const again = bench.append({ producerId: known.id, sequence: target.sequence, values: [target.value] });
              await bench.world.runFor(50);
              if (again.answer?.code === "NONE")
                expect(again.answer).to.deep.include({ baseOffset: target.baseOffset, isDuplicate: true });
            }
          }
          bench.disk.faults.removeAll();
          bench.disk.slowWriteMs = 0;
          await bench.kill();
          const values = await bench.written();
          expect(new Set(values).size, "nothing twice").to.equal(values.length);
          for (const known of clients.values()) {
            for (const { value, baseOffset } of known.acknowledged) expect(values[baseOffset]).to.equal(value);
            const own = values.filter((value) => value.startsWith(`${known.id}:`));
            expect(own, "in the order of the producer").to.deep.equal(
              [...own].sort((a, b) => Number(a.split(":")[1]) - Number(b.split(":")[1])),
            );
          }
        },
      ),
      { numRuns: 80 },
    );
  });
});

/** An idempotent producer with one batch in flight: sends each value until it is acknowledged. */
class Client {
  readonly id: number;
  readonly acknowledged: { sequence: number; value: string; baseOffset: number }[] = [];
  #sequence = 0;

  constructor(id: number) {
    this.id = id;
  }

  async sendNext(bench: PartitionBench): Promise<void> {
    const sequence = this.#sequence;
    const value = `${this.id}:${sequence}`;
    for (let attempt = 0; attempt < 20; attempt++) {
      const outcome = bench.append({ producerId: this.id, sequence, values: [value] });
      await bench.world.runFor(50);
      if (outcome.answer?.code !== "NONE") continue;
      this.acknowledged.push({ sequence, value, baseOffset: outcome.answer.baseOffset });
      this.#sequence++;
      return;
    }
    throw new Error(`${value} was refused twenty times`);
  }
}
