import { expect } from "chai";
import { ProtoError } from "@tidemark/proto";
import type { BrokerHeartbeat, BrokerRegistration } from "../../src/metadata/index.ts";
import {
  BrokerLifecycle,
  type BrokerLifecycleOptions,
  type ControllerCommands,
  NotController,
} from "../../src/runtime/index.ts";
import { registration, spec, testConfig } from "../metadata/fixtures.ts";
import { ControllerBench } from "./support/controller-bench.ts";
import { quietLogger } from "./support/partition-bench.ts";

/** Brokers of real life cycles around a real controller, whose answers may be held back. */
class LifecycleBench {
  readonly cluster = new ControllerBench(3);
  readonly beats: BrokerHeartbeat[] = [];
  readonly registrations: BrokerRegistration[] = [];
  readonly superseded: string[] = [];
  hasController = true;
  readyOffset: number | null = null;
  isFull = false;

  readonly commands: Pick<ControllerCommands, "registerBroker" | "heartbeat"> = {
    registerBroker: async (request) => {
      this.registrations.push(request);
      if (!this.hasController) throw new NotController("nobody leads");
      return this.cluster.controller.registerBroker(request);
    },
    heartbeat: async (request) => {
      this.beats.push(request);
      if (!this.hasController) throw new NotController("nobody leads");
      return this.cluster.controller.heartbeat(request);
    },
  };

  static async open(): Promise<LifecycleBench> {
    const bench = new LifecycleBench();
    await bench.cluster.birth();
    await bench.cluster.join(1);
    return bench;
  }

  create(over: Partial<BrokerLifecycleOptions> = {}, request: Partial<BrokerRegistration> = {}): BrokerLifecycle {
    const { process, controller } = this.cluster.node();
    const lifecycle = new BrokerLifecycle({
      config: () => testConfig(),
      clock: process,
      timers: process,
      logger: quietLogger,
      commands: this.commands,
      registration: registration(2, request),
      image: () => controller.image,
      readyOffset: () => this.readyOffset ?? controller.image.metadataOffset,
      state: () => ({ isFull: this.isFull, isOffline: false }),
      isAlone: () => false,
      onSuperseded: (message) => void this.superseded.push(message),
      ...over,
    });
    controller.onApplied((delta, image) => lifecycle.onApplied(delta, image));
    return lifecycle;
  }

  async alive(over: Partial<BrokerLifecycleOptions> = {}): Promise<BrokerLifecycle> {
    const lifecycle = this.create(over);
    await this.cluster.done(lifecycle.register());
    lifecycle.start();
    await this.cluster.until(() => !lifecycle.isFenced);
    return lifecycle;
  }
}

