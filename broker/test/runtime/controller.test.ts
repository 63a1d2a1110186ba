import { expect } from "chai";
import { ProtoError } from "@tidemark/proto";
import { asMs, SeededRandom } from "../../src/base/index.ts";
import type { MetadataDelta } from "../../src/metadata/index.ts";
import { MemoryStore, SystemTimers } from "../../src/platform/index.ts";
import { DiskFault, type KeyValueStore, type Logger, type StoreOperation } from "../../src/ports/index.ts";
import { Controller, type ControllerOptions } from "../../src/runtime/controller.ts";
import { MetadataStore, StorageError } from "../../src/storage/index.ts";
import { registration, spec, testConfig } from "../metadata/fixtures.ts";

/** A store whose batches wait until the test lets them through or fails them. */
class GatedStore implements KeyValueStore {
  readonly #memory = new MemoryStore();
  #waiting: { operations: number; release: (fault: DiskFault | null) => void }[] = [];
  #arrival: (() => void) | null = null;
  isGated = false;

  get(key: Uint8Array): Uint8Array | undefined {
    return this.#memory.get(key);
  }

  range(from: Uint8Array, to: Uint8Array) {
    return this.#memory.range(from, to);
  }

  async batch(operations: readonly StoreOperation[]): Promise<void> {
    if (this.isGated) {
      const fault = await new Promise<DiskFault | null>((release) => {
        this.#waiting.push({ operations: operations.length, release });
        this.#arrival?.();
      });
      if (fault !== null) throw fault;
    }
    await this.#memory.batch(operations);
  }

  /** Entries of the batches that wait now. */
  get waiting(): number[] {
    return this.#waiting.map(({ operations }) => operations - 1);
  }

  async release(fault: DiskFault | null = null): Promise<void> {
    if (this.#waiting.length === 0) {
      await new Promise<void>((resolve) => {
        this.#arrival = resolve;
      });
    }
    this.#waiting.shift()?.release(fault);
  }

  async close(): Promise<void> {}
}

const silent: Logger = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {}, child: () => silent };

interface World {
  readonly controller: Controller;
  readonly faults: unknown[];
  readonly gate: GatedStore;
}

let starts = 0;

async function start(gate: GatedStore, over: Partial<ControllerOptions> = {}): Promise<World> {
  const faults: unknown[] = [];
  const random = new SeededRandom(++starts);
  const store = await MetadataStore.open({ store: gate, path: "metadata", mayBeEmpty: true });
  const controller = await Controller.open({
    store,
    reopen: {
      open: () => MetadataStore.open({ store: gate, path: "metadata", mayBeEmpty: false }),
      hasRoom: () => true,
      timers: new SystemTimers(),
    },
    clock: { wallNow: () => asMs(0), monotonicNow: () => asMs(0) },
    random: (count) => random.bytes(new Uint8Array(count)),
    config: testConfig(),
    logger: silent,
    clusterId: null,
    onFault: (fault) => void faults.push(fault),
    ...over,
  });
  return { controller, faults, gate };
}

/** A controller with broker 1 registered, its store gated. */
async function ready(): Promise<World> {
  const world = await start(new GatedStore());
  await world.controller.registerBroker(registration(1));
  world.gate.isGated = true;
  return world;
}

/** Whether a promise is settled once all that can run has run. */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false;
  const note = (): void => {
    settled = true;
  };
  promise.then(note, note);
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
  return settled;
}

const codeOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => "resolved",
    (error: unknown) => (error instanceof ProtoError ? error.code : String(error)),
  );

const create = (controller: Controller, name: string, options = { validateOnly: false }) =>
  controller.createTopics([spec(name)], options).then(([result]) => result?.error);

