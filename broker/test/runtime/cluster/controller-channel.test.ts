/** Commands find the controller wherever it is, and answers are seen where they were asked for. */
import { expect } from "chai";
import { ProtoError } from "@tidemark/proto";
import { SeededRandom } from "../../../src/base/index.ts";
import { PeerError, type PeerAddress, type PeerIdentity } from "../../../src/ports/index.ts";
import { ControllerChannel, PeerCalls, serveController, serveMembership } from "../../../src/runtime/cluster/index.ts";
import { type ControllerCommands, NotController } from "../../../src/runtime/index.ts";
import { SimNetwork, type SimPeerTransport, type SimProcess, SimWorld } from "../../../src/sim/index.ts";
import { seededBytes, spec } from "../../metadata/fixtures.ts";
import { LogBook } from "../../listeners/http/fixtures.ts";

/** A controller that answers `createTopics` with its own id and a metadata offset, when it leads. */
class FakeController {
  isLeading = false;
  /** What a refusal names. */
  leaderId = -1;
  metadataOffset = 1;
  asked = 0;
  refused = 0;
  /** The creation ids of the last request. */
  created: readonly (string | undefined)[] = [];
  /** Runs before the answer. */
  before: () => Promise<void> = async () => undefined;
  readonly #nodeId: number;

  constructor(nodeId: number) {
    this.#nodeId = nodeId;
  }

