/** A broker that stands still, or is gone, costs whoever asks others no patience; whoever needs that very one is told which it was. */
import { expect } from "chai";
import { once } from "node:events";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { type BrokerError, Client } from "../src/index.ts";
import { type FakeAdminBroker, FakeAdminCluster } from "./support/fake-admin.ts";
import { rejection } from "./support/rejection.ts";

/** One that waits for a silent broker waits for a connection or an answer: 10 s and more. */
const PATIENCE_MS = 9_000;

describe("a client of a cluster with a broker that does not answer", () => {
  let cluster: FakeAdminCluster;
  let mute: Server;
  let muteAddress = "";
  const sockets: Socket[] = [];
  const warnings: string[] = [];
  const logger = {
    debug: () => undefined,
    info: () => undefined,
    warn: (fields: object, message = "") => void warnings.push(`${message}: ${String(Reflect.get(fields, "message"))}`),
    error: () => undefined,
  };

  beforeEach(async () => {
    warnings.length = 0;
    cluster = await FakeAdminCluster.start(3);
    // Accepts, and says nothing: as a process that was stopped.
    mute = createServer((socket) => sockets.push(socket)).listen(0, "127.0.0.1");
    await once(mute, "listening");
    muteAddress = `127.0.0.1:${(mute.address() as AddressInfo).port}`;
  });
  afterEach(async () => {
    for (const socket of sockets.splice(0)) socket.destroy();
    mute.close();
    await cluster[Symbol.asyncDispose]();
  });

  it("asks another one beside it, names it once, and does not ask it again while others answer", async () => {
    await using client = new Client({ brokers: [muteAddress, ...cluster.addresses], logger });
    const { brokers } = await client.ready();
    expect(brokers.map(({ id }) => id)).to.deep.equal([1, 2, 3]);
    const seen = sockets.length;
    for (let i = 0; i < 8; i += 1) await client.admin.cluster();
    expect(sockets.length).to.equal(seen);
    // Not before its time is over: it might have been merely late.
    while (warnings.length === 0) await new Promise((resolve) => setTimeout(resolve, 10));
    await client.admin.cluster();
    expect(warnings).to.deep.equal([`a broker is silent: nothing came from ${muteAddress} while another one answered`]);
  });

  async function lookMs(client: Client): Promise<number> {
    const startedAt = performance.now();
    for await (const topic of client.admin.topics.list()) void topic;
    return performance.now() - startedAt;
  }

  for (const id of [1, 2]) {
    it(`asks one that is not asked yet, whatever else is asked at the same time (${id} of 2 is silent)`, async () => {
      for (const broker of cluster.brokers.splice(2)) broker.kill();
      await using client = new Client({ brokers: cluster.addresses, logger });
      await client.ready();
      cluster.broker(id).isMute = true;
      const times = await Promise.all([lookMs(client), lookMs(client)]);
      expect(Math.max(...times)).to.be.below(PATIENCE_MS);
    });
  }

  it("asks those that were silent again, where the last that answered falls silent too", async () => {
    await using client = new Client({ brokers: cluster.addresses, logger });
    await client.ready();
    const [first, second, third] = cluster.brokers as [FakeAdminBroker, FakeAdminBroker, FakeAdminBroker];
    first.isMute = second.isMute = true;
    for (let i = 0; i < 3; i += 1) await lookMs(client);
    first.isMute = second.isMute = false;
    third.isMute = true;
    expect(await lookMs(client)).to.be.below(PATIENCE_MS);
  });

  for (const [how, end] of [
    ["is gone", (broker: FakeAdminBroker): void => broker.kill()],
    ["stands still", (broker: FakeAdminBroker): void => void (broker.isMute = true)],
  ] as const) {
    it(`deletes records where the partition is led by now, when the leader that it knew ${how}`, async () => {
      await using client = new Client({ brokers: cluster.addresses, logger, timeouts: { connect: 300 } });
      for (const broker of cluster.brokers)
        broker.answers.deleteRecords = () => ({ results: [{ lowWatermark: broker.id }], metadataOffset: 1 });
      const truncate = () => client.admin.topics.truncate({ topic: "t", partition: 0, before: 5 });
      expect(await truncate()).to.deep.equal({ lowWatermark: 1 });
      end(cluster.broker(1));
      cluster.leaderId = 2;
      expect(await truncate()).to.deep.equal({ lowWatermark: 2 });
    });
  }

  it("deletes all records that there were, and none that came while the first attempt was not answered", async () => {
    await using client = new Client({ brokers: cluster.addresses, logger, timeouts: { connect: 300 } });
    const asked: number[] = [];
    for (const broker of cluster.brokers)
      broker.answers.deleteRecords = ({ partitions }) => {
        const beforeOffset = partitions[0]?.beforeOffset ?? 0;
        asked.push(beforeOffset);
        return { results: [{ lowWatermark: beforeOffset }], metadataOffset: 1 };
      };
    // Done, and its answer is lost.
    const silent = cluster.broker(1);
    const answer = silent.answers.deleteRecords;
    silent.answers.deleteRecords = (request) => {
      cluster.endOffset = 9;
      cluster.leaderId = 2;
      silent.kill();
      return answer?.(request) ?? {};
    };
    const done = await client.admin.topics.truncate({ topic: "t", partition: 0, before: -1 });
    expect(asked).to.deep.equal([7, 7]);
    expect(done).to.deep.equal({ lowWatermark: 7 });
  });

  it("deletes nothing of another topic of the same name", async () => {
    await using client = new Client({ brokers: cluster.addresses, logger, timeouts: { connect: 300 } });
    let askedCount = 0;
    for (const broker of cluster.brokers)
      broker.answers.deleteRecords = () => {
        askedCount += 1;
        cluster.topicId = Buffer.alloc(16, 1);
        cluster.leaderId = 2;
        cluster.broker(1).kill();
        return {};
      };
    const error = await rejection(client.admin.topics.truncate({ topic: "t", partition: 0, before: 5 }));
    expect(error).to.include({ code: "UNKNOWN_TOPIC_OR_PARTITION" });
    expect(askedCount).to.equal(1);
  });

  it("gives a leader that looks through a long log more time with each attempt", async () => {
    await using client = new Client({ brokers: cluster.addresses, logger, timeouts: { connect: 300 } });
    await client.ready();
    await client.admin.topics.offsets("t", "earliest");
    cluster.broker(1).delayMs = 400;
    const offsets = await client.admin.topics.offsets("t", new Date(1), { timeout: "8s" });
    expect(offsets.get(0)).to.equal(7);
  });

  it("says which broker it was that alone could have answered, after a moment", async () => {
    await using client = new Client({ brokers: cluster.addresses, logger });
    await client.ready();
    const gone = cluster.broker(2);
    gone.kill();
    const error = await rejection(client.admin.configs.get({ type: "broker", id: 2 }));
    expect(error).to.include({ code: "CONNECTION_LOST" });
    expect((error as BrokerError).message).to.match(new RegExp(`^broker 2 at 127\\.0\\.0\\.1:${gone.port}: `));
    expect((error as BrokerError).elapsedMs).to.be.below(PATIENCE_MS);
  });
});
