/** The test kit as a test uses it: brokers that really die, stand still, are cut off and lied to, and a clock that jumps. */
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client, codecs, type Producer, topic } from "@tidemark/client";
import { expect } from "chai";
import { startTestCluster, type TestCluster, TestClusterError } from "../../src/testing/index.ts";

/** For hangs only. */
const HANG_MS = 60_000;
const LONG_MS = 900_000;
/** In the brokers' time: longer than any session of theirs. */
const SILENCE_MS = 180_000;

const orders = topic("orders", { key: codecs.string, value: codecs.string });

async function valuesOf(client: Client, name = "orders"): Promise<string[]> {
  const definition = topic(name, { key: codecs.string, value: codecs.string });
  const values: string[] = [];
  for await (const { value } of client.reader(definition, { to: "end" })) values.push(value);
  return values;
}

async function failure(work: () => unknown): Promise<TestClusterError> {
  try {
    await work();
  } catch (error: unknown) {
    if (error instanceof TestClusterError) return error;
    throw error;
  }
  throw new Error("it was to fail");
}

const send = (producer: Producer, value: string): Promise<unknown> => producer.send(orders, { key: "k", value });

function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

describe("a voter that was away while it was removed and another one came to lead", function () {
  this.timeout(HANG_MS);

  it("is handed on to the leader by the one that it knows", async () => {
    await using cluster = await startTestCluster({ brokers: 4, clock: "virtual", seed: 9 });
    await using client = new Client({ brokers: cluster.broker(4).address, retry: { initialDelay: 5, maxDelay: 50 } });
    const { raft } = client.admin;
    expect(await raft.addVoter(4)).to.have.members([1, 2, 3, 4]);
    if ((await cluster.controller()) !== 3) await raft.transferLeader(3);
    await raft.removeVoter(2);
    // The voters that it knows: 1, 3 and 4.
    cluster.partition([[1]]);
    await cluster.advance(SILENCE_MS);
    const removed = raft.removeVoter(1);
    await cluster.advance(SILENCE_MS);
    await removed;
    expect(await raft.addVoter(2)).to.have.members([2, 3, 4]);
    await raft.transferLeader(2);
    cluster.heal();
    await cluster.settled();
    expect(await cluster.controller()).to.equal(2);
  });
});

