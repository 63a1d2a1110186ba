/** The log view, and the arithmetic of majorities, each against a naive oracle. */
import { expect } from "chai";
import fc from "fast-check";
import { majorityIndex, majorityOf } from "../../src/raft/quorum.ts";
import { RaftLog, survivingEntries } from "../../src/raft/raft-log.ts";
import type { Entry, Snapshot } from "../../src/raft/index.ts";
import { replica } from "./group.ts";

const BIRTH: Snapshot = { index: 0, term: 0, voters: [replica(1)], sizeBytes: 0, crc: 0 };

function entry(index: number, term: number): Entry {
  return { index, term, body: { kind: "leaderStart" } };
}

/** A log as a plain list of terms: `terms[index]`; `terms[0]` stands before the first entry. */
class NaiveLog {
  terms = [0];
  commitIndex = 0;
  stableIndex = 0;
  writingIndex = 0;
  applied: number[] = [];

  merge(previous: number, terms: readonly number[]): void {
    for (const [at, term] of terms.entries()) {
      const index = previous + 1 + at;
      if (this.terms[index] === term) continue;
      this.terms = [...this.terms.slice(0, index), ...terms.slice(at)];
      this.stableIndex = Math.min(this.stableIndex, index - 1);
      this.writingIndex = Math.min(this.writingIndex, index - 1);
      return;
    }
  }

  apply(): void {
    for (let index = this.applied.length + 1; index <= Math.min(this.commitIndex, this.stableIndex); index++) {
      this.applied.push(index);
    }
  }
}

type Step =
  | { readonly kind: "merge"; readonly back: number; readonly rises: readonly number[] }
  | { readonly kind: "commit"; readonly by: number }
  | { readonly kind: "begin" | "finish" | "apply" }
  | { readonly kind: "snapshot"; readonly trailing: number };

const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({
        kind: fc.constant("merge" as const),
        back: fc.nat(6),
        rises: fc.array(fc.nat(2), { maxLength: 6 }),
      }),
    },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant("commit" as const), by: fc.nat(4) }) },
    {
      weight: 4,
      arbitrary: fc.record({ kind: fc.constantFrom("begin" as const, "finish" as const, "apply" as const) }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("snapshot" as const), trailing: fc.nat(3) }) },
  ),
  { maxLength: 60 },
);

