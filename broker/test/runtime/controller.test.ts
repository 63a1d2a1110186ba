import { expect } from "chai";
import fc from "fast-check";
import { ProtoError } from "@tidemark/proto";
import type { ClusterImage, MetadataDelta } from "../../src/metadata/index.ts";
import type { Controller } from "../../src/runtime/index.ts";
import { StorageError } from "../../src/storage/index.ts";
import { spec } from "../metadata/fixtures.ts";
import { ControllerBench } from "./support/controller-bench.ts";
import type { WriteOutcome } from "./support/raft-bench.ts";

const codeOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => "resolved",
    (error: unknown) => (error instanceof ProtoError ? error.code : String(error)),
  );

const create = (controller: Controller, name: string, isValidateOnly = false): Promise<string> =>
  controller.createTopics({ specs: [spec(name)], isValidateOnly }).then(
    ({ results }) => results[0]?.error ?? "",
    (error: unknown) => (error instanceof ProtoError ? error.code : String(error)),
  );

/** One node that leads, its broker registered. */
async function ready(seed = 1): Promise<ControllerBench> {
  const bench = new ControllerBench(seed);
  await bench.birth();
  await bench.join(1);
  return bench;
}

/** All that an image says but for who leads it now. */
const factsOf = ({ topics, brokers, clusterId }: ClusterImage) => ({
  clusterId,
  topics: [...topics.values()].map(({ name, topicId }) => `${name} ${topicId}`).sort(),
  brokers: [...brokers.keys()],
});

