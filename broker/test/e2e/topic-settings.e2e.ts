/** Settings that a topic was made with, in a running broker: they reach the log that it writes. */
import fs from "node:fs";
import path from "node:path";
import { expect } from "chai";
import type { Broker } from "../../src/index.ts";
import { FileDisk } from "../../src/platform/index.ts";
import type { Disk } from "../../src/ports/index.ts";
import { batch } from "./support/batches.ts";
import { overriding } from "./support/held-syncs.ts";
import type { RawProduceStream } from "./support/raw-client.ts";
import { RawClient } from "./support/raw-client.ts";
import { freshDirectory, removeDirectory, startBroker } from "./support/test-broker.ts";

/** A disk that tells of the syncs of one topic's log files. */
class WatchedSyncs {
  readonly disk: Disk;
  count = 0;
  #onSync: () => void = () => undefined;

  constructor(disk: Disk, topic: string) {
    this.disk = overriding(disk, {
      open: (name, mode) => {
        const file = disk.open(name, mode);
        if (!name.includes(`/${topic}-0/`) || !name.endsWith(".log")) return file;
        return overriding(file, {
          datasync: (done) => {
            this.count += 1;
            file.datasync(done);
            this.#onSync();
          },
        });
      },
    });
  }

  next(): Promise<void> {
    return new Promise((resolve) => {
      this.#onSync = resolve;
    });
  }
}

describe("settings of a topic in a running broker", () => {
  const TOPIC = "tuned";
  let directory: string;
  let syncs: WatchedSyncs;
  let broker: Broker;
  let client: RawClient;
  let producer: RawProduceStream;

  beforeEach(async () => {
    directory = freshDirectory();
    syncs = new WatchedSyncs(new FileDisk(), TOPIC);
    broker = await startBroker({ "log.dirs": directory }, { world: { disk: syncs.disk } });
    client = new RawClient(broker.grpcAddress);
    producer = client.produceStream();
    await producer.opened();
  });

  afterEach(async () => {
    await producer.end();
    client.close();
    await broker.stop();
    removeDirectory(directory);
  });

  async function produce(count: number, timestamp = 1_000): Promise<void> {
    for (let i = 0; i < count; i += 1) {
      const result = await producer.produce(TOPIC, batch({ values: ["x".repeat(300)], timestamp: timestamp + i }));
      expect(result.errorCode, result.errorMessage).to.equal(0);
    }
  }

  function segments(): string[] {
    return fs.readdirSync(path.join(directory, `${TOPIC}-0`)).filter((name) => name.endsWith(".log"));
  }

  it("flush.messages: syncs after so many records, and not before (3.4)", async () => {
    await client.createTopic(TOPIC, { config: { "flush.messages": "3" } });
    const before = syncs.count;
    await produce(2);
    expect(syncs.count).to.equal(before);
    const synced = syncs.next();
    await produce(1);
    // It may have to wait for other files' syncs, which the answer does not.
    await synced;
    expect(syncs.count).to.equal(before + 1);
  });

  it("flush.ms: syncs by itself when a write is that old (3.4)", async () => {
    await client.createTopic(TOPIC, { config: { "flush.ms": "1" } });
    const synced = syncs.next();
    await produce(1);
    await synced;
  });

  it("syncs nothing by itself in page-cache mode, and each answer's batch in group-commit (15.1)", async () => {
    await client.createTopic(TOPIC);
    await produce(5);
    expect(syncs.count).to.equal(0);
    await client.deleteTopics([TOPIC]);
    await client.createTopic(TOPIC, { config: { "tidemark.durability": "group-commit" } });
    const before = syncs.count;
    await produce(5);
    expect(syncs.count).to.equal(before + 5);
  });

  it("segment.bytes: rolls before it would be passed (3.3(1))", async () => {
    await client.createTopic(TOPIC, { config: { "segment.bytes": "1024" } });
    await produce(5);
    expect(segments()).to.deep.equal([0, 2, 4].map((base) => `${String(base).padStart(20, "0")}.log`));
  });

  it("segment.ms: rolls at the first record that is so much newer (3.3(2))", async () => {
    await client.createTopic(TOPIC, { config: { "segment.ms": "5" } });
    await produce(7);
    expect(segments()).to.deep.equal([0, 6].map((base) => `${String(base).padStart(20, "0")}.log`));
  });

  it("min.insync.replicas: never asks for more replicas than the topic has", async () => {
    await client.createTopic(TOPIC, { config: { "min.insync.replicas": "3" } });
    await produce(1);
    expect((await client.listOffset(TOPIC, -1)).offset).to.equal(1);
  });

  it("keeps them over a restart", async () => {
    await client.createTopic(TOPIC, { config: { "segment.bytes": "1024" } });
    await produce(2);
    await producer.end();
    client.close();
    await broker.stop();
    broker = await startBroker({ "log.dirs": directory });
    client = new RawClient(broker.grpcAddress);
    producer = client.produceStream();
    await producer.opened();
    await produce(1);
    expect(segments()).to.have.length(2);
  });
});