describe("The Raft log", () => {
  it("does what a plain list of terms does", () => {
    fc.assert(
      fc.property(steps, (list) => {
        const log = new RaftLog(BIRTH, []);
        const naive = new NaiveLog();
        const applied: number[] = [];
        let isWriting = false;
        for (const step of list) {
          if (step.kind === "merge") {
            // A leader never contradicts what is committed.
            const previous = Math.max(naive.commitIndex, naive.terms.length - 1 - step.back);
            let term = naive.terms[previous] ?? 0;
            const terms = step.rises.map((rise) => (term = Math.max(1, term + rise)));
            const matched = log.merge(
              previous,
              terms.map((each, at) => entry(previous + 1 + at, each)),
            );
            expect(matched).to.equal(previous + terms.length);
            naive.merge(previous, terms);
          } else if (step.kind === "commit") {
            const to = Math.min(naive.terms.length - 1, naive.commitIndex + step.by);
            expect(log.commitTo(to)).to.equal(to > naive.commitIndex);
            naive.commitIndex = to;
          } else if (step.kind === "begin" && !isWriting) {
            isWriting = true;
            const written = log.beginWrite().map((each) => each.term);
            expect(written).to.deep.equal(naive.terms.slice(naive.stableIndex + 1));
            naive.writingIndex = naive.terms.length - 1;
          } else if (step.kind === "finish" && isWriting) {
            isWriting = false;
            log.finishWrite();
            naive.stableIndex = Math.max(naive.stableIndex, naive.writingIndex);
          } else if (step.kind === "apply") {
            applied.push(...log.takeCommitted(1_000_000).map((each) => each.index));
            naive.apply();
            expect(applied).to.deep.equal(naive.applied);
          } else if (step.kind === "snapshot" && log.appliedIndex > log.snapshot.index) {
            const index = log.appliedIndex;
            log.onSnapshotWritten({ ...BIRTH, index, term: naive.terms[index] ?? 0 });
            log.cutTo(Math.max(0, index - step.trailing));
          }
          expect(log.lastIndex).to.equal(naive.terms.length - 1);
          expect(log.lastTerm).to.equal(naive.terms.at(-1));
          expect(log.stableIndex).to.equal(naive.stableIndex);
          for (let index = log.firstIndex; index <= log.lastIndex + 1; index++) {
            expect(log.termAt(index)).to.equal(naive.terms[index] ?? null);
          }
          const kept = log.slice(log.firstIndex, Number.POSITIVE_INFINITY).map((each) => each.term);
          expect(kept).to.deep.equal(naive.terms.slice(log.firstIndex));
        }
      }),
      { numRuns: 150 },
    );
  });

  it("finds where two logs may agree like a search from the end", () => {
    const rises = fc.array(fc.nat(2), { minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(rises, fc.nat(25), fc.nat(30), (list, index, term) => {
        let last = 1;
        const terms = [0, ...list.map((rise) => (last += rise))];
        const log = new RaftLog(
          BIRTH,
          terms.slice(1).map((each, at) => entry(at + 1, each)),
        );
        let expected = Math.min(index, terms.length - 1);
        while ((terms[expected] ?? 0) > term) expected -= 1;
        expect(log.agreementBelow(index, term)).to.deep.equal({ index: expected, term: terms[expected] });
      }),
      { numRuns: 150 },
    );
  });

  it("hands out at least one entry, and no more bytes than were allowed beyond it", () => {
    const log = new RaftLog(BIRTH, []);
    for (const size of [100, 200, 300]) log.append(1, { kind: "command", bytes: new Uint8Array(size) });
    expect(log.slice(1, 1)).to.have.length(1);
    expect(log.slice(1, 100 + 200 + 2 * 32)).to.have.length(2);
    expect(log.slice(2, 1_000)).to.have.length(2);
    expect(log.slice(4, 1_000)).to.have.length(0);
  });

  it("refuses to truncate what is committed (P18)", () => {
    const log = new RaftLog(BIRTH, [entry(1, 1), entry(2, 1)]);
    log.commitTo(2);
    expect(() => log.merge(1, [entry(2, 2)])).to.throw("committed entries would be truncated");
  });

  it("asserts what cannot be: gaps, terms that fall, snapshots of another log", () => {
    expect(() => new RaftLog(BIRTH, [entry(2, 1)])).to.throw("entries are missing behind the snapshot");
    expect(() => new RaftLog(BIRTH, [entry(1, 2), entry(2, 1)])).to.throw("terms fall");
    expect(() => new RaftLog(BIRTH, [entry(1, 2), entry(3, 2)])).to.throw("gap");
    expect(() => new RaftLog({ ...BIRTH, index: 2, term: 3 }, [entry(1, 1), entry(2, 2)])).to.throw("does not hold");
    const log = new RaftLog(BIRTH, [entry(1, 1)]);
    expect(() => {
      log.cutTo(1);
    }).to.throw("only behind a durable snapshot");
    expect(() => {
      log.onSnapshotWritten({ ...BIRTH, index: 1, term: 1 });
    }).to.throw("not applied");
    expect(() => {
      log.commitTo(2);
    }).to.throw("entries were lost");
  });

  it("a list of voters is in force from its append to its truncation, and known at every index", () => {
    const log = new RaftLog(BIRTH, []);
    const two = [replica(1), replica(2)];
    log.append(1, { kind: "leaderStart" });
    log.append(1, { kind: "voters", voters: two });
    expect(log.voters).to.deep.equal(two);
    expect([log.votersAt(1), log.votersAt(2)]).to.deep.equal([BIRTH.voters, two]);
    log.merge(1, [entry(2, 2)]);
    expect(log.voters).to.deep.equal(BIRTH.voters);
  });

  it("what is stored beside a snapshot counts if it continues or contains it", () => {
    const at = (index: number, term: number): Snapshot => ({ ...BIRTH, index, term });
    const stored = [entry(4, 1), entry(5, 2), entry(6, 2)];
    expect(survivingEntries(at(3, 1), stored)).to.equal(stored);
    expect(survivingEntries(at(5, 2), stored)).to.equal(stored);
    expect(survivingEntries(at(5, 3), stored)).to.deep.equal([]);
    expect(survivingEntries(at(9, 3), stored)).to.deep.equal([]);
    expect(survivingEntries(at(1, 1), stored)).to.deep.equal([]);
  });
});

describe("Majorities", () => {
  it("are more than half, and any two of them meet", () => {
    for (let count = 1; count <= 9; count++) {
      expect(2 * majorityOf(count)).to.be.greaterThan(count);
      expect(2 * (majorityOf(count) - 1)).to.be.at.most(count);
    }
  });

  it("hold the highest index that counting finds", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(8), { minLength: 1, maxLength: 7 }), (indexes) => {
        let expected = 0;
        for (let index = 1; index <= 8; index++) {
          if (2 * indexes.filter((each) => each >= index).length > indexes.length) expected = index;
        }
        const voters = indexes.map((_, slot) => replica(slot));
        expect(majorityIndex(voters, (voter) => indexes[voter.nodeId] ?? 0)).to.equal(expected);
      }),
    );
  });
});
