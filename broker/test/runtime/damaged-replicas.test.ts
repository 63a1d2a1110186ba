/** Bad bits under running brokers (15.7): found by readers and followers, taken out by the controller, repaired from the leader. */
import { expect } from "chai";
import { asOffset, asPosition } from "../../src/base/index.ts";
import type { BrokerContext } from "../../src/api/broker-context.ts";
import { handleDigestReplica } from "../../src/api/digest-replica.ts";
import { DiskFault } from "../../src/ports/index.ts";
import type { FetchedPart } from "../../src/runtime/index.ts";
import { FetchSession, SlabPool } from "../../src/runtime/index.ts";
import { DamagedReplicas } from "../../src/runtime/damaged-replicas.ts";
import { HostedTopics } from "../../src/runtime/hosted-topics.ts";
import { BadBytesError, type PartitionLog } from "../../src/storage/index.ts";
import type { FoundDamage } from "../../src/storage/types.ts";
import { LiveConfig } from "../../src/config/index.ts";
import { overriding } from "../e2e/support/held-syncs.ts";
import { testConfig } from "../metadata/fixtures.ts";
import { ReplicationBench, TOPIC, topicIdOf } from "./support/replication-bench.ts";
import { type Answer, type Outcome, PartitionBench, quietLogger } from "./support/partition-bench.ts";

const OVERRIDES = { "min.insync.replicas": "2", "segment.bytes": "2000", "tidemark.durability": "group-commit" };
/** Nothing is served from memory. */
const SETTINGS = { "tidemark.tail.cache.bytes": "0" };

async function answered(bench: ReplicationBench, outcome: Outcome): Promise<Answer> {
  await bench.until("answered", () => outcome.answer !== null);
  return outcome.answer as Answer;
}

async function filled(records = 60): Promise<ReplicationBench> {
  const bench = await ReplicationBench.open({ overrides: OVERRIDES, settings: SETTINGS });
  await fill(bench, records);
  return bench;
}

async function fill(bench: ReplicationBench, records = 60): Promise<void> {
  for (let i = 0; i < records; i++) {
    const outcome = bench.append(1, { values: [`${i}`.padEnd(200, "x")] });
    expect(await answered(bench, outcome)).to.include({ code: "NONE" });
  }
  await bench.world.runFor(100);
}

function partition(bench: ReplicationBench) {
  const image = bench.image.topicsById.get(topicIdOf(1))?.partitions[0];
  if (image === undefined) throw new Error("there is no partition");
  return image;
}

/** Reads partition 0 at its leader from `offset` to the end or to an error. */
async function readAt(bench: ReplicationBench, id: number, offset: number): Promise<{ end: number; code: string }> {
  const { process } = bench.node(id).alive;
  const parts: FetchedPart[] = [];
  const session = new FetchSession({
    clock: process,
    turn: bench.node(id).alive.turn,
    slabs: new SlabPool(),
    sink: {
      isWritable: true,
      send: (message) => {
        parts.push(...message.parts);
        message.release();
      },
      onReadFault: () => undefined,
    },
  });
  session.subscribe({ subscriptionId: 1, partition: bench.node(id).led(), offset: asOffset(offset), maxBytes: 700 });
  session.grant(10_000_000);
  const end = bench.node(id).led().highWatermark;
  const last = (): FetchedPart | undefined => parts.at(-1);
  await bench.until("read", () => last() !== undefined && (last()?.code !== "NONE" || last()?.nextOffset === end));
  session.close();
  return { end: last()?.nextOffset ?? -1, code: last()?.code ?? "" };
}

function sameBytes(bench: ReplicationBench): void {
  const [first, ...others] = [1, 2, 3].map((id) => bench.bytes(id, 0));
  for (const other of others) expect(other.equals(first as Buffer), "byte for byte the same").to.equal(true);
}

function isSame(bench: ReplicationBench): boolean {
  const [first, ...others] = [1, 2, 3].map((id) => bench.bytes(id, 0));
  return others.every((other) => other.equals(first as Buffer));
}

const isWhole = (bench: ReplicationBench) => (): boolean =>
  bench.isr().length === 3 &&
  bench.nodes.every(({ id }) => bench.node(id).life !== null && !bench.node(id).log().isRepairing);

