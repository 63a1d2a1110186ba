/** What the gRPC door promises besides messages: windows, health, reflection, limits of connections, who is answered where. */
import http2 from "node:http2";
import net from "node:net";
import { expect } from "chai";
import { loadConfig } from "../../src/config/index.ts";
import { createBroker } from "../../src/index.ts";
import type { Broker } from "../../src/index.ts";
import { batch } from "./support/batches.ts";
import { failed, RawClient } from "./support/raw-client.ts";
import { startMemoryBroker } from "./support/test-broker.ts";

/** Of gRPC: the server has no such method. */
const UNIMPLEMENTED = 12;

describe("the gRPC door", () => {
  let broker: Broker;
  let client: RawClient;

  before(async () => {
    broker = await startMemoryBroker();
    client = new RawClient(broker.grpcAddress);
  });

  after(async () => {
    client.close();
    await broker.stop();
  });

  it("opens receive windows of 4 MiB per stream and 32 MiB per connection", async () => {
    const session = http2.connect(`http://${broker.grpcAddress}`);
    await new Promise<void>((resolve, reject) => {
      session.once("remoteSettings", () => resolve());
      session.once("error", reject);
    });
    expect(session.remoteSettings.initialWindowSize).to.equal(4 * 1024 * 1024);
    // The server's WINDOW_UPDATE is what we may send: it follows the settings on the same connection.
    const stream = session.request({ ":method": "POST", ":path": "/x", "content-type": "application/grpc" });
    await new Promise<void>((resolve) => {
      stream.once("response", () => resolve());
      stream.resume();
      stream.end();
    });
    expect(session.state.remoteWindowSize).to.equal(32 * 1024 * 1024);
    session.close();
  });

  it("speaks grpc.health.v1: serving, and NOT_FOUND for services it does not have", async () => {
    expect(await client.unary("/grpc.health.v1.Health/Check", Buffer.alloc(0))).to.deep.equal(Buffer.from([0x08, 1]));
    const named = Buffer.concat([Buffer.from([0x0a, 16]), Buffer.from("tidemark.v1.Data")]);
    expect(await client.unary("/grpc.health.v1.Health/Check", named)).to.deep.equal(Buffer.from([0x08, 1]));
    expect((await failed(client.unary("/grpc.health.v1.Health/Check", Buffer.from([0x0a, 1, 0x78])))).status).to.equal(
      5,
    );
    expect((await failed(client.unary("/grpc.health.v1.Health/Check", Buffer.from("ffffff", "hex")))).status).to.equal(
      3,
    );
  });

  it("tells who watches its health when it begins to stop", async () => {
    const leaving = await startMemoryBroker();
    const watcher = new RawClient(leaving.grpcAddress);
    const states: Buffer[] = [];
    const first = new Promise<void>((resolve, reject) => {
      const watch = watcher.serverStream("/grpc.health.v1.Health/Watch", Buffer.alloc(0));
      watch.on("data", (state: Buffer) => {
        states.push(state);
        resolve();
      });
      watch.on("error", reject);
    });
    await first;
    await leaving.stop();
    watcher.close();
    expect(states).to.deep.equal([Buffer.from([0x08, 1]), Buffer.from([0x08, 2])]);
  });

  it("has no reflection in the server profile", async () => {
    const loaded = loadConfig({
      profile: "server",
      env: {},
      flags: { listeners: "GRPC://127.0.0.1:0", "log.level": "silent", "node.id": "1" },
    });
    if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
    const server = await createBroker({ config: loaded.config, memory: true });
    await server.start();
    const own = new RawClient(server.grpcAddress);
    for (const version of ["v1", "v1alpha"]) {
      const call = own.bidi(`/grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`);
      const status = new Promise<number>((resolve) => call.on("status", ({ code }) => resolve(code)));
      call.on("error", () => undefined);
      call.on("data", () => undefined);
      call.write(Buffer.from("3a012a", "hex"));
      expect(await status, version).to.equal(UNIMPLEMENTED);
    }
    own.close();
    await server.stop();
  });

  it("answers reflection in the dev profile, and survives nonsense there", async () => {
    const path = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
    const call = client.bidi(path);
    const answered = new Promise<Buffer>((resolve, reject) => {
      call.once("data", resolve);
      call.once("error", reject);
    });
    // ServerReflectionRequest { list_services = "*" }
    call.write(Buffer.from("3a012a", "hex"));
    expect((await answered).toString("latin1"))
      .to.include("tidemark.v1.Data")
      .and.include("tidemark.v1.Admin");
    call.end();
    const nonsense = client.bidi(path);
    const status = new Promise<number>((resolve) => nonsense.on("status", ({ code }) => resolve(code)));
    nonsense.on("error", () => undefined);
    nonsense.on("data", () => undefined);
    nonsense.write(Buffer.from("ffffffff", "hex"));
    expect(await status).to.equal(3);
  });

  it("gives clients the host that they called it by, and its own port (15.4)", async () => {
    const port = Number(broker.grpcAddress.split(":")[1]);
    const byName = new RawClient(`localhost:${port}`);
    const [named] = (await byName.metadata({})).brokers;
    byName.close();
    expect(named).to.deep.include({ host: "localhost", port });
    const [numbered] = (await client.metadata({})).brokers;
    expect(numbered).to.deep.include({ host: "127.0.0.1", port });
  });

  it("creates a topic on the way where client and broker allow it, and says so (13(10))", async () => {
    const [made] = (await client.metadata({ topics: ["auto"], allowAutoTopicCreation: true })).topics;
    expect(made).to.deep.include({ name: "auto", errorCode: 0, created: true });
    expect(made?.partitions).to.have.length(1);
    const [known] = (await client.metadata({ topics: ["auto"], allowAutoTopicCreation: true })).topics;
    expect(known).to.deep.include({ errorCode: 0, created: false });
    expect((await client.metadata({ topics: ["not-auto"] })).topics[0]).to.deep.include({
      errorCode: 3,
      created: false,
    });
  });

  it("creates a topic once for many who ask at a time", async () => {
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => client.metadata({ topics: ["raced"], allowAutoTopicCreation: true })),
    );
    expect(answers.map(({ topics }) => topics[0]?.errorCode)).to.deep.equal(Array.from({ length: 10 }, () => 0));
    const ids = new Set(answers.map(({ topics }) => topics[0]?.topicId.toString("hex")));
    expect(ids.size).to.equal(1);
    expect(
      answers.filter(({ topics }) => topics[0]?.created),
      "made by one of them",
    ).to.have.length(1);
  });

  it("answers a topic's creation when every partition can be written (15.3, P31)", async () => {
    await client.createTopic("ready-means-ready", { partitions: 20 });
    const producer = client.produceStream();
    await producer.opened();
    for (let partition = 0; partition < 20; partition++) {
      expect((await producer.produce("ready-means-ready", batch(), { partition })).errorCode).to.equal(0);
    }
    await producer.end();
  });

  it("makes a deleted topic anew under its name, empty and with another id", async () => {
    await client.createTopic("again");
    const producer = client.produceStream();
    await producer.opened();
    await producer.produce("again", batch({ values: ["old"] }));
    const [before] = (await client.metadata({ topics: ["again"] })).topics;
    await client.deleteTopics(["again"]);
    await client.createTopic("again");
    const [after] = (await client.metadata({ topics: ["again"] })).topics;
    expect(after?.topicId).to.not.deep.equal(before?.topicId);
    expect((await client.listOffset("again", -1)).offset).to.equal(0);
    expect((await producer.produce("again", batch({ values: ["new"] }))).baseOffset).to.equal(0);
    await producer.end();
  });

  it("validates a topic without making it", async () => {
    const spec = {
      name: "only-asked",
      partitions: 3,
      replicationFactor: -1,
      assignment: [],
      config: {},
      creationId: "",
    };
    const { results } = await client.admin("createTopics", { topics: [spec], validateOnly: true, timeoutMs: 0 });
    expect(results[0]).to.deep.include({ name: "only-asked", errorCode: 0 });
    expect((await client.metadata({ topics: ["only-asked"] })).topics[0]?.errorCode).to.equal(3);
  });

  it("describes the cluster, topics and their settings", async () => {
    await client.createTopic("described", { partitions: 2, config: { "max.message.bytes": "2000" } });
    const cluster = await client.admin("describeCluster", {});
    expect(cluster).to.deep.include({ clusterId: broker.clusterId, controllerId: 1 });
    expect(cluster.brokers).to.have.length(1);
    const { topics } = await client.admin("listTopics", { includeInternal: false });
    expect(topics.find(({ name }) => name === "described")).to.deep.include({
      partitions: 2,
      replicas: 1,
      internal: false,
    });
    expect(topics.some(({ internal }) => internal)).to.equal(false);
    const { results } = await client.admin("describeTopics", { names: ["described"] });
    const topic = results[0]?.topic;
    expect(
      topic?.partitions.map(({ partition, leaderId, logEndOffset }) => [partition, leaderId, logEndOffset]),
    ).to.deep.equal([
      [0, 1, 0],
      [1, 1, 0],
    ]);
    expect(topic?.config.find(({ name }) => name === "max.message.bytes")).to.deep.include({
      value: "2000",
      source: "topic",
    });
  });

  for (const limit of ["max.connections", "max.connections.per.ip"]) {
    it(`closes connections above ${limit} and serves the others`, async () => {
      const narrow = await startMemoryBroker({ [limit]: "2" });
      const port = Number(narrow.grpcAddress.split(":")[1]);
      const first = new RawClient(narrow.grpcAddress);
      await first.metadata({});
      // One more within the limit, and the eight that are kept for this machine.
      const within = Array.from({ length: 9 }, () => net.connect(port, "127.0.0.1"));
      await Promise.all(within.map((socket) => new Promise((resolve) => socket.once("connect", resolve))));
      const third = net.connect(port, "127.0.0.1");
      third.on("error", () => undefined);
      await new Promise((resolve) => third.once("close", resolve));
      expect((await first.metadata({})).brokers).to.have.length(1);
      const metrics = await (await fetch(`http://${narrow.httpAddress}/metrics`)).text();
      expect(metrics).to.include('tidemark_refused_total{listener="GRPC",stage="accept",reason="connections"} 1');
      for (const socket of within) socket.destroy();
      first.close();
      await narrow.stop();
    });
  }

  it("lets connections above max.connection.creation.rate wait their turn, with what they sent, and closes the rest", async () => {
    const slow = await startMemoryBroker({ "max.connection.creation.rate": "4" });
    const port = Number(slow.grpcAddress.split(":")[1]);
    const sockets = Array.from({ length: 10 }, () => net.connect(port, "127.0.0.1"));
    await Promise.all(sockets.map((socket) => new Promise((resolve) => socket.once("connect", resolve))));
    const late = new RawClient(slow.grpcAddress);
    expect((await late.metadata({})).brokers).to.have.length(1);
    const storm = Array.from({ length: 20 }, () => net.connect(port, "127.0.0.1"));
    for (const socket of storm) socket.on("error", () => undefined);
    await Promise.any(storm.map((socket) => new Promise((resolve) => socket.once("close", resolve))));
    const metrics = await (await fetch(`http://${slow.httpAddress}/metrics`)).text();
    expect(metrics).to.match(/tidemark_refused_total\{listener="GRPC",stage="accept",reason="rate"\} [1-9]/);
    expect(metrics).to.match(/tidemark_connections_delayed_total\{listener="GRPC"\} [1-9]/);
    for (const socket of [...sockets, ...storm]) socket.destroy();
    late.close();
    await slow.stop();
  });

  it("stops reading while the request budget is spent, and finishes everything all the same (11.4)", async () => {
    const tight = await startMemoryBroker({ "queued.max.requests": "1", "queued.max.request.bytes": "1048588" });
    const own = new RawClient(tight.grpcAddress);
    await own.createTopic("tight");
    const streams = Array.from({ length: 4 }, () => own.produceStream());
    for (const stream of streams) {
      await stream.opened();
      for (let i = 0; i < 25; i++) {
        stream.send({
          partitions: [
            {
              topic: "tight",
              partition: 0,
              topicId: Buffer.alloc(0),
              records: batch({ values: ["x".repeat(1_000)] }),
              expectedEnd: null,
            },
          ],
        });
      }
    }
    const codes = new Set<number>();
    for (const stream of streams)
      for (let i = 0; i < 25; i++) codes.add((await stream.next()).results[0]?.errorCode ?? -1);
    expect([...codes]).to.deep.equal([0]);
    expect((await own.listOffset("tight", -1)).offset).to.equal(100);
    for (const stream of streams) await stream.end();
    own.close();
    await tight.stop();
  });
});
