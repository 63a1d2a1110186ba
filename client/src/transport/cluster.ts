/**
 * What a client knows of the cluster (brokers, topics, who leads which partition) and its connections. Calls go to any
 * broker that answers, the known ones first, then the bootstrap list in turn; a call is tried again within its budget as
 * long as its failure may pass. Metadata is asked for in one request at a time; who asks meanwhile rides in the next one.
 */
import { DATA_SERVICE, errorRow, type ErrorRow, type MetadataResponse, type TopicMetadata } from "@tidemark/proto";
import { backoffMs } from "../core/backoff.ts";
import { BrokerError, brokerErrorOf, closedError, TimeoutError } from "../errors.ts";
import { limited, type Limits, pause, stopper } from "../pause.ts";
import type { BrokerInfo, ClusterInfo } from "../types.ts";
import { Connection, type UnaryMethod } from "./connection.ts";
import { addressOf, type Settings } from "./settings.ts";

/** A topic that was made a moment ago may not be known everywhere: for so long "unknown" is asked again. */
const UNKNOWN_TOPIC_PATIENCE_MS = 2_000;

export interface KnownTopic {
  readonly name: string;
  /** 16 bytes. */
  readonly id: Buffer;
  /** Leader's broker id by partition; -1 = none known. */
  readonly leaders: readonly number[];
  readonly leaderEpochs: readonly number[];
}

/** Where a call goes, and who is told that it goes there once more. */
export interface CallTarget {
  /** Absent: any broker. */
  readonly broker?: number;
  /** The call is made again; whether it took effect before is not known. */
  readonly onRepeat?: () => void;
}

export class Cluster {
  readonly settings: Settings;
  readonly #connections = new Map<string, Connection>();
  readonly #topics = new Map<string, KnownTopic>();
  /** Why a topic is not among those known, by the last answer. */
  readonly #refusals = new Map<string, { row: ErrorRow; message: string }>();
  #info: ClusterInfo | null = null;
  #lastLoss: BrokerError | null = null;
  readonly #addresses = new Map<number, string>();
  /** Where the next call without a destination goes, in `#candidates()`. */
  #turn = 0;
  /** Topics to ask for with the next metadata request, and whether they may be created. */
  #wanted = new Map<string, boolean>();
  #nextRefresh: Promise<void> | null = null;
  #refreshing: Promise<void> = Promise.resolve();
  readonly #closing = stopper();

  constructor(settings: Settings) {
    this.settings = settings;
  }

  /** The cluster by the last metadata; null before the first. */
  get info(): ClusterInfo | null {
    return this.#info;
  }

  /** Why the last call did not reach its broker; null when it did. */
  get lastLoss(): BrokerError | null {
    return this.#lastLoss;
  }

  topic(name: string): KnownTopic | undefined {
    return this.#topics.get(name);
  }

  /** The last answer about a topic that is not known. */
  refusal(name: string): { row: ErrorRow; message: string } | undefined {
    return this.#refusals.get(name);
  }

  /** The connection to a broker; undefined when its address is not known. */
  broker(id: number): Connection | undefined {
    const address = this.#addresses.get(id);
    return address === undefined ? undefined : this.#connection(address);
  }

  /** What was known of the topic is out of date. */
  forget(topic: string): void {
    this.#topics.delete(topic);
  }

  /**
   * Asks for these topics (none: brokers only) and resolves when the answer is applied; `topic` and `refusal` then tell.
   * Rejects when no broker answered within the retry budget.
   */
  refresh(topics: Iterable<string>, options: { readonly create: boolean }): Promise<void> {
    for (const name of topics) this.#wanted.set(name, options.create || this.#wanted.get(name) === true);
    if (this.#nextRefresh === null) {
      const next = this.#refreshing.then(() => this.#refreshNow());
      this.#nextRefresh = next;
      this.#refreshing = next.catch(() => {});
    }
    return this.#nextRefresh;
  }

  /** A topic that must exist. Rejects with UNKNOWN_TOPIC_OR_PARTITION or another reason why it may not be used. */
  async requireTopic(name: string, budget: Limits): Promise<KnownTopic> {
    const startedAt = performance.now();
    for (let attempt = 1; ; attempt += 1) {
      const known = this.#topics.get(name);
      if (known !== undefined) return known;
      await limited(this.refresh([name], { create: false }), budget, {
        what: `looking for topic ${name}`,
        outcome: () => "not-sent",
      });
      const refusal = this.#refusals.get(name);
      if (refusal === undefined) continue;
      const elapsedMs = performance.now() - startedAt;
      if (!refusal.row.retriable || elapsedMs >= this.unknownTopicPatienceMs) {
        throw brokerErrorOf(refusal.row, refusal.message, { topic: name, attempts: attempt, elapsedMs });
      }
      await this.pause(backoffMs(this.settings.retry, attempt, Math.random()), budget.signal);
    }
  }

  get unknownTopicPatienceMs(): number {
    return Math.min(UNKNOWN_TOPIC_PATIENCE_MS, this.settings.retryBudgetMs);
  }

