/** A broker in the process of its user, made from plain keys and values. */
import fs from "node:fs";
import { expect } from "chai";
import { BrokerStartError, createBroker } from "../../src/index.ts";
import { freshDirectory, removeDirectory } from "./support/test-broker.ts";

async function refusalOf(options: Parameters<typeof createBroker>[0]): Promise<BrokerStartError> {
  try {
    await createBroker(options);
  } catch (error: unknown) {
    if (error instanceof BrokerStartError) return error;
    throw error;
  }
  throw new Error("the configuration was accepted");
}

describe("an embedded broker", () => {
  it("needs no configuration in memory, and opens one door on a free port of this machine", async () => {
    await using broker = await createBroker({ memory: true });
    await broker.start();
    expect(broker.grpcAddress).to.match(/^127\.0\.0\.1:[1-9]\d*$/);
    expect(broker.httpAddress).to.equal("");
    expect(broker.isReady).to.equal(true);
  });

  it("stops cleanly at the end of `await using`, and starts again on the same directory", async () => {
    const directory = freshDirectory();
    const options = { config: { "log.dirs": directory, "num.partitions": 2 } };
    try {
      let clusterId = "";
      {
        await using broker = await createBroker(options);
        await broker.start();
        ({ clusterId } = broker);
      }
      expect(fs.existsSync(`${directory}/.kafka_cleanshutdown`)).to.equal(true);
      await using broker = await createBroker(options);
      await broker.start();
      expect(broker.clusterId).to.equal(clusterId);
      expect(broker.openReport?.clean).to.equal(true);
    } finally {
      removeDirectory(directory);
    }
  });

  it("refuses keys with every problem, and a broker on disk that names no directory", async () => {
    const wrong = await refusalOf({ memory: true, config: { "num.partitons": 3, "log.segment.bytes": "many" } });
    expect(wrong.code).to.equal("INVALID_CONFIG");
    expect(wrong.message).to.contain("nearest is num.partitions").and.to.contain("log.segment.bytes=many");
    const homeless = await refusalOf({ config: { "num.partitions": 3 } });
    expect(homeless.code).to.equal("INVALID_CONFIG");
    expect(homeless.message).to.contain("log.dirs");
  });
});