describe("BrokerLifecycle", () => {
  it("registers, and is unfenced by its first sign of life", async () => {
    const bench = await LifecycleBench.open();
    const lifecycle = bench.create();
    const brokerEpoch = await bench.cluster.done(lifecycle.register());
    expect([lifecycle.brokerEpoch, lifecycle.isFenced]).to.deep.equal([brokerEpoch, true]);
    lifecycle.start();
    await bench.cluster.run(100);
    expect(lifecycle.isFenced).to.equal(false);
    expect(bench.beats.length).to.be.at.most(2);
  });

  it("says every two seconds that it lives, and nothing between", async () => {
    const bench = await LifecycleBench.open();
    await bench.alive();
    bench.beats.length = 0;
    await bench.cluster.run(10_100);
    expect(bench.beats).to.have.length(5);
  });

  it("tells nobody anything while its node decides alone, until a second broker comes", async () => {
    const bench = await LifecycleBench.open();
    const { controller } = bench.cluster.node();
    const own = { ...registration(1), incarnationId: "incarnation-1-1" };
    const lifecycle = bench.create({ isAlone: () => controller.image.brokers.size <= 1 }, own);
    await bench.cluster.done(lifecycle.register());
    lifecycle.start();
    await bench.cluster.run(20_000);
    expect(bench.beats).to.deep.equal([]);
    await bench.cluster.join(2);
    await bench.cluster.run(100);
    expect(bench.beats).to.have.length(1);
  });

  it("waits for a controller at its start, for `initial.broker.registration.timeout.ms`", async () => {
    const bench = await LifecycleBench.open();
    bench.hasController = false;
    const patient = bench.create();
    const registered = patient.register();
    await bench.cluster.run(5_000);
    bench.hasController = true;
    expect(await bench.cluster.done(registered)).to.be.greaterThan(0);
    bench.hasController = false;
    const config = testConfig({ "initial.broker.registration.timeout.ms": "3000" });
    const impatient = bench.create({ config: () => config }).register();
    expect(await bench.cluster.done(impatient.catch((error: unknown) => error))).to.include({ code: "NOT_CONTROLLER" });
  });

  it("does not try again what is refused for good", async () => {
    const bench = await LifecycleBench.open();
    const refused = bench.create({}, { directoryId: "directory-1" }).register();
    const error = await bench.cluster.done(refused.catch((reason: unknown) => reason));
    expect(error).to.be.instanceOf(ProtoError).and.to.include({ code: "INVALID_REGISTRATION" });
    expect(bench.registrations).to.have.length(1);
  });

  it("says at once when its logs are open, not before (15.3(1))", async () => {
    const bench = await LifecycleBench.open();
    await bench.alive();
    const { controller } = bench.cluster;
    bench.readyOffset = controller.image.metadataOffset;
    const { results, metadataOffset } = await bench.cluster.done(
      controller.createTopics({ specs: [spec("t", { assignment: [[2]] })], isValidateOnly: false }),
    );
    const topicId = results[0]?.topic?.topicId ?? "";
    const ready = controller.awaitTopic({ topicId, first: 0, metadataOffset, timeoutMs: 1_000 });
    await bench.cluster.run(500);
    bench.readyOffset = metadataOffset;
    await bench.cluster.run(50);
    expect((await ready).results).to.deep.equal([]);
  });

  it("is unfenced again soon when its session ended and it lives", async () => {
    const bench = await LifecycleBench.open();
    const lifecycle = await bench.alive();
    const { brokerEpoch } = lifecycle;
    const seen: [atMs: number, isFenced: boolean][] = [];
    bench.cluster.controller.onApplied(({ brokersChanged }) => {
      if (brokersChanged.includes(2)) seen.push([bench.cluster.world.nowMs, lifecycle.isFenced]);
    });
    bench.cluster.killBroker(2);
    await bench.cluster.run(60);
    bench.cluster.broker(2).address = "listening";
    await bench.cluster.run(1000);
    expect(seen.map(([, isFenced]) => isFenced)).to.deep.equal([true, false]);
    expect((seen[1]?.[0] ?? 0) - (seen[0]?.[0] ?? 0), "ms").to.be.at.most(20);
    expect(lifecycle.brokerEpoch).to.equal(brokerEpoch);
  });

  it("registers once more when another has its id; the second time within a minute it gives way and names the other (10.4(1))", async () => {
    const bench = await LifecycleBench.open();
    const lifecycle = await bench.alive();
    const first = lifecycle.brokerEpoch;
    const usurp = (incarnationId: string) =>
      bench.cluster.done(bench.cluster.controller.registerBroker(registration(2, { incarnationId })));
    await usurp("other-a");
    await bench.cluster.until(() => lifecycle.brokerEpoch > first);
    await bench.cluster.until(() => !lifecycle.isFenced);
    expect(bench.registrations.at(-1)).to.include({ previousBrokerEpoch: first });
    await usurp("other-b");
    await bench.cluster.until(() => bench.superseded.length > 0);
    expect(bench.superseded[0]).to.contain("broker 2").and.to.contain("GRPC://127.0.0.1:9194");
    bench.beats.length = 0;
    await bench.cluster.run(10_000);
    expect(bench.beats).to.deep.equal([]);
  });

  it("says by itself that its disk is full", async () => {
    const bench = await LifecycleBench.open();
    const lifecycle = await bench.alive();
    bench.isFull = true;
    lifecycle.hurry();
    await bench.cluster.until(() => bench.cluster.image.brokers.get(2)?.isFull === true, 200);
  });

  it("hands over what it leads before it stops, as soon as the others know (10.5)", async () => {
    const bench = await LifecycleBench.open();
    const lifecycle = await bench.alive();
    await bench.cluster.join(3);
    const { controller } = bench.cluster;
    const specs = [spec("t", { assignment: [[2, 3]] })];
    await bench.cluster.done(controller.createTopics({ specs, isValidateOnly: false }));
    let isDown = false;
    const down = lifecycle.shutDown().then(() => (isDown = true));
    await bench.cluster.run(1000);
    expect(controller.image.topics.get("t")?.partitions[0]?.leaderId).to.equal(3);
    expect(isDown).to.equal(false);
    await bench.cluster.beat(3);
    await bench.cluster.run(100);
    expect(isDown).to.equal(true);
    await down;
  });

  it("waits 10 s for that, 2 s without a controller, and not longer", async () => {
    for (const [hasController, boundMs] of [
      [true, 10_000],
      [false, 2_000],
    ] as const) {
      const bench = await LifecycleBench.open();
      const lifecycle = await bench.alive();
      const { commands } = bench;
      bench.hasController = hasController;
      // Answered, and never granted.
      const ask = commands.heartbeat.bind(commands);
      commands.heartbeat = async (request) => ({ ...(await ask(request)), mayShutDown: false });
      const startedAt = bench.cluster.world.nowMs;
      await bench.cluster.done(lifecycle.shutDown());
      expect(bench.cluster.world.nowMs - startedAt).to.be.within(boundMs, boundMs + 300);
    }
  });

  it("waits no longer for what is on its way to a controller that hangs, and says that nobody was heard", async () => {
    const bench = await LifecycleBench.open();
    const lines: unknown[] = [];
    const logger = { ...quietLogger, warn: (line: string, fields?: object) => lines.push([line, fields]) };
    const lifecycle = await bench.alive({ logger });
    bench.commands.heartbeat = () => new Promise(() => undefined);
    // The next sign of life is on its way when the stop comes.
    await bench.cluster.run(5_000);
    const startedAt = bench.cluster.world.nowMs;
    expect(await bench.cluster.done(lifecycle.shutDown())).to.equal(false);
    expect(bench.cluster.world.nowMs - startedAt).to.be.within(2_000, 2_100);
    expect(lines).to.deep.equal([
      ["leadership could not be handed over in time", { reason: "no controller answered" }],
    ]);
  });

  it("was heard where others do not take over in time, though an answer is on its way at the end", async () => {
    const bench = await LifecycleBench.open();
    const lines: unknown[] = [];
    const logger = { ...quietLogger, warn: (line: string, fields?: object) => lines.push([line, fields]) };
    const lifecycle = await bench.alive({ logger });
    const { process } = bench.cluster.node();
    const ask = bench.commands.heartbeat.bind(bench.commands);
    bench.commands.heartbeat = async (request) => {
      const answer = await ask(request);
      await process.sleep(40);
      return { ...answer, mayShutDown: false };
    };
    expect(await bench.cluster.done(lifecycle.shutDown())).to.equal(true);
    expect(lines).to.deep.equal([
      ["leadership could not be handed over in time", { reason: "other brokers did not take over" }],
    ]);
  });
});
