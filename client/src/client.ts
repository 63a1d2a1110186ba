/**
 * The client: the connections to a cluster, and the door to producers and readers. It connects at first use. Everything
 * that was made here is closed with it.
 */
import { type Admin, createAdmin } from "./admin.ts";
import { type Duration, parseDuration } from "./duration.ts";
import { BrokerError, closedError } from "./errors.ts";
import { limited } from "./pause.ts";
import { Producer } from "./producer.ts";
import { Reader } from "./reader.ts";
import { Cluster } from "./transport/cluster.ts";
import { optionsFromEnv } from "./environment.ts";
import { settingsOf } from "./transport/settings.ts";
import type { CallOptions, ClientOptions, ClusterInfo, ProducerOptions, ReaderOptions, TopicDef } from "./types.ts";

/** What a client closes before itself. */
interface Closeable {
  close(options?: { timeout?: Duration }): Promise<void>;
}

export class Client implements AsyncDisposable {
  readonly admin: Admin;
  readonly #cluster: Cluster;
  readonly #open = new Set<Closeable>();
  #closing: Promise<void> | null = null;

  /**
   * @param options the brokers to begin with, as "host:port", or all options
   * @throws BrokerError INVALID_ARGUMENT
   */
  constructor(options: ClientOptions | string) {
    this.#cluster = new Cluster(settingsOf(typeof options === "string" ? { brokers: options } : options));
    this.admin = createAdmin(this.#cluster);
  }

  /**
   * A client as the environment says: TIDEMARK_BROKERS, and for TLS TIDEMARK_TLS_CA, _CERT, _KEY (files), _SERVER_NAME;
   * TIDEMARK_TLS=true uses the certificates that Node trusts.
   * @throws BrokerError INVALID_ARGUMENT, or UNSUPPORTED for variables that ask for what this version cannot do
   */
  static fromEnv(env: NodeJS.ProcessEnv = process.env): Client {
    return new Client(optionsFromEnv(env));
  }

  /**
   * Connects, and resolves with the cluster as it is. Rejects, when time is up, with CONNECTION_LOST where brokers could
   * not be reached, its message says why, and with TIMEOUT where one was silent.
   */
  async ready(options: CallOptions = {}): Promise<ClusterInfo> {
    this.#assertOpen();
    const timeoutMs = options.timeout === undefined ? undefined : parseDuration(options.timeout, "timeout");
    try {
      await limited(
        this.#cluster.refresh([], { create: false }),
        { signal: options.signal, timeoutMs },
        { what: "connecting", outcome: () => "not-sent" },
      );
    } catch (error: unknown) {
      const { lastLoss } = this.#cluster;
      if (lastLoss === null || !BrokerError.is(error, "TIMEOUT")) throw error;
      throw new BrokerError("CONNECTION_LOST", lastLoss.message, { cause: error, elapsedMs: error.elapsedMs });
    }
    const { info } = this.#cluster;
    if (info === null) throw new BrokerError("CONNECTION_LOST", "no broker told of its cluster");
    return info;
  }

  /** @throws BrokerError INVALID_ARGUMENT */
  producer(options: ProducerOptions = {}): Producer {
    this.#assertOpen();
    const producer: Producer = new Producer({
      cluster: this.#cluster,
      options,
      onClosed: () => this.#open.delete(producer),
    });
    this.#open.add(producer);
    return producer;
  }

  /** @throws BrokerError INVALID_ARGUMENT */
  reader<K, V>(topic: TopicDef<K, V>, options: ReaderOptions = {}): Reader<K, V> {
    this.#assertOpen();
    const reader: Reader<K, V> = new Reader({
      cluster: this.#cluster,
      topic,
      options,
      onClosed: () => this.#open.delete(reader),
    });
    this.#open.add(reader);
    return reader;
  }

  /**
   * Closes what was made here, then the connections. Idempotent. `timeout` is for each producer: 30 s.
   * @throws the first failure of a record that nobody was told of
   */
  close(options: { timeout?: Duration } = {}): Promise<void> {
    this.#closing ??= this.#close(options);
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #assertOpen(): void {
    if (this.#closing !== null) throw closedError("client");
  }

  async #close(options: { timeout?: Duration }): Promise<void> {
    const results = await Promise.allSettled([...this.#open].map((one) => one.close(options)));
    this.#cluster.close();
    for (const result of results) if (result.status === "rejected") throw result.reason;
  }
}