describe("the test kit (3 brokers, memory, virtual clock)", function () {
  this.timeout(HANG_MS);

  let cluster: TestCluster;
  let client: Client;
  let producer: Producer;

  before(async () => {
    cluster = await startTestCluster({ clock: "virtual", seed: 7 });
    client = new Client({ brokers: cluster.bootstrap, retry: { initialDelay: 5, maxDelay: 50 } });
  });

  after(async () => {
    await client.close({ timeout: 0 });
    await cluster.stop();
  });

  beforeEach(async () => {
    cluster.clearFaults();
    await client.admin.topics.delete("orders", { ifExists: true });
    await client.admin.topics.create({ name: "orders", partitions: 1, replicas: 3 });
    await cluster.settled();
    producer = client.producer();
  });

  afterEach(() => producer.close({ timeout: 0 }));

  it("kills a leader: what was acknowledged is at the next one, and the killed one comes back at its address", async () => {
    await send(producer, "before");
    const leader = await cluster.leaderOf("orders");
    const broker = cluster.broker(leader);
    const { address } = broker;
    await broker.kill();
    expect(broker.state).to.equal("down");
    await send(producer, "without it");
    const next = await cluster.leaderOf("orders");
    expect(next).to.not.equal(leader);
    await broker.start();
    await cluster.settled();
    expect(broker.address).to.equal(address);
    // Of itself it knows by now that it leads nothing.
    expect(await cluster.leaderOf("orders")).to.equal(next);
    expect(await valuesOf(client)).to.deep.equal(["before", "without it"]);
  });

  it("loses the power of all brokers at once: what was acknowledged with acks=all is there", async () => {
    for (const value of ["a", "b", "c"]) await send(producer, value);
    await Promise.all(cluster.brokers.map((broker) => broker.kill({ powerFailure: true })));
    await Promise.all(cluster.brokers.map((broker) => broker.start()));
    await cluster.settled();
    await send(producer, "d");
    expect(await valuesOf(client)).to.deep.equal(["a", "b", "c", "d"]);
  });

  it("stops a broker cleanly: it hands its partitions over before it goes", async () => {
    await send(producer, "before");
    const leader = await cluster.leaderOf("orders");
    await cluster.broker(leader).restart();
    await cluster.settled();
    expect(await cluster.leaderOf("orders")).to.not.equal(leader);
    expect(await valuesOf(client)).to.deep.equal(["before"]);
  });

  it("pauses a leader: others find out by their time-outs, and it goes on as a follower", async () => {
    const leader = await cluster.leaderOf("orders");
    cluster.broker(leader).pause();
    expect(cluster.broker(leader).state).to.equal("paused");
    await cluster.advance(SILENCE_MS);
    const next = await cluster.leaderOf("orders");
    expect(next).to.not.equal(leader);
    await send(producer, "meanwhile");
    cluster.broker(leader).resume();
    await cluster.settled();
    expect(await cluster.leaderOf("orders")).to.equal(next);
    expect(await valuesOf(client)).to.deep.equal(["meanwhile"]);
  });

  it("cuts a leader off: it acknowledges nothing more, the others go on, and it catches up when that heals", async () => {
    const leader = await cluster.leaderOf("orders");
    cluster.partition([[leader]]);
    const lonely = new Client({ brokers: cluster.broker(leader).address });
    try {
      await cluster.advance(SILENCE_MS);
      const next = await cluster.leaderOf("orders");
      expect(next).to.not.equal(leader);
      await send(producer, "of the majority");
      cluster.heal();
      await cluster.settled();
      expect(await valuesOf(lonely)).to.deep.equal(["of the majority"]);
    } finally {
      await lonely.close({ timeout: 0 });
    }
  });

  for (const [what, cut] of [
    ["cut off", (leader: number) => cluster.partition([[leader]])],
    ["not heard", (leader: number, others: number[]) => cluster.cut({ from: leader, to: others })],
    ["not hearing", (leader: number, others: number[]) => cluster.cut({ from: others, to: leader })],
  ] as const) {
    it(`waits for the next leader and for what is left of a cluster, where one is ${what}`, async () => {
      const leader = await cluster.leaderOf("orders");
      const others = [1, 2, 3].filter((id) => id !== leader);
      cut(leader, others);
      expect(await cluster.leaderOf("orders")).to.not.equal(leader);
      expect(await cluster.controller()).to.not.equal(leader);
      await cluster.settled();
      cluster.heal();
      await cluster.settled();
      await send(producer, "after it healed");
      expect(await valuesOf(client)).to.deep.equal(["after it healed"]);
    });
  }

  // Whichever it is that the client watches, it is one of them.
  for (const id of [1, 2, 3]) {
    it(`sends behind a cut, and reads what was sent there, once each and in order (broker ${id} is cut off)`, async () => {
      const name = `behind-${id}`;
      const behind = topic(name, { key: codecs.string, value: codecs.string });
      await using hasty = new Client({
        brokers: cluster.bootstrap,
        timeouts: { request: "200ms" },
        retry: { initialDelay: 5, maxDelay: 50 },
      });
      await hasty.admin.topics.create({ name, partitions: 3, replicas: 3 });
      await cluster.settled();
      const leaders = await Promise.all([0, 1, 2].map((partition) => cluster.leaderOf(name, partition)));
      expect(leaders).to.include(id);
      await using hastyProducer = hasty.producer();
      const sendAll = (value: string): Promise<unknown> =>
        Promise.all([0, 1, 2].map((partition) => hastyProducer.send(behind, { partition, value })));
      await sendAll("before");
      cluster.partition([[id]]);
      const first = sendAll("first");
      await cluster.advance(SILENCE_MS);
      expect(await cluster.leaderOf(name, leaders.indexOf(id))).to.not.equal(id);
      const second = sendAll("second");
      await Promise.all([first, second]);
      for (const partition of [0, 1, 2]) {
        const values: string[] = [];
        for await (const { value } of hasty.reader(behind, { partitions: [partition], to: "end" })) values.push(value);
        expect(values, `partition ${partition}`).to.deep.equal(["before", "first", "second"]);
      }
      cluster.heal();
      await cluster.settled();
      await hasty.admin.topics.delete(name);
    });
  }

  it("settles by nobody where nobody is left to lead", async () => {
    cluster.partition([[1], [2], [3]]);
    const error = await failure(() => cluster.settled({ timeoutMs: 100 }));
    expect(error).to.include({ code: "TIMEOUT" });
    expect(error.message).to.contain("(cut off)").and.to.contain("brokers: 1 cut off, 2 cut off, 3 cut off");
    cluster.heal();
    await cluster.settled();
  });

  it("cuts one way: a leader that hears the others and is not heard leads no longer", async () => {
    const leader = await cluster.leaderOf("orders");
    const others = [1, 2, 3].filter((id) => id !== leader);
    cluster.cut({ from: leader, to: others });
    await cluster.advance(SILENCE_MS);
    expect(await cluster.leaderOf("orders")).to.not.equal(leader);
    cluster.heal();
    await cluster.settled();
  });

  describe("cuts clients off", () => {
    const hasty = (brokers = cluster.bootstrap): Client =>
      new Client({ brokers, retry: { initialDelay: 5, maxDelay: 50 }, timeouts: { request: "200ms" } });

    for (const [way, cut] of [
      ["the way there", (id: number) => ({ from: "clients", to: id }) as const],
      ["the way back", (id: number) => ({ from: id, to: "clients" }) as const],
    ] as const) {
      it(`from a leader (${way}): nobody new gets through, and what was sent meanwhile arrives once`, async () => {
        const leader = await cluster.leaderOf("orders");
        const one = hasty();
        const another = hasty(cluster.broker(leader).address);
        try {
          await send(one.producer(), "before");
          cluster.cut(cut(leader));
          const sent = send(one.producer(), "meanwhile");
          expect(await another.ready({ timeout: "100ms" }).catch((error: unknown) => error)).to.be.instanceOf(Error);
          cluster.heal();
          await sent;
          await another.ready();
        } finally {
          await Promise.all([one, another].map((each) => each.close({ timeout: 0 })));
        }
        expect(await valuesOf(client)).to.deep.equal(["before", "meanwhile"]);
      });
    }

    it("from one side of a partition: they reach the brokers that they are named with", async () => {
      const leader = await cluster.leaderOf("orders");
      const others = [1, 2, 3].filter((id) => id !== leader);
      cluster.partition([[leader], ["clients", ...others]]);
      const lonely = hasty(cluster.broker(leader).address);
      const one = hasty();
      try {
        await cluster.advance(SILENCE_MS);
        await send(one.producer(), "of the majority");
        expect(await lonely.ready({ timeout: "100ms" }).catch((error: unknown) => error)).to.be.instanceOf(Error);
      } finally {
        await Promise.all([one, lonely].map((each) => each.close({ timeout: 0 })));
      }
      cluster.heal();
      await cluster.settled();
      expect(await valuesOf(client)).to.deep.equal(["of the majority"]);
    });

    it("from a broker that dies meanwhile: they find out when they are heard again", async () => {
      const broker = cluster.broker(await cluster.leaderOf("orders"));
      await send(producer, "before");
      cluster.cut({ from: "clients", to: broker.id });
      cluster.cut({ from: broker.id, to: "clients" });
      await broker.kill();
      await broker.start();
      cluster.heal();
      await cluster.settled();
      await send(producer, "after");
      expect(await valuesOf(client)).to.deep.equal(["before", "after"]);
    });
  });

  it("has the HTTP door of each broker, at one address through all its lives", async () => {
    const { adminUrl } = cluster;
    expect(adminUrl).to.equal(cluster.broker(1).adminUrl);
    const status = (): Promise<number> => fetch(`${adminUrl}/readyz`).then((answer) => answer.status);
    expect(await status()).to.equal(200);
    await cluster.broker(1).kill();
    expect(await status().catch((error: unknown) => error)).to.be.instanceOf(Error);
    await cluster.broker(1).start();
    expect(await status()).to.equal(200);
    expect(await (await fetch(`${cluster.broker(3).adminUrl}/metrics`)).text()).to.contain("tidemark_build_info");
    await cluster.settled();
  });

  it("advances: retention has run, and the clock of new records is the brokers' own", async () => {
    await client.admin.topics.delete("orders");
    const config = { "retention.ms": "1m", "segment.ms": "1m", "message.timestamp.type": "LogAppendTime" };
    await client.admin.topics.create({ name: "orders", partitions: 1, replicas: 3, config });
    await send(producer, "old");
    const before = cluster.now();
    await cluster.advance(LONG_MS);
    expect(cluster.now() - before).to.be.at.least(LONG_MS);
    await send(producer, "new");
    const [record, ...rest] = await client.reader(orders, { to: "end" }).toArray();
    expect(rest).to.deep.equal([]);
    expect(record).to.include({ value: "new", offset: 1 });
    expect(record?.timestamp).to.be.at.least(before + LONG_MS);
  });

  describe("injects", () => {
    it("an error of a partition's produce requests, as often as was said: the SDK tries again", async () => {
      const fault = cluster.inject({
        api: "Produce",
        topic: "orders",
        partition: 0,
        times: 3,
        error: "NOT_ENOUGH_REPLICAS",
      });
      await send(producer, "at the fourth try");
      expect(fault.struck).to.equal(3);
      await send(producer, "next");
      expect(fault.struck).to.equal(3);
      expect(await valuesOf(client)).to.deep.equal(["at the fourth try", "next"]);
    });

    it("an error that is final: it reaches the caller, and nothing is written", async () => {
      cluster.inject({ api: "Produce", topic: "orders", error: "MESSAGE_TOO_LARGE", message: "as the test wants it" });
      const refused = await send(producer, "never").catch((error: unknown) => error);
      expect(refused)
        .to.include({ code: "RECORD_TOO_LARGE" })
        .and.have.property("message")
        .that.contains("as the test wants it");
      expect(await valuesOf(client)).to.deep.equal([]);
    });

    it("a lost answer: the record is written, the sender cannot know, and what it tries again is no second record", async () => {
      const fault = cluster.inject({ api: "Produce", topic: "orders", lose: "answer" });
      const hasty = new Client({ brokers: cluster.bootstrap, timeouts: { request: "200ms" } });
      try {
        expect(await send(hasty.producer(), "once")).to.include({ offset: 0, duplicate: true });
        expect(fault.struck).to.equal(1);
      } finally {
        await hasty.close({ timeout: 0 });
      }
      expect(await valuesOf(client)).to.deep.equal(["once"]);
    });

    it("a lost request: nothing is written, and its sender cannot know", async () => {
      const fault = cluster.inject({ api: "Produce", topic: "orders", lose: "request" });
      const other = new Client({ brokers: cluster.bootstrap });
      const sent = send(other.producer(), "never").catch((error: unknown) => error);
      while (fault.struck === 0) await nextTurn();
      expect(await valuesOf(client)).to.deep.equal([]);
      await other.close({ timeout: 0 }).catch(() => undefined);
      expect(await sent).to.be.instanceOf(Error);
    });

    it("a delay, in the brokers' time", async () => {
      const delayMs = 60_000;
      const fault = cluster.inject({ api: "Produce", topic: "orders", delayMs });
      const sent = send(producer, "late").then(() => cluster.now());
      while (fault.struck === 0) await nextTurn();
      const before = cluster.now();
      await cluster.advance(delayMs);
      expect(await sent).to.be.at.least(before + delayMs);
    });

    it("an error of fetches, list-offsets and single calls", async () => {
      await send(producer, "there");
      const faults = [
        cluster.inject({ api: "Fetch", topic: "orders", error: "NOT_LEADER_OR_FOLLOWER" }),
        cluster.inject({ api: "ListOffsets", topic: "orders", error: "NOT_LEADER_OR_FOLLOWER" }),
        cluster.inject({ api: "DescribeTopics", error: "REQUEST_TIMED_OUT" }),
      ];
      expect(await valuesOf(client)).to.deep.equal(["there"]);
      await client.admin.topics.describe("orders");
      expect(faults.map(({ struck }) => struck)).to.deep.equal([1, 1, 1]);
      const never = cluster.inject({
        api: "CreateTopics",
        error: "POLICY_VIOLATION",
        times: Infinity,
        message: "not today",
      });
      const refused = await client.admin.topics.create({ name: "other" }).catch((error: unknown) => error);
      expect(refused).to.have.property("message").that.contains("not today");
      never.remove();
      await client.admin.topics.create({ name: "other" });
      await client.admin.topics.delete("other");
    });

    it("a delay of fetches and list-offsets, and their loss", async () => {
      await send(producer, "there");
      const delayMs = 60_000;
      for (const api of ["Fetch", "ListOffsets"]) {
        const fault = cluster.inject({ api, topic: "orders", delayMs });
        const read = valuesOf(client).then((values) => [values, cluster.now()] as const);
        while (fault.struck === 0) await nextTurn();
        const before = cluster.now();
        await cluster.advance(delayMs);
        const [values, at] = await read;
        expect(values).to.deep.equal(["there"]);
        expect(at).to.be.at.least(before + delayMs);
      }
      const hasty = new Client({ brokers: cluster.bootstrap, timeouts: { request: "200ms", delivery: "300ms" } });
      try {
        for (const api of ["Fetch", "ListOffsets"]) {
          const fault = cluster.inject({ api, topic: "orders", lose: "request", times: Infinity });
          expect(await valuesOf(hasty).catch((error: unknown) => error)).to.include({ code: "TIMEOUT" });
          fault.remove();
        }
        expect(await valuesOf(hasty)).to.deep.equal(["there"]);
      } finally {
        await hasty.close({ timeout: 0 });
      }
    });

    it("only at the broker that is named", async () => {
      const leader = await cluster.leaderOf("orders");
      const other = (leader % 3) + 1;
      const fault = cluster.inject({ api: "Produce", topic: "orders", broker: other, error: "MESSAGE_TOO_LARGE" });
      await send(producer, "through");
      expect(fault.struck).to.equal(0);
    });

    for (const [fault, why] of [
      [{ api: "Prodcue", error: "UNKNOWN_SERVER_ERROR" }, 'there is no api "Prodcue"'],
      [{ api: "Produce", error: "OOPS" }, 'there is no error "OOPS"'],
      [{ api: "Produce" }, "exactly one of error, delayMs and lose"],
      [{ api: "GetMetadata", topic: "orders", delayMs: 5 }, "not a request of one topic"],
      [{ api: "Produce", partition: 0, delayMs: 5 }, "a partition is one of a topic"],
      [{ api: "Produce", times: 0, delayMs: 5 }, "times is a number from 1 on"],
      [{ api: "Produce", delayMs: Number.NaN }, "delayMs is a number from 0 on, not NaN"],
      [{ api: "Produce", topic: "orders", partitions: 0, delayMs: 5 }, "there is no partitions; there are api, topic"],
      [{ api: "Produce", topic: { name: "orders" }, delayMs: 5 }, 'topic is a name, not {"name":"orders"}'],
      ["Produce", 'a fault is an object, not "Produce"'],
    ] as const) {
      it(`nothing that makes no sense: ${JSON.stringify(fault)}`, async () => {
        const error = await failure(() => cluster.inject(fault as never));
        expect(error).to.include({ code: "INVALID_OPTION" });
        expect(error.message).to.contain(why);
      });
    }
  });

  it("goes back to a snapshot, as often as wanted", async () => {
    await send(producer, "kept");
    const snapshot = await cluster.snapshot();
    for (let round = 0; round < 2; round++) {
      // A producer of the time before knows sequences that the brokers do not.
      const fresh = client.producer();
      await send(fresh, "forgotten");
      await fresh.close();
      await cluster.restore(snapshot);
      expect(await valuesOf(client)).to.deep.equal(["kept"]);
    }
    const other = await startTestCluster({ brokers: 1 });
    try {
      expect(await failure(() => other.restore(snapshot))).to.include({ code: "WRONG_SNAPSHOT" });
      expect(await failure(() => other.restore({} as typeof snapshot))).to.include({ code: "WRONG_SNAPSHOT" });
    } finally {
      await other.stop();
    }
  });

  it("survives kills under load without a word to the process that runs it, and loses nothing", async () => {
    const outcomes: Promise<unknown>[] = [];
    for (let round = 0; round < 4; round++) {
      for (let number = 0; number < 50; number++) outcomes.push(send(producer, `${round}-${number}`));
      const broker = cluster.broker(await cluster.leaderOf("orders"));
      await broker.kill({ powerFailure: round % 2 === 1 });
      await broker.start();
      await cluster.settled();
    }
    await Promise.all(outcomes);
    const expected = [0, 1, 2, 3].flatMap((round) => Array.from({ length: 50 }, (_, number) => `${round}-${number}`));
    expect(await valuesOf(client)).to.deep.equal(expected);
  });

  describe("says what was done wrong", () => {
    it("a broker that does not exist, and one in another state", async () => {
      expect(await failure(() => cluster.broker(9))).to.include({
        code: "UNKNOWN_BROKER",
        message: "there is no broker 9; there are 1, 2, 3",
      });
      expect(await failure(() => cluster.broker("1" as never))).to.include({
        code: "UNKNOWN_BROKER",
        message: 'the id of a broker is a number, not "1"; there are 1, 2, 3',
      });
      const broker = cluster.broker(2);
      expect(await failure(() => broker.start())).to.include({ code: "BROKER_UP" });
      expect(await failure(() => broker.resume())).to.include({ code: "BROKER_NOT_PAUSED" });
      broker.pause();
      expect(await failure(() => broker.pause())).to.include({ code: "BROKER_PAUSED" });
      expect(await failure(() => broker.stop())).to.include({ code: "BROKER_PAUSED" });
      expect(await failure(() => broker.start())).to.include({
        code: "BROKER_UP",
        message: "start: broker 2 is paused; resume() it, or kill() it before",
      });
      expect(await failure(() => broker.restart())).to.include({
        code: "BROKER_PAUSED",
        message: "restart: broker 2 is paused; resume() it before, or kill() it",
      });
      expect(await failure(() => cluster.snapshot())).to.include({ code: "BROKER_PAUSED" });
      await broker.kill();
      expect(await failure(() => broker.kill())).to.include({
        code: "BROKER_DOWN",
        message: "kill: broker 2 is down; start() it before",
      });
      expect(await failure(() => broker.pause())).to.include({ code: "BROKER_DOWN" });
      await broker.start();
      await cluster.settled();
    });

    it("a promise of an id in the place of the id", async () => {
      const leader = cluster.leaderOf("orders");
      const id = leader as never;
      expect((await failure(() => cluster.broker(id))).message).to.equal(
        "the id of a broker is a number, not a promise: await it; there are 1, 2, 3",
      );
      expect((await failure(() => cluster.cut({ from: id, to: 1 }))).message).to.contain("await it");
      await leader;
    });

    it("nothing, where a test forgets to wait for a broker's end before its start", async () => {
      const broker = cluster.broker(2);
      const killed = broker.kill();
      await broker.start();
      const stopped = broker.stop();
      await broker.start();
      await Promise.all([killed, stopped]);
      expect(broker.state).to.equal("up");
      await cluster.settled();
    });

    for (const [cut, why] of [
      [{ from: 1, to: 1 }, "broker 1 cannot be cut off from itself"],
      [{ from: "clients", to: ["clients"] }, "clients cannot be cut off from themselves"],
      [{ from: [], to: 1 }, "from and to name them"],
      [{ from: 1, to: 7 }, "there is no broker 7"],
      [{ from: 1 }, "the id of a broker is a number, not undefined"],
    ] as const) {
      it(`a cut that makes no sense: ${JSON.stringify(cut)}`, async () => {
        expect((await failure(() => cluster.cut(cut as never))).message).to.contain(why);
      });
    }

    it("a partition of brokers that do not exist, or are named twice", async () => {
      expect((await failure(() => cluster.partition([1, 2] as never))).message).to.contain("as [[1], [2, 3]]");
      expect(await failure(() => cluster.partition([[1, 4]]))).to.include({ code: "UNKNOWN_BROKER" });
      expect(await failure(() => cluster.partition([[1], [1, 2]]))).to.include({ code: "INVALID_OPTION" });
    });

    it("what was waited for in vain, and how it stood instead", async () => {
      const error = await failure(() => cluster.leaderOf("nowhere", 0, { timeoutMs: 1 }));
      expect(error).to.include({
        code: "TIMEOUT",
        message: 'waited 1 ms for a leader of nowhere-0: there is no topic "nowhere"',
      });
    });

    it("a start that cannot end, with whom it waits for", async () => {
      await Promise.all(cluster.brokers.map((broker) => broker.kill()));
      const error = await failure(() => cluster.broker(1).start({ timeoutMs: 50 }));
      expect(error).to.include({ code: "TIMEOUT" });
      expect(error.message).to.contain("A majority of the brokers has to run");
      expect(cluster.broker(1).state).to.equal("down");
      // And one that is killed while it waits.
      const started = failure(() => cluster.broker(1).start());
      await cluster.broker(1).kill();
      expect(await started).to.include({ code: "BROKER_KILLED" });
      await Promise.all(cluster.brokers.map((broker) => broker.start()));
      await cluster.settled();
    });
  });
});

