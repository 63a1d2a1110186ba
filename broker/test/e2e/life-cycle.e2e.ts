/** Starts, stops and the starts that must not happen: whose directory, who has it, what stands in it. */
import fs from "node:fs";
import net from "node:net";
import path from "node:path";
import { expect } from "chai";
import { createBroker } from "../../src/index.ts";
import { LevelStore } from "../../src/platform/index.ts";
import type { KeyValueStore } from "../../src/ports/index.ts";
import { batch, recordsOf } from "./support/batches.ts";
import { overriding } from "./support/held-syncs.ts";
import { LogWatch } from "./support/log-watch.ts";
import { RawClient } from "./support/raw-client.ts";
import {
  BrokerProcess,
  freshDirectory,
  removeDirectory,
  startBroker,
  startMemoryBroker,
  testConfig,
} from "./support/test-broker.ts";

async function startFailure(flags: Readonly<Record<string, string>>): Promise<Error & { code: string }> {
  const broker = await createBroker({ config: testConfig(flags) });
  try {
    await broker.start();
  } catch (error: unknown) {
    expect(broker.isReady).to.equal(false);
    return error as Error & { code: string };
  }
  await broker.stop();
  throw new Error("the broker started");
}

/** Every file below `directory` with its size and content, to prove that a refused start changed nothing. */
function snapshotOf(directory: string): Map<string, string> {
  const files = new Map<string, string>();
  for (const entry of fs.readdirSync(directory, { recursive: true, withFileTypes: true })) {
    const file = path.join(entry.parentPath, entry.name);
    if (entry.isFile()) files.set(file, fs.readFileSync(file).toString("base64"));
  }
  return files;
}

async function produceOne(address: string, topic: string, value: string): Promise<number> {
  const client = new RawClient(address);
  await client.metadata({ topics: [topic], allowAutoTopicCreation: true });
  const producer = client.produceStream();
  await producer.opened();
  const result = await producer.produce(topic, batch({ values: [value] }));
  expect(result.errorCode, result.errorMessage).to.equal(0);
  await producer.end();
  client.close();
  return result.baseOffset;
}

async function readAll(address: string, topic: string): Promise<string[]> {
  const client = new RawClient(address);
  const end = (await client.listOffset(topic, -1)).offset;
  const reader = client.fetchStream();
  reader.send({ creditBytes: 1_000_000 });
  reader.subscribe(1, topic, 0);
  const values: string[] = [];
  while (values.length < end) for (const { value } of recordsOf((await reader.part()).records)) values.push(value);
  await reader.end();
  client.close();
  return values;
}