describe("Controller", () => {
  it("comes back with the same image, in a greater term", async () => {
    const bench = await ready();
    const { controller } = bench;
    await bench.done(
      controller.createTopics({ specs: [spec("a", { partitions: 3 }), spec("b")], isValidateOnly: false }),
    );
    await bench.done(controller.deleteTopics({ targets: [{ name: "b" }], isValidateOnly: false }));
    await bench.done(controller.allocateProducerIds({ brokerId: 1 }));
    const { term } = controller;
    const before = controller.image;
    const again = await bench.restart(1);
    await bench.until(() => bench.leader !== null);
    const { metadataOffset: _, ...facts } = again.image;
    const { metadataOffset: __, ...factsBefore } = before;
    expect(facts).to.deep.equal(factsBefore);
    expect(again.controller.term).to.be.greaterThan(term);
    expect([...again.controller.topicsDeletedBefore]).to.have.length(1);
  });

  it("starts from its snapshot, with the topics that were deleted before it", async () => {
    const bench = await ready();
    bench.snapshotBytes = 1;
    await bench.restart(1);
    await bench.until(() => bench.leader !== null);
    for (const name of ["a", "b", "c"]) await bench.done(create(bench.controller, name));
    const deleted = bench.image.topics.get("a")?.topicId;
    await bench.done(bench.controller.deleteTopics({ targets: [{ name: "a" }], isValidateOnly: false }));
    await bench.run(1000);
    const facts = factsOf(bench.image);
    expect(bench.node().logged).to.include("a snapshot of the metadata is written");
    const again = await bench.restart(1);
    expect(again.image.topics.size, "before anything of the log").to.be.greaterThan(0);
    await bench.until(() => bench.leader !== null);
    expect(factsOf(again.image)).to.deep.equal(facts);
    expect([...again.controller.topicsDeletedBefore]).to.deep.equal([deleted]);
  });

  it("refuses metadata of another cluster, naming both", async () => {
    const bench = await ready();
    const { controller } = bench;
    const bytes = controller.encodeSnapshot();
    const other = new TextEncoder().encode(new TextDecoder().decode(bytes).replace("the-cluster", "another"));
    expect(() => controller.onSnapshot(1_000_000, 1, other))
      .to.throw(StorageError)
      .with.property("code", "INCONSISTENT_CLUSTER_ID");
  });

  it("decides settings on what is proposed, and answers when that is committed (10.3)", async () => {
    const bench = await ready();
    const { controller } = bench;
    const alter = (values: Record<string, string>, isValidateOnly = false) =>
      controller.alterConfigs({
        alterations: [
          {
            resource: { type: "topic", name: "t" },
            changes: Object.entries(values).map(([name, value]) => ({ name, operation: "set" as const, value })),
          },
        ],
        isValidateOnly,
      });
    const answers = [
      controller.createTopics({ specs: [spec("t")], isValidateOnly: false }),
      alter({ "retention.ms": "1s" }),
      alter({ "retention.ms": "none" }),
      alter({ "retention.ms": "2s" }, true),
      controller.createPartitions({ specs: [{ name: "t", total: 4, assignment: [] }], isValidateOnly: false }),
      controller.createPartitions({ specs: [{ name: "t", total: 3, assignment: [] }], isValidateOnly: false }),
    ];
    expect(controller.image.topics.has("t"), "nothing is committed yet").to.equal(false);
    const settled = await bench.done(Promise.all(answers));
    expect(settled.map(({ results }) => results[0]?.error)).to.deep.equal([
      "NONE",
      "NONE",
      "INVALID_CONFIG",
      "NONE",
      "NONE",
      "INVALID_PARTITIONS",
    ]);
    const offsets = settled.map(({ metadataOffset }) => metadataOffset);
    expect(offsets, "each names what it was decided on").to.deep.equal([...offsets].sort((a, b) => a - b));
    expect(controller.image.metadataOffset).to.equal(offsets.at(-1));
    const topic = controller.image.topics.get("t");
    expect([topic?.overrides.get("retention.ms"), topic?.partitions.length]).to.deep.equal(["1000", 4]);
  });

  it("hands out what it has promised to nobody else, committed or not (working state)", async () => {
    const bench = await ready();
    const { controller } = bench;
    const answers = [create(controller, "a.b"), create(controller, "a_b")];
    const blocks = [controller.allocateProducerIds({ brokerId: 1 }), controller.allocateProducerIds({ brokerId: 1 })];
    expect(await bench.done(Promise.all(answers))).to.deep.equal(["NONE", "INVALID_TOPIC_EXCEPTION"]);
    expect((await bench.done(Promise.all(blocks))).map(({ firstId }) => firstId)).to.deep.equal([0, 1000]);
  });

  it("tells listeners every entry in order, before the answer", async () => {
    const bench = await ready();
    const { controller } = bench;
    const seen: string[] = [];
    controller.onApplied((delta: MetadataDelta, image) => {
      expect(image).to.equal(controller.image);
      seen.push(`${delta.metadataOffset}: ${delta.topicsCreated.map(({ name }) => name).join()}`);
    });
    const from = controller.image.metadataOffset;
    await bench.done(
      Promise.all(["a", "b"].map((name) => create(controller, name).then(() => seen.push(`answer ${name}`)))),
    );
    expect(seen.filter((line) => !line.startsWith("answer"))).to.deep.equal([`${from + 1}: a`, `${from + 2}: b`]);
    for (const name of ["a", "b"])
      expect(seen.indexOf(`answer ${name}`)).to.be.greaterThan(seen.findIndex((line) => line.endsWith(`: ${name}`)));
  });

  it("stores nothing when it only validates", async () => {
    const bench = await ready();
    const { lastIndex } = bench.controller;
    expect(await bench.done(create(bench.controller, "a", true))).to.equal("NONE");
    expect([bench.controller.lastIndex, bench.image.topics.size]).to.deep.equal([lastIndex, 0]);
  });

  it("raises leader epochs with every start of their broker", async () => {
    const bench = await ready();
    await bench.done(create(bench.controller, "t"));
    const epochs: unknown[] = [];
    for (const how of ["clean", "unclean", "clean"] as const) {
      await bench.join(1, how);
      epochs.push(bench.image.topics.get("t")?.partitions[0]?.leaderEpoch);
    }
    expect(epochs).to.deep.equal([1, 2, 3]);
  });

  it("still stores what was decided when it is closed, and nothing afterwards", async () => {
    const bench = await ready();
    const { controller } = bench;
    const answers = ["a", "b"].map((name) => create(controller, name));
    const closed = controller.close();
    const late = create(controller, "late");
    await bench.done(closed);
    expect(await Promise.all([...answers, late])).to.deep.equal(["NONE", "NONE", "NOT_CONTROLLER"]);
    const again = await bench.restart(1);
    await bench.until(() => bench.leader !== null);
    expect([...again.image.topics.keys()]).to.deep.equal(["a", "b"]);
  });

  it("tells its owner once when its store fails, and answers NOT_CONTROLLER from then on", async () => {
    const bench = await ready();
    const { controller } = bench;
    const node = bench.node();
    node.medium.faultKind = "EIO";
    node.medium.rest = "lost";
    const answers = [create(controller, "a"), create(controller, "b")];
    expect(await bench.done(Promise.all(answers))).to.deep.equal(["NOT_CONTROLLER", "NOT_CONTROLLER"]);
    expect(await bench.done(create(controller, "c"))).to.equal("NOT_CONTROLLER");
    expect(node.faults).to.have.length(1);
  });

  it("rejects a registration that is refused with its code", async () => {
    const bench = await ready();
    bench.broker(2).directoryId = "directory-1";
    expect(await codeOf(bench.join(2))).to.equal("INVALID_REGISTRATION");
  });
});