describe("Controller", () => {
  it("bears a cluster in an empty store, once, and knows it again", async () => {
    const gate = new GatedStore();
    const { controller } = await start(gate);
    const { clusterId } = controller.image;
    expect(clusterId).to.match(/^[A-Za-z0-9_-]{22}$/);
    expect(controller.image.controllerId).to.equal(1);
    expect((await start(gate, { clusterId })).controller.image.clusterId).to.equal(clusterId);
    expect((await start(gate, { clusterId: null })).controller.image.clusterId).to.equal(clusterId);
  });

  it("refuses a store of another cluster, naming both, before it writes anything", async () => {
    const gate = new GatedStore();
    const { clusterId } = (await start(gate)).controller.image;
    gate.isGated = true;
    const error = await start(gate, { clusterId: "another" }).catch((reason: unknown) => reason);
    expect(error).to.be.instanceOf(StorageError).and.to.include({ code: "INCONSISTENT_CLUSTER_ID" });
    expect(String(error)).to.contain("another").and.to.contain(clusterId);
    expect(gate.waiting).to.deep.equal([]);
  });

  it("comes back with the same image, in a greater term", async () => {
    const gate = new GatedStore();
    const { controller } = await start(gate);
    await controller.registerBroker(registration(1));
    await controller.createTopics([spec("a", { partitions: 3 }), spec("b")], { validateOnly: false });
    await controller.deleteTopics(["b"]);
    await controller.allocateProducerIds();
    const before = controller.image;
    await controller.close();
    const again = await start(gate);
    const { metadataOffset, ...rest } = again.controller.image;
    const { metadataOffset: offsetBefore, ...restBefore } = before;
    expect(rest).to.deep.equal(restBefore);
    expect(metadataOffset).to.equal(offsetBefore + 1);
    const store = await MetadataStore.open({ store: gate, path: "metadata", mayBeEmpty: false });
    expect(store.lastTerm).to.equal(2);
  });

  it("decides settings on what is proposed, and answers when that is committed (10.3)", async () => {
    const { controller, gate } = await ready();
    const alter = (values: Record<string, string>, isOnlyChecked = false) =>
      controller.alterConfigs(
        [
          {
            resource: { type: "topic", name: "t" },
            changes: Object.entries(values).map(([name, value]) => ({ name, operation: "set" as const, value })),
          },
        ],
        { validateOnly: isOnlyChecked },
      );
    const answers = [
      controller.createTopics([spec("t")], { validateOnly: false }),
      alter({ "retention.ms": "1s" }),
      alter({ "retention.ms": "none" }),
      alter({ "retention.ms": "2s" }, true),
      controller.createPartitions([{ name: "t", total: 4, assignment: [] }], { validateOnly: false }),
      controller.createPartitions([{ name: "t", total: 3, assignment: [] }], { validateOnly: false }),
    ];
    for (const answer of answers) expect(await isSettled(answer)).to.equal(false);
    expect(controller.image.topics.has("t")).to.equal(false);
    gate.isGated = false;
    await gate.release();
    const settled = await Promise.all(answers);
    expect(settled.map(([first]) => first?.error)).to.deep.equal([
      "NONE",
      "NONE",
      "INVALID_CONFIG",
      "NONE",
      "NONE",
      "INVALID_PARTITIONS",
    ]);
    const topic = controller.image.topics.get("t");
    expect([topic?.overrides.get("retention.ms"), topic?.partitions.length]).to.deep.equal(["1000", 4]);
  });

  it("answers every item of a request when it has stopped", async () => {
    const { controller } = await start(new GatedStore());
    await controller.close();
    const cluster = { resource: { type: "cluster" as const }, changes: [] };
    const altered = await controller.alterConfigs([cluster, cluster], { validateOnly: false });
    const grown = await controller.createPartitions([{ name: "t", total: 2, assignment: [] }], { validateOnly: false });
    expect([...altered, ...grown].map(({ error }) => error)).to.deep.equal(Array(3).fill("NOT_CONTROLLER"));
  });

  it("raises leader epochs by one per start", async () => {
    const gate = new GatedStore();
    const epochs: unknown[] = [];
    for (const incarnationId of ["a", "b", "c"]) {
      const { controller } = await start(gate);
      const { brokerEpoch } = await controller.registerBroker(registration(1, { incarnationId }));
      await controller.createTopics([spec("t")], { validateOnly: false, ifAbsent: true });
      epochs.push(controller.image.topics.get("t")?.partitions[0]?.leaderEpoch);
      expect(controller.image.brokers.get(1)?.brokerEpoch).to.equal(brokerEpoch);
      await controller.close();
    }
    expect(epochs).to.deep.equal([0, 1, 2]);
  });

  it("answers and shows a change only when it is stored", async () => {
    const { controller, gate } = await ready();
    const answer = create(controller, "a");
    expect([await isSettled(answer), controller.image.topics.size]).to.deep.equal([false, 0]);
    await gate.release();
    expect([await answer, controller.image.topics.size]).to.deep.equal(["NONE", 1]);
  });

  it("decides on what it has decided before, stored or not (working state)", async () => {
    const { controller, gate } = await ready();
    const first = create(controller, "a.b");
    const refused = create(controller, "a_b");
    const blocks = [controller.allocateProducerIds(), controller.allocateProducerIds()];
    expect(await isSettled(refused), "a refusal rests on what is not stored").to.equal(false);
    await gate.release();
    expect([await first, await refused]).to.deep.equal(["NONE", "INVALID_TOPIC_EXCEPTION"]);
    await gate.release();
    expect((await Promise.all(blocks)).map(({ firstId }) => firstId)).to.deep.equal([0, 1000]);
  });

  it("has one append in flight; what is decided meanwhile shares the next one", async () => {
    const { controller, gate } = await ready();
    const answers = ["a", "b", "c"].map((name) => create(controller, name));
    expect(gate.waiting).to.deep.equal([1]);
    await gate.release();
    expect(await answers[0]).to.equal("NONE");
    expect(await isSettled(Promise.all(answers))).to.equal(false);
    expect(gate.waiting).to.deep.equal([2]);
    await gate.release();
    expect(await Promise.all(answers)).to.deep.equal(["NONE", "NONE", "NONE"]);
  });

  it("tells listeners every entry in order, before the answer", async () => {
    const { controller, gate } = await ready();
    const seen: string[] = [];
    controller.onApplied((delta: MetadataDelta, image) => {
      expect(image).to.equal(controller.image);
      seen.push(`${delta.metadataOffset}: ${delta.topicsCreated.map(({ name }) => name).join()}`);
    });
    const from = controller.image.metadataOffset;
    const answers = ["a", "b"].map((name) => create(controller, name).then(() => seen.push(`answer ${name}`)));
    await gate.release();
    await gate.release();
    await Promise.all(answers);
    expect(seen).to.deep.equal([`${from + 1}: a`, "answer a", `${from + 2}: b`, "answer b"]);
  });

  it("stores nothing when it only validates", async () => {
    const { controller, gate } = await ready();
    expect(await create(controller, "a", { validateOnly: true })).to.equal("NONE");
    expect([gate.waiting, controller.image.topics.size]).to.deep.equal([[], 0]);
  });

  it("drops what it decided when an append fails: everyone who waits and comes later gets NOT_CONTROLLER, the owner is told once", async () => {
    const { controller, gate, faults } = await ready();
    const image = controller.image;
    const answers = [
      create(controller, "a"),
      create(controller, "a"),
      controller.deleteTopics(["a"]).then(([result]) => result?.error),
    ];
    const block = codeOf(controller.allocateProducerIds());
    const fault = new DiskFault("EIO", "batch", "metadata");
    await gate.release(fault);
    expect(await Promise.all(answers)).to.deep.equal(["NOT_CONTROLLER", "NOT_CONTROLLER", "NOT_CONTROLLER"]);
    expect(await block).to.equal("NOT_CONTROLLER");
    expect(await create(controller, "b")).to.equal("NOT_CONTROLLER");
    expect(await codeOf(controller.registerBroker(registration(1)))).to.equal("NOT_CONTROLLER");
    expect([controller.image === image, gate.waiting, faults]).to.deep.equal([true, [], [fault]]);
  });

  it("still stores what was decided when it is closed, and nothing afterwards", async () => {
    const { controller, gate } = await ready();
    const answers = ["a", "b"].map((name) => create(controller, name));
    const closed = controller.close();
    const late = create(controller, "late");
    await gate.release();
    await gate.release();
    await closed;
    expect(await Promise.all([...answers, late])).to.deep.equal(["NONE", "NONE", "NOT_CONTROLLER"]);
  });

  it("rejects a registration that is refused with its code", async () => {
    const { controller } = await ready();
    expect(await codeOf(controller.registerBroker(registration(2, { directoryId: "directory-1" })))).to.equal(
      "INVALID_REGISTRATION",
    );
  });
});
