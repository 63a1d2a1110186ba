/** What a broker says to its peers while it starts. */
import { hostname } from "node:os";
import { expect } from "chai";
import { BrokerCluster } from "../src/broker-cluster.ts";
import { createWorld } from "../src/broker-world.ts";
import type { PeerAddress } from "../src/ports/index.ts";
import { TcpPeerTransport } from "../src/listeners/peer/index.ts";
import { askPeer, peerInTrouble } from "../src/runtime/cluster/index.ts";
import { SlabPool } from "../src/runtime/index.ts";
import type { ClusterIdentity } from "../src/storage/index.ts";
import { LogBook } from "./listeners/http/fixtures.ts";
import { testConfig } from "./metadata/fixtures.ts";

describe("BrokerCluster", () => {
  const closers: (() => Promise<void>)[] = [];

  afterEach(async () => {
    for (const close of closers.splice(0)) await close();
  });

  /** A broker whose door is open, and whose metadata is not; and the way there. */
  async function starting(
    identity: ClusterIdentity,
    other = { clusterId: "", nodeId: 2, directoryId: "d2" },
  ): Promise<{
    ask(): Promise<unknown>;
    call(method: string, request: object): Promise<unknown>;
    readonly cluster: BrokerCluster;
    become(next: ClusterIdentity): void;
    readonly logger: LogBook;
    readonly to: PeerAddress;
  }> {
    const logger = new LogBook();
    const voters = [1, 2, 3].map((nodeId) => ({ nodeId, host: "127.0.0.1", port: 1 }));
    const cluster = await BrokerCluster.open({
      config: testConfig(),
      voters,
      world: createWorld(true),
      logger,
      limits: () => ({ maxConnections: 10, maxConnectionsPerIp: 10, maxConnectionCreationRate: 1000 }),
      bound: undefined,
      identity: () => identity,
      brokerEpoch: () => -1,
      refusedFenceMs: () => 50,
    });
    const transport = new TcpPeerTransport({ identity: () => other, slabs: new SlabPool(), logger });
    closers.push(
      () => transport.close(),
      () => cluster.close(),
    );
    const to: PeerAddress = { nodeId: 1, ...cluster.address };
    const call = (method: string, request: object): Promise<unknown> =>
      askPeer(transport, to, { method, request, timeoutMs: 5_000 });
    return {
      ask: () => call("cluster/membership", {}),
      call,
      cluster,
      become: (next) => void (identity = next),
      logger,
      to,
    };
  }

  const empty: ClusterIdentity = { clusterId: null, nodeId: 1, directoryId: "d1", newClusterId: null, otherKeys: [] };

  it("does not pass for empty while its metadata is not open: nobody may found a second cluster (P54)", async () => {
    const broker = await starting({ ...empty, clusterId: "first" });
    const answer = await broker.ask().catch((error: unknown) => error);
    expect(answer).to.include({ code: "COORDINATOR_NOT_AVAILABLE" });
  });

  it("tells a second node with its id who has it, and says where that one is", async () => {
    const broker = await starting(
      { ...empty, clusterId: "first" },
      { clusterId: "first", nodeId: 1, directoryId: "d9" },
    );
    const refusal = await broker.ask().catch((error: unknown) => error);
    expect(refusal).to.include({ code: "DUPLICATE_BROKER_REGISTRATION" });
    expect(peerInTrouble(broker.to, refusal as Error)).to.match(
      /^node 1 at 127\.0\.0\.1:\d+ \(the id 1 is taken by the broker.* with directory d1: each broker needs a node\.id of its own\)$/u,
    );
    expect(broker.logger.lines).to.deep.include({
      level: "error",
      message: "another broker with the id of this one was refused",
      fields: { brokerId: 1, directoryId: "d9", address: "127.0.0.1" },
    });
  });

  it("names the directory that it has by then, where its store was lost (10.1(9))", async () => {
    const broker = await starting({ ...empty, clusterId: "first" });
    broker.become({ ...empty, directoryId: "renewed" });
    expect(await broker.ask()).to.deep.include({
      clusterId: null,
      replica: { nodeId: 1, directoryId: "renewed" },
    });
  });

  it("says how far its logs go when it has seen what the controller goes by, and not before (9(3))", async () => {
    const broker = await starting(
      { ...empty, clusterId: "first" },
      { clusterId: "first", nodeId: 2, directoryId: "d2" },
    );
    const image = { metadataOffset: 5, brokers: new Map(), voterChoices: new Map() };
    let apply = (_delta: object, _image: object): void => undefined;
    const controller = { image, onApplied: (listener: typeof apply) => (apply = listener) };
    broker.cluster.attach({ controller, driver: { voters: [] } } as never);
    const answeredAt: number[] = [];
    const replicaEnds = (): object[] => {
      answeredAt.push(image.metadataOffset);
      return [];
    };
    broker.cluster.serve({ replicaEnds } as never);
    const late = broker.call("broker/replica-ends", { metadataOffset: 9, partitions: [] });
    // It came behind the other, on the same connection.
    await broker.call("broker/replica-ends", { metadataOffset: 5, partitions: [] });
    expect(answeredAt).to.deep.equal([5]);
    for (const metadataOffset of [8, 9]) {
      image.metadataOffset = metadataOffset;
      apply({ brokersChanged: [] }, image);
      await broker.call("broker/replica-ends", { metadataOffset: 5, partitions: [] });
    }
    expect(await late).to.deep.include({ brokerId: 1, replicas: [] });
    expect(answeredAt.toSorted((a, b) => a - b)).to.deep.equal([5, 8, 9, 9]);
  });

  it("is found by the name of its host where its door stands on every address, and says which key changes that", async () => {
    const logger = new LogBook();
    const open = (flags: Record<string, string>): Promise<BrokerCluster> =>
      BrokerCluster.open({
        config: testConfig({ "node.id": "4", "security.allow.insecure.listeners": "PEER", ...flags }),
        voters: [{ nodeId: 1, host: "127.0.0.1", port: 1 }],
        world: createWorld(true),
        logger,
        limits: () => ({ maxConnections: 10, maxConnectionsPerIp: 10, maxConnectionCreationRate: 1000 }),
        bound: undefined,
        identity: () => ({ ...empty, nodeId: 4 }),
        brokerEpoch: () => -1,
        refusedFenceMs: () => 50,
      });
    const listeners = "GRPC://127.0.0.1:0,PEER://0.0.0.0:0";
    const cluster = await open({ listeners });
    closers.push(() => cluster.close());
    expect(cluster.advertised).to.deep.equal({ name: "PEER", host: hostname(), port: cluster.address.port });
    const [warned] = logger.lines.filter(({ level }) => level === "warn");
    expect(warned?.fields).to.include({ key: "advertised.listeners" });
    const told = await open({ listeners, "advertised.listeners": "PEER://broker-4:9392" });
    closers.push(() => told.close());
    expect(told.advertised).to.deep.equal({ name: "PEER", host: "broker-4", port: 9392 });
    expect(logger.lines.filter(({ level }) => level === "warn")).to.have.length(1);
  });
});