describe("Controller of three nodes", () => {
  async function three(seed = 1): Promise<ControllerBench> {
    const bench = new ControllerBench(seed);
    await bench.birth(3);
    for (const brokerId of [1, 2, 3]) await bench.join(brokerId);
    return bench;
  }

  it("decides on one node, and the others name it", async () => {
    const bench = await three();
    const { leader } = bench;
    const others = [...bench.nodes.values()].filter((node) => node !== leader);
    await bench.run(1000);
    for (const { controller } of others) {
      const error = await controller
        .deleteTopics({ targets: [{ name: "a" }], isValidateOnly: false })
        .catch((reason: unknown) => reason);
      expect(error).to.include({ code: "NOT_CONTROLLER", leaderId: leader?.driver.replica.nodeId });
      expect(controller.image).to.deep.equal(leader?.image);
    }
  });

  it("refuses a client only while it can prove that it leads (10.1(6), 10.3(3))", async () => {
    const bench = await three();
    expect(await bench.done(create(bench.controller, "t"))).to.equal("NONE");
    expect(await bench.done(create(bench.controller, "t"))).to.equal("TOPIC_ALREADY_EXISTS");
    const deposed = bench.leader;
    bench.cut.add(deposed?.driver.replica.nodeId ?? 0);
    const { controller } = bench;
    let isAnswered = false;
    const answers = [
      create(controller, "t"),
      create(controller, "new", true),
      codeOf(controller.deleteTopics({ targets: [{ name: "unknown" }], isValidateOnly: false })),
    ].map((answer) => answer.finally(() => (isAnswered = true)));
    await bench.run(500);
    expect([controller.isActive, isAnswered]).to.deep.equal([true, false]);
    const told = await bench.done(Promise.all(answers));
    expect(told).to.deep.equal(["NOT_CONTROLLER", "NOT_CONTROLLER", "NOT_CONTROLLER"]);
  });

  it("drops what was not committed when it is deposed: whoever waits gets 41, and the next one decides anew (10.3(4))", async () => {
    const bench = await three();
    const deposed = bench.leader;
    const nodeId = deposed?.driver.replica.nodeId ?? 0;
    bench.cut.add(nodeId);
    const answer = create(deposed?.controller as Controller, "lost");
    const uncertain = deposed?.controller.allocateProducerIds({ brokerId: 1 }).catch((error: unknown) => error);
    await bench.until(() => bench.leader !== null && bench.leader !== deposed);
    expect(await bench.done(answer)).to.equal("NOT_CONTROLLER");
    expect(await bench.done(Promise.resolve(uncertain)), "the next leader may have got it").to.include({
      mayBeDone: true,
    });
    expect(await bench.done(create(bench.controller, "kept"))).to.equal("NONE");
    bench.cut.clear();
    await bench.until(() => deposed?.image.topics.has("kept") === true);
    expect(deposed?.image.topics.has("lost")).to.equal(false);
    expect(deposed?.controller.isActive).to.equal(false);
  });

  it("takes commands while it claims, and answers them when it knows everything", async () => {
    const bench = await three();
    const before = bench.leader;
    bench.kill(before?.driver.replica.nodeId ?? 0);
    let answer: Promise<string> | null = null;
    await bench.until(() => {
      const elected = [...bench.nodes.values()].find(({ driver }) => driver.softState.role === "leader");
      if (elected !== undefined) answer ??= create(elected.controller, "early");
      return answer !== null;
    });
    expect(await bench.done(answer as unknown as Promise<string>)).to.equal("NONE");
  });
});