  get commands(): ControllerCommands {
    const answer = async (request: unknown): Promise<object> => {
      if (!this.isLeading) this.refused++;
      if (!this.isLeading) throw new NotController(`node ${this.#nodeId} does not lead`, this.leaderId);
      this.asked++;
      const { specs = [] } = request as Partial<Parameters<ControllerCommands["createTopics"]>[0]>;
      this.created = specs.map(({ creationId }) => creationId);
      await this.before();
      return { metadataOffset: this.metadataOffset, results: [], by: this.#nodeId, request };
    };
    return new Proxy({} as ControllerCommands, { get: () => answer });
  }
}

interface Node {
  readonly controller: FakeController;
  readonly channel: ControllerChannel;
  readonly process: SimProcess;
  readonly address: PeerAddress;
  readonly transport: SimPeerTransport;
  /** What this node's Raft says. */
  raftLeaderId: number;
  appliedOffset: number;
}

describe("ControllerChannel", () => {
  let world: SimWorld;
  let network: SimNetwork;
  let nodes: Map<number, Node>;
  let log: LogBook;

  beforeEach(() => {
    const random = new SeededRandom(3);
    world = new SimWorld(random);
    network = new SimNetwork(world, random);
    nodes = new Map([1, 2, 3].map((nodeId) => [nodeId, start(nodeId)]));
    log = new LogBook();
  });

  function start(nodeId: number): Node {
    const process = world.startProcess();
    const address = { nodeId, host: "sim", port: nodeId };
    const controller = new FakeController(nodeId);
    const calls = new PeerCalls(new LogBook());
    serveController(calls, controller.commands);
    serveMembership(calls, {
      replica: () => ({ nodeId, directoryId: `d${nodeId}` }),
      listed: [],
      membership: () => ({ clusterId: "c", voters: [] }),
    });
    const identity = (): PeerIdentity => ({ clusterId: "c", nodeId, directoryId: `d${nodeId}` });
    const service = {
      onRaft: () => undefined,
      onCall: (method: string, body: Buffer, from: PeerIdentity) => calls.serve(method, body, from),
      onReplication: () => {
        throw new Error("none");
      },
    };
    const transport = network.join({ process, address, service, identity });
    const node: Node = {
      controller,
      process,
      address,
      transport,
      raftLeaderId: -1,
      appliedOffset: 1_000,
      channel: new ControllerChannel({
        nodeId,
        local: controller.commands,
        transport,
        clock: process,
        timers: process,
        random: seededBytes(nodeId),
        leaderId: () => node.raftLeaderId,
        addressOf: (id) => nodes.get(id)?.address ?? null,
        voterIds: () => [3, 1, 2],
        appliedOffset: () => node.appliedOffset,
      }),
    };
    return node;
  }

  function node(nodeId: number): Node {
    const found = nodes.get(nodeId);
    if (found === undefined) throw new Error(`no node ${nodeId}`);
    return found;
  }

  /** `leaderId` leads, and every node knows it. */
  function elect(leaderId: number): void {
    for (const [id, each] of nodes) {
      each.controller.isLeading = id === leaderId;
      each.controller.leaderId = leaderId;
      each.raftLeaderId = leaderId;
      each.channel.onLeader();
    }
  }

  async function outcome<T>(promise: Promise<T>): Promise<T> {
    let isOver = false;
    const settle = (): void => void (isOver = true);
    promise.then(settle, settle);
    await world.settle();
    while (!isOver && (await world.step())) continue;
    return promise;
  }

  const request = { specs: [], isValidateOnly: false };
  const by = async (promise: Promise<unknown>): Promise<number> => ((await outcome(promise)) as { by: number }).by;
  const refusal = (promise: Promise<unknown>): Promise<ProtoError> =>
    outcome(
      promise.then(
        () => {
          throw new Error("it succeeded");
        },
        (error: unknown) => error as ProtoError,
      ),
    );

  it("runs a command here where this node leads, and on the leader elsewhere, with the request as it was", async () => {
    elect(1);
    expect(await by(node(1).channel.createTopics(request))).to.equal(1);
    const answer = await outcome(node(3).channel.createTopics(request));
    expect(answer).to.deep.include({ by: 1, request, metadataOffset: 1 });
  });

  it("is not sent round and round by two that name each other, and finds who leads by then", async () => {
    node(1).raftLeaderId = 2;
    node(2).controller.leaderId = 3;
    node(3).controller.leaderId = 2;
    const answer = node(1).channel.createTopics(request);
    await world.runFor(1_000);
    expect(node(2).controller.refused + node(3).controller.refused).to.be.within(20, 80);
    elect(3);
    expect(await by(answer)).to.equal(3);
  });

  it("follows the hint of who was asked and leads no more", async () => {
    elect(2);
    node(3).raftLeaderId = 1;
    expect(await by(node(3).channel.createTopics(request))).to.equal(2);
    expect(world.nowMs).to.be.below(20);
  });

  it("waits for a leader, and asks him as soon as there is one", async () => {
    const asked = node(3).channel.createTopics(request);
    await world.runFor(1_000);
    expect(node(1).controller.asked).to.equal(0);
    elect(1);
    const before = world.nowMs;
    expect(await by(asked)).to.equal(1);
    expect(world.nowMs - before).to.be.below(20);
  });

  it("tells NOT_CONTROLLER when nobody leads until the deadline", async () => {
    const error = await refusal(node(3).channel.heartbeat({} as never));
    expect(error.code).to.equal("NOT_CONTROLLER");
    expect(world.nowMs).to.be.within(1_900, 2_200);
  });

  function kill(nodeId: number): void {
    node(nodeId).process.kill();
    network.leave(node(nodeId).address);
  }

  it("tells a client within seconds who is missing where no majority of the voters answers", async () => {
    elect(1);
    kill(1);
    kill(2);
    const error = await refusal(node(3).channel.createTopics(request));
    expect([error.code, error.message]).to.deep.equal([
      "NOT_CONTROLLER",
      "no controller: 1 of 3 voters answers; waiting for brokers 1, 2",
    ]);
    expect(world.nowMs).to.be.within(500, 2_500);
  });

  it("waits on where a majority is there, and says at the end that nobody leads", async () => {
    const asked = node(3).channel.createTopics(request);
    kill(1);
    await world.runFor(10_000);
    elect(2);
    expect(await by(asked)).to.equal(2);
    node(2).controller.isLeading = false;
    for (const id of [2, 3]) node(id).raftLeaderId = -1;
    node(2).controller.leaderId = -1;
    const error = await refusal(node(3).channel.createTopics(request));
    expect([error.code, error.message]).to.deep.equal([
      "NOT_CONTROLLER",
      "no controller: 2 of 3 voters answer; waiting for broker 1, or for the others to choose one",
    ]);
  });

  it("does not call undone what a controller may have done before its quorum was lost", async () => {
    elect(1);
    node(1).controller.before = async () => {
      kill(1);
      kill(2);
      await new Promise(() => undefined);
    };
    const error = await refusal(node(3).channel.alterConfigs({ alterations: [], isValidateOnly: false }));
    expect(error.code).to.equal("NETWORK_EXCEPTION");
    expect(error.message).to.match(/^no controller: 1 of 3 voters answers; .*; whether it was done will show$/u);
  });

  it("asks the voters once for all who wait, and no oftener than once a second", async () => {
    kill(1);
    let asked = 0;
    const { transport } = node(3);
    const call = transport.call.bind(transport);
    transport.call = (to, method, ...rest) => {
      if (method === "cluster/membership" && to.nodeId === 2) asked += 1;
      return call(to, method, ...rest);
    };
    const answers = Promise.all(Array.from({ length: 100 }, () => refusal(node(3).channel.createTopics(request))));
    await outcome(answers);
    expect(asked).to.be.within(20, 31);
  });

  it("goes on with the next leader when the first cannot be reached", async () => {
    elect(1);
    node(1).process.kill();
    network.leave(node(1).address);
    const asked = node(3).channel.createTopics(request);
    await world.runFor(200);
    elect(2);
    expect(await by(asked)).to.equal(2);
  });

  it("does not ask twice what may have been done, unless that does no harm", async () => {
    elect(1);
    const crash = async (): Promise<void> => {
      node(1).process.kill();
      network.leave(node(1).address);
      elect(2);
      await new Promise(() => undefined);
    };
    node(1).controller.before = crash;
    const [made, proposed, altered] = [
      refusal(node(3).channel.deleteTopics({ targets: [{ name: "t" }], isValidateOnly: false })),
      refusal(node(3).channel.alterPartitions({ brokerId: 3, brokerEpoch: 1, partitions: [] })),
      outcome(node(3).channel.alterConfigs({ alterations: [], isValidateOnly: false })),
    ];
    expect((await made).code).to.equal("NETWORK_EXCEPTION");
    expect((await proposed).code, "its attempts are counted (7(7))").to.equal("NETWORK_EXCEPTION");
    expect(await altered).to.deep.include({ by: 2 });
    expect(node(2).controller.asked).to.equal(1);
  });

  it("asks the next leader for a topic under the creation id that the one before was told", async () => {
    elect(1);
    node(1).controller.before = async () => {
      elect(2);
      throw new NotController("deposed", 2, { mayBeDone: true });
    };
    const specs = [spec("ours"), { ...spec("theirs"), creationId: "theirs" }];
    await outcome(node(3).channel.createTopics({ ...request, specs }));
    const told = [1, 2].map((id) => node(id).controller.created);
    expect(told[0]).to.deep.equal(told[1]);
    expect(told[0]?.[0]).to.match(/^[A-Za-z0-9_-]{22}$/u);
    expect(told[0]?.[1]).to.equal("theirs");
  });

  it("does not ask the next leader to delete what the one before has proposed", async () => {
    for (const asking of [1, 3]) {
      elect(1);
      node(1).controller.before = async () => {
        elect(2);
        throw new NotController("deposed", 2, { mayBeDone: true });
      };
      const [made, altered] = [
        refusal(node(asking).channel.deleteTopics({ targets: [{ name: "t" }], isValidateOnly: false })),
        outcome(node(asking).channel.alterConfigs({ alterations: [], isValidateOnly: false })),
      ];
      expect((await made).code).to.equal("NETWORK_EXCEPTION");
      expect(await by(altered as Promise<unknown>)).to.equal(2);
    }
  });

  it("answers when this broker has applied what was decided, and says so when it has not in time", async () => {
    elect(1);
    node(1).controller.metadataOffset = 50;
    node(3).appliedOffset = 49;
    let isAnswered = false;
    const asked = node(3)
      .channel.createTopics(request)
      .then(() => (isAnswered = true));
    await world.runFor(1_000);
    expect(isAnswered).to.equal(false);
    node(3).appliedOffset = 50;
    node(3).channel.onApplied(50);
    await outcome(asked);
    node(1).controller.metadataOffset = 60;
    const late = await refusal(node(3).channel.deleteTopics({ targets: [], isValidateOnly: false }));
    expect([late.code, late.message]).to.deep.equal([
      "REQUEST_TIMED_OUT",
      "it is done, and this broker has not seen it yet",
    ]);
  });

  it("does not wait for its own image where the cluster's affairs are asked for", async () => {
    elect(1);
    node(1).controller.metadataOffset = 5_000;
    expect(await by(node(3).channel.heartbeat({} as never))).to.equal(1);
  });

  it("hands on the refusals of the controller", async () => {
    elect(1);
    node(1).controller.before = () =>
      Promise.reject(new ProtoError("STALE_BROKER_EPOCH", "node 3 was registered anew"));
    const error = await refusal(node(3).channel.heartbeat({} as never));
    expect([error.code, error.message]).to.deep.equal(["STALE_BROKER_EPOCH", "node 3 was registered anew"]);
  });

  it("lets go of whoever waits when it is closed", async () => {
    const asked = refusal(node(3).channel.createTopics(request));
    node(3).channel.close();
    expect((await asked).code).to.equal("NOT_CONTROLLER");
  });

  it("refuses calls that are malformed, of another version, or unknown, and lives", async () => {
    const { transport } = node(3);
    for (const [method, body] of [
      ["controller/createTopics", "not json"],
      ["controller/createTopics", "null"],
      ["controller/createTopics", '{"v":2,"request":{}}'],
      ["controller/createTopics", '{"v":1}'],
      ["controller/dropEverything", '{"v":1,"request":{}}'],
    ] as const) {
      const answer = await outcome(transport.call(node(1).address, method, Buffer.from(body), 1_000));
      expect(Buffer.from(answer).toString(), body).to.match(
        /"error":\{"code":"(?:INVALID_REQUEST|UNSUPPORTED_VERSION|COORD)/u,
      );
    }
    await outcome(
      transport.call(node(9 - 8).address, "x", Buffer.alloc(0), 1_000).catch((error: unknown) => {
        expect(error).to.be.instanceOf(PeerError);
      }),
    );
    expect(log.lines).to.deep.equal([]);
  });
});
