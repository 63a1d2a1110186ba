/** Every failpoint is one at which somebody has died, and nothing was broken by it. Those of Raft's store die with raft-store-crash.test.ts. */
import { readFileSync } from "node:fs";
import { createProducerCore, createReaderCore } from "@tidemark/client/core";
import { expect } from "chai";
import { FAILPOINTS, type FailpointName } from "../../src/ports/index.ts";
import { type PlanStep, runCluster, runLogCrash } from "../../src/sim/index.ts";
import { DIRECTORY_FAILPOINTS } from "../../src/sim/log-crash/life.ts";
import { makeNode } from "../../src/simulation.ts";
import { openLogDirectory } from "../../src/storage/index.ts";

const NAMES = Object.keys(FAILPOINTS) as FailpointName[];
const OF_BROKERS = ["isr.propose", "isr.confirm", "shutdown.begin", "shutdown.afterHandOver"] as const;
/** Within so many seeds somebody has died at each. */
const SEEDS_MAX = 60;

describe("a failpoint", () => {
  it("belongs to those who die there: the log, the store of the metadata, or whole brokers", () => {
    const dying = [...DIRECTORY_FAILPOINTS, ...NAMES.filter((name) => name.startsWith("raft.")), ...OF_BROKERS];
    expect(dying.toSorted()).to.deep.equal(NAMES.toSorted());
  });

  it("stands in docs/testing.md with what a death there leaves", () => {
    const page = readFileSync(new URL("../../../../docs/testing.md", import.meta.url), "utf8");
    for (const name of NAMES) expect(page).to.include(`| \`${name}\` | ${FAILPOINTS[name]} |`);
  });

  for (const name of DIRECTORY_FAILPOINTS)
    it(`${name}: ${FAILPOINTS[name]}`, async () => {
      let deaths = 0;
      for (let seed = 1; deaths === 0 && seed <= SEEDS_MAX; seed++) {
        const { failure, counts } = await runLogCrash(seed, openLogDirectory, null, { dieAt: name });
        expect(failure, `seed ${seed}`).to.equal(null);
        deaths += counts.get(`died at ${name}`) ?? 0;
      }
      expect(deaths, "deaths").to.be.at.least(1);
    });

  it(`${OF_BROKERS.join(", ")}: a cluster gets over each (R=3)`, async () => {
    const die = (atMs: number, broker: number, name: FailpointName): PlanStep => {
      return { atMs, fault: "failpoint", broker, name, nth: 1, what: "process" } as PlanStep;
    };
    const act = (atMs: number, fault: "kill" | "start" | "stop", broker: number): PlanStep => {
      return { atMs, fault, broker } as PlanStep;
    };
    const plan: PlanStep[] = [
      // Who comes again is taken back by the leader, which dies of it.
      ...[1, 3].map((broker) => die(0, broker, "isr.propose")),
      act(10, "kill", 2),
      act(400, "start", 2),
      ...[1, 3].map((broker) => act(5_000, "start", broker)),
      ...[1, 2].map((broker) => die(7_000, broker, "isr.confirm")),
      act(7_010, "kill", 3),
      act(7_400, "start", 3),
      ...[10_000, 13_000].flatMap((atMs) => [1, 2].map((broker) => act(atMs, "start", broker))),
      die(14_000, 1, "shutdown.begin"),
      act(14_010, "stop", 1),
      act(14_500, "start", 1),
      die(17_000, 2, "shutdown.afterHandOver"),
      act(17_010, "stop", 2),
      act(19_500, "start", 2),
    ];
    const options = {
      brokersCount: 3,
      topics: [
        {
          name: "t",
          partitions: 3,
          replicationFactor: 3,
          minIsr: 2,
          minIsrLeast: 2,
          durability: "group-commit",
          retentionBytes: -1,
        },
      ],
      healsCoreFirst: false,
      chaosMs: 20_000,
    };
    const parts = { makeNode, makeProducerCore: createProducerCore, makeReaderCore: createReaderCore };
    const { failure, counts } = await runCluster(1, parts, options, { plan });
    expect(failure).to.equal(null);
    for (const name of OF_BROKERS) expect(counts.get(`died at ${name}`) ?? 0, name).to.be.at.least(1);
  });
});
