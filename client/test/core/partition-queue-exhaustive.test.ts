/**
 * The producer's core and a replicated partition in every order of events, within small bounds: nothing lost that was
 * acknowledged, nothing double, order kept, nobody left in doubt without a reason, and it comes to rest (RE13, semantics 11.1).
 *
 * Wider ones by hand, the states told: SHOW=1 RECORDS=4 FAULTS=3 npm test -- partition-queue-exhaustive.test.ts
 */
import { expect } from "chai";
import { type Bounds, type Move, searchAll } from "../support/small-world.ts";

const RECORDS = Number(process.env["RECORDS"] ?? 3);
const FAULTS = Number(process.env["FAULTS"] ?? 2);
const NONE: Bounds["faults"] = { all: FAULTS, break: 0, lead: 0, refuse: 0, reject: 0, late: 0, expire: 0 };

function describeMoves(moves: readonly Move[]): string {
  return moves.map(({ kind, at }) => (at === 0 ? kind : `${kind} ${at}`)).join(", ");
}

function mustHold(faults: Partial<Bounds["faults"]>, records = RECORDS): void {
  const { states, depth, broken } = searchAll({
    records,
    faults: { ...NONE, ...faults },
    remembered: Number.POSITIVE_INFINITY,
  });
  if (process.env["SHOW"] !== undefined) console.log(`      ${states} states, depth ${depth}`);
  expect(broken, broken === null ? "" : `${broken.what}: ${describeMoves(broken.moves)}`).to.equal(null);
  expect(states).to.be.greaterThan(100);
}

describe("partition queue, every order of events", () => {
  it("when streams break and others lead", () => {
    mustHold({ break: FAULTS, lead: FAULTS });
  });

  it("when time runs out", () => {
    mustHold({ break: FAULTS, expire: FAULTS });
  });

  it("when batches are refused, for now or for ever", () => {
    mustHold({ break: 1, refuse: 1, reject: 1, late: 1 });
  });

  // Minutes.
  if (process.env["FAULTS"] !== undefined)
    it("when all of that happens", () => {
      mustHold({ break: FAULTS, lead: FAULTS, refuse: FAULTS, reject: FAULTS, late: FAULTS, expire: FAULTS });
    });

  it("finds the fault of a leader that refuses a batch which others have passed (decision 0025)", () => {
    const { broken } = searchAll({ records: 4, faults: { ...NONE, break: 1, all: 1 }, remembered: 1 });
    expect(broken?.what).to.match(/record \d ended as expired for no reason/u);
  });
});
