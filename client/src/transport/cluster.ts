/**
 * What a client knows of the cluster (brokers, topics, who leads which partition) and its connections. Calls go to any
 * broker that answers, the known ones first, then the bootstrap list in turn; a call is tried again within its budget as
 * long as its failure may pass.
 *
 * Metadata comes by push (15.2): one broker is watched, and tells of every change of the topics in use. Whoever cannot wait
 * for that, or finds that what is known is wrong, asks: one request at a time; who asks meanwhile rides in the next one. Both
 * name the metadata offset they were taken at, and what is older than what is known of a topic changes nothing: brokers
 * apply metadata at their own pace. What nobody has asked for in a while is forgotten, and watched no longer: a process may
 * touch any number of topics in its life.
 *
 * A broker that is cut off from the others hears of no new leader, and goes on naming itself. So whoever a leader fails says so
 * (`doubt`): others are asked and watched before that one, until a leader is known to have moved, or for a while. A reader is failed by nobody, it
 * hears nothing: no broker is watched for longer than a while where there are others.
 */
import { DATA_SERVICE, errorRow, type ErrorRow, type MetadataResponse, type TopicMetadata } from "@tidemark/proto";
import { backoffMs } from "../core/backoff.ts";
import { BrokerError, brokerErrorOf, closedError, TimeoutError } from "../errors.ts";
import { limited, type Limits, pause, stopper } from "../pause.ts";
import type { BrokerInfo, ClusterInfo } from "../types.ts";
import { Connection, type UnaryMethod } from "./connection.ts";
import { hedged } from "./hedge.ts";
import { type MetadataListener, MetadataWatch } from "./metadata-watch.ts";
import { addressOf, type Settings } from "./settings.ts";

/** A topic that was made a moment ago may not be known everywhere: for so long "unknown" is asked again. */
const UNKNOWN_TOPIC_PATIENCE_MS = 2_000;
/** A broker that does not answer a question about metadata within this time stands still, or is far behind: the next is asked. */
const METADATA_ATTEMPT_MS = 2_000;

/** A broker that answers does so sooner; the next one is asked beside it, and who answers first is heard. */
const HEDGE_AFTER_MS = 300;
/** Nobody listens where a broker should: it may be starting, and is dialled again for so long. */
const REFUSED_PATIENCE_MS = 500;

/** A topic that nobody uses is forgotten after so long, as by Kafka's `metadata.max.idle.ms`; looked for in steps. */
export const TOPIC_IDLE_MS = 5 * 60_000;
const IDLE_STEPS = 5;

/** Calls `task` again and again until what it returns is called. */
export type Every = (ms: number, task: () => void) => () => void;

const every: Every = (ms, task) => {
  const timer = setInterval(task, ms);
  timer.unref();
  return () => clearInterval(timer);
};

/** Told when the leader of a partition in use has changed. */
export type LeaderListener = (topic: string) => void;

/** Who leads a partition, as a broker says that does not. */
export interface LeaderHint {
  readonly leaderId: number;
  readonly leaderEpoch: number;
  readonly host: string;
  readonly port: number;
}

export interface KnownTopic {
  readonly name: string;
  /** 16 bytes. */
  readonly id: Buffer;
  /** Leader's broker id by partition; -1 = none known. */
  readonly leaders: readonly number[];
  readonly leaderEpochs: readonly number[];
}

/** What a topic was like by the metadata of one moment. */
interface TopicState {
  /** Null when it cannot be used. */
  known: KnownTopic | null;
  /** What is known was found to be wrong: nobody is told of it before somebody was asked. */
  isDoubtful: boolean;
  /** Of the newest metadata that told of it. */
  metadataOffset: number;
  /** Why it cannot be used. */
  refusal: { row: ErrorRow; message: string } | null;
  /** Steps since it was last asked for. */
  idleSteps: number;
}

/** Where a call goes, and who is told that it goes there once more. */
export interface CallTarget {
  /** Absent: any broker. */
  readonly broker?: number;
  /** No other broker can answer in its place: CONNECTION_LOST when its address is not known. */
  readonly isExact?: boolean;
  /** What one broker is given for its answer at first; the second attempt has twice the time, and so on. */
  readonly attemptMs?: number;
  /** How long a cluster without a controller is asked again for a change; absent: for as long as the call may take. */
  readonly controllerMs?: number;
  /** It changes nothing: it may be asked of several brokers side by side. */
  readonly isLook?: boolean;
  /** The call is made again; whether it took effect before is not known. */
  readonly onRepeat?: () => void;
}

