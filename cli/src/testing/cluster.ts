/** A cluster for tests and its clients. */
import {
  assertTestClusterOptions,
  type ClusterSnapshot,
  type Cut,
  type FaultEffect,
  type FaultTarget,
  type InjectedFault,
  type Party,
  type RequestFault,
  startTestCluster,
  type TestBroker,
  type TestCluster,
  TestClusterError,
  type TestClusterOptions,
  type WaitOptions,
} from "@tidemark/broker/testing";
import { BrokerError, Client, type ClientOptions, type TopicDef, type TopicSpec } from "@tidemark/client";
import { unknownName } from "@tidemark/proto";
import {
  compareRecords,
  type ExpectedRecord,
  type ExpectOptions,
  readRecords,
  type RecordsOptions,
  type Source,
  type TestRecord,
  textTopic,
} from "./records.ts";

/** Of what is not a test's expectation; for hangs only. */
const START_MS = 60_000;

export interface ClusterOptions extends TestClusterOptions {
  /**
   * Made at the start, and by `reset` again: names, topics of the SDK, or what `admin.topics.create` takes. What a cluster that is started
   * on its directories again has already stays as it is.
   */
  readonly topics?: readonly (TopicSpec | TopicDef<unknown, unknown> | string)[];
}

/** As RequestFault; the topic may be one of the SDK. */
export type ClusterFault = Omit<FaultTarget, "topic"> & {
  readonly topic?: string | TopicDef<unknown, unknown>;
} & FaultEffect;

/** As a record, so that none can be left out. */
const SPEC_NAMES: readonly string[] = Object.keys({
  name: true,
  partitions: true,
  replicas: true,
  assignment: true,
  config: true,
} satisfies Record<keyof TopicSpec, true>);

/**
 * Brokers of a cluster in this process, and a client of it.
 *
 * @example
 * await using cluster = await Cluster.start({ topics: ["orders"] });
 * await cluster.client().producer().send("orders", { key: "a", value: "1" });
 * await cluster.broker(await cluster.leaderOf("orders")).kill();
 * await cluster.expectRecords("orders", [{ key: "a", value: "1" }]);
 */
export class Cluster implements AsyncDisposable {
  readonly #brokers: TestCluster;
  readonly #topics: readonly TopicSpec[];
  readonly #clients = new Set<Client>();
  /** The one that is shared; null: it was not asked for since the last restore. */
  #client: Client | null = null;
  #stopping: Promise<void> | null = null;

  private constructor(brokers: TestCluster, topics: readonly TopicSpec[]) {
    this.#brokers = brokers;
    this.#topics = topics;
  }

  /**
   * Resolves when all brokers are up, the topics are there and in sync, and the client is connected. Throws TestClusterError
   * INVALID_OPTION, and what a broker refuses in its configuration.
   */
  static async start(options: ClusterOptions = {}): Promise<Cluster> {
    assertTestClusterOptions(options, ["topics"]);
    const { topics = [], ...shape } = options;
    const specs = specsOf(topics);
    const brokers = await startTestCluster(shape);
    const cluster = new Cluster(brokers, specs);
    try {
      await cluster.client().ready();
      const there = brokers.topics;
      await cluster.#createTopics(specs.filter(({ name }) => there?.has(name) !== true));
    } catch (error: unknown) {
      await cluster.stop();
      throw error;
    }
    return cluster;
  }

  // ---- clients ----

  /** What a client is given: "host:port" of every broker, with commas. It stays the same as long as the cluster lives. */
  get bootstrap(): string {
    return this.#brokers.bootstrap;
  }

  /** Of the HTTP door of broker 1, with health and metrics; `broker(id).adminUrl` is that of another one. */
  get adminUrl(): string {
    return this.#brokers.adminUrl;
  }

  /** Of what chance decided. */
  get seed(): number {
    return this.#brokers.seed;
  }

