/** A run that failed, made small: the search by itself, and on a broker with a known mistake. */
import { createProducerCore, createReaderCore } from "@tidemark/client/core";
import { expect } from "chai";
import {
  type ClusterCase,
  type ClusterSeedResult,
  kindOfFailure,
  runCluster,
  shrinkCluster,
} from "../../src/sim/index.ts";
import { shrinkList } from "../../src/sim/shrink.ts";
import type * as Simulation from "../../src/simulation.ts";
import { Mutants } from "../mutations/mutant.ts";

const forEver = { isSpent: () => false };

describe("what a failure needs of a list", () => {
  const numbers = Array.from({ length: 100 }, (_, slot) => slot);

  it("is found item by item, in its order, with far fewer tries than there are subsets", async () => {
    let tries = 0;
    const needed = [3, 41, 42, 97];
    const found = await shrinkList(
      numbers,
      async (items) => {
        tries += 1;
        return needed.every((each) => items.includes(each));
      },
      forEver,
    );
    expect(found).to.deep.equal(needed);
    expect(tries).to.be.below(150);
  });

  it("is nothing where it fails without any, and everything where all are needed", async () => {
    expect(await shrinkList(numbers, async () => true, forEver)).to.deep.equal([]);
    expect(await shrinkList([1, 2, 3], async (items) => items.length === 3, forEver)).to.deep.equal([1, 2, 3]);
    expect(await shrinkList([], async () => true, forEver)).to.deep.equal([]);
  });

  it("is what was found by then, when no more may be tried", async () => {
    let left = 2;
    const found = await shrinkList(
      numbers,
      async (items) => {
        left -= 1;
        return items.includes(3);
      },
      { isSpent: () => left <= 0 },
    );
    expect(found).to.deep.equal(numbers.slice(0, 50));
  });
});

describe("the kind of a failure", () => {
  it("is its invariant, and for what could be anything its words as well, without numbers and without what is missing", () => {
    expect(kindOfFailure({ invariant: "RE7", message: "topic-0-1: 0 was acknowledged" })).to.equal("RE7");
    const kind = kindOfFailure({ invariant: "RE15", message: "not in time: writes go on at topic-1-0 (3 of 4)" });
    expect(kind).to.equal("RE15: not in time: writes go on at topic-#-#");
    expect(kindOfFailure({ invariant: "assertion", message: "a" })).not.to.equal(
      kindOfFailure({ invariant: "assertion", message: "b" }),
    );
  });
});

describe("a run of a broker that looks at no sequence", () => {
  const mutants = new Mutants();

  after(() => {
    mutants.remove();
  });

  it("is shrunk to a plan that still shows the duplicate, by itself (11.1)", async () => {
    const edit = { file: "runtime/partition-appends.js", from: "if (header.hasProducerId) {", to: "if (false) {" };
    const { makeNode } = await mutants.load<typeof Simulation>("simulation.js", [edit]);
    const parts = { makeNode, makeProducerCore: createProducerCore, makeReaderCore: createReaderCore };
    const run = ({ seed, options, plan }: ClusterCase): Promise<ClusterSeedResult> =>
      runCluster(seed, parts, options, { plan });
    const [seed, failed] = await firstFailing((each) => runCluster(each, parts, SMALL));
    const smaller: string[] = [];
    const shrunk = await shrinkCluster({ seed, options: failed.options, plan: failed.plan }, run, {
      runsMax: 12,
      onSmaller: ({ found, result }) => smaller.push(`${found.plan.length} ${result.traceHash}`),
    });
    const { plan } = shrunk?.found ?? { plan: failed.plan };
    expect(shrunk?.result.failure?.invariant).to.equal("duplicate");
    expect(shrunk?.runs).to.be.at.most(12);
    expect(plan.length, "steps").to.be.within(1, failed.plan.length / 2);
    expect(smaller.at(-1), "what was told last").to.equal(`${plan.length} ${shrunk?.result.traceHash}`);
    // Another seed draws other faults: the plan needs none of them.
    const again = await run({ seed, options: { ...failed.options, faults: {}, changes: {} }, plan });
    expect(again.failure?.invariant).to.equal("duplicate");
  });
});

const SMALL = {
  chaosMs: 1_500,
  recordIntervalMs: 50,
  healsCoreFirst: false,
  faults: { reset: 4, oneWay: 1 },
  changes: {},
  topics: [
    {
      name: "t",
      partitions: 1,
      replicationFactor: 3,
      minIsr: 1,
      minIsrLeast: 1,
      durability: "group-commit",
      retentionBytes: -1,
    },
  ],
  brokersCount: 3,
};

async function firstFailing(
  run: (seed: number) => Promise<ClusterSeedResult>,
): Promise<readonly [number, ClusterSeedResult]> {
  for (let seed = 23; seed < 43; seed++) {
    // oxlint-disable-next-line no-await-in-loop
    const result = await run(seed);
    if (result.failure?.invariant === "duplicate") return [seed, result];
  }
  throw new Error("no seed shows the mistake");
}
