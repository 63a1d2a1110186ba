/**
 * A simulated producer: the SDK's own producer core (accumulator, partition queues, sessions), handed in, in a shell that carries its
 * batches over the simulated network. The shell does what client/src/produce/batch-sender.ts does: it finds leaders, sends, tells the
 * core of answers and losses, and looks for new leaders when something is stale.
 *
 * Values are numbers, each sent once; the history of the run is told of every send and of its end.
 */
import { type CodecId, errorRow } from "@tidemark/proto";
import { ApiError, handleInitProducerId, handleProduce, type ProduceResult } from "../../api/index.ts";
import { type SeededRandom, SharedMemory } from "../../base/index.ts";
import type { History, SendHandle } from "../history/index.ts";
import type { TimerHandle } from "../../ports/index.ts";
import { type ClientLink, type ClientLinks, LinkError } from "./client-links.ts";
import type { ClusterView } from "./cluster-view.ts";
import type { MakeProducerCore, ProducerBatch, ProducerCore, ProducerQueue } from "./producer-core.ts";

/** What it asks of the cluster, and so what it is promised. */
export interface ProducerKind {
  /** `leader`: acknowledged by the leader's own write; `none`: by nobody. Both may lose it. */
  readonly acks: "all" | "leader" | "none";
  /** With sequences; only with acks `all`. */
  readonly isIdempotent: boolean;
  readonly codec: CodecId;
}

export interface SimProducerOptions {
  readonly number: number;
  readonly kind: ProducerKind;
  readonly topics: readonly { readonly name: string; readonly partitions: number }[];
  readonly maxInFlight: number;
  readonly deliveryTimeoutMs: number;
  readonly requestTimeoutMs: number;
}

export interface SimProducerParts {
  readonly links: ClientLinks;
  readonly view: ClusterView;
  readonly random: SeededRandom;
  readonly history: History;
  /** A number that nobody has sent. */
  readonly nextValue: () => number;
  readonly makeCore: MakeProducerCore;
  readonly count: (what: string) => void;
  /** At the broker, when it answers. */
  readonly onAcked: (
    brokerId: number,
    batch: { topic: string; partition: number },
    result: ProduceResult,
    records: number,
  ) => void;
}

interface UnderWay {
  readonly queue: ProducerQueue<SendHandle>;
  readonly batch: ProducerBatch<SendHandle>;
  readonly leader: number;
}

const ASK_AGAIN_MS = 100;
const ASK_TIMEOUT_MS = 2_000;
const CLIENT = { clientId: "simulated", dialledHost: null, isLocal: true };
const LOST = errorRow("NETWORK_EXCEPTION");
const WRITTEN = { kind: "acked", baseOffset: -1, logAppendTime: -1, isDuplicate: false } as const;

export class SimProducer {
  readonly #options: SimProducerOptions;
  readonly #parts: SimProducerParts;
  readonly #core: ProducerCore<SendHandle>;
  readonly #underWay = new Set<UnderWay>();
  readonly #links = new Map<number, ClientLink>();
  #timer: TimerHandle | null = null;
  #isAskingForId = false;
  #isRunAsked = false;

