import { on } from "node:events";
import { errorCode, wire } from "@tidemark/proto";
import { DATA_SERVICE } from "@tidemark/proto";
import { expect } from "chai";
import type { Broker } from "../../src/index.ts";
import { RawClient } from "./support/raw-client.ts";
import { startMemoryBroker } from "./support/test-broker.ts";

type Metadata = ReturnType<typeof wire.metadataResponse.decode>;

const UNKNOWN = errorCode("UNKNOWN_TOPIC_OR_PARTITION");

describe("metadata by push (15.2)", () => {
  let broker: Broker;
  let client: RawClient;

  beforeEach(async () => {
    broker = await startMemoryBroker();
    client = new RawClient(broker.grpcAddress);
  });

  afterEach(async () => {
    client.close();
    await broker.stop();
  });

  const create = (name: string, partitions = 1): Promise<unknown> =>
    client.admin("createTopics", {
      topics: [{ name, partitions, replicationFactor: -1, assignment: [], config: {}, creationId: "" }],
      timeoutMs: 0,
      validateOnly: false,
    });

  function watch(names: string[]): {
    next: () => Promise<Metadata>;
    send: (watch: string[], forget?: string[]) => void;
    end: () => void;
  } {
    const call = client.bidi(DATA_SERVICE.watchMetadata.path);
    call.on("error", () => undefined);
    const messages = on(call, "data");
    const send = (more: string[], forget: string[] = []): void =>
      void call.write(wire.watchMetadataRequest.encode({ watch: more, forget }));
    send(names);
    return {
      send,
      next: async () => wire.metadataResponse.decode(((await messages.next()).value as [Buffer])[0]),
      end: () => call.cancel(),
    };
  }

  it("tells of watched topics as they are, and again when they come, change and go; of others nothing", async () => {
    await create("there", 2);
    const stream = watch(["there", "later"]);
    const first = await stream.next();
    expect(first.topics.map(({ name, errorCode: code, partitions }) => [name, code, partitions.length])).to.deep.equal([
      ["there", 0, 2],
      ["later", UNKNOWN, 0],
    ]);
    expect(first.brokers.map(({ id }) => id)).to.deep.equal([broker.nodeId]);
    expect(first.clusterId).to.equal(broker.clusterId);

    await create("nobody-watches");
    await create("later");
    const second = await stream.next();
    expect(second.topics.map(({ name }) => name)).to.deep.equal(["later"]);
    expect(second.topics[0]?.partitions[0]).to.include({ leaderId: broker.nodeId, errorCode: 0 });
    expect(second.metadataOffset).to.be.greaterThan(first.metadataOffset);

    stream.send([], ["there"]);
    await client.deleteTopics(["there", "later"]);
    const third = await stream.next();
    expect(third.topics.map(({ name, errorCode: code }) => [name, code])).to.deep.equal([["later", UNKNOWN]]);
    stream.end();
  });

  it("ends a stream of what is no request with a coded error, and serves others on", async () => {
    const call = client.bidi(DATA_SERVICE.watchMetadata.path);
    const ended = new Promise<{ code: number }>((resolve) => call.on("error", resolve as (error: unknown) => void));
    call.write(Buffer.from("ffffffff", "hex"));
    expect((await ended).code).to.equal(3);
    const stream = watch([]);
    expect((await stream.next()).topics).to.deep.equal([]);
    stream.end();
  });
});