describe("DamagedReplicas", () => {
  it("reads suspected places back one after the other, and no faster than 64 MiB a second", async () => {
    const bench = await PartitionBench.open();
    const { log: real, process } = bench;
    const begun: number[] = [];
    const looking = (slot: number): PartitionLog =>
      overriding<PartitionLog>(real, {
        verify: async ({ pace }: Parameters<PartitionLog["verify"]>[0]) => {
          begun.push(slot);
          for (let mebibytes = 0; mebibytes < 64; mebibytes++) await pace?.(1024 * 1024);
          return null;
        },
      });
    const damaged = new DamagedReplicas({
      timers: process,
      logger: quietLogger,
      topics: new HostedTopics(new LiveConfig(testConfig())),
      commands: { reportDamage: () => Promise.reject(new Error("nobody is asked")) },
    });
    for (let slot = 0; slot < 3; slot++) damaged.suspect(looking(slot), asOffset(0));
    await bench.world.runFor(500);
    expect(begun).to.deep.equal([0]);
    await bench.world.runFor(1_000);
    expect(begun).to.deep.equal([0, 1]);
    await bench.world.runFor(1_000);
    expect(begun).to.deep.equal([0, 1, 2]);
    damaged.close();
  });

  for (const when of ["behind a look that found nothing", "while the indexes are made anew"]) {
    it(`report what a read finds ${when}`, async () => {
      const bench = await PartitionBench.open();
      const { log: real, process } = bench;
      const bad: FoundDamage = {
        offset: asOffset(7),
        until: asOffset(14),
        recoveryPoint: asOffset(14),
        path: "7.log",
        position: asPosition(0),
        reason: "unreadable",
      };
      let rot: FoundDamage | null = null;
      const log = overriding<PartitionLog>(real, {
        get rot() {
          return rot;
        },
        verify: () => Promise.resolve(null),
        rebuildIndexes: async () => {
          if (when.startsWith("behind")) return;
          rot = bad;
          throw new DiskFault("EIO", "read", "7.log");
        },
      });
      let reports = 0;
      const damaged = new DamagedReplicas({
        timers: process,
        logger: quietLogger,
        topics: new HostedTopics(new LiveConfig(testConfig())),
        commands: {
          reportDamage: () => {
            reports++;
            return new Promise(() => undefined);
          },
        },
      });
      damaged.suspect(log, asOffset(0));
      await bench.world.runFor(500);
      if (when.startsWith("behind")) {
        expect(reports).to.equal(0);
        rot = bad;
        damaged.suspect(log, bad.offset);
      }
      expect(reports).to.equal(1);
      damaged.close();
    });
  }
});

