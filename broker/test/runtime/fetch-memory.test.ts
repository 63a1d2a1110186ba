/** Many readers on little memory: what they are lent together is bounded, each has its turn, and none waits for ever. */
import { expect } from "chai";
import { RecordCursor } from "@tidemark/proto";
import { asOffset } from "../../src/base/index.ts";
import { SLOW_MS } from "../../src/runtime/fetch-memory.ts";
import { FetchMemory, FetchSession, SLAB_BYTES, SlabPool } from "../../src/runtime/index.ts";
import type { FetchMessage, FetchSink } from "../../src/runtime/index.ts";
import { PartitionBench } from "./support/partition-bench.ts";

const KIB = 1024;
const VALUE_BYTES = 8 * KIB;
const BATCHES = 24;
const CAP_BYTES = 512 * KIB;
/** What one turn may read when next to nothing is left: a message, and the reads beside it. */
const TURN_BYTES = 5 * 80 * KIB;

/** Takes what it is sent when it is told to. */
class SlowReader implements FetchSink {
  readonly session: FetchSession;
  readonly held: FetchMessage[] = [];
  readonly faults: unknown[] = [];
  /** Messages that came. */
  count = 0;
  recordsCount = 0;
  isEnded = false;
  /** Takes nothing. */
  isStuck: boolean;

  constructor(bench: PartitionBench, memory: FetchMemory | null, isStuck: boolean) {
    this.isStuck = isStuck;
    this.session = new FetchSession({
      clock: bench.process,
      turn: bench.turn,
      slabs: new SlabPool(),
      sink: this,
      ...(memory === null ? {} : { memory }),
    });
    this.session.grant(1_000 * SLAB_BYTES);
    this.session.subscribe({
      subscriptionId: 1,
      partition: bench.partition,
      offset: asOffset(0),
      maxBytes: SLAB_BYTES,
    });
  }

  get isWritable(): boolean {
    return this.held.length < 2;
  }

  send(message: FetchMessage): void {
    this.count++;
    for (const { records, code } of message.parts) {
      expect(code).to.equal("NONE");
      const cursor = new RecordCursor(Buffer.concat([...records]), { verifyCrc: true });
      while (cursor.next()) this.recordsCount++;
    }
    this.held.push(message);
    if (!this.isStuck) this.take();
  }

  /** The oldest message. */
  take(): void {
    this.held.shift()?.release();
    this.session.onWritable();
  }

  onTooSlow(): void {
    this.isEnded = true;
    this.held.length = 0;
    this.session.close();
  }

  onReadFault(cause: unknown): void {
    this.faults.push(cause);
  }
}

async function filled(): Promise<PartitionBench> {
  const bench = await PartitionBench.open();
  const value = "x".repeat(VALUE_BYTES);
  for (let at = 0; at < BATCHES; at++) bench.append({ values: [value] });
  await bench.world.runFor(100);
  return bench;
}

