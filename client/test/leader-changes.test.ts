import { expect } from "chai";
import { Client, codecs, topic } from "../src/index.ts";
import { FakeCluster } from "./support/fake-cluster.ts";

const text = topic("t", { key: codecs.string, value: codecs.string });
/** Whoever waits for a broker that stands still waits longer than the test. */
const timeouts = { connect: "1h", request: "1h", delivery: "1h" } as const;

/** Resolves when `isTrue` does; the runner bounds it. */
async function until(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await new Promise((resolve) => setTimeout(resolve, 5));
}

describe("a client whose leaders change", () => {
  it("sends on to the new leader what the old one, which stands still, has not answered, once it is told by push", async () => {
    await using cluster = await FakeCluster.start(3);
    await using client = new Client({ brokers: cluster.addresses, timeouts });
    await using producer = client.producer({ linger: 0 });
    await producer.send(text, { value: "before" });
    await until(() => cluster.brokers.some(({ watchersCount }) => watchersCount > 0));
    const old = cluster.broker(1);
    old.isStalled = true;
    const seen = old.producesSeen;
    const sent = producer.send(text, { value: "meanwhile" });
    await until(() => old.producesSeen > seen);
    // Whoever is watched, it is told.
    old.isStalled = false;
    cluster.moveLeader(2, [1, 2, 3]);
    old.isStalled = true;
    expect(await sent).to.include({ offset: 1, duplicate: false });
    expect((await producer.send(text, { value: "after" })).offset).to.equal(2);
    expect(cluster.log.length).to.equal(3);
  });

  it("goes where the refusal of the old leader points, without asking anybody", async () => {
    await using cluster = await FakeCluster.start(2, { hasPush: false });
    await using client = new Client({ brokers: cluster.addresses, timeouts });
    await using producer = client.producer({ linger: 0 });
    await producer.send(text, { value: "before" });
    const calls = (): number => cluster.brokers.reduce((sum, { metadataCalls }) => sum + metadataCalls, 0);
    // Nobody's metadata knows of it: only the one that is asked in vain.
    cluster.moveLeader(2, []);
    expect((await producer.send(text, { value: "after" })).offset).to.equal(1);
    const asked = calls();
    expect((await producer.send(text, { value: "and on" })).offset).to.equal(2);
    expect(calls() - asked, "questions about a leader that is known").to.be.lessThan(2);
  });

  it("reads on at the new leader while the old one stands still", async () => {
    await using cluster = await FakeCluster.start(3);
    await using client = new Client({ brokers: cluster.addresses, timeouts });
    await using producer = client.producer({ linger: 0 });
    await producer.send(text, { value: "one" });
    const reader = client.reader(text, { follow: true })[Symbol.asyncIterator]();
    expect((await reader.next()).value).to.include({ value: "one" });
    await until(() => cluster.brokers.some(({ watchersCount }) => watchersCount > 0));
    const next = reader.next();
    cluster.moveLeader(2, [1, 2, 3]);
    cluster.broker(1).isStalled = true;
    await producer.send(text, { value: "two" });
    const [, batch = Buffer.alloc(0)] = cluster.log;
    cluster.broker(2).push(batch);
    expect((await next).value).to.include({ value: "two", offset: 1 });
    await reader.return?.();
  });

  it("takes no older metadata for newer", async () => {
    await using cluster = await FakeCluster.start(2, { hasPush: false });
    await using client = new Client({ brokers: cluster.addresses, timeouts });
    await using producer = client.producer({ linger: 0 });
    await producer.send(text, { value: "before" });
    // Broker 2 leads and knows; broker 1 is behind, and answers questions all the same.
    cluster.moveLeader(2, [2]);
    for (let i = 0; i < 10; i++) {
      await client.ready();
      expect((await producer.send(text, { value: `${i}` })).offset).to.equal(1 + i);
    }
    expect(cluster.log.length).to.equal(11);
  });

  for (const code of ["REQUEST_TIMED_OUT", "NOT_ENOUGH_REPLICAS"] as const) {
    for (const hasPush of [true, false]) {
      it(`asks others than a leader that is cut off and answers ${code}, ${hasPush ? "and watches" : "without push"}`, async () => {
        await using cluster = await FakeCluster.start(3, { hasPush });
        await using client = new Client({
          brokers: cluster.addresses,
          timeouts,
          retry: { initialDelay: 1, maxDelay: 5 },
        });
        await using producer = client.producer({ linger: 0 });
        await producer.send(text, { value: "before" });
        if (hasPush) await until(() => cluster.brokers.some(({ watchersCount }) => watchersCount > 0));
        // It is the one that is watched, if any is, and leads.
        const watched = cluster.brokers.find(({ watchersCount }) => watchersCount > 0);
        const old = watched ?? cluster.broker(1);
        cluster.moveLeader(old.id, [1, 2, 3]);
        await producer.send(text, { value: "at the old one" });
        old.refuses = code;
        const others = [1, 2, 3].filter((id) => id !== old.id);
        cluster.moveLeader(others[0] ?? 0, others);
        const sent = ["a", "b", "c"].map((value) => producer.send(text, { value }));
        expect((await Promise.all(sent)).map(({ offset }) => offset)).to.deep.equal([2, 3, 4]);
        // One batch each, and the three together.
        expect(cluster.log.length).to.equal(3);
        if (hasPush) await until(() => cluster.brokers.some((broker) => broker !== old && broker.watchersCount > 0));
        expect(old.watchersCount).to.equal(0);
      });
    }
  }

  it("asks ever more rarely who leads while partitions lack replicas", async () => {
    await using cluster = await FakeCluster.start(1);
    cluster.addPartitions(32);
    await using client = new Client({
      brokers: cluster.addresses,
      timeouts,
      retry: { initialDelay: 20, maxDelay: 100 },
    });
    const broker = cluster.broker(1);
    broker.refuses = "NOT_ENOUGH_REPLICAS";
    const producer = client.producer({ linger: 0 });
    const sent = Array.from({ length: 32 }, (_, partition) => producer.send(text, { value: "x", partition }));
    await until(() => broker.producesSeen > 0);
    const [calls, since] = [broker.metadataCalls, performance.now()];
    const seen = broker.producesSeen;
    await until(() => broker.producesSeen >= seen + 200);
    // After 100 ms, 200, 400 and so on; without a pause that grows it is each 100 ms.
    const elapsedMs = performance.now() - since;
    const asked = broker.metadataCalls - calls;
    expect(asked, `in ${elapsedMs} ms`).to.be.at.most(
      1 + Math.ceil(Math.log2(1 + elapsedMs / 100)) + elapsedMs / 2_000,
    );
    broker.refuses = null;
    await Promise.all(sent);
    await producer.close();
  });

  it("sends to partitions that are added once it is told of them by push", async () => {
    await using cluster = await FakeCluster.start(2);
    await using client = new Client({ brokers: cluster.addresses, timeouts });
    await using producer = client.producer({ linger: 0 });
    expect((await producer.send(text, { value: "before" })).partition).to.equal(0);
    await until(() => cluster.brokers.some(({ watchersCount }) => watchersCount > 0));
    cluster.addPartitions(3);
    const used = new Set<number>();
    for (let i = 0; i < 200 && used.size < 3; i++) used.add((await producer.send(text, { value: `${i}` })).partition);
    expect([...used]).to.have.members([0, 1, 2]);
  });

  it("reads partitions that are added from their beginning, where it follows all", async () => {
    await using cluster = await FakeCluster.start(2);
    await using client = new Client({ brokers: cluster.addresses, timeouts });
    await using producer = client.producer({ linger: 0 });
    for (const value of ["one", "two"]) await producer.send(text, { value });
    const all = client.reader(text, { follow: true })[Symbol.asyncIterator]();
    const first = client.reader(text, { follow: true, partitions: [0] })[Symbol.asyncIterator]();
    const ended = client.reader(text, { follow: true, to: 1_000 })[Symbol.asyncIterator]();
    for (const reader of [all, first, ended]) {
      expect((await reader.next()).value).to.include({ value: "one" });
      expect((await reader.next()).value).to.include({ value: "two" });
    }
    const { subscribed } = cluster.broker(1);
    await until(() => cluster.brokers.some(({ watchersCount }) => watchersCount > 0));
    subscribed.length = 0;
    cluster.addPartitions(3);
    await until(() => subscribed.length >= 2);
    cluster.moveLeader(2, [1, 2]);
    await until(() => cluster.broker(2).subscribed.length >= 5);
    expect(subscribed).to.deep.equal(["1 at 0", "2 at 0"]);
    expect(cluster.broker(2).subscribed).to.have.members(["0 at 2", "1 at 0", "2 at 0", "0 at 2", "0 at 2"]);
    for (const reader of [all, first, ended]) await reader.return?.();
  });

  it("notices a topic that was made anew with fewer partitions, when it writes and when it reads", async () => {
    await using cluster = await FakeCluster.start(2);
    cluster.addPartitions(3);
    await using client = new Client({ brokers: cluster.addresses, timeouts });
    await using producer = client.producer({ linger: 0, partitioner: "round-robin" });
    const used = new Set<number>();
    for (let i = 0; i < 3; i++) used.add((await producer.send(text, { value: `${i}` })).partition);
    expect([...used]).to.have.members([0, 1, 2]);
    const reader = client.reader(text, { follow: true, from: 1_000 })[Symbol.asyncIterator]();
    const reading = reader.next().then(
      () => "a record",
      (error: Error) => error.message,
    );
    await until(() => cluster.brokers.some(({ subscribed }) => subscribed.length === 3));
    await until(() => cluster.brokers.some(({ watchersCount }) => watchersCount > 0));
    cluster.remake(1);
    expect(await reading).to.equal("topic t was deleted, and made anew under its name");
    for (let i = 0; i < 3; i++) expect((await producer.send(text, { value: "anew" })).partition).to.equal(0);
    const error = await producer.send(text, { partition: 2, value: "lost" }).catch((thrown: unknown) => thrown);
    expect(error).to.include({ code: "UNKNOWN_TOPIC_OR_PARTITION" });
  });

  it("watches another broker when the one it watches dies", async () => {
    await using cluster = await FakeCluster.start(3);
    await using client = new Client({ brokers: cluster.addresses, timeouts });
    await using producer = client.producer({ linger: 0 });
    await producer.send(text, { value: "before" });
    const isWatched = (): boolean => cluster.brokers.some(({ watchersCount }) => watchersCount > 0);
    await until(isWatched);
    const watched = cluster.brokers.find(({ watchersCount }) => watchersCount > 0);
    watched?.kill();
    await until(() => cluster.brokers.some((broker) => broker !== watched && broker.watchersCount > 0));
    const left = cluster.brokers.filter((broker) => broker !== watched).map(({ id }) => id);
    cluster.moveLeader(left[0] ?? 0, left);
    expect((await producer.send(text, { value: "after" })).offset).to.equal(1);
  });

  for (const what of ["is gone", "stands still"] as const) {
    it(`asks the new leader where a partition ends when the old one ${what}`, async () => {
      await using cluster = await FakeCluster.start(3);
      // Of one that stands still the silence tells; all of it would be waited for in vain.
      const own = { connect: what === "is gone" ? "1h" : "300ms", request: "1h", delivery: "1h" } as const;
      await using client = new Client({ brokers: cluster.addresses, timeouts: own, retry: { budget: "1h" } });
      await using producer = client.producer({ linger: 0 });
      await producer.send(text, { value: "before" });
      const old = cluster.broker(1);
      if (what === "is gone") old.kill();
      else old.isStalled = true;
      const ends = client.admin.topics.offsets("t", "latest");
      await new Promise((resolve) => setTimeout(resolve, 50));
      cluster.moveLeader(2, [2, 3]);
      expect([...(await ends)]).to.deep.equal([[0, 1]]);
    });
  }
});
