/** Raft's store through crashes and rot (semantics 10.1, 10.2): seeds of the profile "store". */
import { expect } from "chai";
import { FAILPOINTS } from "../../../src/ports/index.ts";
import { runRaftStore } from "../../../src/sim/index.ts";
import { createRaftStore, openRaftStore } from "../../../src/storage/index.ts";
import { describeKnownMistakes } from "../../mutations/known-mistakes.ts";
import { seedOfCommit } from "../../support/seed-of-commit.ts";

const ROOM = { createRaftStore, openRaftStore };
const FIRST_SEED = Number(process.env["RAFT_STORE_SEED"] ?? seedOfCommit().seed);
const RUNS = Number(process.env["RAFT_STORE_RUNS"] ?? 100);
/** Seeds that failed once. */
const FORMER_FAILURES: readonly (readonly [seed: number, what: string])[] = [
  [
    5800,
    "a snapshot was installed beside an empty log, the crash came before `last` followed it, and a clean stop after",
  ],
];

/** The failpoints of the store. */
const NAMES = Object.keys(FAILPOINTS).filter((name) => name.startsWith("raft."));

async function failureOf(seed: number, counts: Map<string, number>): Promise<string> {
  const { failure, counts: own } = await runRaftStore(seed, ROOM);
  for (const [what, count] of own) counts.set(what, (counts.get(what) ?? 0) + count);
  if (failure === null) return "";
  const { invariant, stack } = failure;
  return `seed ${seed}: ${invariant}\n${stack}\nreplay: npm run sim -- --profile store --seed ${seed}`;
}

describe("Raft's store through crashes and rot", () => {
  for (const [seed, what] of FORMER_FAILURES) {
    it(`seed ${seed}: ${what}`, async () => {
      expect(await failureOf(seed, new Map())).to.equal("");
    });
  }

  it(`finds again what was durable (seeds ${FIRST_SEED} to ${FIRST_SEED + RUNS - 1})`, async () => {
    const counts = new Map<string, number>();
    for (let seed = FIRST_SEED; seed < FIRST_SEED + RUNS; seed += 1) expect(await failureOf(seed, counts)).to.equal("");
    if (RUNS < 100) return;
    for (const what of [
      "crashed",
      "failed",
      "closed",
      "lost",
      "process",
      "power",
      "truncation",
      "own snapshot",
      "install",
    ]) {
      expect(counts.get(what) ?? 0, what).to.be.greaterThan(5);
    }
    // Some are met in one run of fifty: as many more as it takes.
    const hasNot = (): string[] => NAMES.filter((name) => !counts.has(`died at ${name}`));
    for (let seed = FIRST_SEED + RUNS; hasNot().length > 0 && seed < FIRST_SEED + 10 * RUNS; seed += 1)
      expect(await failureOf(seed, counts)).to.equal("");
    expect(hasNot(), "where nobody died").to.deep.equal([]);
  });

  describeKnownMistakes("store");
});
