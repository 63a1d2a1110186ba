/** Bit rot below the recovery point, with no other copy: nothing is cut, and nobody takes what is left for all there was. */
import fs from "node:fs";
import path from "node:path";
import { expect } from "chai";
import { errorCode, OffsetAt } from "@tidemark/proto";
import { batch, recordsOf } from "./support/batches.ts";
import { RawClient } from "./support/raw-client.ts";
import { freshDirectory, removeDirectory, startBroker } from "./support/test-broker.ts";

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
});