  constructor(options: SimProducerOptions, parts: SimProducerParts) {
    this.#options = options;
    this.#parts = parts;
    const { random } = parts;
    this.#core = parts.makeCore<SendHandle>({
      batchBytes: 4_096,
      lingerMs: "adaptive",
      maxInFlight: options.maxInFlight,
      isIdempotent: options.kind.isIdempotent,
      codec: options.kind.codec,
      deliveryTimeoutMs: options.deliveryTimeoutMs,
      random: () => random.float(),
    });
    for (const { name, partitions } of options.topics) {
      // Makes the topic known, so that its partitions can be.
      this.#core.topic(name);
      this.#core.onPartitions(name, partitions, errorRow("UNKNOWN_TOPIC_OR_PARTITION"));
    }
    parts.view.onChange(() => this.#onLeaders());
  }

  get #now(): number {
    return this.#parts.links.process.monotonicNow();
  }

  /** Records that nobody knows the end of yet. */
  get unsettledCount(): number {
    return this.#core.load.records;
  }

  /** What its records without an end wait for, in words; null: it has none. */
  get waitsFor(): string | null {
    if (this.unsettledCount === 0) return null;
    const sent = [...this.#underWay].map(
      ({ queue, batch, leader }) =>
        `${batch.completions.length} of ${queue.topic}-${queue.partition} are at broker ${leader}`,
    );
    const queued = this.#core.queues().map(({ topic, partition }) => {
      const leader = this.#parts.view.leaderOf(topic, partition);
      const where = leader < 0 ? "nobody is known to" : `broker ${leader} is known to`;
      return `${where} lead ${topic}-${partition}`;
    });
    const id = this.#core.wantsProducerId ? ["it wants a producer id"] : [];
    const all = [...sent, ...queued, ...id].join("; ");
    return `producer ${this.#options.number} has ${this.unsettledCount} records without an end: ${all}`;
  }

  /** One record; `bytes`: of what follows its value. */
  send(topic: string, partition: number, bytes: number): void {
    const { history, nextValue, links } = this.#parts;
    const { kind } = this.#options;
    const value = nextValue();
    const handle = history.begin({
      producer: this.#options.number,
      topic,
      partition,
      value,
      startedAt: links.process.world.nowMs,
      isDurable: kind.acks === "all",
      isPlain: !kind.isIdempotent,
    });
    const text = `${value}:${"x".repeat(bytes)}`;
    this.#core.topic(topic).append(partition, links.process.wallNow(), null, text, null, handle, this.#now);
    this.#schedule();
  }

  // ---- the shell of the core ----

  #schedule(): void {
    if (this.#isRunAsked) return;
    this.#isRunAsked = true;
    this.#parts.links.process.after(0, () => {
      this.#isRunAsked = false;
      this.#run();
    });
  }

  #run(): void {
    this.#core.expire(this.#now);
    while (this.#sendRound()) {
      // Partitions with more than one batch go round again.
    }
    this.#askForId();
    this.#settle();
    this.#setTimer();
  }

  #sendRound(): boolean {
    let hasSent = false;
    for (const queue of this.#core.queues()) {
      const leader = this.#parts.view.leaderOf(queue.topic, queue.partition);
      if (leader < 0) {
        this.#parts.view.refresh();
        continue;
      }
      const link = this.#linkTo(leader);
      if (!link.isUp) {
        link.want((isUp) => {
          if (!isUp) this.#parts.view.refresh();
          this.#schedule();
        });
        continue;
      }
      const batch = queue.take(this.#now);
      if (batch === null) continue;
      this.#sendBatch(link, { queue, batch, leader });
      hasSent = true;
    }
    return hasSent;
  }

  #linkTo(brokerId: number): ClientLink {
    let link = this.#links.get(brokerId);
    if (link === undefined) {
      link = this.#parts.links.to(brokerId);
      link.onDown(() => {
        for (const underWay of this.#underWay) if (underWay.leader === brokerId) this.#lose(underWay);
        this.#parts.view.refresh();
        this.#schedule();
      });
      this.#links.set(brokerId, link);
    }
    return link;
  }

  #sendBatch(link: ClientLink, underWay: UnderWay): void {
    this.#underWay.add(underWay);
    const { queue, batch, leader } = underWay;
    const { topic, partition } = queue;
    const bytes = Buffer.from(batch.records);
    const recordsCount = batch.completions.length;
    const topicId = this.#parts.view.topicId(topic);
    const { acks } = this.#options.kind;
    link.send((client) =>
      client.door.read(() => {
        if (client.isOver) return;
        const { context } = client.door;
        const answered = client.door.take();
        const request = {
          acks,
          timeoutMs: this.#options.requestTimeoutMs,
          // Its own from here on.
          partitions: [{ topic, partition, topicId, records: Buffer.from(bytes) }],
          memory: new SharedMemory(bytes.length, bytes.length, null),
        };
        handleProduce(context, request, CLIENT, ([result]) => {
          answered();
          if (result === undefined || result === null) return;
          if (acks === "none") return;
          if (result.code === "NONE" && acks === "all")
            this.#parts.onAcked(leader, { topic, partition }, result, recordsCount);
          // As the real door does: with the other answers of the turn.
          context.turn.flush(() => client.reply(() => this.#onResult(underWay, result)));
        });
      }),
    );
    if (acks !== "none") return;
    // Handed to the connection is all that anybody asks.
    this.#underWay.delete(underWay);
    this.#parts.count("produce: not asked");
    queue.onAnswer(batch, WRITTEN, this.#now);
  }

  #onResult(underWay: UnderWay, result: ProduceResult): void {
    // One that was given up is answered elsewhere.
    if (!this.#underWay.delete(underWay)) return;
    const { queue, batch } = underWay;
    if (result.code === "NONE") {
      this.#parts.count(result.isDuplicate ? "produce: duplicate" : `produce: acked by ${this.#options.kind.acks}`);
      const { baseOffset, logAppendTime, isDuplicate } = result;
      queue.onAnswer(batch, { kind: "acked", baseOffset, logAppendTime, isDuplicate }, this.#now);
    } else {
      const row = errorRow(result.code);
      this.#parts.count(`produce: ${result.code}`);
      if (row.metadataStale) this.#parts.view.refresh();
      const { message, isUnwritten } = result;
      queue.onAnswer(batch, { kind: "refused", row, message, isUnwritten }, this.#now);
    }
    this.#schedule();
  }

  #lose(underWay: UnderWay): void {
    if (!this.#underWay.delete(underWay)) return;
    this.#parts.count("produce: lost");
    underWay.queue.onLost(underWay.batch, LOST);
  }

  /** What is on its way to a leader of the past goes to the new one. */
  #onLeaders(): void {
    for (const underWay of this.#underWay) {
      const { topic, partition } = underWay.queue;
      const leader = this.#parts.view.leaderOf(topic, partition);
      if (leader >= 0 && leader !== underWay.leader) this.#lose(underWay);
    }
    this.#schedule();
  }

  #askForId(): void {
    if (this.#isAskingForId || !this.#core.wantsProducerId) return;
    this.#isAskingForId = true;
    const { links, random, count } = this.#parts;
    const brokerId = random.pick(links.brokerIds);
    const again = (): void => {
      this.#isAskingForId = false;
      this.#schedule();
    };
    links
      .call(brokerId, ASK_TIMEOUT_MS, ({ door }) => handleInitProducerId(door.context))
      .then(
        ({ producerId, producerEpoch }) => {
          this.#core.setProducerId(producerId, producerEpoch);
          again();
        },
        (cause: unknown) => {
          if (!(cause instanceof LinkError) && !(cause instanceof ApiError)) count("producer id: failed");
          links.process.after(ASK_AGAIN_MS, again);
        },
      );
  }

  #settle(): void {
    const { history, links } = this.#parts;
    for (const { batch, outcome } of this.#core.takeSettled()) {
      const now = links.process.world.nowMs;
      for (const [slot, handle] of batch.completions.entries()) {
        if (outcome.kind === "acked" && this.#options.kind.acks === "none") {
          // Nobody knows.
          history.complete(handle, "info", now);
        } else if (outcome.kind === "acked") {
          const offset = outcome.baseOffset < 0 ? -1 : outcome.baseOffset + batch.slotOf(slot);
          history.complete(handle, "ok", now, offset);
        } else history.complete(handle, outcome.mayBeWritten ? "info" : "fail", now);
      }
    }
  }

  #setTimer(): void {
    this.#timer?.cancel();
    const at = this.#core.wakeAt(this.#now);
    this.#timer =
      at === Number.POSITIVE_INFINITY
        ? null
        : this.#parts.links.process.after(Math.max(at - this.#now, 0.01), () => this.#run());
  }
}
