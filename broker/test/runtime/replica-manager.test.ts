/** The replica manager over the real log directory on the simulated disk: metadata in, partitions led, in every order. */
import { expect } from "chai";
import { SeededRandom } from "../../src/base/index.ts";
import { LiveConfig, loadConfig } from "../../src/config/index.ts";
import type { BrokerConfig } from "../../src/config/index.ts";
import { applyEntry, emptyImage } from "../../src/metadata/index.ts";
import type { AlterPartitionsRequest, ClusterImage, MetadataRecord } from "../../src/metadata/index.ts";
import { type Disk, type DiskFault, type Logger, noFailpoint } from "../../src/ports/index.ts";
import { Purgatory, ReplicaManager, Turn } from "../../src/runtime/index.ts";
import { SimDisk, SimWorld } from "../../src/sim/index.ts";
import { openLogDirectory } from "../../src/storage/index.ts";
import { quietLogger } from "./support/partition-bench.ts";

const PATH = "/data";

function config(): BrokerConfig {
  const loaded = loadConfig({ profile: "dev", env: {}, flags: {} });
  if (!loaded.ok) throw new Error("no configuration");
  return loaded.config;
}

function topicId(n: number): string {
  return `${"A".repeat(19)}${String(n).padStart(2, "0")}A`;
}

/** A cluster of one, whose metadata is written by the test. */
class Bench {
  readonly world = new SimWorld(new SeededRandom(1));
  readonly disk = new SimDisk({ random: new SeededRandom(2), mode: "strict" });
  readonly offline: DiskFault[] = [];
  readonly logged: string[] = [];
  readonly proposals: AlterPartitionsRequest[] = [];
  readonly mount: Disk;
  readonly config = new LiveConfig(config());
  readonly manager: ReplicaManager;
  image: ClusterImage = emptyImage;

  constructor(medium: "disk" | "memory") {
    const process = this.world.startProcess();
    const mount = this.disk.mount(process);
    this.mount = mount;
    mount.mkdir(PATH);
    const logger: Logger = {
      ...quietLogger,
      info: (line) => void this.logged.push(line),
      error: (line) => void this.logged.push(line),
    };
    this.manager = new ReplicaManager(
      { config: this.config, path: PATH, medium },
      {
        disk: mount,
        failpoint: noFailpoint,
        clock: process,
        timers: process,
        logger,
        turn: new Turn(process),
        purgatory: new Purgatory({ clock: process, timers: process }),
        openLogDirectory,
        commands: {
          reportDamage: () => new Promise(() => undefined),
          alterPartitions: (request) => {
            this.proposals.push(request);
            return new Promise(() => undefined);
          },
        },
        onOffline: (fault) => this.offline.push(fault),
      },
    );
  }

  static async open(medium: "disk" | "memory" = "disk"): Promise<Bench> {
    const bench = new Bench(medium);
    bench.image = applyEntry(emptyImage, 1, [
      { type: "clusterCreated", clusterId: topicId(99) },
      {
        type: "brokerRegistered",
        brokerId: 1,
        brokerEpoch: 1,
        incarnationId: topicId(98),
        directoryId: topicId(97),
        listeners: [],
        rack: null,
        host: null,
        isFenced: false,
        isUnclean: false,
        damaged: [],
      },
    ]).image;
    await bench.drive(bench.manager.open(bench.image));
    await bench.drive(bench.manager.start(bench.image));
    return bench;
  }

  /** Commits one entry: applied here in the same stretch. */
  commit(...records: MetadataRecord[]): void {
    const { image, delta } = applyEntry(this.image, this.image.metadataOffset + 1, records);
    this.image = image;
    this.config.update(image.configs);
    this.manager.onMetadata(delta, image);
  }

  create(name: string, id: number, partitions = 1): void {
    const made: MetadataRecord[] = [
      { type: "topicCreated", topicId: topicId(id), name, internal: false, overrides: {} },
    ];
    for (let partition = 0; partition < partitions; partition++) {
      made.push({ type: "partitionCreated", topicId: topicId(id), partition, replicas: [1], isr: [1], leaderId: 1 });
    }
    this.commit(...made);
  }

  delete(id: number): void {
    this.commit({ type: "topicDeleted", topicId: topicId(id) });
  }

  async drive<T>(promise: Promise<T>): Promise<T> {
    let isSettled = false;
    const settle = (): void => {
      isSettled = true;
    };
    promise.then(settle, settle);
    while (!isSettled) {
      await new Promise((resolve) => setImmediate(resolve));
      if (!isSettled) await this.world.step();
    }
    return promise;
  }
}