  /**
   * The client of this cluster; with options one of its own, as for an application under test. They are closed with the cluster, and by
   * `restore`. Short time-outs (`timeouts`) find lost answers sooner. Throws TestClusterError CLUSTER_STOPPED.
   */
  client(options?: Partial<ClientOptions>): Client {
    this.#assertRunning("client");
    if (options === undefined) return (this.#client ??= this.client({}));
    const client = new Client({ brokers: this.bootstrap, ...options });
    this.#clients.add(client);
    return client;
  }

  // ---- brokers: as in @tidemark/broker/testing ----

  /** By id, from 1 on. */
  get brokers(): readonly TestBroker[] {
    return this.#brokers.brokers;
  }

  /** To be killed, stopped, started, paused. Throws TestClusterError UNKNOWN_BROKER. */
  broker(id: number): TestBroker {
    return this.#brokers.broker(id);
  }

  /**
   * The broker that leads the partition, once there is one that is up and within reach of a majority: behind a kill, a pause or a cut it is
   * the next one. Throws TestClusterError TIMEOUT.
   */
  leaderOf(topic: string | TopicDef<unknown, unknown>, partition = 0, options: WaitOptions = {}): Promise<number> {
    return this.#brokers.leaderOf(nameOf(topic), partition, options);
  }

  /** The broker that decides on the metadata, as `leaderOf`. Throws TestClusterError TIMEOUT. */
  controller(options: WaitOptions = {}): Promise<number> {
    return this.#brokers.controller(options);
  }

  /**
   * Resolves when the brokers that are up and within reach of a majority know each other, and every partition has a leader and all its
   * replicas on them in sync. Throws TestClusterError TIMEOUT, which names what is missing.
   */
  settled(options: WaitOptions = {}): Promise<void> {
    return this.#brokers.settled(options);
  }

  /**
   * Cuts the brokers into groups that do not hear of each other; those that are not named form one more. Clients reach them all, unless
   * "clients" are named in a group: then they reach the brokers of that group. It takes the place of all cuts before. Throws
   * TestClusterError UNKNOWN_BROKER, INVALID_OPTION.
   *
   * @example
   * cluster.partition([["clients", 1], [2, 3]]);
   */
  partition(groups: readonly (readonly Party[])[]): void {
    this.#brokers.partition(groups);
  }

  /**
   * What `from` sends does not reach `to` any more, until `heal`; the other way is open, unless it is cut too. Each of them is a broker,
   * "clients", or several. Throws TestClusterError UNKNOWN_BROKER, INVALID_OPTION.
   *
   * @example
   * cluster.cut({ from: 1, to: [2, 3] });
   */
  cut(cut: Cut): void {
    this.#brokers.cut(cut);
  }

  /** All hear of each other again. */
  heal(): void {
    this.#brokers.heal();
  }

  /** The next requests that fit meet an error, a delay or a loss. Throws TestClusterError INVALID_OPTION, UNKNOWN_BROKER. */
  inject(fault: ClusterFault): InjectedFault {
    const { topic } = fault ?? {};
    const isOfSdk = typeof topic === "object" && typeof topic?.name === "string";
    return this.#brokers.inject((isOfSdk ? { ...fault, topic: topic.name } : fault) as RequestFault);
  }

  /** Injected faults strike no more. */
  clearFaults(): void {
    this.#brokers.clearFaults();
  }

  /** Unix ms, as the brokers' clocks show it. */
  now(): number {
    return this.#brokers.now();
  }

  /** Lets time pass for the brokers, as fast as it can. Throws TestClusterError REAL_CLOCK, INVALID_OPTION. */
  advance(ms: number): Promise<void> {
    return this.#brokers.advance(ms);
  }

  // ---- records ----

  /**
   * All records of a topic that are committed, by partition and offset, as soon as there are `count`: one that came twice shows. By its
   * name alone, keys and values are text. Throws TestClusterError TIMEOUT, which shows what arrived instead, UNKNOWN_TOPIC.
   */
  records(topic: string, options?: RecordsOptions): Promise<TestRecord[]>;
  records<K, V>(topic: TopicDef<K, V>, options?: RecordsOptions<K, V>): Promise<TestRecord<K, V>[]>;
  async records<K, V>(topic: string | TopicDef<K, V>, options: RecordsOptions<K, V> = {}): Promise<TestRecord<K, V>[]> {
    return this.#whileRunning("records", () => readRecords(this.#source(), definitionOf(topic), options));
  }

  /**
   * The topic holds these records and no others, or will in time; of each, what is named is compared. Resolves with the records. Throws
   * AssertionError of `node:assert`, with `actual` and `expected`; TestClusterError UNKNOWN_TOPIC.
   */
  expectRecords(topic: string, expected: readonly ExpectedRecord[], options?: ExpectOptions): Promise<TestRecord[]>;
  expectRecords<K, V>(
    topic: TopicDef<K, V>,
    expected: readonly ExpectedRecord<K, V>[],
    options?: ExpectOptions<K, V>,
  ): Promise<TestRecord<K, V>[]>;
  async expectRecords<K, V>(
    topic: string | TopicDef<K, V>,
    expected: readonly ExpectedRecord<K, V>[],
    options: ExpectOptions<K, V> = {},
  ): Promise<TestRecord<K, V>[]> {
    return this.#whileRunning("expectRecords", () =>
      compareRecords(this.#source(), definitionOf(topic), expected, options),
    );
  }

  // ---- between tests ----

  /**
   * As after `start`, without the time that takes: faults are cleared, cuts healed, brokers that are down or paused come back, all topics
   * are deleted, and those of the options made again.
   */
  async reset(): Promise<void> {
    this.#assertRunning("reset");
    this.clearFaults();
    this.heal();
    for (const broker of this.brokers) if (broker.state === "paused") broker.resume();
    await Promise.all(this.brokers.filter(({ state }) => state === "down").map((broker) => broker.start()));
    await this.settled({ timeoutMs: START_MS });
    const { admin } = this.client();
    const names: string[] = [];
    for await (const { name } of admin.topics.list()) names.push(name);
    if (names.length > 0) await admin.topics.delete(names, { ifExists: true });
    await this.#createTopics(this.#topics);
  }

  /** What the brokers have on their disks. It takes a restart of all of them, and may be restored often. */
  snapshot(): Promise<ClusterSnapshot> {
    return this.#brokers.snapshot();
  }

  /** Puts the brokers back to a snapshot. Clients are closed with it: what they know is of another time. Throws TestClusterError WRONG_SNAPSHOT. */
  async restore(snapshot: ClusterSnapshot): Promise<void> {
    await this.#brokers.restore(snapshot);
    await this.#closeClients();
    await this.client().ready();
  }

  /** Ends clients and brokers. Any number of calls. */
  stop(): Promise<void> {
    this.#stopping ??= this.#closeClients().then(() => this.#brokers.stop());
    return this.#stopping;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  #assertRunning(verb: string): void {
    if (this.#stopping !== null) throw new TestClusterError("CLUSTER_STOPPED", `${verb}: this cluster was stopped`);
  }

  /** What a test waits for when its cluster ends failed for that, and not for what the client of the cluster says then. */
  async #whileRunning<T>(verb: string, read: () => Promise<T>): Promise<T> {
    this.#assertRunning(verb);
    try {
      return await this.#brokers.during(read());
    } catch (error: unknown) {
      if (this.#stopping === null || !BrokerError.is(error)) throw error;
      const message = `${verb}: this cluster was stopped meanwhile`;
      throw new TestClusterError("CLUSTER_STOPPED", message, { cause: error });
    }
  }

  #source(): Source {
    const states = (): string => this.brokers.map(({ id, state }) => `${id} ${state}`).join(", ");
    return { client: this.client(), topics: () => this.#brokers.topics, states };
  }

  async #closeClients(): Promise<void> {
    const clients = [...this.#clients];
    this.#clients.clear();
    this.#client = null;
    // What they could not deliver was the test's affair.
    await Promise.allSettled(clients.map((client) => client.close({ timeout: 0 })));
  }

  async #createTopics(topics: readonly TopicSpec[]): Promise<void> {
    if (topics.length === 0) return;
    await this.client().admin.topics.create([...topics]);
    await this.settled({ timeoutMs: START_MS });
  }
}

/** Throws TestClusterError INVALID_OPTION. */
function specsOf(topics: NonNullable<ClusterOptions["topics"]>): TopicSpec[] {
  const invalid = (what: unknown): TestClusterError => {
    const forms = 'a list of names, of topics of the SDK, and of specifications as { name: "orders", partitions: 3 }';
    return new TestClusterError("INVALID_OPTION", `topics is ${forms}, not ${JSON.stringify(what)}`);
  };
  if (!Array.isArray(topics)) throw invalid(topics);
  return topics.map((spec: (typeof topics)[number]) => {
    if (typeof spec === "string") return { name: spec };
    if (typeof spec?.name !== "string") throw invalid(topics);
    if ("key" in spec) return { name: spec.name };
    const unknown = unknownName(spec, SPEC_NAMES);
    if (unknown === null) return spec;
    const message = `topics: there is no ${unknown.name} in "${spec.name}"; ${unknown.hint}`;
    throw new TestClusterError("INVALID_OPTION", message);
  });
}

function nameOf(topic: string | TopicDef<unknown, unknown>): string {
  return typeof topic === "string" ? topic : topic.name;
}

function definitionOf<K, V>(topic: string | TopicDef<K, V>): TopicDef<K, V> {
  // The overloads see to it that K and V are those of text where a name is given.
  return typeof topic === "string" ? (textTopic(topic) as unknown as TopicDef<K, V>) : topic;
}
