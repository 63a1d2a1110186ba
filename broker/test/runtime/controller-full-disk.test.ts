/** What the controller does when its store runs out of space (10.1(1), P55): nothing is lost, nothing is made up, and it heals by itself. */
import { expect } from "chai";
import fc from "fast-check";
import { SeededRandom } from "../../src/base/index.ts";
import type { ClusterImage } from "../../src/metadata/index.ts";
import { MemoryStore } from "../../src/platform/index.ts";
import { DiskFault, type KeyValueStore, type Logger, type StoreOperation } from "../../src/ports/index.ts";
import { Controller } from "../../src/runtime/controller.ts";
import { type SimProcess, SimWorld } from "../../src/sim/index.ts";
import { MetadataStore, StorageError } from "../../src/storage/index.ts";
import { registration, spec, testConfig } from "../metadata/fixtures.ts";

type WriteOutcome = "written" | "lost" | "kept";

/** What outlives the process: the pairs, and how the next writes and openings end. */
class Medium {
  readonly pairs = new MemoryStore();
  /** One per write; then `rest`. `lost` and `kept` fail with ENOSPC, and the batch is on the disk only with `kept`. */
  outcomes: WriteOutcome[] = [];
  rest: WriteOutcome = "written";
  openFaults: Error[] = [];
  hasRoom = true;
  opened = 0;
  openNow = 0;

  async open(): Promise<MetadataStore> {
    this.opened += 1;
    const fault = this.openFaults.shift();
    if (fault !== undefined) throw fault;
    this.openNow += 1;
    return MetadataStore.open({ store: new LevelLike(this), path: "metadata", mayBeEmpty: true });
  }
}

/** Takes no write after one that failed, as LevelDB does. */
class LevelLike implements KeyValueStore {
  readonly #medium: Medium;
  #hasFailed = false;
  #isOpen = true;

  constructor(medium: Medium) {
    this.#medium = medium;
  }

  get(key: Uint8Array): Uint8Array | undefined {
    return this.#medium.pairs.get(key);
  }

  range(from: Uint8Array, to: Uint8Array) {
    return this.#medium.pairs.range(from, to);
  }

  async batch(operations: readonly StoreOperation[]): Promise<void> {
    const outcome = this.#hasFailed || !this.#isOpen ? "lost" : (this.#medium.outcomes.shift() ?? this.#medium.rest);
    if (outcome !== "lost") await this.#medium.pairs.batch(operations);
    if (outcome === "written") return;
    this.#hasFailed = true;
    throw new DiskFault("ENOSPC", "batch", "metadata");
  }

