/** The timeline of a cluster's events: through the SDK across the end of the broker that is followed, and on the command line. */
import { Client, type ClusterEvent } from "@tidemark/client";
import { startBrokerGroup } from "@tidemark/broker";
import { expect } from "chai";
import { runInProcess } from "../support/in-process.ts";

type Cluster = Awaited<ReturnType<typeof startBrokerGroup>>;

/** What hangs here would hang for ever. */
const HANG_MS = 600_000;
const SHORT = { "broker.session.timeout.ms": "2000", "broker.heartbeat.interval.ms": "200", "log.level": "silent" };

/** Everything up to the first event that is looked for. */
async function until(
  events: AsyncIterator<ClusterEvent>,
  isIt: (event: ClusterEvent) => boolean,
): Promise<ClusterEvent[]> {
  const seen: ClusterEvent[] = [];
  for (;;) {
    const { value, done } = await events.next();
    if (done === true) throw new Error(`the stream ended: ${JSON.stringify(seen)}`);
    seen.push(value);
    if (isIt(value)) return seen;
  }
}

/** Offsets never fall, and nothing comes twice. */
function expectInOrder(events: readonly ClusterEvent[]): void {
  const texts = events.map((event) => JSON.stringify(event));
  expect(new Set(texts).size, texts.join("\n")).to.equal(texts.length);
  for (const [slot, { metadataOffset }] of events.entries())
    expect(metadataOffset).to.be.at.least(events[slot - 1]?.metadataOffset ?? 0);
}

describe("the events of a cluster", () => {
  let cluster: Cluster;
  let client: Client;

  beforeEach(async () => {
    cluster = await startBrokerGroup({ brokers: 3, config: SHORT });
    client = new Client({ brokers: cluster.bootstrap });
  });

  afterEach(async () => {
    await client.close();
    await cluster.stop();
  });

  it("go on at another broker, without a gap, when the one that is followed stops", async () => {
    const events = client.admin.watch();
    const first = events.next();
    // The watch has begun when it hears of this.
    let isHeard = false;
    void first.then(() => (isHeard = true));
    for (let n = 0; !isHeard; n += 1) await client.admin.topics.create({ name: `begin-${n}`, partitions: 1 });
    await client.admin.topics.create({ name: "orders", partitions: 6, replicas: 3 });
    const seen = [(await first).value as ClusterEvent];
    seen.push(...(await until(events, ({ type, detail }) => type === "topic-created" && detail.topic === "orders")));
    for (const broker of cluster.brokers.slice(0, 2)) {
      const stopping = broker.stop();
      seen.push(
        ...(await until(
          events,
          ({ type, detail }) => type === "broker-shutting-down" && detail.broker === broker.nodeId,
        )),
      );
      await stopping;
      if (broker.nodeId === 1) {
        // Two of three still decide.
        await client.admin.topics.create({ name: "between", partitions: 1, replicas: 1 });
        seen.push(
          ...(await until(events, ({ type, detail }) => type === "topic-created" && detail.topic === "between")),
        );
      }
    }
    expectInOrder(seen);
    expect(seen.filter(({ type }) => type === "gap")).to.deep.equal([]);
    expect(seen.every(({ at }) => at !== null && Math.abs(at - Date.now()) < HANG_MS)).to.equal(true);
    const left = seen.filter(({ type }) => type === "isr-shrunk");
    expect(new Set(left.map(({ detail }) => Reflect.get(detail, "reason") as string))).to.deep.equal(
      new Set(["shutting-down"]),
    );
    await events.return?.();
  });

  it("are the same at every broker, and begin where they are asked for", async () => {
    await client.admin.topics.create({ name: "orders", partitions: 2, replicas: 3 });
    await client.admin.configs.alter({ type: "topic", name: "orders" }, { set: { "retention.ms": "3600000" } });
    await client.admin.topics.delete("orders");
    const all: ClusterEvent[][] = [];
    for (const broker of cluster.brokers) {
      const one = new Client({ brokers: [broker.grpcAddress] });
      await one.admin.cluster();
      const events: ClusterEvent[] = [];
      for await (const event of one.admin.watch({ from: "earliest", follow: false })) events.push(event);
      all.push(events);
      await one.close();
    }
    const [first = [], ...others] = all.map((events) =>
      events.filter(({ type }) => ["topic-created", "config-changed", "topic-deleted"].includes(type)),
    );
    expect(first.filter(({ type }) => type === "config-changed").map(({ detail }) => detail)).to.deep.equal([
      { resource: "topic/orders", set: ["retention.ms"], unset: [] },
    ]);
    for (const other of others) expect(other).to.deep.equal(first);

    const last = first.at(-1)?.metadataOffset ?? 0;
    const rest: ClusterEvent[] = [];
    for await (const event of client.admin.watch({ from: last, follow: false })) rest.push(event);
    expect(rest[0]).to.deep.equal(first.at(-1));
    const since: ClusterEvent[] = [];
    for await (const event of client.admin.watch({ since: "1h", follow: false })) since.push(event);
    expect(since.map(({ type }) => type)).to.include("topic-deleted");
  });

  it("tell of what is gone as a gap, and end when their signal says so", async () => {
    const abort = new AbortController();
    const watching = client.admin.watch({ from: 1, signal: abort.signal });
    const { value } = await watching.next();
    // The cluster was born with a snapshot, or its first entries were told one by one.
    if (value?.type === "gap") expect(value.detail.fromOffset).to.equal(1);
    const ended = until(watching, () => false).catch(
      (error: unknown) => Reflect.get(error as object, "code") as string,
    );
    abort.abort();
    expect(await ended).to.equal("ABORTED");
    const code = await client.admin
      .watch({ from: -1 })
      .next()
      .catch((error: unknown) => Reflect.get(error as object, "code") as string);
    expect(code).to.equal("INVALID_ARGUMENT");
  });

  it("are lines for people and objects for programs", async () => {
    await client.admin.topics.create({ name: "orders", partitions: 12, replicas: 3 });
    const address = cluster.bootstrap.join(",");
    const table = await runInProcess(["cluster", "events", "-b", address]);
    expect(table.stderr).to.equal("");
    expect(table.code).to.equal(0);
    expect(table.stdout.toString()).to.match(/^TIME +OFFSET +EVENT +WHAT +HOW\n/);
    expect(table.stdout.toString()).to.match(/\d{4}-\S+Z +\d+ +topic-created +orders +12 partitions\n/);
    const lines = await runInProcess(["cluster", "events", "--since", "10m", "-o", "ndjson", "-b", address]);
    const objects = lines.stdout
      .toString()
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as ClusterEvent);
    expect(
      objects.find(({ type, detail }) => type === "topic-created" && detail.topic === "orders")?.detail,
    ).to.deep.equal({ topic: "orders", partitions: 12 });
    await cluster.brokers[2]?.stop();
    const without = await runInProcess(["cluster", "events", "-b", address]);
    expect(without.stderr).to.match(/^warning: broker 3 did not tell what it knows: [^\n]+\n$/u);
    expect(without.stdout.toString()).to.match(/ topic-created +orders +12 partitions\n/u);
    const wrong = await runInProcess(["cluster", "events", "--follow", "-o", "yaml", "-b", address]);
    expect([wrong.code, /--follow prints lines/.test(wrong.stderr)]).to.deep.equal([2, true]);
  });
});