describe("ReplicaManager", () => {
  it("leads a new topic once its logs are made, and says when (15.3)", async () => {
    const bench = await Bench.open();
    bench.create("tide", 1, 3);
    expect(bench.manager.find("tide", 0), "not before its log").to.equal(undefined);
    expect(await bench.drive(bench.manager.whenReady({ name: "tide", topicId: topicId(1) }, 30_000))).to.deep.equal([]);
    for (const partition of [0, 1, 2]) expect(bench.manager.find("tide", partition)?.topicId).to.equal(topicId(1));
  });

  it("names what is not ready when the time is over, and goes on with it", async () => {
    const bench = await Bench.open();
    const fault = bench.disk.faults.add({ operation: "mkdir", effect: "ENOSPC", path: /tide-1/u, probability: 1 });
    bench.create("tide", 1, 3);
    expect(await bench.drive(bench.manager.whenReady({ name: "tide", topicId: topicId(1) }, 2_000))).to.deep.equal([1]);
    fault.remove();
    expect(await bench.drive(bench.manager.whenReady({ name: "tide", topicId: topicId(1) }, 30_000))).to.deep.equal([]);
    expect(bench.manager.find("tide", 1)).to.not.equal(undefined);
  });

  it("frees the name of a deleted topic and leads the new one with an empty log, whatever the order of the disk", async () => {
    const bench = await Bench.open();
    bench.create("tide", 1);
    await bench.drive(bench.manager.whenReady({ name: "tide", topicId: topicId(1) }, 30_000));
    // Deleted, made, deleted and made again before the disk has done anything.
    bench.delete(1);
    expect(bench.manager.find("tide", 0), "gone in the same stretch").to.equal(undefined);
    bench.create("tide", 2);
    bench.delete(2);
    bench.create("tide", 3);
    expect(await bench.drive(bench.manager.whenReady({ name: "tide", topicId: topicId(3) }, 30_000))).to.deep.equal([]);
    expect(bench.manager.find("tide", 0)).to.deep.include({ topicId: topicId(3), logEndOffset: 0 });
  });

  it("gives the room of a deleted topic back at once when the disk is full, and says when it goes on (3.8(2))", async () => {
    const bench = await Bench.open();
    bench.create("tide", 1);
    await bench.drive(bench.manager.whenReady({ name: "tide", topicId: topicId(1) }, 30_000));
    const isLeft = (): boolean => bench.mount.list(PATH).some((name) => name.endsWith("-delete"));
    bench.delete(1);
    await bench.world.runFor(1_000);
    expect(isLeft(), "there is room: it waits").to.equal(true);
    bench.disk.capacityBytes = bench.disk.usedBytes();
    expect(bench.manager.isFull).to.equal(true);
    // Nobody appends, nor asks how full it is.
    await bench.world.runFor(10);
    expect(isLeft()).to.equal(false);
    expect(bench.logged.slice(-2)).to.deep.equal([
      "no room but the reserve: appends are refused",
      "there is room again: appends go on",
    ]);
  });

  it("keeps no file of a deleted topic in memory (3.8(2))", async () => {
    const bench = await Bench.open("memory");
    bench.create("tide", 1);
    await bench.drive(bench.manager.whenReady({ name: "tide", topicId: topicId(1) }, 30_000));
    bench.delete(1);
    await bench.world.runFor(100);
    expect(bench.mount.list(PATH).filter((name) => name.startsWith("tide"))).to.deep.equal([]);
  });

  it("does not lead a topic that was deleted while its log was made", async () => {
    const bench = await Bench.open();
    bench.create("tide", 1);
    bench.delete(1);
    await bench.world.runFor(10_000);
    expect(bench.manager.find("tide", 0)).to.equal(undefined);
    expect([...bench.manager.partitions()]).to.deep.equal([]);
  });

  it("takes a new leader epoch as a new leadership", async () => {
    const bench = await Bench.open();
    bench.create("tide", 1);
    await bench.drive(bench.manager.whenReady({ name: "tide", topicId: topicId(1) }, 30_000));
    const before = bench.manager.find("tide", 0);
    const partitions = [{ topicId: topicId(1), partitions: [0] }];
    bench.commit({ type: "leadersChosen", leaderId: 1, choice: "unclean", partitions });
    const after = bench.manager.find("tide", 0);
    expect(after).to.not.equal(before);
    expect(after?.leaderEpoch).to.equal(1);
    expect(before?.closedCode).to.equal("NOT_LEADER_OR_FOLLOWER");
  });

  it("says first of all that it has recovered, where it was chosen by the longest log (9(3), 7(7))", async () => {
    const bench = await Bench.open();
    bench.create("tide", 1);
    await bench.drive(bench.manager.whenReady({ name: "tide", topicId: topicId(1) }, 30_000));
    bench.commit({
      type: "leadersChosen",
      leaderId: 1,
      choice: "lastIsr",
      partitions: [{ topicId: topicId(1), partitions: [0] }],
    });
    await bench.world.runFor(1);
    expect(bench.proposals.map(({ partitions }) => partitions)).to.deep.equal([
      [
        {
          topicId: topicId(1),
          partition: 0,
          leaderEpoch: 1,
          partitionEpoch: 1,
          isr: [{ brokerId: 1, brokerEpoch: 1 }],
          isRecovering: false,
        },
      ],
    ]);
  });

  it("leads no partition whose leader is gone", async () => {
    const bench = await Bench.open();
    bench.create("tide", 1);
    await bench.drive(bench.manager.whenReady({ name: "tide", topicId: topicId(1) }, 30_000));
    bench.commit({ type: "brokerChanged", brokerId: 1, isFenced: true });
    await bench.world.runFor(1_000);
    expect(bench.manager.find("tide", 0)).to.equal(undefined);
  });

  const set = (topic: number | null, values: Record<string, string>): MetadataRecord => ({
    type: "configChanged",
    owner: topic === null ? { type: "cluster" } : { type: "topic", topicId: topicId(topic) },
    set: values,
    unset: [],
  });

  it("hands settings that change to every open partition of the topic, in the stretch that applies them", async () => {
    const bench = await Bench.open();
    bench.create("tide", 1, 2);
    bench.create("ebb", 2);
    for (const [name, id] of [
      ["tide", 1],
      ["ebb", 2],
    ] as const)
      await bench.drive(bench.manager.whenReady({ name, topicId: topicId(id) }, 30_000));
    const sizes = (): (number | undefined)[] =>
      [bench.manager.find("tide", 0), bench.manager.find("tide", 1), bench.manager.find("ebb", 0)].map(
        (partition) => partition?.settings.maxMessageBytes,
      );
    bench.commit(set(1, { "max.message.bytes": "100" }));
    expect(sizes()).to.deep.equal([100, 100, 1_048_588]);
    bench.commit(set(null, { "message.max.bytes": "200" }));
    expect(sizes()).to.deep.equal([100, 100, 200]);
    bench.commit(set(1, { "tidemark.durability": "group-commit" }));
    const modes = [...bench.manager.partitions()].map(({ topic, durability }) => `${topic} ${durability}`);
    expect(modes.sort()).to.deep.equal(["ebb page-cache", "tide group-commit", "tide group-commit"]);
  });

  it("leads with the settings of now, whatever they were when the log was asked for", async () => {
    const bench = await Bench.open();
    bench.create("tide", 1);
    bench.commit(set(1, { "max.message.bytes": "100", "tidemark.durability": "fsync-each" }));
    await bench.drive(bench.manager.whenReady({ name: "tide", topicId: topicId(1) }, 30_000));
    const led = bench.manager.find("tide", 0);
    expect([led?.settings.maxMessageBytes, led?.durability]).to.deep.equal([100, "fsync-each"]);
  });

  it("leads partitions that are added, with those before them untouched, and knows when they are ready", async () => {
    const bench = await Bench.open();
    bench.create("tide", 1, 2);
    const tide = { name: "tide", topicId: topicId(1) };
    await bench.drive(bench.manager.whenReady(tide, 30_000));
    const before = bench.manager.find("tide", 1);
    const fault = bench.disk.faults.add({ operation: "mkdir", effect: "ENOSPC", path: /tide-3/u, probability: 1 });
    const added = [2, 3].map((partition) => ({ partition, replicas: [1], isr: [1], leaderId: 1 }));
    bench.commit(...added.map((one) => ({ type: "partitionCreated", topicId: topicId(1), ...one }) as const));
    expect(bench.manager.find("tide", 1)).to.equal(before);
    expect(await bench.drive(bench.manager.whenReady(tide, 2_000, 2))).to.deep.equal([3]);
    fault.remove();
    expect(await bench.drive(bench.manager.whenReady(tide, 30_000, 2))).to.deep.equal([]);
  });

  it("closes cleanly, and what it led is answered as led no more", async () => {
    const bench = await Bench.open();
    bench.create("tide", 1);
    await bench.drive(bench.manager.whenReady({ name: "tide", topicId: topicId(1) }, 30_000));
    const partition = bench.manager.find("tide", 0);
    await bench.drive(bench.manager.stop(1));
    expect(partition?.closedCode).to.equal("NOT_LEADER_OR_FOLLOWER");
    expect(bench.disk.fileAt(`${PATH}/.kafka_cleanshutdown`)).to.not.equal(undefined);
  });
});
