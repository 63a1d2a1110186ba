/** The admin service on the wire: when it answers, what it refuses, and what goes on beside it. */
import { ADMIN_METHODS, adminRequests, ConfigOperation } from "@tidemark/proto";
import type { AdminCalls, AdminMethod } from "@tidemark/proto";
import { expect } from "chai";
import type { Broker } from "../../src/index.ts";
import { FileDisk } from "../../src/platform/index.ts";
import { type Disk, DiskFault } from "../../src/ports/index.ts";
import { batch } from "./support/batches.ts";
import { overriding } from "./support/held-syncs.ts";
import { failed, RawClient } from "./support/raw-client.ts";
import { freshDirectory, removeDirectory, startBroker } from "./support/test-broker.ts";

/** A disk that has no room for what `isRefused` names: directories, and files that are made anew. */
function fullDisk(isRefused: (path: string) => boolean): Disk {
  const disk = new FileDisk();
  const check = (operation: string, path: string): void => {
    if (isRefused(path)) throw new DiskFault("ENOSPC", operation, path);
  };
  return overriding<Disk>(disk, {
    mkdir: (path) => {
      check("mkdir", path);
      disk.mkdir(path);
    },
    open: (path, mode) => {
      check("open", path);
      return disk.open(path, mode);
    },
  });
}

/** A disk on which syncs of the log-start checkpoint begin and do not end until they are let go. */
class HeldCheckpoint {
  readonly disk: Disk;
  #isHolding = false;
  #held: (() => void)[] = [];
  #onHeld: () => void = () => undefined;