describe("FetchMemory", () => {
  it("bounds what many stuck readers are lent, and greets each at once all the same", async () => {
    const bench = await filled();
    const memory = new FetchMemory({ timers: bench.process, maxBytes: () => CAP_BYTES });
    const readers = Array.from({ length: 200 }, () => new SlowReader(bench, memory, true));
    await bench.world.runFor(1_000);
    expect(memory.isSpent).to.equal(true);
    expect(memory.lentBytes).to.be.at.most(CAP_BYTES + TURN_BYTES);
    const held = readers.flatMap((reader) => reader.held).reduce((sum, { lentBytes }) => sum + lentBytes, 0);
    expect(held).to.equal(memory.lentBytes);
    for (const { count } of readers) expect(count).to.be.at.least(1);
    for (const { session } of readers) session.close();
    expect(memory.lentBytes).to.equal(0);
  });

  it("gives everybody a turn, in the order in which they came", async () => {
    const bench = await filled();
    const memory = new FetchMemory({ timers: bench.process, maxBytes: () => CAP_BYTES });
    const readers = Array.from({ length: 40 }, () => new SlowReader(bench, memory, true));
    await bench.world.runFor(1_000);
    let rounds = 0;
    while (readers.some(({ recordsCount }) => recordsCount < BATCHES)) {
      expect(rounds++).to.be.below(200);
      for (const reader of readers) reader.take();
      await bench.world.runFor(10);
      expect(memory.lentBytes).to.be.at.most(CAP_BYTES + TURN_BYTES);
      const counts = readers.map(({ recordsCount }) => recordsCount);
      if (rounds === 40) expect(Math.min(...counts)).to.be.greaterThan(0);
    }
    for (const reader of readers) while (reader.held.length > 0) reader.take();
    expect(memory.lentBytes).to.equal(0);
  });

  it("ends those who take nothing while others wait, and nobody while there is room", async () => {
    const bench = await filled();
    const memory = new FetchMemory({ timers: bench.process, maxBytes: () => CAP_BYTES });
    const stuck = Array.from({ length: 20 }, () => new SlowReader(bench, memory, true));
    await bench.world.runFor(1_000);
    expect(memory.isSpent).to.equal(true);
    const quick = new SlowReader(bench, memory, false);
    // Those who came before it are found out one cap's worth after the other.
    await bench.world.runFor(240_000);
    expect(quick.recordsCount).to.equal(BATCHES);
    expect(quick.isEnded).to.equal(false);
    const ended = stuck.filter(({ isEnded }) => isEnded).length;
    expect(ended).to.be.greaterThan(0);

    const roomy = new FetchMemory({ timers: bench.process, maxBytes: () => 64 * CAP_BYTES });
    const idle = new SlowReader(bench, roomy, true);
    await bench.world.runFor(300_000);
    expect(idle.isEnded).to.equal(false);
  });

  it("does not end one that waited for its turn, and was sent something a moment ago", async () => {
    const bench = await filled();
    const memory = new FetchMemory({ timers: bench.process, maxBytes: () => CAP_BYTES });
    const ended: string[] = [];
    const share = (name: string): ReturnType<FetchMemory["share"]> =>
      memory.share({ onMemory: () => undefined, onTooSlow: () => ended.push(name) });
    const [stuck, waiting, last] = [share("stuck"), share("waiting"), share("last")];
    stuck.onSent(CAP_BYTES);
    expect([waiting.mayRead(), last.mayRead()]).to.deep.equal([false, false]);
    await bench.world.runFor(SLOW_MS - 100);
    stuck.onTaken(1024);
    expect(waiting.mayRead()).to.equal(true);
    waiting.onSent(1024);
    waiting.pass();
    await bench.world.runFor(1_000);
    expect(ended).to.deep.equal([]);
    await bench.world.runFor(SLOW_MS);
    expect(ended).to.deep.equal(["stuck", "waiting"]);
  });

  it("counts what was sent to one who wants no more until it is taken, and ends him too where he takes nothing", async () => {
    const bench = await filled();
    const memory = new FetchMemory({ timers: bench.process, maxBytes: () => CAP_BYTES });
    const readers = Array.from({ length: 20 }, () => new SlowReader(bench, memory, true));
    await bench.world.runFor(1_000);
    for (const { session } of readers) session.finish();
    await bench.world.runFor(1_000);
    const heldBytes = (): number =>
      readers.flatMap(({ held }) => held).reduce((sum, { lentBytes }) => sum + lentBytes, 0);
    expect(heldBytes()).to.be.greaterThan(0);
    expect(memory.lentBytes).to.equal(heldBytes());
    const [first, ...stuck] = readers.filter(({ held }) => held.some(({ lentBytes }) => lentBytes > 0));
    const { count = 0 } = first ?? {};
    while ((first?.held.length ?? 0) > 0) first?.take();
    expect(memory.lentBytes).to.equal(heldBytes());
    await bench.world.runFor(1_000);
    expect(first?.count, "nothing more is said").to.equal(count);
    for (let more = 0; more < 20; more++) new SlowReader(bench, memory, true);
    await bench.world.runFor(2 * SLOW_MS);
    expect(stuck.map(({ isEnded }) => isEnded)).to.not.include(false);
  });

  it("does not hold up a stream without a share, as those of followers are", async () => {
    const bench = await filled();
    const memory = new FetchMemory({ timers: bench.process, maxBytes: () => CAP_BYTES });
    for (let count = 0; count < 100; count++) new SlowReader(bench, memory, true);
    await bench.world.runFor(1_000);
    const follower = new SlowReader(bench, null, false);
    await bench.world.runFor(1_000);
    expect(follower.recordsCount).to.equal(BATCHES);
  });
});
