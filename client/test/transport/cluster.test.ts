import { expect } from "chai";
import { Cluster, type Every, TOPIC_IDLE_MS } from "../../src/transport/cluster.ts";
import { settingsOf } from "../../src/transport/settings.ts";
import { FakeCluster } from "../support/fake-cluster.ts";

/** Time that passes when a test says so. */
class FakeTime {
  readonly #repeated = new Map<() => void, { readonly ms: number; leftMs: number }>();

  readonly every: Every = (ms, task) => {
    this.#repeated.set(task, { ms, leftMs: ms });
    return () => this.#repeated.delete(task);
  };

  get timersCount(): number {
    return this.#repeated.size;
  }

  pass(ms: number): void {
    for (const [task, timer] of this.#repeated)
      for (timer.leftMs -= ms; timer.leftMs <= 0; timer.leftMs += timer.ms) task();
  }
}

/** Resolves when `isTrue` does; the runner bounds it. */
async function until(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await new Promise((resolve) => setTimeout(resolve, 5));
}

describe("Cluster", () => {
  async function knowing(run: (cluster: Cluster, time: FakeTime, broker: FakeCluster["brokers"][number]) => unknown) {
    await using fake = await FakeCluster.start(1);
    const time = new FakeTime();
    const cluster = new Cluster(settingsOf({ brokers: fake.addresses }), time.every);
    try {
      await cluster.requireTopic("t", {});
      await until(() => fake.broker(1).watched.has("t"));
      await run(cluster, time, fake.broker(1));
    } finally {
      cluster.close();
    }
    expect(time.timersCount).to.equal(0);
  }

  it("forgets a topic that nobody has asked for in a while, and is told of it no more", () =>
    knowing(async (cluster, time, broker) => {
      const calls = broker.metadataCalls;
      time.pass(2 * TOPIC_IDLE_MS);
      await until(() => !broker.watched.has("t"));
      // What the broker still has to say of it, as this one does of every topic, changes nothing.
      broker.learn({ metadataOffset: 2, leaderId: 1, leaderEpoch: 1 });
      await until(() => cluster.seenOffset === 2);
      expect(time.timersCount).to.equal(0);
      expect(cluster.topic("t")).to.equal(undefined);
      await cluster.requireTopic("t", {});
      await until(() => broker.watched.has("t"));
      expect(broker.metadataCalls).to.equal(calls + 1);
    }));

  it("goes back to no older metadata when what is known is asked for again", () =>
    knowing(async (cluster, _time, broker) => {
      broker.learn({ metadataOffset: 3, leaderId: 1, leaderEpoch: 2 });
      await until(() => cluster.seenOffset === 3);
      broker.learn({ metadataOffset: 2, leaderId: 2, leaderEpoch: 1 });
      cluster.forget("t");
      expect(cluster.topic("t")).to.equal(undefined);
      const known = await cluster.requireTopic("t", {});
      expect(known).to.deep.include({ leaders: [1], leaderEpochs: [2] });
    }));

  it("follows a cluster that was put back to an earlier time, once nobody knows better", () =>
    knowing(async (cluster, _time, broker) => {
      broker.learn({ metadataOffset: 10, leaderId: 1, leaderEpoch: 5 });
      await until(() => cluster.seenOffset === 10);
      broker.learn({ metadataOffset: 3, leaderId: 2, leaderEpoch: 2 });
      for (let attempt = 1; attempt <= 2; attempt++) {
        cluster.forget("t");
        await cluster.requireTopic("t", {});
      }
      expect(cluster.topic("t")).to.deep.include({ leaders: [2], leaderEpochs: [2] });
      expect(cluster.seenOffset).to.equal(3);
    }));

  it("tells once of all leaders that were hinted at in one stretch", () =>
    knowing(async (cluster, _time, broker) => {
      broker.learn({ metadataOffset: 2, leaderId: 1, leaderEpoch: 0, partitionsCount: 3 });
      await until(() => cluster.topic("t")?.leaders.length === 3);
      let toldCount = 0;
      cluster.onLeaders(() => void (toldCount += 1), "t");
      const hint = { leaderId: 2, leaderEpoch: 1, host: "127.0.0.1", port: 1 };
      for (const partition of [0, 1, 2]) expect(cluster.onLeaderHint("t", partition, hint)).to.equal(true);
      expect(cluster.topic("t")?.leaders).to.deep.equal([2, 2, 2]);
      await Promise.resolve();
      expect(toldCount).to.equal(1);
    }));

  it("watches no broker for long, where there are others: one that is cut off tells nothing", async () => {
    await using fake = await FakeCluster.start(3);
    const time = new FakeTime();
    const cluster = new Cluster(settingsOf({ brokers: fake.addresses }), time.every);
    try {
      await cluster.requireTopic("t", {});
      const isWatched = (): boolean => fake.brokers.some(({ watchersCount }) => watchersCount > 0);
      await until(isWatched);
      const first = fake.brokers.find(({ watchersCount }) => watchersCount > 0)?.id ?? 0;
      const others = [1, 2, 3].filter((id) => id !== first);
      const next = others.find((id) => id !== 1) ?? 0;
      let toldCount = 0;
      cluster.onLeaders(() => void (toldCount += 1), "t");
      fake.moveLeader(next, others);
      time.pass(TOPIC_IDLE_MS);
      await until(() => cluster.topic("t")?.leaders[0] === next);
      expect(toldCount).to.equal(1);
    } finally {
      cluster.close();
    }
  });

  /** A cluster of three that is watched at `watched`, with the two others. */
  async function watching(
    run: (at: { fake: FakeCluster; cluster: Cluster; time: FakeTime; watched: number; others: number[] }) => unknown,
  ): Promise<void> {
    await using fake = await FakeCluster.start(3);
    const time = new FakeTime();
    const cluster = new Cluster(settingsOf({ brokers: fake.addresses }), time.every);
    try {
      await cluster.requireTopic("t", {});
      await until(() => fake.brokers.some(({ watchersCount }) => watchersCount > 0));
      const watched = fake.brokers.find(({ watchersCount }) => watchersCount > 0)?.id ?? 0;
      await run({ fake, cluster, time, watched, others: [1, 2, 3].filter((id) => id !== watched) });
    } finally {
      cluster.close();
    }
  }

  it("leaves a leader that is doubted once, and does not go round leaders that all refuse", () =>
    watching(async ({ fake, cluster }) => {
      for (let round = 0; round < 20; round++) {
        for (const id of [1, 2, 3]) {
          cluster.doubt(cluster.broker(id));
          await cluster.refresh([], { create: false });
        }
      }
      expect(fake.brokers.reduce((sum, { watchesOpened }) => sum + watchesOpened, 0)).to.equal(2);
    }));

  it("leaves the next one too, once a leader has moved", () =>
    watching(async ({ fake, cluster, watched, others }) => {
      cluster.doubt(cluster.broker(watched));
      await until(() => others.some((id) => fake.broker(id).watchersCount > 0));
      const next = others.find((id) => fake.broker(id).watchersCount > 0) ?? 0;
      fake.moveLeader(next === 1 ? 2 : next, [1, 2, 3]);
      await until(() => cluster.seenOffset === 2);
      cluster.doubt(cluster.broker(next));
      await until(() => fake.broker(next).watchersCount === 0);
    }));

  it("doubts nobody for long: those that were doubted one day are there when the one that is watched is cut off", () =>
    watching(async ({ fake, cluster, time, watched, others }) => {
      for (const id of others) cluster.doubt(cluster.broker(id));
      const next = others.find((id) => id !== 1) ?? 0;
      fake.moveLeader(next, others);
      time.pass(TOPIC_IDLE_MS / 5);
      await until(() => cluster.topic("t")?.leaders[0] === next);
      expect(fake.broker(watched).watchersCount).to.equal(0);
    }));

  it("takes no hint about a partition that the topic has not", () =>
    knowing((cluster) => {
      const hint = { leaderId: 2, leaderEpoch: 1, host: "127.0.0.1", port: 1 };
      expect(cluster.onLeaderHint("t", 7, hint)).to.equal(false);
      expect(cluster.topic("t")?.leaders).to.deep.equal([1]);
    }));

  it("keeps one that is asked for", () =>
    knowing((cluster, time, broker) => {
      for (let count = 0; count < 10; count++) {
        time.pass(TOPIC_IDLE_MS / 2);
        expect(cluster.topic("t")?.leaders).to.deep.equal([1]);
      }
      expect(broker.watched.has("t")).to.equal(true);
    }));

  it("keeps one that somebody listens for, and silently reads", () =>
    knowing((cluster, time) => {
      const stop = cluster.onLeaders(() => undefined, "t");
      time.pass(10 * TOPIC_IDLE_MS);
      expect(cluster.topic("t")?.leaders).to.deep.equal([1]);
      stop();
      time.pass(2 * TOPIC_IDLE_MS);
      expect(cluster.topic("t")).to.equal(undefined);
    }));
});