describe("the test kit (other shapes)", function () {
  this.timeout(HANG_MS);

  it("has options that are checked, and configuration that is", async () => {
    const refusal = async (options: object): Promise<string> =>
      (await failure(() => startTestCluster(options))).message;
    expect(await refusal({ brokers: 0 })).to.contain("brokers is a number from 1 to 15");
    expect(await refusal({ clock: "fake" })).to.contain('clock is "real" or "virtual"');
    expect(await refusal({ storage: "disk" })).to.contain('storage is "memory" or { dir');
    expect(await refusal({ broker: 3 })).to.contain("there is no option broker; there are brokers");
    expect(await refusal({ ports: [9092] })).to.equal("ports names one for each of the 3 brokers, not 1: [9092]");
    expect(await refusal({ ports: 9092 })).to.contain('ports is "random" or a list of port numbers, not 9092');
    expect(await refusal({ ports: [1, 2, 1] })).to.contain("ports names 1 twice");
    expect(await refusal({ logLevel: "loud" })).to.contain("logLevel is one of debug, info, warn, error, silent");
    expect(await refusal({ auth: "scram" })).to.contain("the brokers have no authentication yet");
    expect(await refusal({ tls: true })).to.contain("the brokers have no encryption yet");
    const error = await startTestCluster({ config: { "num.partitons": 3 } }).catch((cause: unknown) => cause);
    expect(error).to.include({ code: "INVALID_CONFIG" });
  });

  it("of one broker: a loss of power takes what was not synced, and no clock jumps that is real", async () => {
    await using cluster = await startTestCluster({ brokers: 1, config: { "tidemark.durability": "page-cache" } });
    expect(await failure(() => cluster.advance(1))).to.include({ code: "REAL_CLOCK" });
    let hasLost = false;
    // Chance decides what is left of an unsynced page; it may be all of it.
    for (let round = 0; round < 20 && !hasLost; round++) {
      const client = new Client({ brokers: cluster.bootstrap, retry: { initialDelay: 5, maxDelay: 50 } });
      try {
        await client.producer().send(orders, { key: "k", value: "unsynced" });
        await cluster.broker(1).kill({ powerFailure: true });
        await cluster.broker(1).start();
        hasLost = (await valuesOf(client).catch(() => [])).length <= round;
      } finally {
        await client.close({ timeout: 0 });
      }
    }
    expect(hasLost).to.equal(true);
  });

  it("on directories: a killed broker leaves what it wrote, and another cluster finds it all", async () => {
    const dir = mkdtempSync(join(tmpdir(), "tidemark-kit-"));
    try {
      const first = await startTestCluster({ storage: { dir }, clock: "virtual" });
      const client = new Client(first.bootstrap);
      await client.admin.topics.create({ name: "orders", partitions: 1, replicas: 3 });
      await client.producer().send(orders, { key: "k", value: "one" });
      const leader = await first.leaderOf("orders");
      expect(await failure(() => first.broker(leader).kill({ powerFailure: true }))).to.include({
        code: "WRONG_STORAGE",
      });
      await first.broker(leader).kill();
      await client.producer().send(orders, { key: "k", value: "two" });
      await first.broker(leader).start();
      await first.settled();
      await first.advance(60_000);
      const snapshot = await first.snapshot();
      await client.producer().send(orders, { key: "k", value: "three" });
      await first.restore(snapshot);
      await client.close({ timeout: 0 });
      await first.stop();
      expect(existsSync(join(dir, `broker-${leader}`, "meta.properties"))).to.equal(true);

      await using second = await startTestCluster({ storage: { dir } });
      const reader = new Client(second.bootstrap);
      expect(await valuesOf(reader)).to.deep.equal(["one", "two"]);
      await reader.close();
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  });

  it("at ports that a test names, unless somebody has them", async () => {
    const first = await startTestCluster({ brokers: 1 });
    const ports = [Number(first.bootstrap.split(":")[1])];
    expect(await failure(() => startTestCluster({ brokers: 1, ports }))).to.include({
      code: "PORT_IN_USE",
      message: `port ${ports[0]} cannot be had: somebody listens there already`,
    });
    await first.stop();
    await using second = await startTestCluster({ brokers: 1, ports });
    expect(second.bootstrap).to.equal(first.bootstrap);
  });

  it("leaves nothing behind: neither after its stop, nor by brokers that were killed, nor where it has no directory", async () => {
    const open = (): number =>
      process.getActiveResourcesInfo().filter((kind) => /TCPServer|TCPSocket/u.test(kind)).length;
    const before = open();
    const dir = join(import.meta.filename, "no-directory");
    const refused = await failure(() => startTestCluster({ brokers: 1, storage: { dir } }));
    expect(refused).to.include({ code: "INVALID_OPTION" });
    expect(refused.message).to.match(/^storage: E[A-Z]+: /u);
    expect(open()).to.equal(before);
    const cluster = await startTestCluster();
    const client = new Client(cluster.bootstrap);
    await client.ready();
    cluster.broker(1).pause();
    await cluster.broker(2).kill();
    await cluster.stop();
    await cluster.stop();
    const [broker] = cluster.brokers;
    for (const late of [() => cluster.heal(), () => broker?.start(), () => broker?.kill(), () => cluster.leaderOf("a")])
      expect(await failure(late)).to.include({ code: "CLUSTER_STOPPED" });
    await client.close({ timeout: 0 });
    // Sockets say that they are closed in a later turn.
    while (open() > before) await nextTurn();
  });
});