describe("bad bits under a running broker (15.7)", () => {
  it("are found by a reader at the leader, who is taken out, cut and filled again, and may lead again", async () => {
    const bench = await filled();
    const segment = bench.node(1).log().segments()[2];
    if (segment === undefined) throw new Error("too few segments");
    // The size of its first batch: nobody can read on from here.
    bench.flip(1, segment.path, 9);
    const read = await readAt(bench, 1, 0);
    expect(read).to.deep.equal({ end: segment.baseOffset, code: "KAFKA_STORAGE_ERROR" });
    await bench.until("another leads", () => partition(bench).leaderId !== 1);
    expect(bench.isr()).to.deep.equal([2, 3]);
    await bench.until("whole again", isWhole(bench));
    sameBytes(bench);
    expect(bench.damageReports).to.have.length(1);
    expect(bench.node(1).manager.damage).to.deep.equal({ replicas: 0, found: 1, repaired: 1 });
    expect(bench.image.brokers.get(1)?.damaged).to.deep.equal([]);
    const leader = partition(bench).leaderId;
    expect(await readAt(bench, leader, 0)).to.deep.equal({ end: 60, code: "NONE" });
    expect(await answered(bench, bench.append(leader, { values: ["on"] }))).to.include({ code: "NONE" });
  });

  /** The disk gives nothing of these segments any more. */
  const lose = (bench: ReplicationBench, id: number, ...slots: number[]): void => {
    for (const slot of slots) {
      const path = bench.node(id).log().segments()[slot]?.path ?? "";
      const exactly = new RegExp(`^${path.replaceAll(".", "\\.")}$`, "u");
      bench.node(id).disk.faults.add({ operation: "read", effect: "EIO", path: exactly, times: 1_000_000 });
    }
  };

  for (const who of ["a consumer", "a comparison of replicas", "a search by time", "a look for a producer's batch"]) {
    it(`are what ${who} does not get of a closed segment from the leader's disk (decision 0034)`, async () => {
      const ofProducer = (sequence: number) => ({ values: ["x"], producerId: 7, sequence });
      const bench = await ReplicationBench.open({ overrides: OVERRIDES, settings: SETTINGS });
      for (let i = 0; i < 8; i++) await answered(bench, bench.append(1, ofProducer(i)));
      await fill(bench);
      const log = bench.node(1).log();
      const offset = log.logStartOffset;
      lose(bench, 1, 0);
      if (who === "a consumer")
        expect(await readAt(bench, 1, 0)).to.deep.equal({ end: offset, code: "KAFKA_STORAGE_ERROR" });
      else if (who === "a comparison of replicas") {
        const context = { replicas: bench.node(1).manager, slabs: new SlabPool() } as unknown as BrokerContext;
        const request = { topic: TOPIC, partition: 0, fromOffset: 0 };
        expect(await bench.drive(handleDigestReplica(context, request))).to.include({
          code: "NONE",
          badOffset: offset,
        });
      } else if (who === "a search by time") {
        const search = bench.node(1).led().findMaxTimestamp();
        expect(await bench.drive(search.catch((cause: unknown) => (cause as DiskFault).kind))).to.equal("EIO");
      } else expect(await answered(bench, bench.append(1, ofProducer(0)))).to.include({ code: "KAFKA_STORAGE_ERROR" });
      expect(log.suspectedAt, "known to the next life").to.equal(offset);
      await bench.until("cut", () => bench.node(1).log() !== log);
      bench.node(1).disk.faults.removeAll();
      await bench.until("whole again", isWhole(bench));
      sameBytes(bench);
      expect(bench.damageReports).to.have.length(1);
      expect(bench.node(1).faults).to.deep.equal([]);
    });
  }

  it("are a failing disk where readers do not get many closed segments (3.8(1))", async () => {
    const bench = await filled();
    lose(bench, 1, 3, 2, 1, 0);
    const starts = bench
      .node(1)
      .log()
      .segments()
      .map(({ baseOffset }) => baseOffset);
    for (const slot of [3, 2, 1]) await readAt(bench, 1, starts[slot] ?? -1);
    expect(bench.node(1).faults).to.deep.equal([]);
    await readAt(bench, 1, starts[0] ?? -1);
    await bench.until("offline", () => bench.node(1).faults.length > 0);
  });

  it("of a follower are cut in an epoch in which its leader knows nothing of it", async () => {
    const bench = await filled();
    const segment = bench.node(2).log().segments()[1];
    if (segment === undefined) throw new Error("too few segments");
    bench.flip(2, segment.path, 100);
    const { leaderEpoch } = partition(bench);
    const isrs: string[] = [];
    bench.node(2).manager.suspect(TOPIC, 0, asOffset(segment.baseOffset));
    await bench.until("out", () => {
      isrs.push(bench.isr().join(","));
      return !bench.isr().includes(2);
    });
    expect([partition(bench).leaderId, partition(bench).leaderEpoch]).to.deep.equal([1, leaderEpoch + 1]);
    await bench.until("whole again", () => {
      if (bench.isr().includes(2)) expect(bench.node(2).log().logEndOffset).to.equal(60);
      return isWhole(bench)();
    });
    sameBytes(bench);
  });

  describe("that a follower's cut runs into", () => {
    const CUT_SETTINGS = { ...OVERRIDES, "index.interval.bytes": "200" };

    /** Broker 1 has led on its own, over several segments, and does not know that broker 2 leads. */
    async function parted(): Promise<ReplicationBench> {
      const bench = await ReplicationBench.open({ overrides: CUT_SETTINGS, settings: SETTINGS });
      await fill(bench, 25);
      bench.network.partition([1], [2, 3]);
      for (let i = 0; i < 40; i++) bench.append(1, { values: [`lost ${i}`.padEnd(200, "x")] }, "leader");
      await bench.world.runFor(100);
      bench.node(1).isMetadataHeld = true;
      bench.change({ leaderId: 2, isr: [2, 3] });
      return bench;
    }

    const linesOf = (bench: ReplicationBench): readonly string[] =>
      bench.node(1).lines.filter((line) => line.startsWith("a replica cannot cut its log"));
    const isStopped = (bench: ReplicationBench): readonly boolean[] =>
      [...bench.node(1).manager.followed()].map((followed) => followed.isStopped);

    for (const what of ["the index", "the log"] as const) {
      it(`are repaired, or were none: ${what}`, async () => {
        const bench = await parted();
        bench.release(1);
        const closed = bench
          .node(1)
          .log()
          .segments()
          .findLast(({ baseOffset }) => baseOffset < 25);
        if (closed === undefined) throw new Error("there is no such segment");
        await bench.stop(1);
        const process = bench.world.startProcess();
        const mount = bench.node(1).disk.mount(process);
        const spoil = (path: string, change: (bytes: Buffer) => void): void => {
          const bytes = Buffer.alloc(mount.sizeOf(path) ?? 0);
          const file = mount.open(path, "write");
          file.readSync(bytes, 0);
          change(bytes);
          file.writevSync([bytes], 0);
          file.closeSync();
        };
        if (what === "the log") spoil(closed.path, (bytes) => bytes.fill(0, 0, 300));
        // Every entry leads into its batch.
        spoil(closed.path.replace(".log", ".index"), (bytes) => {
          for (let at = 4; at < bytes.length; at += 8) bytes.writeUInt32BE(bytes.readUInt32BE(at) + 1, at);
        });
        process.kill();
        await bench.start(1);
        bench.network.healAll();
        const { leaderEpoch } = partition(bench);
        await bench.until("it was refused", () => linesOf(bench).length > 0);
        const {
          topic,
          partition: number,
          offset,
          retryMs,
        } = JSON.parse(linesOf(bench)[0]?.replace(/^[^{]+/u, "") ?? "");
        expect({ topic, number, offset, retryMs }).to.deep.equal({
          topic: TOPIC,
          number: 0,
          offset: closed.baseOffset,
          retryMs: 1_000,
        });
        await bench.until("whole and in sync", isWhole(bench), 20_000);
        expect(bench.damageReports).to.have.length(what === "the log" ? 1 : 0);
        if (what === "the index") expect(partition(bench).leaderEpoch).to.equal(leaderEpoch);
        expect(isStopped(bench)).to.deep.equal([false]);
        sameBytes(bench);
      });
    }

    it("and that nobody else finds are told of again and again, ever more seldom, until it goes well or the role ends", async () => {
      const bench = await parted();
      const log = bench.node(1).log();
      const truncateTo = log.truncateTo.bind(log);
      let cuts = 0;
      log.truncateTo = () => {
        cuts++;
        return Promise.reject(new BadBytesError("5.log", asOffset(5)));
      };
      bench.network.healAll();
      bench.release(1);
      await bench.world.runFor(600_000);
      expect(cuts).to.be.within(12, 16);
      expect(linesOf(bench)).to.have.length(cuts);
      expect([isStopped(bench), bench.isr()]).to.deep.equal([[true], [2, 3]]);
      // Another leader epoch asks at once, and not what the one before would have asked.
      cuts = 0;
      bench.change({ leaderId: 3 });
      await bench.world.runFor(2_500);
      expect(cuts).to.equal(2);
      log.truncateTo = truncateTo;
      await bench.until("in sync", () => bench.isr().includes(1), 10_000);
      expect(isStopped(bench)).to.deep.equal([false]);
      sameBytes(bench);
    });

    it("do not hold up a stop, nor the deletion of the topic", async () => {
      for (const isDeleted of [false, true]) {
        const bench = await parted();
        const log = bench.node(1).log();
        let cuts = 0;
        log.truncateTo = () => {
          cuts++;
          return Promise.reject(new BadBytesError("5.log", asOffset(5)));
        };
        bench.network.healAll();
        bench.release(1);
        await bench.until("it was refused", () => cuts > 0);
        if (isDeleted) bench.commit({ type: "topicDeleted", topicId: topicIdOf(1) });
        else await bench.stop(1);
        await bench.world.runFor(120_000);
        expect(cuts).to.equal(1);
      }
    });
  });

  it("are cut also where the replica was taken away and given back before its broker heard of it", async () => {
    const bench = await filled();
    const segment = bench.node(2).log().segments()[1];
    if (segment === undefined) throw new Error("too few segments");
    bench.flip(2, segment.path, 100);
    bench.node(2).isMetadataHeld = true;
    bench.node(2).manager.suspect(TOPIC, 0, asOffset(segment.baseOffset));
    await bench.until("out", () => !bench.isr().includes(2));
    bench.reassign([1, 3]);
    bench.reassign([1, 2, 3]);
    bench.release(2);
    await bench.until("in sync", () => bench.isr().includes(2));
    sameBytes(bench);
    expect(bench.image.brokers.get(2)?.damaged).to.deep.equal([]);
  });

  for (const how of ["at a start", "by a look"] as const) {
    it(`are told of and repaired where they were found ${how} while the replica was placed elsewhere`, async () => {
      const bench = await filled();
      // Beyond a checkpoint of the recovery point, so that what is bad below it is no torn tail.
      await bench.world.runFor(10_000);
      const log = bench.node(3).log();
      const segment = log.segments().at(how === "at a start" ? -1 : 1);
      if (segment === undefined) throw new Error("too few segments");
      bench.flip(3, segment.path, 100);
      if (how === "at a start") {
        bench.kill(3);
        bench.recover([1, 2]);
        await bench.start(3);
      } else {
        bench.recover([1, 2]);
        await bench.drive(log.verify({ from: asOffset(0), to: asOffset(60) }));
      }
      await bench.world.runFor(1_000);
      expect(bench.damageReports).to.deep.equal([]);
      bench.reassign([1, 2, 3]);
      await bench.until("whole and in sync", isWhole(bench));
      expect(bench.damageReports).to.have.length(1);
      sameBytes(bench);
    });
  }

  it("are looked for in all of the log before it is cut", async () => {
    const bench = await filled();
    const [, second, , fourth] = bench.node(2).log().segments();
    if (second === undefined || fourth === undefined) throw new Error("too few segments");
    for (const { path } of [second, fourth]) bench.flip(2, path, 100);
    bench.node(2).manager.suspect(TOPIC, 0, asOffset(fourth.baseOffset));
    await bench.until("out", () => !bench.isr().includes(2));
    await bench.until("whole again", isWhole(bench));
    sameBytes(bench);
  });

  it("are told to whoever asks for the longest log, before they are cut (9(3), 15.7(3))", async () => {
    const bench = await filled();
    const log = bench.node(1).log();
    bench.flip(1, log.segments()[1]?.path ?? "", 100);
    bench.controller = null;
    bench.node(1).manager.suspect(TOPIC, 0, log.segments()[1]?.baseOffset ?? asOffset(0));
    await bench.until("found", () => log.rot !== null);
    const asked = { metadataOffset: 0, partitions: [{ topicId: topicIdOf(1), partition: 0 }] };
    expect(bench.node(1).manager.replicaEnds(asked)).to.deep.include.members([
      {
        topicId: topicIdOf(1),
        partition: 0,
        latestEpoch: log.latestEpoch,
        logEndOffset: 60,
        logStartOffset: 0,
        isDamaged: true,
      },
    ]);
  });

  it("keep nobody waiting while a log is read back, and are not cut where it has come to lead meanwhile", async () => {
    const bench = await filled();
    const { manager } = bench.node(2);
    const log = bench.node(2).log();
    const segment = log.segments()[1];
    bench.flip(2, segment?.path ?? "", 100);
    const verify = log.verify.bind(log);
    let goOn = (): void => undefined;
    await bench.drive(verify({ from: segment?.baseOffset ?? asOffset(0), to: asOffset(60) }));
    const isReading = new Promise<void>((resolve) => (goOn = resolve));
    log.verify = async (options) => {
      await isReading;
      return verify(options);
    };
    manager.suspect(TOPIC, 0, asOffset(0));
    await bench.until("out", () => !bench.isr().includes(2));
    await bench.world.runFor(1_000);
    expect(manager.readyOffset).to.equal(bench.image.metadataOffset);
    // An operator's choice: this one leads with what it has.
    for (const id of [1, 3]) bench.kill(id);
    bench.change({ leaderId: 2, isUnclean: true });
    goOn();
    await bench.world.runFor(1_000);
    expect(bench.node(2).led().isRotten).to.equal(true);
    expect([bench.node(2).log().logEndOffset, bench.node(2).log().isRepairing]).to.deep.equal([60, false]);
    expect((await readAt(bench, 2, (segment?.baseOffset ?? 0) + 1)).end).to.equal(60);
    // With others in sync again it is repaired after all.
    for (const id of [1, 3]) await bench.start(id);
    for (const id of [1, 3]) bench.commit({ type: "brokerChanged", brokerId: id, isFenced: false });
    bench.change({ isr: [1, 2, 3] });
    await bench.until("whole again", () => isWhole(bench)() && bench.node(2).log().rot === null);
    expect(bench.damageReports.length).to.be.greaterThan(1);
    sameBytes(bench);
  });

  for (const slots of [[1], [2, 0]]) {
    it(`are what the disk does not give of segments ${slots.join(" and ")}, and no reason to lose the rest (decision 0034)`, async () => {
      const bench = await filled();
      const log = bench.node(2).log();
      const { faults } = bench.node(2).disk;
      lose(bench, 2, ...slots);
      for (const slot of slots)
        bench.node(2).manager.suspect(TOPIC, 0, log.segments()[slot]?.baseOffset ?? asOffset(0));
      await bench.until("cut", () => bench.node(2).log() !== log);
      expect(bench.node(2).log().logEndOffset).to.equal(log.segments()[Math.min(...slots)]?.baseOffset);
      // What is written from here on goes elsewhere on the disk.
      faults.removeAll();
      await bench.until("whole again", isWhole(bench));
      sameBytes(bench);
      expect(bench.node(2).faults).to.deep.equal([]);
    });
  }

  for (const how of ["is killed", "is stopped"] as const) {
    it(`are not forgotten where a broker ${how} before they are cut`, async () => {
      const bench = await filled();
      const log = bench.node(2).log();
      const segment = log.segments()[1];
      bench.flip(2, segment?.path ?? "", 100);
      const verify = log.verify.bind(log);
      await bench.drive(verify({ from: segment?.baseOffset ?? asOffset(0), to: asOffset(60) }));
      log.verify = () => new Promise(() => undefined);
      bench.node(2).manager.suspect(TOPIC, 0, asOffset(0));
      await bench.until("out", () => !bench.isr().includes(2));
      if (how === "is killed") bench.kill(2);
      else await bench.stop(2);
      await bench.start(2);
      await bench.until("whole again", isWhole(bench));
      sameBytes(bench);
    });
  }

  it("are cut as soon as there is room to keep what goes", async () => {
    const bench = await filled();
    const segment = bench.node(2).log().segments()[1];
    // Behind the first batch: what begins with bad bytes goes by its name, and takes no room.
    bench.flip(2, segment?.path ?? "", 400);
    const { faults } = bench.node(2).disk;
    const full = faults.add({ operation: "write", effect: "ENOSPC", path: /\.damaged$/u, times: 1_000_000 });
    bench.node(2).manager.suspect(TOPIC, 0, segment?.baseOffset ?? asOffset(0));
    await bench.until("out", () => !bench.isr().includes(2));
    await bench.until("tried again", () => full.firedCount > 1);
    const home = (segment?.path ?? "").replace(/\/[^/]*$/u, "");
    const halves = bench
      .node(2)
      .alive.disk.list(home)
      .filter((name) => name.endsWith(".damaged"));
    expect(halves, "half a copy takes no room").to.deep.equal([]);
    expect(bench.isr()).to.deep.equal([1, 3]);
    faults.removeAll();
    await bench.until("whole again", isWhole(bench));
    sameBytes(bench);
    await bench.stop(2);
  });

  it("let a broker start that has no room to keep what goes, and are cut when there is", async () => {
    const bench = await filled();
    const segment = bench.node(2).log().segments()[1];
    // Behind the first batch: what begins with bad bytes goes by its name, and takes no room.
    bench.flip(2, segment?.path ?? "", 400);
    const { faults } = bench.node(2).disk;
    const full = faults.add({ operation: "write", effect: "ENOSPC", path: /\.damaged$/u, times: 1_000_000 });
    bench.node(2).manager.suspect(TOPIC, 0, segment?.baseOffset ?? asOffset(0));
    await bench.until("tried", () => full.firedCount > 0);
    for (const how of ["kill", "stop"] as const) {
      if (how === "kill") bench.kill(2);
      else await bench.stop(2);
      const { firedCount } = full;
      await bench.start(2);
      await bench.until("tried again", () => full.firedCount > firedCount + 1);
      expect(bench.node(2).log().isDamaged).to.equal(true);
      expect(bench.isr()).to.deep.equal([1, 3]);
    }
    faults.removeAll();
    await bench.until("whole again", isWhole(bench));
    sameBytes(bench);
    await bench.stop(2);
  });

  for (const how of ["is killed", "is stopped"] as const) {
    it(`are looked for again where a broker ${how} before anybody was told`, async () => {
      const bench = await filled();
      const segment = bench.node(2).log().segments()[1];
      bench.flip(2, segment?.path ?? "", 100);
      const found = await bench.drive(
        bench
          .node(2)
          .log()
          .verify({ from: asOffset(0), to: asOffset(60) }),
      );
      expect(found).to.not.equal(null);
      if (how === "is killed") bench.kill(2);
      else await bench.stop(2);
      await bench.start(2);
      await bench.until("out", () => !bench.isr().includes(2));
      await bench.until("whole again", isWhole(bench));
      sameBytes(bench);
      expect(bench.node(2).log().suspectedAt).to.equal(null);
    });
  }

  it("stay aside where the replica is chosen before it is whole (15.7(3))", async () => {
    const bench = await filled();
    const segment = bench.node(2).log().segments()[1];
    bench.flip(2, segment?.path ?? "", 100);
    bench.node(2).manager.suspect(TOPIC, 0, segment?.baseOffset ?? asOffset(0));
    await bench.until("cut", () => bench.node(2).log().isRepairing);
    const aside = (): string[] =>
      bench
        .node(2)
        .alive.disk.list(
          bench
            .node(2)
            .log()
            .segments()[0]
            ?.path.replace(/\/[^/]*$/u, "") ?? "",
        )
        .filter((name) => name.endsWith(".damaged"));
    for (const id of [1, 3]) bench.kill(id);
    const kept = aside();
    expect(kept.length).to.be.greaterThan(0);
    bench.change({ leaderId: 2, isUnclean: true });
    await bench.until("led", () => bench.node(2).manager.find(TOPIC, 0) !== undefined);
    await bench.until("no repair any more", () => !bench.node(2).log().isRepairing);
    expect(aside()).to.deep.equal(kept);
    expect(bench.node(2).manager.damage.repaired).to.equal(0);
  });

  it("stay where nobody else has the records, until somebody has (15.7(4))", async () => {
    const bench = await filled();
    for (const id of [2, 3]) await bench.stop(id);
    bench.change({ isr: [1] });
    const segment = bench.node(1).log().segments()[1];
    if (segment === undefined) throw new Error("too few segments");
    bench.flip(1, segment.path, 9);
    for (const id of [2, 3]) {
      await bench.wipe(id);
      await bench.start(id);
    }
    await bench.until("told", () => bench.damageReports.length > 0);
    await bench.world.runFor(1_000);
    expect(partition(bench)).to.deep.include({ leaderId: 1, isr: [1] });
    expect(bench.node(1).log().rot).to.not.equal(null);
    expect(bench.node(1).manager.damage).to.deep.equal({ replicas: 1, found: 1, repaired: 0 });
    expect(await readAt(bench, 1, segment.baseOffset)).to.include({ code: "KAFKA_STORAGE_ERROR" });
    expect(await answered(bench, bench.append(1, { values: ["on"] }, "leader"))).to.include({ code: "NONE" });
  });

  for (const [who, id] of [
    ["the leader", 1],
    ["a follower", 2],
  ] as const) {
    it(`lose nothing where ${who} dies in the middle of its repair, whenever that is`, async () => {
      const seen = { before: 0, cut: 0, filled: 0 };
      for (let step = 0; step < 14; step++) {
        const bench = await filled(30);
        const segment = bench.node(id).log().segments()[1];
        if (segment === undefined) throw new Error("too few segments");
        bench.flip(id, segment.path, 100);
        const doubt = (): void => bench.node(id).manager.suspect(TOPIC, 0, asOffset(segment.baseOffset));
        doubt();
        await bench.world.runFor(step * 2.5);
        const { isRepairing, logEndOffset } = bench.node(id).log();
        seen[!isRepairing ? "before" : logEndOffset < 30 ? "cut" : "filled"] += 1;
        bench.kill(id, step % 2 === 0 ? "process" : "power");
        await bench.start(id);
        // What died before it had told of it has forgotten it.
        doubt();
        await bench.until(`whole again, died after ${step * 2.5} ms`, () => isWhole(bench)() && isSame(bench));
        const { leaderId } = partition(bench);
        expect(await readAt(bench, leaderId, 0)).to.deep.equal({ end: 30, code: "NONE" });
        expect(await answered(bench, bench.append(leaderId, { values: ["on"] }))).to.include({ code: "NONE" });
      }
      expect(seen.before, "some die before the cut").to.be.greaterThan(0);
      expect(seen.cut + seen.filled, "and some behind it").to.be.greaterThan(0);
    });
  }
});