export class Cluster implements MetadataListener {
  readonly settings: Settings;
  readonly #connections = new Map<string, Connection>();
  readonly #topics = new Map<string, TopicState>();
  /** With the topic that each listens for; null: for any that is in use. */
  readonly #listeners = new Map<LeaderListener, string | null>();
  /** Topics with a leader that was hinted at in this stretch. */
  readonly #hinted = new Set<string>();
  readonly #topicListeners = new Map<(topic: string) => void, ReadonlySet<string>>();
  readonly #every: Every;
  /** Ends the looking for topics that nobody uses; null while there is none. */
  #stopSweeping: (() => void) | null = null;
  #info: ClusterInfo | null = null;
  /** Of the metadata that `#info` and the addresses are from. */
  #infoOffset = -1;
  #seenOffset = 0;
  /** Answers in a row that were older than what was known when they were asked for. */
  #olderAnswers = 0;
  #watch: MetadataWatch | null = null;
  #watchPause: NodeJS.Timeout | null = null;
  #watchFailures = 0;
  /** Brokers of an older version know no push. */
  #canWatch = true;
  #lastLoss: BrokerError | null = null;
  #isToldStale = false;
  readonly #addresses = new Map<number, string>();
  /** Addresses of brokers whose session is over. */
  #down: ReadonlySet<string> = new Set();
  /** Addresses that gave no answer when they were last asked. */
  readonly #silent = new Set<string>();
  /** Addresses of leaders that failed whoever asked them for their work: what they say of leaders may be out of date. */
  readonly #doubted = new Set<string>();
  /** Whether the watch left a leader that was doubted; where leaders refuse on all sides it does not go round them. */
  #hasFled = false;
  /** Of the silent ones, those that were told of. */
  readonly #toldSilent = new Set<string>();
  /** Where the next call without a destination goes, in `#candidates()`. */
  #turn = 0;
  /** Topics to ask for with the next metadata request, and whether they may be created. */
  #wanted = new Map<string, boolean>();
  #nextRefresh: Promise<void> | null = null;
  #refreshing: Promise<void> = Promise.resolve();
  readonly #closing = stopper();

  /** `repeat`: for tests. */
  constructor(settings: Settings, repeat: Every = every) {
    this.settings = settings;
    this.#every = repeat;
  }

  /** The cluster by the last metadata; null before the first. */
  get info(): ClusterInfo | null {
    return this.#info;
  }

  /** The newest metadata that any answer told of: what a broker says that has applied less may be out of date. */
  get seenOffset(): number {
    return this.#seenOffset;
  }

  onMetadataOffset(offset: number): void {
    this.#seenOffset = Math.max(this.#seenOffset, offset);
  }

  /** What was read may be out of date: told once, until somebody vouches again (null). */
  tellStale(stale: { readonly metadataOffset: number; readonly withoutControllerMs: number } | null): void {
    if (stale !== null && !this.#isToldStale) {
      const { metadataOffset, withoutControllerMs } = stale;
      const age = `${Math.round(withoutControllerMs / 1_000)} s old`;
      const message = `as of metadata offset ${metadataOffset}, ${age}; no controller`;
      const fields = { event: "stale-metadata", metadataOffset, withoutControllerMs, message };
      this.settings.logger.warn(fields, "this may be out of date");
    }
    this.#isToldStale = stale !== null;
  }

  /** Why the last call did not reach its broker; null when it did. */
  get lastLoss(): BrokerError | null {
    return this.#lastLoss;
  }

  topic(name: string): KnownTopic | undefined {
    const state = this.#topics.get(name);
    if (state === undefined) return undefined;
    state.idleSteps = 0;
    return state.isDoubtful ? undefined : (state.known ?? undefined);
  }

  /** The last answer about a topic that is not known. */
  refusal(name: string): { row: ErrorRow; message: string } | undefined {
    return this.#topics.get(name)?.refusal ?? undefined;
  }