  constructor(disk: Disk) {
    this.disk = overriding(disk, {
      open: (name, mode) => {
        const file = disk.open(name, mode);
        if (!name.includes("/log-start-offset-checkpoint")) return file;
        return overriding(file, {
          datasync: (done) => {
            if (!this.#isHolding) return file.datasync(done);
            this.#held.push(() => file.datasync(done));
            this.#onHeld();
          },
        });
      },
    });
  }

  /** Resolves when a sync is held. */
  hold(): Promise<void> {
    this.#isHolding = true;
    return new Promise((resolve) => {
      this.#onHeld = resolve;
    });
  }

  release(): void {
    this.#isHolding = false;
    for (const go of this.#held.splice(0)) go();
  }
}

describe("the admin service on the wire", () => {
  const TOPIC = "tide";
  let directory: string;
  let checkpoint: HeldCheckpoint;
  let broker: Broker;
  let client: RawClient;

  beforeEach(async () => {
    directory = freshDirectory();
    checkpoint = new HeldCheckpoint(new FileDisk());
    broker = await startBroker({ "log.dirs": directory }, { world: { disk: checkpoint.disk } });
    client = new RawClient(broker.grpcAddress);
    await client.createTopic(TOPIC);
  });

  afterEach(async () => {
    checkpoint.release();
    client.close();
    await broker.stop();
    removeDirectory(directory);
  });

  async function produce(count: number): Promise<void> {
    const producer = client.produceStream();
    await producer.opened();
    for (let n = 0; n < count; n++) await producer.produce(TOPIC, batch({ values: [`v${n}`] }));
    await producer.end();
  }

  async function deleteBefore(beforeOffset: number, options: { timeoutMs?: number; partition?: number } = {}) {
    const { timeoutMs = 0, partition = 0 } = options;
    const { results } = await client.admin("deleteRecords", {
      partitions: [{ topic: TOPIC, partition, beforeOffset }],
      timeoutMs,
    });
    const [result] = results;
    if (result === undefined) throw new Error("no result");
    return result;
  }

  /** The bytes of a request as they are, without an encoder that might mend them. */
  function call<Method extends AdminMethod>(method: Method, request: AdminCalls[Method]["request"]): Promise<Buffer> {
    const codec = adminRequests[method] as unknown as { encode(message: AdminCalls[Method]["request"]): Buffer };
    return client.unary(ADMIN_METHODS[method], codec.encode(request));
  }

  describe("DeleteRecords", () => {
    it("is answered when the log start is on disk, and not before", async () => {
      await produce(4);
      const held = checkpoint.hold();
      let isAnswered = false;
      const deleting = deleteBefore(3).then((result) => {
        isAnswered = true;
        return result;
      });
      await held;
      // Whole round trips, so that an answer that was on its way would be here.
      expect((await client.listOffset(TOPIC, -2)).offset).to.equal(3);
      expect(isAnswered).to.equal(false);
      checkpoint.release();
      expect(await deleting).to.deep.include({ errorCode: 0, lowWatermark: 3 });
    });

    it("is answered 7 when the disk takes longer than asked, and is done all the same", async () => {
      await produce(4);
      const held = checkpoint.hold();
      const late = deleteBefore(2, { timeoutMs: 1 });
      await held;
      expect(await late).to.deep.include({ errorCode: 7, lowWatermark: -1 });
      checkpoint.release();
      expect(await deleteBefore(2)).to.deep.include({ errorCode: 0, lowWatermark: 2 });
    });

    it("is not promised for a topic that is deleted meanwhile", async () => {
      await produce(4);
      const held = checkpoint.hold();
      const deleting = deleteBefore(2);
      await held;
      const gone = client.deleteTopics([TOPIC]);
      await gone;
      checkpoint.release();
      expect(await deleting).to.deep.include({ errorCode: 3, lowWatermark: -1 });
    });

    it("ends readers that stand below it with OFFSET_OUT_OF_RANGE, those without credit too; others read on", async () => {
      await produce(4);
      const stream = client.fetchStream();
      stream.subscribe(1, TOPIC, 1);
      expect(await stream.part()).to.deep.include({ subscriptionId: 1, errorCode: 0 });
      stream.subscribe(2, TOPIC, 4);
      expect(await stream.part()).to.deep.include({ subscriptionId: 2, errorCode: 0 });
      expect(await deleteBefore(3)).to.deep.include({ lowWatermark: 3 });
      expect(await stream.part()).to.deep.include({ subscriptionId: 1, errorCode: 1, logStartOffset: 3 });
      await produce(1);
      stream.send({ creditBytes: 1_000_000 });
      for (;;) {
        const part = await stream.part();
        expect(part.subscriptionId).to.equal(2);
        if (part.records.length > 0) break;
      }
      await stream.end();
    });

    it("refuses a request that names a partition twice: 42", async () => {
      const twice = { topic: TOPIC, partition: 0, beforeOffset: -1 };
      const ended = await failed(call("deleteRecords", { partitions: [twice, twice], timeoutMs: 0 }));
      expect(ended.error?.code).to.equal(42);
    });

    it("answers partition by partition", async () => {
      await produce(2);
      const partitions = [0, 7, 0].map((partition, slot) => ({
        topic: slot === 2 ? "none" : TOPIC,
        partition,
        beforeOffset: 1,
      }));
      const { results } = await client.admin("deleteRecords", { partitions, timeoutMs: 0 });
      expect(results.map(({ errorCode, lowWatermark }) => [errorCode, lowWatermark])).to.deep.equal([
        [0, 1],
        [3, -1],
        [3, -1],
      ]);
    });

    it("is answered 56 while the log start finds no room on disk, and done when it is asked again", async () => {
      await produce(4);
      client.close();
      await broker.stop();
      let isFull = false;
      const disk = fullDisk((path) => isFull && path.includes("/log-start-offset-checkpoint"));
      broker = await startBroker({ "log.dirs": directory }, { world: { disk } });
      client = new RawClient(broker.grpcAddress);
      isFull = true;
      const refused = await deleteBefore(2);
      expect([refused.errorCode, refused.errorMessage]).to.deep.equal([
        56,
        "the log start could not be stored (ENOSPC): ask again",
      ]);
      isFull = false;
      expect(await deleteBefore(2)).to.deep.include({ errorCode: 0, lowWatermark: 2 });
    });

    it("is refused below -1 and in internal topics", async () => {
      expect(await deleteBefore(-2)).to.deep.include({ errorCode: 1 });
      expect(await deleteBefore(Number.MAX_SAFE_INTEGER)).to.deep.include({ errorCode: 1 });
      const internal = { topic: "__tidemark_ready", partition: 0, beforeOffset: 0 };
      const { results } = await client.admin("deleteRecords", { partitions: [internal], timeoutMs: 0 });
      expect(results[0]?.errorCode).to.equal(17);
    });
  });

  describe("AlterConfigs and DescribeConfigs", () => {
    const change = { name: "retention.ms", operation: ConfigOperation.SET, value: "5" };

    async function alter(
      ...resources: AdminCalls["alterConfigs"]["request"]["resources"]
    ): Promise<[number, string][]> {
      const { results } = await client.admin("alterConfigs", { resources, validateOnly: false });
      return results.map(({ errorCode, errorMessage }) => [errorCode, errorMessage]);
    }

    it("answer resource by resource, in order", async () => {
      const answered = await alter(
        { type: "topic", name: "none", changes: [change] },
        { type: "topic", name: TOPIC, changes: [change] },
        { type: "broker", name: "one", changes: [change] },
        { type: "planet", name: "", changes: [change] },
        { type: "cluster", name: "x", changes: [change] },
        { type: "broker", name: "99999999999", changes: [change] },
      );
      expect(answered.map(([code]) => code)).to.deep.equal([3, 0, 42, 42, 42, 42]);
      const { results } = await client.admin("describeConfigs", {
        resources: [
          { type: "topic", name: TOPIC, keys: ["retention.ms"] },
          { type: "topic", name: TOPIC, keys: [] },
          { type: "topic", name: "none", keys: [] },
          { type: "broker", name: "7", keys: [] },
          { type: "cluster", name: "", keys: ["log.level", "log.level"] },
          { type: "planet", name: "", keys: [] },
        ],
      });
      expect(results.map(({ errorCode }) => errorCode)).to.deep.equal([0, 42, 3, 102, 42, 42]);
      expect(results[0]?.entries.map(({ name, value, source }) => [name, value, source])).to.deep.equal([
        ["retention.ms", "5", "topic"],
      ]);
    });

    it("refuse an operation that is none, and more resources than one request may name", async () => {
      const odd = { type: "topic", name: TOPIC, changes: [{ ...change, operation: 9 }] };
      expect((await failed(call("alterConfigs", { resources: [odd], validateOnly: false }))).error?.code).to.equal(42);
      const resources = Array.from({ length: 1_001 }, (_, n) => ({
        type: "topic",
        name: `t${n}`,
        changes: [],
        keys: [],
      }));
      expect((await failed(call("alterConfigs", { resources, validateOnly: false }))).error?.code).to.equal(42);
      expect((await failed(call("describeConfigs", { resources }))).error?.code).to.equal(42);
    });

    it("answer a request of megabytes that means nothing with a small refusal, and serve the next", async () => {
      const name = "x".repeat(4_000_000);
      const answered = await alter(
        { type: "topic", name: TOPIC, changes: [{ name, operation: ConfigOperation.SET, value: name }] },
        { type: "topic", name, changes: [change] },
        { type: name, name, changes: [change] },
        { type: "broker", name, changes: [change] },
      );
      expect(answered.map(([code]) => code)).to.deep.equal([40, 17, 42, 42]);
      for (const [, text] of answered) expect(text.length).to.be.below(400);
      expect(await alter({ type: "topic", name: TOPIC, changes: [change] })).to.deep.equal([[0, ""]]);
    });

    it("keep changes of one moment apart: each is decided on what the others left", async () => {
      const policies = [
        [ConfigOperation.APPEND, "compact"],
        [ConfigOperation.SUBTRACT, "delete"],
        [ConfigOperation.APPEND, "delete"],
        [ConfigOperation.SUBTRACT, "compact"],
      ] as const;
      const answers = await Promise.all(
        policies.map(([operation, value]) =>
          alter({ type: "topic", name: TOPIC, changes: [{ name: "cleanup.policy", operation, value }] }),
        ),
      );
      expect(answers.flat().map(([code]) => code)).to.deep.equal([0, 0, 0, 0]);
      const { results } = await client.admin("describeConfigs", {
        resources: [{ type: "topic", name: TOPIC, keys: ["cleanup.policy"] }],
      });
      expect(results[0]?.entries[0]?.value).to.equal("delete");
    });

    it("write nothing to the metadata for a change that changes nothing", async () => {
      const offset = async (): Promise<number> => (await client.admin("describeCluster", {})).metadataOffset;
      await alter({ type: "topic", name: TOPIC, changes: [change] });
      const before = await offset();
      await alter({ type: "topic", name: TOPIC, changes: [{ ...change, value: "5ms" }] });
      await alter({ type: "cluster", name: "", changes: [{ ...change, name: "log.level", operation: 1 }] });
      await client.admin("alterConfigs", {
        resources: [{ type: "topic", name: TOPIC, changes: [{ ...change, value: "6" }] }],
        validateOnly: true,
      });
      expect(await offset()).to.equal(before);
    });
  });

  describe("CreatePartitions", () => {
    it("echoes every topic, and refuses one that is named twice", async () => {
      await client.createTopic("other", { partitions: 2 });
      const { results } = await client.admin("createPartitions", {
        topics: [
          { name: TOPIC, total: 3, assignment: [] },
          { name: "other", total: 2, assignment: [] },
          { name: TOPIC, total: 4, assignment: [] },
          { name: "none", total: 4, assignment: [] },
        ],
        validateOnly: false,
        timeoutMs: 0,
      });
      expect(results.map(({ name, errorCode }) => [name, errorCode])).to.deep.equal([
        [TOPIC, 0],
        ["other", 37],
        [TOPIC, 42],
        ["none", 3],
      ]);
      expect(results[0]?.topic?.partitions.map(({ leaderId }) => leaderId)).to.deep.equal([1, 1, 1]);
    });

    it("is answered 7 with the partitions that are not ready in time; they exist all the same", async () => {
      client.close();
      await broker.stop();
      let isFull = true;
      const disk = fullDisk((path) => isFull && path.endsWith(`/${TOPIC}-2`));
      broker = await startBroker({ "log.dirs": directory }, { world: { disk } });
      client = new RawClient(broker.grpcAddress);
      const { results } = await client.admin("createPartitions", {
        topics: [{ name: TOPIC, total: 4, assignment: [] }],
        validateOnly: false,
        timeoutMs: 5_000,
      });
      expect(results.map(({ errorCode, errorMessage }) => [errorCode, errorMessage])).to.deep.equal([
        [7, `the partitions of topic "${TOPIC}" exist, but of 2 no leader has an open log yet`],
      ]);
      const health = await client.admin("describeHealth", {});
      expect(health.reasons).to.deep.equal([`${TOPIC}-2 has no open log on its leader`]);
      isFull = false;
      const described = await client.admin("describeTopics", { names: [TOPIC] });
      expect(described.results[0]?.topic?.partitions).to.have.length(4);
    });

    it("counts the partitions of all topics of one request", async () => {
      await client.createTopic("other", { partitions: 1 });
      const { results } = await client.admin("createPartitions", {
        topics: [TOPIC, "other"].map((name) => ({ name, total: 6_001, assignment: [] })),
        validateOnly: true,
        timeoutMs: 0,
      });
      expect(results.map(({ errorCode }) => errorCode)).to.deep.equal([0, 37]);
    });

    it("goes on beside producers to the partitions that were there", async () => {
      const producer = client.produceStream();
      await producer.opened();
      const growing = client.admin("createPartitions", {
        topics: [{ name: TOPIC, total: 200, assignment: [] }],
        validateOnly: false,
        timeoutMs: 0,
      });
      let isOver = false;
      void growing.finally(() => {
        isOver = true;
      });
      let sent = 0;
      while (!isOver) {
        expect(await producer.produce(TOPIC, batch({ values: ["x"] }))).to.deep.include({
          errorCode: 0,
          baseOffset: sent,
        });
        sent++;
      }
      expect((await growing).results[0]?.errorCode).to.equal(0);
      expect(await producer.produce(TOPIC, batch({}), { partition: 199 })).to.deep.include({
        errorCode: 0,
        baseOffset: 0,
      });
      await producer.end();
    });
  });
});
