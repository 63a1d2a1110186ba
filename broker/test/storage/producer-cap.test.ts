import { expect } from "chai";
import type { Logger } from "../../src/ports/index.ts";
import { ProducerCap } from "../../src/storage/producer-cap.ts";
import { ProducerState } from "../../src/storage/producer-state.ts";
import { append, makeBatch, StorageMachine } from "./support/storage-machine.ts";

const markOf = (producerId: number, isTransactional = false) => ({
  producerId,
  producerEpoch: 0,
  baseSequence: 0,
  isTransactional,
  isControl: false,
  lastOffsetDelta: 0,
  maxTimestamp: 0,
});

describe("ProducerCap (security 2, ids without end)", () => {
  let warnings: number;
  const quiet: Logger = {
    debug: () => {},
    info: () => {},
    warn: () => void warnings++,
    error: () => {},
    child: () => quiet,
  };

  beforeEach(() => {
    warnings = 0;
  });

  it("forgets those that wrote nothing for longest, over all logs together, and no more than it must", () => {
    const states = [new ProducerState(), new ProducerState()];
    const cap = new ProducerCap({ states: () => states, logger: quiet, max: 200 });
    for (let id = 0; id < 1_000; id++) {
      states[id % 2]?.update(markOf(id), id, id);
      cap.added(1);
    }
    const kept = states.flatMap((state) => [...state.producers()].map(({ producerId }) => producerId));
    expect(kept.length).to.be.within(198, 200);
    expect(Math.min(...kept)).to.equal(1_000 - kept.length);
    expect(warnings).to.be.within(1, 400);
  });

  it("counts anew before it forgets: who left by himself makes room", () => {
    const state = new ProducerState();
    const cap = new ProducerCap({ states: () => [state], logger: quiet, max: 10 });
    for (let id = 0; id < 100; id++) {
      state.update(markOf(id), id, id);
      cap.added(1);
      state.expire(id);
    }
    expect([state.size, warnings]).to.deep.equal([1, 0]);
  });

  it("keeps producers with an open transaction, and forgets no more of the same moment than it must", () => {
    const state = new ProducerState();
    const cap = new ProducerCap({ states: () => [state], logger: quiet, max: 100 });
    for (let id = 0; id < 50; id++) state.update(markOf(id, true), id, 0);
    for (let id = 50; id < 101; id++) state.update(markOf(id), id, 7);
    cap.added(101);
    const kept = [...state.producers()].map(({ producerId }) => producerId);
    expect(kept.filter((id) => id < 50)).to.have.length(50);
    expect(kept.length).to.be.within(98, 101);
  });

  it("holds for a data directory: its logs' producers are bounded, the newest known", async () => {
    const machine = new StorageMachine();
    machine.producersMax = 50;
    const { log } = await machine.fresh({ segmentBytes: 2 ** 30 });
    for (let id = 0; id < 300; id++) {
      append(log, makeBatch({ producerId: id, baseSequence: 0 }));
      await machine.letPass(1);
    }
    const known = Array.from({ length: 300 }, (_, id) => id).filter((id) => log.producer(id) !== undefined);
    expect(known.length).to.be.within(49, 50);
    expect(known.at(-1)).to.equal(299);
  });
});