describe("life cycle of a broker", () => {
  let directory: string;

  beforeEach(() => {
    directory = freshDirectory();
  });

  afterEach(() => removeDirectory(directory));

  it("keeps records, topics and the cluster id across a clean stop, without a recovery scan", async () => {
    const first = await startBroker({ "log.dirs": directory });
    const { clusterId } = first;
    await produceOne(first.grpcAddress, "kept", "before");
    await first.stop();
    const second = await startBroker({ "log.dirs": directory });
    expect(second.clusterId).to.equal(clusterId);
    expect(second.openReport).to.deep.include({ clean: true, bytesScanned: 0, logsRecovered: 0 });
    expect(await produceOne(second.grpcAddress, "kept", "after")).to.equal(1);
    expect(await readAll(second.grpcAddress, "kept")).to.deep.equal(["before", "after"]);
    await second.stop();
  });

  it("keeps what it acknowledged across kill -9, and recovers", async () => {
    const killed = await BrokerProcess.start({ "log.dirs": directory });
    for (let i = 0; i < 20; i++) await produceOne(killed.grpcAddress, "kept", `${i}`);
    await killed.kill();
    const broker = await startBroker({ "log.dirs": directory });
    expect(broker.openReport).to.deep.include({ clean: false });
    expect(await readAll(broker.grpcAddress, "kept")).to.deep.equal(Array.from({ length: 20 }, (_, i) => `${i}`));
    await broker.stop();
  });

  it("raises the leader epoch by one per start", async () => {
    const epochs: number[] = [];
    for (let i = 0; i < 3; i++) {
      const broker = await startBroker({ "log.dirs": directory });
      await produceOne(broker.grpcAddress, "epochs", `${i}`);
      const client = new RawClient(broker.grpcAddress);
      const { topics } = await client.metadata({ topics: ["epochs"] });
      epochs.push(topics[0]?.partitions[0]?.leaderEpoch ?? -1);
      client.close();
      await broker.stop();
    }
    expect(epochs).to.deep.equal([0, 1, 2]);
  });

  it("finishes a deletion that a kill cut off between the metadata and the rename; what nobody deleted stays (2.1(4))", async () => {
    const flags = { "log.dirs": directory, "log.segment.delete.delay.ms": "0" };
    const log = path.join(directory, "gone-0");
    const aside = path.join(directory, ".as-it-was");
    const foreign = path.join(directory, "foreign-0");
    const logger = new LogWatch();
    const broker = await startBroker(flags, { logger });
    await produceOne(broker.grpcAddress, "gone", "value");
    const client = new RawClient(broker.grpcAddress);
    fs.cpSync(log, aside, { recursive: true });
    await client.deleteTopics(["gone"]);
    client.close();
    await logger.logged("log directory removed");
    await broker.stop();
    expect(fs.existsSync(log)).to.equal(false);

    // As if the process had died before the rename; and a replica of which this metadata never heard.
    fs.renameSync(aside, log);
    fs.cpSync(log, foreign, { recursive: true });
    fs.writeFileSync(path.join(foreign, "partition.metadata"), "version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAABA");
    const next = await startBroker(flags, { logger });
    expect(fs.existsSync(log)).to.equal(false);
    await logger.logged("log directory removed");
    await next.stop();
    expect(fs.readdirSync(directory).filter((name) => name.startsWith("gone-0"))).to.deep.equal([]);
    expect(fs.existsSync(foreign)).to.equal(true);
  });

  it("stops as often as it is asked to, and gives its directory back", async () => {
    const broker = await startBroker({ "log.dirs": directory });
    await Promise.all([broker.stop(), broker.stop()]);
    await broker.stop();
    expect(fs.existsSync(path.join(directory, ".kafka_cleanshutdown"))).to.equal(true);
    const next = await startBroker({ "log.dirs": directory });
    await next.stop();
  });

  it("says over HTTP what it waits for, ready when it serves, and draining before it is gone (15.3(3))", async () => {
    const readiness = async (): Promise<{ status: number; text: string }> => {
      const response = await fetch(`http://${broker.httpAddress}/readyz`, { headers: { connection: "close" } });
      return { status: response.status, text: await response.text() };
    };
    const seen: { status: number; text: string }[] = [];
    const broker = await createBroker({
      config: testConfig({ "log.dirs": directory }),
      world: {
        // The store is opened in the middle of a start, and closed in the middle of a stop.
        openStore: async (name, options) => {
          seen.push(await readiness());
          const store = await LevelStore.open(name, options);
          return overriding<KeyValueStore>(store, {
            close: async () => {
              seen.push(await readiness());
              await store.close();
            },
          });
        },
      },
    });
    await broker.start();
    seen.push(await readiness());
    await broker.stop();
    expect(seen.map(({ status }) => status)).to.deep.equal([503, 200, 503]);
    expect(seen[0]?.text).to.include("metadata");
    expect(seen[2]?.text).to.include("draining");
  });

  it("stops cleanly when it is asked to while it starts", async () => {
    const loaded = testConfig({ "log.dirs": directory });
    const broker = await createBroker({ config: loaded });
    const started = broker.start();
    await broker.stop();
    await started;
    expect(broker.isReady).to.equal(false);
    const next = await startBroker({ "log.dirs": directory });
    expect(next.openReport).to.deep.include({ clean: true, bytesScanned: 0 });
    await next.stop();
  });

  it("finishes what it took in before it stops, and tells open streams", async () => {
    const broker = await startBroker({ "log.dirs": directory });
    const client = new RawClient(broker.grpcAddress);
    await client.createTopic("draining");
    const producer = client.produceStream();
    await producer.opened();
    const reader = client.fetchStream();
    reader.subscribe(1, "draining", 0);
    await reader.part();
    const answered = producer.produce("draining", batch({ values: ["last"] }));
    // The request has to be on the server before the stop: its own stream orders them.
    const result = await answered;
    const stopped = broker.stop();
    expect(result.errorCode).to.equal(0);
    expect((await producer.ended).status).to.equal(0);
    expect((await reader.ended).error).to.deep.include({ name: "NETWORK_EXCEPTION", retriable: true });
    await stopped;
    client.close();
  });

  it("a second broker on one directory, in the same process: DIRECTORY_LOCKED naming the pid, the first goes on", async () => {
    const first = await startBroker({ "log.dirs": directory });
    const error = await startFailure({ "log.dirs": directory });
    expect(error.code).to.equal("DIRECTORY_LOCKED");
    expect(error.message).to.include(String(process.pid)).and.include(directory);
    expect(await produceOne(first.grpcAddress, "alive", "yes")).to.equal(0);
    await first.stop();
  });

  it("a second process on one directory: DIRECTORY_LOCKED naming the pid, the first goes on", async () => {
    const first = await BrokerProcess.start({ "log.dirs": directory });
    const error = await startFailure({ "log.dirs": directory });
    expect(error.code).to.equal("DIRECTORY_LOCKED");
    expect(error.message).to.include(String(first.pid));
    expect(await produceOne(first.grpcAddress, "alive", "yes")).to.equal(0);
    await first.stop();
  });

  it("a directory of another cluster: METADATA or cluster refusal, nothing changed", async () => {
    const other = freshDirectory();
    await (await startBroker({ "log.dirs": directory })).stop();
    await (await startBroker({ "log.dirs": other })).stop();
    // The metadata of one cluster under the name of another.
    fs.copyFileSync(path.join(other, "meta.properties"), path.join(directory, "meta.properties"));
    const before = snapshotOf(path.join(directory, "tidemark-metadata"));
    const error = await startFailure({ "log.dirs": directory });
    expect(error.code).to.equal("INCONSISTENT_CLUSTER_ID");
    expect([...snapshotOf(path.join(directory, "tidemark-metadata")).keys()].length).to.be.at.least(
      [...before.keys()].length,
    );
    removeDirectory(other);
  });

  it("a directory of another node: INCONSISTENT_NODE_ID, nothing changed", async () => {
    await (await startBroker({ "log.dirs": directory })).stop();
    const before = snapshotOf(directory);
    const error = await startFailure({ "log.dirs": directory, "node.id": "9" });
    expect(error.code).to.equal("INCONSISTENT_NODE_ID");
    expect(snapshotOf(directory)).to.deep.equal(before);
  });

  it("a directory with files and no meta.properties: DIRECTORY_NOT_EMPTY, nothing changed", async () => {
    fs.writeFileSync(path.join(directory, "letters.txt"), "not ours");
    const error = await startFailure({ "log.dirs": directory });
    expect(error.code).to.equal("DIRECTORY_NOT_EMPTY");
    expect(error.message).to.include("letters.txt");
    expect(fs.readdirSync(directory)).to.deep.equal(["letters.txt"]);
  });

  it("a malformed log-start checkpoint or epoch file: the start is refused, naming the file (2.6(2))", async () => {
    const broker = await startBroker({ "log.dirs": directory });
    await produceOne(broker.grpcAddress, "checked", "one");
    await broker.stop();
    const epochFile = path.join(directory, "checked-0", "leader-epoch-checkpoint");
    const epochs = fs.readFileSync(epochFile);
    fs.writeFileSync(epochFile, "0\nthree\n");
    const error = await startFailure({ "log.dirs": directory });
    expect(error.code).to.equal("MALFORMED_CHECKPOINT");
    expect(error.message).to.include("leader-epoch-checkpoint");
    fs.writeFileSync(epochFile, epochs);
    const starts = path.join(directory, "log-start-offset-checkpoint");
    fs.writeFileSync(starts, "0\n1\nchecked 0 minus\n");
    const second = await startFailure({ "log.dirs": directory });
    expect(second.code).to.equal("MALFORMED_CHECKPOINT");
    expect(second.message).to.include("log-start-offset-checkpoint");
    fs.rmSync(starts);
    const healed = await startBroker({ "log.dirs": directory });
    expect(await readAll(healed.grpcAddress, "checked")).to.deep.equal(["one"]);
    await healed.stop();
  });

  it("malformed recovery points and high watermarks load as empty, and nothing is lost (2.6(2), P75)", async () => {
    const broker = await startBroker({ "log.dirs": directory });
    await produceOne(broker.grpcAddress, "checked", "one");
    await broker.stop();
    for (const name of ["recovery-point-offset-checkpoint", "replication-offset-checkpoint"])
      fs.writeFileSync(path.join(directory, name), "nonsense");
    const healed = await startBroker({ "log.dirs": directory });
    expect(await readAll(healed.grpcAddress, "checked")).to.deep.equal(["one"]);
    await healed.stop();
  });

  it("a lost metadata store: the start is refused and changes nothing (10.1(9))", async () => {
    await (await startBroker({ "log.dirs": directory })).stop();
    fs.rmSync(path.join(directory, "tidemark-metadata"), { recursive: true });
    // The lock's own store is written anew by whoever takes it (2.7(4)).
    const kept = (): Map<string, string> =>
      new Map([...snapshotOf(directory)].filter(([file]) => !file.includes("tidemark-lock")));
    const before = kept();
    const error = await startFailure({ "log.dirs": directory });
    expect(error.code).to.equal("METADATA_LOST");
    expect(error.message).to.include("tidemark-metadata");
    expect(kept()).to.deep.equal(before);
  });

  it("a busy port: EADDRINUSE naming host and port, and the directory is given back", async () => {
    const squatter = net.createServer();
    await new Promise<void>((resolve) => squatter.listen(0, "127.0.0.1", resolve));
    const address = squatter.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    for (const listeners of [`GRPC://127.0.0.1:${port}`, `GRPC://127.0.0.1:0,HTTP://127.0.0.1:${port}`]) {
      const error = await startFailure({ "log.dirs": directory, listeners });
      expect(error.code, listeners).to.equal("EADDRINUSE");
      expect(error.message).to.include(`127.0.0.1:${port}`);
    }
    await new Promise((resolve) => squatter.close(resolve));
    const broker = await startBroker({ "log.dirs": directory });
    expect(broker.openReport?.clean, "the failed starts closed cleanly").to.equal(true);
    await broker.stop();
  });

  it("two brokers in one process, in memory: nothing shared", async () => {
    const [a, b] = await Promise.all([startMemoryBroker(), startMemoryBroker()]);
    expect(a.clusterId).to.not.equal(b.clusterId);
    await produceOne(a.grpcAddress, "mine", "a");
    const client = new RawClient(b.grpcAddress);
    expect((await client.metadata({ topics: ["mine"] })).topics[0]?.errorCode).to.equal(3);
    client.close();
    await Promise.all([a.stop(), b.stop()]);
  });
});