  /** One call to any broker, or to `broker`, tried again within the budget while its failure may pass. */
  async call<Request, Response>(
    method: UnaryMethod<Request, Response>,
    request: Request,
    budget: Limits & CallTarget,
  ): Promise<Response> {
    const startedAt = performance.now();
    const budgetMs = budget.timeoutMs ?? this.settings.retryBudgetMs;
    for (let attempt = 1; ; attempt += 1) {
      const left = startedAt + budgetMs - performance.now();
      const connection = budget.broker === undefined ? this.#next() : (this.broker(budget.broker) ?? this.#next());
      try {
        const response = await connection.call(method, request, {
          timeoutMs: Math.max(Math.min(left, this.#attemptMs(budget)), 1),
          signal: budget.signal,
        });
        this.#lastLoss = null;
        return response;
      } catch (error: unknown) {
        const failure = BrokerError.from(error);
        this.#lastLoss = failure.code === "CONNECTION_LOST" ? failure : null;
        if (budget.signal?.aborted === true)
          throw new BrokerError("ABORTED", "the call was aborted", { cause: budget.signal.reason });
        const elapsedMs = performance.now() - startedAt;
        const delay = backoffMs(this.settings.retry, Math.ceil(attempt / this.#candidates().length), Math.random());
        if (this.#closing.signal.aborted || !failure.retriable) throw failure;
        if (elapsedMs + delay >= budgetMs)
          throw exhausted(failure, { attempts: attempt, elapsedMs, address: connection.address });
        budget.onRepeat?.();
        // The other candidates are asked at once, the same ones again after a pause.
        if (attempt % this.#candidates().length === 0) await this.pause(delay, budget.signal);
      }
    }
  }

  /** Waits between two attempts; ends early, with ABORTED, when the signal is aborted or the client closes. */
  pause(ms: number, signal?: AbortSignal): Promise<void> {
    const closing = this.#closing.signal;
    return pause(ms, signal === undefined ? closing : AbortSignal.any([signal, closing]));
  }

  close(): void {
    this.#closing.abort(closedError("client"));
    for (const connection of this.#connections.values()) connection.close(closedError("client"));
    this.#connections.clear();
  }

  /** Without a time limit of its own a call is a small question: another broker is asked rather than waited for. */
  #attemptMs(budget: Limits): number {
    const { requestTimeoutMs, connectTimeoutMs } = this.settings;
    return budget.timeoutMs === undefined ? Math.min(requestTimeoutMs, connectTimeoutMs) : requestTimeoutMs;
  }

  #connection(address: string): Connection {
    if (this.#closing.signal.aborted) throw closedError("client");
    let connection = this.#connections.get(address);
    if (connection === undefined) {
      connection = new Connection(address, this.settings);
      this.#connections.set(address, connection);
    }
    return connection;
  }

  #candidates(): string[] {
    return [...new Set([...this.#addresses.values(), ...this.settings.bootstrap])];
  }

  /** The broker whose turn it is. */
  #next(): Connection {
    const candidates = this.#candidates();
    const address = candidates[this.#turn++ % candidates.length];
    return this.#connection(address ?? "");
  }

  async #refreshNow(): Promise<void> {
    const wanted = this.#wanted;
    this.#wanted = new Map();
    this.#nextRefresh = null;
    if (this.#closing.signal.aborted) throw closedError("client");
    const creating = [...wanted].filter(([, create]) => create).map(([name]) => name);
    const asking = [...wanted].filter(([, create]) => !create).map(([name]) => name);
    if (creating.length > 0) await this.#ask(creating, true);
    if (asking.length > 0 || creating.length === 0) await this.#ask(asking, false);
  }

  async #ask(topics: string[], allowAutoTopicCreation: boolean): Promise<void> {
    const response = await this.call(
      DATA_SERVICE.getMetadata,
      { topics, allTopics: false, allowAutoTopicCreation },
      {},
    );
    this.#apply(response);
  }

  #apply(response: MetadataResponse): void {
    this.#addresses.clear();
    for (const broker of response.brokers) this.#addresses.set(broker.id, addressOf(broker));
    this.#info = {
      clusterId: response.clusterId,
      controllerId: response.controllerId,
      brokers: response.brokers.map(brokerInfo),
    };
    for (const topic of response.topics) this.#applyTopic(topic);
    const inUse = new Set(this.#candidates());
    for (const [address, connection] of this.#connections) {
      if (inUse.has(address)) continue;
      connection.close(new BrokerError("CONNECTION_LOST", `${address} is no broker of the cluster any more`));
      this.#connections.delete(address);
    }
  }

  #applyTopic(topic: TopicMetadata): void {
    if (topic.errorCode !== 0) {
      this.#topics.delete(topic.name);
      this.#refusals.set(topic.name, { row: errorRow(topic.errorCode), message: topic.errorMessage });
      return;
    }
    this.#refusals.delete(topic.name);
    const leaders: number[] = [];
    const leaderEpochs: number[] = [];
    for (const { partition, leaderId, leaderEpoch } of topic.partitions) {
      leaders[partition] = leaderId;
      leaderEpochs[partition] = leaderEpoch;
    }
    // A copy of the id: the rest of the message need not stay in memory for it.
    this.#topics.set(topic.name, { name: topic.name, id: Buffer.from(topic.topicId), leaders, leaderEpochs });
    if (topic.created) {
      this.settings.logger.info(
        { event: "topic-created", topic: topic.name, partitions: leaders.length },
        "the topic was created by its first use",
      );
    }
  }
}

function brokerInfo(broker: { id: number; host: string; port: number; rack: string }): BrokerInfo {
  const { id, host, port, rack } = broker;
  return { id, host, port, alive: true, ...(rack === "" ? {} : { rack }) };
}

/** The last failure, told as what it was after all attempts. */
function exhausted(failure: BrokerError, tries: { attempts: number; elapsedMs: number; address: string }): BrokerError {
  const { attempts, elapsedMs, address } = tries;
  const details = {
    cause: failure,
    attempts,
    elapsedMs,
    ...(failure.kafkaCode === undefined ? {} : { kafkaCode: failure.kafkaCode }),
  };
  const message = `${address}: ${failure.message} (${attempts} attempts in ${Math.round(elapsedMs)} ms)`;
  return failure instanceof TimeoutError
    ? new TimeoutError(message, failure.outcome, details)
    : new BrokerError(failure.code, message, details);
}
