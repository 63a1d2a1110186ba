/** The replicas of a broker whose one log directory fails: whoever waits is told, and a stop lets go of everything. */
import { expect } from "chai";
import { LiveConfig } from "../../src/config/index.ts";
import { createTopics, registerBroker } from "../../src/metadata/index.ts";
import type { ClusterImage, MetadataRecord } from "../../src/metadata/index.ts";
import { applyEntry } from "../../src/metadata/index.ts";
import { type DiskFault, noFailpoint } from "../../src/ports/index.ts";
import { Purgatory, ReplicaManager, Turn } from "../../src/runtime/index.ts";
import { openLogDirectory } from "../../src/storage/index.ts";
import {
  AT_ONCE,
  clusterOf,
  inForce,
  next,
  registration,
  seededBytes,
  spec,
  testConfig,
} from "../metadata/fixtures.ts";
import { DATA, StorageMachine } from "../storage/support/storage-machine.ts";
import { quietLogger } from "./support/partition-bench.ts";

const config = testConfig({ "node.id": "1" });

class ManagerBench {
  readonly machine = new StorageMachine();
  readonly faults: DiskFault[] = [];
  readonly replicas: ReplicaManager;
  readonly #random = seededBytes(7);
  image: ClusterImage = next(clusterOf(1), registerBroker(clusterOf(1), registration(1), AT_ONCE).records);

  constructor() {
    const { process, disk } = this.machine;
    const purgatory = new Purgatory({ clock: process, timers: process });
    this.replicas = new ReplicaManager(
      { config: new LiveConfig(config), path: DATA, medium: "disk" },
      {
        disk,
        failpoint: noFailpoint,
        clock: process,
        timers: process,
        logger: quietLogger,
        turn: new Turn(process),
        purgatory,
        openLogDirectory,
        commands: {
          alterPartitions: () => new Promise(() => undefined),
          reportDamage: () => new Promise(() => undefined),
        },
        onOffline: (fault) => this.faults.push(fault),
      },
    );
  }

  async start(): Promise<void> {
    await this.machine.run(this.replicas.open(this.image));
    await this.machine.run(this.replicas.start(this.image));
  }

  /** The topic's id. */
  createTopic(name: string): string {
    const { records } = createTopics(this.image, [spec(name, { partitions: 1, replicationFactor: 1 })], {
      ...inForce(config),
      random: this.#random,
      ifAbsent: false,
    });
    this.apply(records);
    return this.image.topics.get(name)?.topicId ?? "";
  }

  apply(records: readonly MetadataRecord[]): void {
    const { image, delta } = applyEntry(this.image, this.image.metadataOffset + 1, records);
    this.image = image;
    this.replicas.onMetadata(delta, image);
  }
}

describe("ReplicaManager on a disk that refuses", () => {
  it("lets go of every file when it stops offline, and writes nothing afterwards: the lock is another's then (2.7)", async () => {
    const bench = new ManagerBench();
    await bench.start();
    const topicId = bench.createTopic("t");
    expect(await bench.machine.run(bench.replicas.whenReady({ name: "t", topicId }, 30_000))).to.deep.equal([]);
    bench.machine.medium.faults.add({ operation: "syncDirectory", effect: "EIO", path: /\/data$/u });
    bench.createTopic("u");
    await bench.machine.letPass(1_000);
    expect(bench.faults).to.have.length(1);
    await bench.machine.run(bench.replicas.stop(1));
    expect(bench.machine.medium.openFilesCount).to.equal(0);
    const operations = bench.machine.medium.operationsCount;
    await bench.machine.letPass(120_000);
    expect(bench.machine.medium.operationsCount).to.equal(operations);
    expect(bench.machine.names(DATA)).to.not.include(".kafka_cleanshutdown");
  });

  it("ends the wait for a topic that cannot become ready any more (15.3)", async () => {
    const bench = new ManagerBench();
    await bench.start();
    bench.machine.medium.faults.add({ operation: "syncDirectory", effect: "EIO", path: /\/data$/u });
    const topicId = bench.createTopic("t");
    const begun = bench.machine.world.nowMs;
    expect(await bench.machine.run(bench.replicas.whenReady({ name: "t", topicId }, 30_000))).to.deep.equal([0]);
    expect(bench.machine.world.nowMs - begun).to.be.lessThan(5_000);
  });

  it("makes the log of a new topic once there is room (3.8(2))", async () => {
    const bench = new ManagerBench();
    await bench.start();
    bench.machine.medium.faults.add({ operation: "write", effect: "ENOSPC", path: /partition\.metadata/u });
    const topicId = bench.createTopic("t");
    expect(await bench.machine.run(bench.replicas.whenReady({ name: "t", topicId }, 30_000))).to.deep.equal([]);
    expect(bench.replicas.find("t", 0)?.topicId).to.equal(topicId);
  });

  it("waits for no log of a topic that was deleted while its log could not be made (15.3(1))", async () => {
    // Wherever in the making of it that comes.
    for (let steps = 0; steps < 20; steps++) {
      const bench = new ManagerBench();
      await bench.start();
      bench.machine.medium.faults.add({ operation: "syncDirectory", effect: "ENOSPC", path: /\/data$/u });
      const topicId = bench.createTopic("t");
      for (let i = 0; i < steps; i++) await bench.machine.world.step();
      bench.apply([{ type: "topicDeleted", topicId }]);
      await bench.machine.letPass(20_000);
      expect(bench.replicas.readyOffset, `after ${steps} steps`).to.equal(bench.image.metadataOffset);
    }
  });
});