  /**
   * `listener` is told of topics with a new leader; what this returns ends that. One that listens for a topic keeps it in use,
   * however rarely it asks.
   */
  onLeaders(listener: LeaderListener, topic: string | null = null): () => void {
    this.#listeners.set(listener, topic);
    return () => this.#listeners.delete(listener);
  }

  /** `listener` is told whenever metadata of one of `topics` comes, changed or not; what this returns ends that. */
  onTopicsTold(topics: ReadonlySet<string>, listener: (topic: string) => void): () => void {
    this.#topicListeners.set(listener, topics);
    return () => this.#topicListeners.delete(listener);
  }

  /** A broker that was asked for a partition, and does not lead it, says who does. False: nothing new. */
  onLeaderHint(name: string, partition: number, hint: LeaderHint | null): boolean {
    const state = this.#topics.get(name);
    const known = state?.known ?? null;
    if (hint === null || state === undefined || known === null) return false;
    // A broker that is behind may speak of the topic that had this name before.
    if (hint.leaderEpoch <= (known.leaderEpochs[partition] ?? Number.POSITIVE_INFINITY)) return false;
    if (!this.#addresses.has(hint.leaderId)) this.#addresses.set(hint.leaderId, addressOf(hint));
    state.known = {
      ...known,
      leaders: known.leaders.with(partition, hint.leaderId),
      leaderEpochs: known.leaderEpochs.with(partition, hint.leaderEpoch),
    };
    // A failover brings a hint for each partition: whoever listens looks through all of them, and does so once.
    if (this.#hinted.size === 0) queueMicrotask(() => this.#tellHinted());
    this.#hinted.add(name);
    return true;
  }

  #tellHinted(): void {
    const names = [...this.#hinted];
    this.#hinted.clear();
    for (const name of names) for (const listener of this.#listeners.keys()) listener(name);
  }

  /** The connection to a broker; undefined when its address is not known. */
  broker(id: number): Connection | undefined {
    const address = this.#addresses.get(id);
    return address === undefined ? undefined : this.#connection(address);
  }

  /** Whose turn it is at the `attempt`th time, for a stream that any broker can serve. */
  nextConnection(attempt: number): Connection {
    return this.#next(attempt);
  }

  /** After so many attempts all were asked. */
  get candidatesCount(): number {
    return this.#candidates().length;
  }

  /** What was known of the topic is out of date: it is asked for before it is told again. */
  forget(topic: string): void {
    const state = this.#topics.get(topic);
    if (state !== undefined) state.isDoubtful = true;
  }

  /** A leader did not do its work, and did not say who else would: others tell whether it leads still. Undefined: nobody. */
  doubt(leader: { readonly address: string } | undefined): void {
    if (leader === undefined) return;
    this.#doubted.add(leader.address);
    if (this.#trusted(this.#candidates()).length === 0) {
      // Where all have failed it is the last that is not asked again.
      this.#doubted.clear();
      this.#doubted.add(leader.address);
    }
    if (!this.#hasFled && this.#watch?.address === leader.address) this.#hasFled = this.#moveWatch();
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
      const known = this.topic(name);
      if (known !== undefined) return known;
      await limited(this.refresh([name], { create: false }), budget, {
        what: `looking for topic ${name}`,
        outcome: () => "not-sent",
      });
      const refusal = this.refusal(name);
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
      const connection = this.#connectionFor(budget, attempt);
      const timeoutMs = Math.max(Math.min(left, this.#attemptMs(budget), (budget.attemptMs ?? left) * attempt), 1);
      try {
        const ask = (of: Connection): Promise<Response> =>
          of.call(method, request, { timeoutMs, signal: budget.signal });
        const isAny = budget.broker === undefined && budget.isLook === true;
        const response = await (isAny ? this.#hedged(connection, ask) : this.#heard(connection, ask(connection)));
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
        const isGone =
          budget.isExact === true && failure.code === "CONNECTION_LOST" && elapsedMs + delay >= REFUSED_PATIENCE_MS;
        if (isGone || elapsedMs + delay >= budgetMs)
          throw exhausted(failure, { attempts: attempt, elapsedMs, who: this.#nameOf(connection) });
        budget.onRepeat?.();
        // The other candidates are asked at once, the same ones again after a pause.
        if (attempt % this.#candidates().length === 0) await this.pause(delay, budget.signal);
      }
    }
  }

  #hedged<Response>(first: Connection, ask: (of: Connection) => Promise<Response>): Promise<Response> {
    return hedged({
      first,
      next: (asked) => (this.#closing.signal.aborted ? null : this.#beside(asked)),
      afterMs: HEDGE_AFTER_MS,
      ask: (one) => this.#heard(one, ask(one)),
      // Until it answers too, others are asked first.
      onLate: ({ address }) => this.#silent.add(address),
      onSilent: (one) => this.#tellSilence(one),
    });
  }

  /** Whether it answers is kept in mind: the next question goes to those that do. */
  async #heard<Response>(connection: Connection, answer: Promise<Response>): Promise<Response> {
    try {
      const response = await answer;
      this.#silent.delete(connection.address);
      this.#toldSilent.delete(connection.address);
      return response;
    } catch (error: unknown) {
      if (BrokerError.is(error, "CONNECTION_LOST") || BrokerError.is(error, "TIMEOUT"))
        this.#silent.add(connection.address);
      throw error;
    }
  }

  /** Once, until it answers again. */
  #tellSilence(connection: Connection): void {
    const { address } = connection;
    if (this.#toldSilent.has(address) || this.#closing.signal.aborted) return;
    this.#toldSilent.add(address);
    const message = `nothing came from ${this.#nameOf(connection)} while another one answered`;
    this.settings.logger.warn({ event: "silent-broker", address, message }, "a broker is silent");
  }

  /** `broker 1 at host:port`, as far as it is known. */
  #nameOf({ address }: Connection): string {
    const [id] = [...this.#addresses].find(([, known]) => known === address) ?? [];
    return id === undefined ? address : `broker ${id} at ${address}`;
  }

  /** Waits between two attempts; ends early, with ABORTED, when the signal is aborted or the client closes. */
  pause(ms: number, signal?: AbortSignal): Promise<void> {
    const closing = this.#closing.signal;
    return pause(ms, signal === undefined ? closing : AbortSignal.any([signal, closing]));
  }

  close(): void {
    this.#closing.abort(closedError("client"));
    this.#stopSweeping?.();
    this.#watch?.close();
    if (this.#watchPause !== null) clearTimeout(this.#watchPause);
    for (const connection of this.#connections.values()) connection.close(closedError("client"));
    this.#connections.clear();
  }

  #connectionFor({ broker, isExact }: CallTarget, attempt: number): Connection {
    const known = broker === undefined ? undefined : this.broker(broker);
    if (known === undefined && isExact === true)
      throw new BrokerError("CONNECTION_LOST", `no address of broker ${broker} is known`);
    return known ?? this.#next(attempt);
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
  #next(attempt: number): Connection {
    const candidates = this.#likely(this.#candidates(), attempt);
    const address = candidates[this.#turn++ % candidates.length];
    return this.#connection(address ?? "");
  }

  /** One that is not asked yet, those that gave no answer last after all others; null: there is none. */
  #beside(asked: ReadonlySet<Connection>): Connection | null {
    const addresses = new Set([...asked].map(({ address }) => address));
    const others = this.#candidates().filter((address) => !addresses.has(address));
    const candidates = this.#likely(others, 1);
    const address = candidates[this.#turn++ % candidates.length];
    return address === undefined ? null : this.#connection(address);
  }

  /**
   * Whose turn it may be at the `attempt`th time: a leader that failed somebody has its turn when the others have had theirs in vain, and
   * who is said to be down, or gave no answer, behind those.
   */
  #likely(addresses: readonly string[], attempt: number): readonly string[] {
    const alive = addresses.filter((address) => this.#mayAnswer(address));
    return [this.#trusted(alive), alive].find(({ length }) => attempt <= length) ?? addresses;
  }

  #trusted(addresses: readonly string[]): readonly string[] {
    return addresses.filter((address) => this.#mayAnswer(address) && !this.#doubted.has(address));
  }

  #mayAnswer(address: string): boolean {
    return !this.#down.has(address) && !this.#silent.has(address);
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
    const seenOffset = this.#seenOffset;
    const response = await this.call(
      DATA_SERVICE.getMetadata,
      { topics, allTopics: false, allowAutoTopicCreation },
      // A topic that is made on the way takes its time.
      allowAutoTopicCreation ? {} : { attemptMs: METADATA_ATTEMPT_MS, isLook: true },
    );
    this.#olderAnswers = response.metadataOffset < seenOffset ? this.#olderAnswers + 1 : 0;
    // One that is behind is not asked every time. Where nobody knows what was known, the cluster was put back to a copy of an earlier time.
    if (this.#olderAnswers > this.#candidates().length) this.#startAnew();
    this.#apply(response);
    if (topics.length > 0) this.#watchTopics(topics);
  }

  // ---- metadata by push

  onMetadata(metadata: MetadataResponse): void {
    this.#watchFailures = 0;
    // What was on its way while its topic was forgotten: nobody would tell of it again.
    const topics = metadata.topics.filter(({ name }) => this.#topics.has(name));
    this.#apply({ ...metadata, topics });
  }

  onWatchEnded(error: BrokerError): void {
    this.#watch = null;
    if (this.#closing.signal.aborted) return;
    if (error.code === "UNSUPPORTED") {
      this.#canWatch = false;
      return;
    }
    const { logger, retry } = this.settings;
    logger.debug({ code: error.code, message: error.message }, "the metadata stream ended");
    this.#watchFailures += 1;
    // Another broker is tried at once; all of them again after a pause.
    const rounds = Math.floor(this.#watchFailures / this.#candidates().length);
    const delay = rounds === 0 ? 0 : backoffMs(retry, rounds, Math.random());
    this.#watchPause = setTimeout(() => {
      this.#watchPause = null;
      this.#openWatch();
    }, delay);
  }

  #watchTopics(topics: readonly string[]): void {
    if (this.#watch !== null) this.#watch.add(topics);
    else if (this.#watchPause === null) this.#openWatch();
  }

  #openWatch(at: Connection | null = null): void {
    if (!this.#canWatch || this.#closing.signal.aborted) return;
    const { connectTimeoutMs } = this.settings;
    this.#watch = new MetadataWatch(at ?? this.#next(this.#watchFailures + 1), this, { connectTimeoutMs });
    this.#watch.add([...this.#topics.keys()]);
  }

  /** To another broker, whose first message tells of everything that is watched. False: there is none to be trusted. */
  #moveWatch(): boolean {
    const watch = this.#watch;
    if (watch === null) return false;
    const others = this.#trusted(this.#candidates()).filter((address) => address !== watch.address);
    if (others.length === 0) return false;
    watch.close();
    this.#openWatch(this.#connection(others[this.#turn++ % others.length] ?? ""));
    return true;
  }

  /** A doubt is one of the moment: kept for ever, it would leave nobody to go to when the one that is watched is cut off. */
  #trustAll(): void {
    this.#doubted.clear();
    this.#hasFled = false;
  }

  #apply(response: MetadataResponse): void {
    const { metadataOffset } = response;
    if (this.#info !== null && this.#info.clusterId !== response.clusterId) {
      // Another cluster at the same address: what was known says nothing of it.
      this.#startAnew();
    }
    this.onMetadataOffset(metadataOffset);
    if (metadataOffset >= this.#infoOffset) this.#applyBrokers(response);
    const told = response.topics.filter((topic) => this.#applyTopic(topic, metadataOffset));
    for (const { name } of told) for (const listener of this.#listeners.keys()) listener(name);
    for (const { name } of response.topics)
      for (const [listener, topics] of this.#topicListeners) if (topics.has(name)) listener(name);
    if (this.#topics.size === 0) return;
    this.#stopSweeping ??= this.#every(TOPIC_IDLE_MS / IDLE_STEPS, () => {
      this.#forgetIdle();
      this.#trustAll();
      this.#moveWatch();
    });
  }

  /** What comes next is newer than all that is known, and its leader epochs are those that count. */
  #startAnew(): void {
    this.#infoOffset = -1;
    this.#seenOffset = 0;
    this.#olderAnswers = 0;
    for (const state of this.#topics.values()) {
      state.metadataOffset = -1;
      if (state.known !== null) state.known = { ...state.known, leaderEpochs: state.known.leaders.map(() => -1) };
    }
  }

  #forgetIdle(): void {
    const listenedFor = new Set<string | null>(this.#listeners.values());
    for (const topics of this.#topicListeners.values()) for (const name of topics) listenedFor.add(name);
    const idle: string[] = [];
    for (const [name, state] of this.#topics) {
      state.idleSteps += 1;
      if (state.idleSteps > IDLE_STEPS && !listenedFor.has(name)) idle.push(name);
    }
    for (const name of idle) this.#topics.delete(name);
    if (idle.length > 0) this.#watch?.forget(idle);
    if (this.#topics.size > 0) return;
    this.#stopSweeping?.();
    this.#stopSweeping = null;
  }

  #applyBrokers(response: MetadataResponse): void {
    this.#infoOffset = response.metadataOffset;
    this.#addresses.clear();
    for (const broker of response.brokers) this.#addresses.set(broker.id, addressOf(broker));
    this.#down = new Set(response.brokers.filter(({ fenced }) => fenced).map(addressOf));
    this.#info = {
      clusterId: response.clusterId,
      controllerId: response.controllerId,
      brokers: response.brokers.map(brokerInfo).sort((a, b) => a.id - b.id),
    };
    const inUse = new Set(this.#candidates());
    for (const [address, connection] of this.#connections) {
      if (inUse.has(address) || address === this.#watch?.address) continue;
      connection.close(new BrokerError("CONNECTION_LOST", `${address} is no broker of the cluster any more`));
      this.#connections.delete(address);
    }
  }

  /** Whether who listens is to be told: a leader changed, the topic is another one, or was asked for because of a doubt. */
  #applyTopic(topic: TopicMetadata, metadataOffset: number): boolean {
    const before = this.#topics.get(topic.name);
    const { idleSteps = 0, isDoubtful: wasDoubtful = false } = before ?? {};
    if (before !== undefined && metadataOffset < before.metadataOffset) {
      // Somebody was asked, and knows no better.
      before.isDoubtful = false;
      return wasDoubtful && before.known !== null;
    }
    const state = { metadataOffset, isDoubtful: false, idleSteps };
    if (topic.errorCode !== 0) {
      const refusal = { row: errorRow(topic.errorCode), message: topic.errorMessage };
      this.#topics.set(topic.name, { ...state, known: null, refusal });
      return false;
    }
    const leaders: number[] = [];
    const leaderEpochs: number[] = [];
    const same = before?.known?.id.equals(topic.topicId) === true ? before.known : null;
    for (const { partition, leaderId, leaderEpoch } of topic.partitions) {
      // A hint may have been ahead of the metadata; within a topic's life epochs only rise.
      const knownEpoch = same?.leaderEpochs[partition] ?? -1;
      leaders[partition] = knownEpoch > leaderEpoch ? (same?.leaders[partition] ?? -1) : leaderId;
      leaderEpochs[partition] = Math.max(knownEpoch, leaderEpoch);
    }
    // A copy of the id: the rest of the message need not stay in memory for it.
    const known = { name: topic.name, id: Buffer.from(topic.topicId), leaders, leaderEpochs };
    this.#topics.set(topic.name, { ...state, known, refusal: null });
    if (topic.created) {
      this.settings.logger.info(
        { event: "topic-created", topic: topic.name, partitions: leaders.length },
        "the topic was created by its first use",
      );
    }
    const { known: knownBefore = null } = before ?? {};
    // One that was made anew, with fewer partitions perhaps, may be led by whom the former one was.
    if (knownBefore === null || same === null) return true;
    const hasMoved = leaders.some((leader, partition) => leader !== knownBefore.leaders[partition]);
    if (hasMoved) this.#trustAll();
    return hasMoved || wasDoubtful;
  }
}

function brokerInfo({ id, host, port, rack, fenced }: MetadataResponse["brokers"][number]): BrokerInfo {
  return { id, host, port, alive: !fenced, ...(rack === "" ? {} : { rack }) };
}

/** The last failure, told as what it was after all attempts. */
function exhausted(failure: BrokerError, tries: { attempts: number; elapsedMs: number; who: string }): BrokerError {
  const { attempts, elapsedMs, who } = tries;
  const details = {
    cause: failure,
    attempts,
    elapsedMs,
    ...(failure.kafkaCode === undefined ? {} : { kafkaCode: failure.kafkaCode }),
  };
  const message = `${who}: ${failure.message} (${attempts} attempts in ${Math.round(elapsedMs)} ms)`;
  return failure instanceof TimeoutError
    ? new TimeoutError(message, failure.outcome, details)
    : new BrokerError(failure.code, message, details);
}
