/** Bit rot below the recovery point: nothing is cut, and nobody takes what is left for all there was, with another copy or without. */
import fs from "node:fs";
import path from "node:path";
import { expect } from "chai";
import { errorCode, OffsetAt } from "@tidemark/proto";
import { makeBrokerGroup } from "../../src/broker-group.ts";
import { createBroker } from "../../src/index.ts";
import type { Broker } from "../../src/index.ts";
import { batch, recordsOf } from "./support/batches.ts";
import { RawClient } from "./support/raw-client.ts";
import { freshDirectory, removeDirectory, startBroker, testConfig } from "./support/test-broker.ts";

describe("a log that is damaged on disk (15.7)", () => {
  let directory: string;

  beforeEach(() => {
    directory = freshDirectory();
  });

  afterEach(() => {
    removeDirectory(directory);
  });

  it("serves what lies before the damage and answers 56 there, for its end, and to writers (15.7(4))", async () => {
    const segment = path.join(directory, "rotten-0", "00000000000000000000.log");
    let broker = await startBroker({ "log.dirs": directory });
    let client = new RawClient(broker.grpcAddress);
    await client.createTopic("rotten");
    const producer = client.produceStream();
    await producer.opened();
    await producer.produce("rotten", batch({ values: ["kept"] }));
    const firstBatchBytes = fs.statSync(segment).size;
    await producer.produce("rotten", batch({ values: ["rots"] }));
    await producer.produce("rotten", batch({ values: ["behind"] }));
    client.close();
    await broker.stop();

    const bytes = fs.readFileSync(segment);
    const rotten = firstBatchBytes + 65;
    bytes.writeUInt8(bytes.readUInt8(rotten) ^ 1, rotten);
    fs.writeFileSync(segment, bytes);
    // A clean stop is believed; only a start without its marker reads the log.
    fs.unlinkSync(path.join(directory, ".kafka_cleanshutdown"));

    broker = await startBroker({ "log.dirs": directory });
    client = new RawClient(broker.grpcAddress);
    try {
      const storageError = errorCode("KAFKA_STORAGE_ERROR");
      const reader = client.fetchStream();
      reader.send({ creditBytes: 1024 * 1024 });
      reader.subscribe(1, "rotten", 0);
      expect(recordsOf((await reader.part()).records)).to.deep.equal([{ offset: 0, value: "kept" }]);
      expect(await reader.part()).to.include({ subscriptionId: 1, errorCode: storageError, fetchOffset: 1 });
      reader.subscribe(2, "rotten", 2);
      expect(await reader.part()).to.include({ subscriptionId: 2, errorCode: storageError });

      expect(await client.listOffset("rotten", OffsetAt.EARLIEST)).to.include({ errorCode: 0, offset: 0 });
      expect(await client.listOffset("rotten", OffsetAt.LATEST)).to.include({ errorCode: storageError, offset: -1 });
      const writer = client.produceStream();
      await writer.opened();
      expect(await writer.produce("rotten", batch({ values: ["new"] }))).to.include({ errorCode: storageError });
      expect(fs.readFileSync(segment)).to.deep.equal(bytes);

      const health = await client.admin("describeHealth", {});
      expect([health.healthy, health.reasons]).to.deep.equal([false, ["rotten-0 has damage on disk"]]);
    } finally {
      client.close();
      await broker.stop();
    }
  });

  it("takes a replica that rotted after a clean stop out of the ELR with its registration (4.2(11), 15.7(2))", async () => {
    const flagsOf = new Map<number, Record<string, string>>();
    const group = await makeBrokerGroup({
      count: 3,
      firstPeerPort: 0,
      make: ({ nodeId, keys, peerListener, peerServer }) => {
        const listeners = `GRPC://127.0.0.1:0,${peerListener}`;
        const flags = { ...keys, listeners, "log.dirs": path.join(directory, String(nodeId)) };
        flagsOf.set(nodeId, flags);
        return createBroker({ config: testConfig(flags), peerServer });
      },
    });
    const [first, second] = group.brokers as [Broker, Broker, Broker];
    let restarted: Broker | null = null;
    let client: RawClient | null = null;
    try {
      await group.start();
      client = new RawClient(first.grpcAddress);
      const { results } = await client.admin("createTopics", {
        topics: [
          {
            name: "rotten",
            partitions: -1,
            replicationFactor: -1,
            assignment: [{ replicas: [1, 2] }],
            config: { "min.insync.replicas": "2" },
            creationId: "",
          },
        ],
        validateOnly: false,
        timeoutMs: 0,
      });
      expect(results[0]).to.include({ errorCode: 0 });
      const producer = client.produceStream();
      await producer.opened();
      expect(await producer.produce("rotten", batch({ values: ["rots"] }))).to.include({ errorCode: 0 });
      const stateOf = async () => {
        const { results } = await (client as RawClient).admin("describeTopics", { names: ["rotten"] });
        const { leaderId, isr, elr } = results[0]?.topic?.partitions[0] ?? {};
        return { leaderId, isr, elr };
      };
      await second.stop();
      expect(await stateOf(), "it stopped cleanly").to.deep.equal({ leaderId: 1, isr: [1], elr: [2] });

      const segment = path.join(directory, "2", "rotten-0", "00000000000000000000.log");
      const bytes = fs.readFileSync(segment);
      // The last offset of the batch: a look at the end of the log is all that a start after a clean stop has for it.
      bytes.writeUInt8(bytes.readUInt8(26) ^ 1, 26);
      fs.writeFileSync(segment, bytes);
      restarted = await startBroker(flagsOf.get(2));
      expect(restarted.openReport).to.include({ clean: true });
      expect(await stateOf()).to.deep.equal({ leaderId: 1, isr: [1], elr: [] });
    } finally {
      client?.close();
      await restarted?.stop();
      await group.stop();
    }
  });
});
