/** Whole clusters of the shipping broker on virtual time: seeds that run through, and the proof that a seed is one run. */
import { spawnSync } from "node:child_process";
import { createProducerCore, createReaderCore } from "@tidemark/client/core";
import { expect } from "chai";
import { createTopicsReady, handleProduce } from "../../src/api/index.ts";
import { SharedMemory } from "../../src/base/index.ts";
import { type ClusterSeedResult, parsePlan, runCluster } from "../../src/sim/index.ts";
import { ClusterRun } from "../../src/sim/cluster/cluster-run.ts";
import { makeNode } from "../../src/simulation.ts";
import { describeKnownMistakes } from "../mutations/known-mistakes.ts";
import { seedOfCommit } from "../support/seed-of-commit.ts";
import { makeBatch } from "../runtime/support/partition-bench.ts";

const parts = { makeNode, makeProducerCore: createProducerCore, makeReaderCore: createReaderCore };
/** Short ones, with as many faults in a second as long ones. */
const CHAOS_MS = 2_500;
const runs = new Map<number, Promise<ClusterSeedResult>>();
/** Once for all who look at it: it is the same run. */
function run(seed: number): Promise<ClusterSeedResult> {
  const made = runs.get(seed) ?? runCluster(seed, parts, { chaosMs: CHAOS_MS });
  runs.set(seed, made);
  return made;
}

/** The first seed from this one on whose run does not last for most of an hour. */
const shortFrom = (seed: number): number =>
  new ClusterRun(seed, parts).options.chaosMs < 60_000 ? seed : shortFrom(seed + 1);

/** The run of a seed in a process that knows another place and another language. */
function hashElsewhere(seed: number): string {
  const script = `
    import { runCluster } from ${JSON.stringify(new URL("../../src/sim/index.js", import.meta.url).href)};
    import { makeNode } from ${JSON.stringify(new URL("../../src/simulation.js", import.meta.url).href)};
    import { createProducerCore as makeProducerCore, createReaderCore as makeReaderCore } from "@tidemark/client/core";
    const { traceHash } = await runCluster(${seed}, { makeNode, makeProducerCore, makeReaderCore }, { chaosMs: ${CHAOS_MS} });
    console.log(traceHash);
  `;
  const env = { ...process.env, TZ: "Asia/Kathmandu", LANG: "tr_TR.UTF-8" };
  const ended = spawnSync(process.execPath, ["--input-type=module", "-e", script], {
    encoding: "utf8",
    env,
    cwd: new URL("../../..", import.meta.url),
  });
  return ended.stdout.trim() || ended.stderr;
}

describe("a cluster on virtual time (R=3)", () => {
  for (const seed of [12, 17, 26])
    it(`serves producers and readers through faults, and all replicas end alike (seed ${seed})`, async () => {
      const { failure, counts } = await run(seed);
      expect(failure).to.equal(null);
      expect(counts.get("records read")).to.be.above(0);
    });

  const { seed: fresh, of } = seedOfCommit();
  const ofCommit = shortFrom(fresh);
  it(`does so with the seed of this ${of}, with as much harm as that draws (seed ${ofCommit})`, async () => {
    const { failure } = await runCluster(ofCommit, parts);
    const told = failure === null ? "" : [failure.message, failure.stack, ...failure.lastEvents].join("\n");
    expect(failure?.invariant, `${told}\nreplay: npm run sim -- --profile cluster --seed ${ofCommit}`).to.equal(
      undefined,
    );
  });

  it("owes nothing where too few are left by a change that was under way when faults ended", async () => {
    const t = { name: "t", partitions: 1, replicationFactor: 3, minIsr: 2, minIsrLeast: 2, retentionBytes: -1 };
    const options = {
      brokersCount: 3,
      chaosMs: 1_000,
      healsCoreFirst: true,
      losesMost: false,
      faults: {},
      changes: {},
    };
    const plan = [1, 2, 3].map((broker) => ({ atMs: 1_000, change: "minIsr", broker, topic: "t", minIsr: 3 }) as const);
    // Of these the fourth is told to all when a majority was looked at already.
    for (const seed of [1, 2, 3, 4, 5, 6]) {
      const topics = [{ ...t, durability: "group-commit" }] as const;
      const { failure } = await runCluster(seed, parts, { ...options, topics }, { plan });
      expect(failure?.message, `seed ${seed}`).to.equal(undefined);
    }
  });

  it("owes nothing that was given to a broker that died before its old leader had heard of it", async () => {
    const { failure, counts } = await runCluster(94_400_277, parts);
    expect(failure?.message).to.equal(undefined);
    expect(counts.get("core: partitions"), "a majority was looked at").to.equal(1);
    expect(counts.get("core: written to") ?? 0).to.equal(0);
  });

  it("is one run for one seed, drawn in another process, and step by step from its plan", async () => {
    const { traceHash, plan, options } = await run(26);
    const written = parsePlan(JSON.parse(JSON.stringify(plan)));
    expect(written.length).to.be.above(0);
    expect((await runCluster(26, parts, options, { plan: written })).traceHash, "from its plan").to.equal(traceHash);
    expect((await run(12)).traceHash, "another seed").not.to.equal(traceHash);
    expect(hashElsewhere(26), "in another process").to.equal(traceHash);
  });
});

describe("a whole cluster", () => {
  describeKnownMistakes("cluster");
});

/** For stories: nothing happens by chance. */
const THREE = { brokersCount: 3, topics: [], faults: {}, changes: {} };