describe("Controller on a full disk (10.1(1), P55)", () => {
  const fill = (bench: ControllerBench, outcome: WriteOutcome = "lost"): void => {
    const { medium } = bench.node();
    medium.rest = outcome;
    medium.hasRoom = false;
  };
  const free = async (bench: ControllerBench): Promise<void> => {
    const { medium } = bench.node();
    medium.rest = "written";
    medium.hasRoom = true;
    await bench.run(10_000);
  };

  it("answers 56 to who waits and who comes, shows what is committed, and stops nothing", async () => {
    const bench = await ready();
    const { controller } = bench;
    const image = controller.image;
    fill(bench);
    const answers = [create(controller, "a"), create(controller, "b"), create(controller, "c")];
    expect(await bench.done(Promise.all(answers))).to.deep.equal(Array(3).fill("KAFKA_STORAGE_ERROR"));
    const late = await controller
      .deleteTopics({ targets: [{ name: "late" }], isValidateOnly: false })
      .catch((error: unknown) => error);
    expect(late).to.include({ code: "KAFKA_STORAGE_ERROR" });
    expect(String(late)).to.match(/disk is full.*by themselves/u);
    expect(controller.image).to.equal(image);
    expect([controller.isSuspended, bench.node().faults]).to.deep.equal([true, []]);
    await free(bench);
    expect(await bench.done(create(bench.controller, "a"))).to.equal("NONE");
  });

  for (const outcome of ["lost", "kept"] as const) {
    it(`agrees with the store about a write that failed and is ${outcome} on the disk, now and after a restart`, async () => {
      const bench = await ready();
      const { controller } = bench;
      fill(bench);
      bench.node().medium.outcomes = [outcome];
      expect(await bench.done(create(controller, "a"))).to.equal("KAFKA_STORAGE_ERROR");
      expect(controller.image.topics.has("a"), "not before it is known").to.equal(false);
      await free(bench);
      expect(controller.image.topics.has("a")).to.equal(outcome === "kept");
      expect(await bench.done(create(controller, "a"))).to.equal(outcome === "kept" ? "TOPIC_ALREADY_EXISTS" : "NONE");
      const { applied } = bench.node();
      expect(applied).to.deep.equal(applied.map((_, slot) => (applied[0] ?? 0) + slot));
      const facts = factsOf(controller.image);
      await bench.restart(1);
      await bench.until(() => bench.leader !== null);
      expect(factsOf(bench.image)).to.deep.equal(facts);
    });
  }

  it("fails a start on a full disk rather than wait for ever", async () => {
    const bench = await ready();
    fill(bench);
    const { controller } = await bench.restart(1);
    expect(await bench.done(codeOf(controller.whenActive()))).to.equal("KAFKA_STORAGE_ERROR");
  });

  it("never diverges from its store, whatever fails when, and whoever dies in between (property)", async () => {
    const names = fc.constantFrom("a", "b", "c", "d");
    const step = fc.oneof(
      { weight: 4, arbitrary: fc.record({ kind: fc.constant("create" as const), name: names }) },
      { weight: 2, arbitrary: fc.record({ kind: fc.constant("delete" as const), name: names }) },
      {
        weight: 2,
        arbitrary: fc.record({
          kind: fc.constant("fault" as const),
          outcomes: fc.array(fc.constantFrom<WriteOutcome>("written", "lost", "kept"), { maxLength: 4 }),
        }),
      },
      {
        weight: 2,
        arbitrary: fc.record({ kind: fc.constant("time" as const), ms: fc.integer({ min: 0, max: 2_000 }) }),
      },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant("crash" as const) }) },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 15 }), async (steps) => {
        const bench = await ready();
        /** By name: what the last answered change of it says; absent: not known. */
        const known = new Map<string, boolean>();
        const restart = async (): Promise<void> => {
          bench.node().medium.outcomes = [];
          await bench.restart(1);
          await bench.until(() => bench.leader !== null);
        };
        const check = (): void => {
          const { controller, applied, faults } = bench.node();
          const { image } = controller;
          for (const [name, isThere] of known) expect(image.topics.has(name), name).to.equal(isThere);
          expect(applied).to.deep.equal(applied.map((_, slot) => (applied[0] ?? 0) + slot));
          expect(faults).to.deep.equal([]);
        };
        for (const each of steps) {
          if (each.kind === "fault") bench.node().medium.outcomes = [...each.outcomes];
          if (each.kind === "time") await bench.run(each.ms);
          if (each.kind === "crash") await restart();
          if (each.kind !== "create" && each.kind !== "delete") continue;
          const { name } = each;
          const { controller } = bench.node();
          const code =
            each.kind === "create"
              ? await bench.done(create(controller, name))
              : await bench
                  .done(controller.deleteTopics({ targets: [{ name }], isValidateOnly: false }))
                  .then(({ results }) => results[0]?.error ?? "")
                  .catch((error: ProtoError) => error.code);
          // Not led: it comes back after a full disk.
          if (code === "KAFKA_STORAGE_ERROR") known.delete(name);
          else if (code !== "NOT_CONTROLLER") known.set(name, each.kind === "create");
          check();
        }
        bench.node().medium.outcomes = [];
        await bench.until(() => bench.leader !== null);
        check();
        const facts = factsOf(bench.image);
        await restart();
        expect(factsOf(bench.image)).to.deep.equal(facts);
      }),
      { numRuns: 40 },
    );
  });
});