  async close(): Promise<void> {
    if (this.#isOpen) this.#medium.openNow -= 1;
    this.#isOpen = false;
  }
}

interface Life {
  readonly controller: Controller;
  readonly faults: unknown[];
  readonly applied: number[];
  readonly logged: string[];
}

let random = new SeededRandom(1);

async function live(medium: Medium, process: SimProcess): Promise<Life> {
  const faults: unknown[] = [];
  const applied: number[] = [];
  const logged: string[] = [];
  const note = (message: string): void => void logged.push(message);
  const logger: Logger = { debug: () => {}, info: note, warn: note, error: note, child: () => logger };
  const controller = await Controller.open({
    store: await medium.open(),
    reopen: { open: () => medium.open(), hasRoom: () => medium.hasRoom, timers: process },
    clock: process,
    random: (count) => random.bytes(new Uint8Array(count)),
    config: testConfig(),
    logger,
    clusterId: null,
    onFault: (fault) => void faults.push(fault),
  });
  await controller.registerBroker(registration(1));
  controller.onApplied(({ metadataOffset }) => void applied.push(metadataOffset));
  return { controller, faults, applied, logged };
}

const create = (controller: Controller, name: string): Promise<string | undefined> =>
  controller.createTopics([spec(name)], { validateOnly: false }).then(([result]) => result?.error);

/** All that an image says but for who leads it now. */
const factsOf = ({ topics, brokers, clusterId }: ClusterImage) => ({
  clusterId,
  topics: [...topics.values()].map(({ name, topicId }) => `${name} ${topicId}`).sort(),
  brokers: [...brokers.keys()],
});

describe("Controller on a full disk (10.1(1), P55)", () => {
  let world: SimWorld;
  let process: SimProcess;
  let medium: Medium;

  beforeEach(() => {
    random = new SeededRandom(7);
    world = new SimWorld(random);
    process = world.startProcess();
    medium = new Medium();
  });

  /** A full disk from here on. */
  const fill = (outcome: WriteOutcome = "lost"): void => {
    medium.rest = outcome;
    medium.hasRoom = false;
  };
  const free = async (): Promise<void> => {
    medium.rest = "written";
    medium.hasRoom = true;
    await world.runFor(10_000);
  };

  it("answers 56 to who waits and who comes, shows what is committed, and stops nothing", async () => {
    const { controller, faults, logged } = await live(medium, process);
    expect(await create(controller, "before")).to.equal("NONE");
    const image = controller.image;
    fill();
    const answers = [create(controller, "a"), create(controller, "b"), create(controller, "c")];
    expect(await Promise.all(answers)).to.deep.equal(Array(3).fill("KAFKA_STORAGE_ERROR"));
    expect(await create(controller, "late")).to.equal("KAFKA_STORAGE_ERROR");
    const [result] = await controller.createTopics([spec("late")], { validateOnly: false });
    expect(result?.message).to.match(/disk is full.*by themselves/u);
    expect(controller.image).to.equal(image);
    expect([controller.isSuspended, faults]).to.deep.equal([true, []]);
    expect(logged.filter((line) => line.startsWith("no room"))).to.have.length(1);
  });

  it("does not open the store before there is room, then once, and goes on without a restart", async () => {
    const { controller, logged } = await live(medium, process);
    fill();
    await create(controller, "a");
    await world.runFor(60_000);
    expect([medium.opened, medium.openNow]).to.deep.equal([1, 0]);
    await free();
    expect([medium.opened, medium.openNow, controller.isSuspended]).to.deep.equal([2, 1, false]);
    expect(await create(controller, "a")).to.equal("NONE");
    expect(logged.at(-1)).to.equal("metadata is stored again");
  });

  it("keeps trying while the opening itself finds no room", async () => {
    const { controller } = await live(medium, process);
    fill();
    await create(controller, "a");
    medium.openFaults = Array.from({ length: 4 }, () => new DiskFault("ENOSPC", "open", "metadata"));
    await free();
    expect([medium.opened, await create(controller, "a")]).to.deep.equal([6, "NONE"]);
  });

  for (const outcome of ["lost", "kept"] as const) {
    it(`agrees with the store about a write that failed and is ${outcome} on the disk, now and after a restart`, async () => {
      const { controller, applied } = await live(medium, process);
      const from = controller.image.metadataOffset;
      fill("lost");
      medium.outcomes = [outcome];
      expect(await create(controller, "a")).to.equal("KAFKA_STORAGE_ERROR");
      expect(controller.image.topics.has("a"), "not before it is known").to.equal(false);
      await free();
      expect(controller.image.topics.has("a")).to.equal(outcome === "kept");
      expect(await create(controller, "a")).to.equal(outcome === "kept" ? "TOPIC_ALREADY_EXISTS" : "NONE");
      expect(applied).to.deep.equal(applied.map((_, slot) => from + 1 + slot));
      const facts = factsOf(controller.image);
      await controller.close();
      expect(factsOf((await live(medium, process)).controller.image)).to.deep.equal(facts);
    });
  }

  it("begins again when the first entry of the new term finds no room either", async () => {
    for (const outcome of ["lost", "kept"] as const) {
      const { controller, faults, applied } = await live(medium, process);
      const from = controller.image.metadataOffset;
      medium.outcomes = ["kept", outcome, outcome];
      expect(await create(controller, `t-${outcome}`)).to.equal("KAFKA_STORAGE_ERROR");
      await world.runFor(60_000);
      expect([controller.image.topics.has(`t-${outcome}`), controller.isSuspended, faults]).to.deep.equal([
        true,
        false,
        [],
      ]);
      expect(applied).to.deep.equal(applied.map((_, slot) => from + 1 + slot));
      await controller.close();
    }
  });

  it("tells its owner when the store that was opened again is damaged, or lacks what was committed", async () => {
    const lost = new StorageError("METADATA_LOST", "metadata", "damaged");
    const { controller, faults } = await live(medium, process);
    fill();
    await create(controller, "a");
    medium.openFaults = [lost];
    await free();
    expect(faults).to.deep.equal([lost]);
    expect(await create(controller, "b")).to.equal("NOT_CONTROLLER");
    await controller.close();

    const second = await live(medium, process);
    fill();
    await create(second.controller, "a");
    const end = second.controller.image.metadataOffset;
    for (const [key] of await medium.pairs.range(Buffer.alloc(0), Buffer.alloc(16, 0xff)))
      await medium.pairs.batch([{ type: "del", key }]);
    await free();
    expect(second.faults[0]).to.include({ code: "METADATA_LOST" });
    expect(String(second.faults[0])).to.include(`${end} were committed`);
  });

  it("closes while it waits for room, and while it opens", async () => {
    const { controller } = await live(medium, process);
    fill();
    await create(controller, "a");
    await controller.close();
    expect([medium.openNow, await create(controller, "b")]).to.deep.equal([0, "NOT_CONTROLLER"]);
    await free();
    expect([medium.openNow, medium.opened]).to.deep.equal([0, 1]);
  });

  it("fails a start on a full disk rather than wait for ever", async () => {
    fill();
    const outcome = await live(medium, process).then(
      () => "started",
      (error: Error) => error.message,
    );
    expect(outcome).to.match(/could not store/u);
  });

  it("never diverges from its store, whatever fails when, and whoever dies in between (property)", async () => {
    const step = fc.oneof(
      {
        weight: 4,
        arbitrary: fc.record({ kind: fc.constant("create" as const), name: fc.constantFrom("a", "b", "c", "d") }),
      },
      {
        weight: 2,
        arbitrary: fc.record({ kind: fc.constant("delete" as const), name: fc.constantFrom("a", "b", "c", "d") }),
      },
      {
        weight: 2,
        arbitrary: fc.record({
          kind: fc.constant("fault" as const),
          outcomes: fc.array(fc.constantFrom<WriteOutcome>("written", "lost", "kept"), { maxLength: 4 }),
        }),
      },
      {
        weight: 2,
        arbitrary: fc.record({ kind: fc.constant("time" as const), ms: fc.integer({ min: 0, max: 20_000 }) }),
      },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant("crash" as const) }) },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
        world = new SimWorld(random);
        process = world.startProcess();
        medium = new Medium();
        let life = await live(medium, process);
        /** By name: what the last answered change of it says; absent: not known. */
        const known = new Map<string, boolean>();
        const restart = async (): Promise<void> => {
          medium.outcomes = [];
          process.kill();
          process = world.startProcess();
          life = await live(medium, process);
        };
        const check = (): void => {
          for (const [name, isThere] of known) expect(life.controller.image.topics.has(name), name).to.equal(isThere);
          expect(life.applied).to.deep.equal(life.applied.map((_, slot) => (life.applied[0] ?? 0) + slot));
          expect(life.faults).to.deep.equal([]);
        };
        for (const each of steps) {
          if (each.kind === "fault") medium.outcomes = [...each.outcomes];
          if (each.kind === "time") await world.runFor(each.ms);
          if (each.kind === "crash") await restart();
          if (each.kind !== "create" && each.kind !== "delete") continue;
          const { name } = each;
          const code =
            each.kind === "create"
              ? await create(life.controller, name)
              : (await life.controller.deleteTopics([name]))[0]?.error;
          if (code === "KAFKA_STORAGE_ERROR") known.delete(name);
          else known.set(name, each.kind === "create");
          check();
        }
        medium.outcomes = [];
        await world.runFor(60_000);
        check();
        const facts = factsOf(life.controller.image);
        await restart();
        expect(factsOf(life.controller.image)).to.deep.equal(facts);
      }),
      { numRuns: 150 },
    );
  });
});