describe("a broker that waits for its cluster", () => {
  it("ends its start when its metadata can be stored no longer (R=3, two are away)", async () => {
    const { brokers, world } = new ClusterRun(1, parts, THREE);
    for (const broker of brokers) broker.start();
    await world.runFor(20_000);
    expect(brokers.map(({ state }) => state)).to.deep.equal(["ready", "ready", "ready"]);
    for (const broker of brokers) broker.crash("process");
    const [waiting, other] = brokers;
    waiting?.start();
    await world.runFor(300);
    expect(waiting?.state).to.equal("starting");
    waiting?.disk.faults.add({ operation: "syncDirectory", effect: "EIO" });
    // With two of three there is an election, and whoever votes writes it down.
    other?.start();
    await world.runFor(30_000);
    expect(waiting?.state).to.equal("down");
  });
});

describe("a broker whose disk fails while it starts (R=3)", () => {
  it("serves or goes, wherever in its start a sync fails, and waits for nobody then", async () => {
    const { brokers, world } = new ClusterRun(1, parts, THREE);
    for (const broker of brokers) broker.start();
    await world.runFor(20_000);
    const [first, second] = brokers;
    const context = second?.context;
    if (first === undefined || context === undefined || context === null) throw new Error("it does not serve");
    const topic = { name: "t", partitions: 3, replicationFactor: 3, assignment: [], config: {} };
    const made = createTopicsReady(context, [topic], { timeoutMs: 0, isValidateOnly: false });
    await world.runFor(5_000);
    expect((await made).map(({ code }) => code)).to.deep.equal(["NONE"]);
    let failed = 0;
    for (let skipCount = 0; skipCount < 12; skipCount++) {
      first.crash("power");
      const fault = first.disk.faults.add({ operation: "datasync", effect: "EIO", skipCount });
      first.start();
      // oxlint-disable-next-line no-await-in-loop
      await world.runFor(6_000);
      expect(first.state, `the sync number ${skipCount} of its start`).to.not.equal("starting");
      failed += fault.firedCount;
      first.disk.faults.removeAll();
    }
    expect(failed).to.be.above(4);
  });

  it("goes at once when its metadata can be stored no longer while its logs are opened, though others would register it", async () => {
    const { brokers, world } = new ClusterRun(1, parts, THREE);
    for (const broker of brokers) broker.start();
    await world.runFor(5_000);
    const [first, second] = brokers;
    const context = second?.context;
    if (first === undefined || context === undefined || context === null) throw new Error("it does not serve");
    const topic = { name: "t", partitions: 3, replicationFactor: 3, assignment: [], config: {} };
    const made = createTopicsReady(context, [topic], { timeoutMs: 0, isValidateOnly: false });
    await world.runFor(5_000);
    expect((await made).map(({ code }) => code)).to.deep.equal(["NONE"]);
    first.crash("process");
    const { faults } = first.disk;
    const opening = faults.add({
      operation: "syncDirectory",
      effect: "stall",
      stallMs: 1_500,
      times: 9,
      path: /\/t-\d/u,
    });
    first.start();
    for (let waitedMs = 0; opening.firedCount === 0 && waitedMs < 5_000; waitedMs += 10) {
      // oxlint-disable-next-line no-await-in-loop
      await world.runFor(10);
    }
    const fault = faults.add({ operation: "write", effect: "EIO", path: /tidemark-metadata/u });
    // It follows what the others decide.
    void createTopicsReady(context, [{ ...topic, name: "u" }], { timeoutMs: 0, isValidateOnly: false });
    await world.runFor(8_000);
    expect(fault.firedCount).to.equal(1);
    expect(first.state).to.equal("down");
  });
});

describe("a broker that stops without a controller (R=3, two are gone)", () => {
  it("ends cleanly within three seconds and a half, though a producer waits for the others (10.5)", async () => {
    const { brokers, world } = new ClusterRun(1, parts, THREE);
    const [first, ...others] = brokers;
    for (const broker of brokers) broker.start();
    await world.runFor(20_000);
    const { context, door } = first ?? {};
    if (first === undefined || context === undefined || context === null || door === null || door === undefined)
      throw new Error("it does not serve");
    const topic = { name: "t", partitions: -1, replicationFactor: -1, assignment: [[1, 2, 3]], config: {} };
    const made = createTopicsReady(context, [topic], { timeoutMs: 0, isValidateOnly: false });
    await world.runFor(10_000);
    expect((await made).map(({ code }) => code)).to.deep.equal(["NONE"]);
    for (const other of others) other.crash("process");
    const codes: (string | undefined)[] = [];
    const answered = door.take();
    handleProduce(
      context,
      {
        acks: "all",
        timeoutMs: 60_000,
        partitions: [{ topic: "t", partition: 0, topicId: new Uint8Array(), records: makeBatch({}) }],
        memory: new SharedMemory(1_000, 1_000, null),
      },
      { clientId: "", dialledHost: null, isLocal: true },
      ([result]) => {
        codes.push(result?.code);
        answered();
      },
    );
    await world.runFor(1_000);
    expect(codes, "it waits for the others").to.deep.equal([]);
    const startedAt = world.nowMs;
    let stoppedAt = Number.POSITIVE_INFINITY;
    void first.stop().then(() => (stoppedAt = world.nowMs));
    await world.runFor(20_000);
    expect(stoppedAt - startedAt).to.be.within(2_000, 3_500);
    expect(codes).to.deep.equal(["NOT_LEADER_OR_FOLLOWER"]);
    expect(first.disk.fileAt("/data/.kafka_cleanshutdown"), "its stop was a clean one").to.not.equal(undefined);
  });
});
