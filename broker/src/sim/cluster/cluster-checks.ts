/**
 * The invariants of testing.md section 4 that can be read off living brokers: who leads, how far the high watermarks are, who is
 * controller in which term. Looked at after each event; what is acknowledged is looked at when it is.
 */
import type { ProduceResult } from "../../api/index.ts";
import type { ClusterImage } from "../../metadata/index.ts";
import type { Partition } from "../../runtime/index.ts";
import { newestImage } from "./at-rest.ts";
import { ensureBounded, ensureQueuesBounded } from "./bounds.ts";
import { type ClusterBroker, DATA } from "./cluster-broker.ts";
import type { History } from "../history/index.ts";
import { ensure } from "../violation.ts";
import { CommittedPrefix } from "./committed-prefix.ts";
import type { FaultAtlas } from "./fault-atlas.ts";

/** Between two looks at the consensus, which cost more than the others. */
const EVENTS_PER_LOOK = 8;

const LOG_PATH = new RegExp(`^${DATA}/([^/]+)-(\\d+)/\\d{20}\\.log$`, "u");

interface SeenTerm {
  readonly life: number;
  term: number;
  commitIndex: number;
}

export class ClusterChecks {
  readonly counts = new Map<string, number>();
  readonly #brokers: readonly ClusterBroker[];
  readonly #history: History;
  /** By topic id, partition and leader epoch: who leads. */
  readonly #leaders = new Map<string, number>();
  /** High watermarks, as seen last: one object is one leadership in one life. */
  readonly #marks = new WeakMap<Partition, number>();
  /** By term. */
  readonly #controllers = new Map<number, number>();
  readonly #terms = new Map<number, SeenTerm>();
  /** Batches that were, by "topic-partition". */
  readonly #acknowledged = new Map<string, number>();

  readonly #committed: CommittedPrefix;
  /** Logs that were cut in the event that runs. */
  readonly #cuts: { readonly broker: ClusterBroker; readonly topic: string; readonly partition: number }[] = [];
  #eventsCount = 0;
  /** The newest metadata that anybody has applied. */
  #newest: ClusterImage | null = null;

  constructor(brokers: readonly ClusterBroker[], history: History, isDamaged: FaultAtlas["isDamaged"]) {
    this.#brokers = brokers;
    this.#history = history;
    this.#committed = new CommittedPrefix((what, by) => this.count(what, by), isDamaged);
  }

  count(what: string, by = 1): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + by);
  }

  /** Batches of "topic-partition" that were acknowledged. */
  acknowledgedBy(place: string): number {
    return this.#acknowledged.get(place) ?? 0;
  }

  afterEvent(): void {
    // Nothing of a term is lost between two looks: roles last for many events.
    const looksAtQuorum = this.#eventsCount++ % EVENTS_PER_LOOK === 0;
    for (const broker of this.#brokers) {
      const context = broker.context;
      if (context === null) continue;
      ensureBounded(broker, context);
      if (looksAtQuorum) {
        ensureQueuesBounded(broker, context);
        this.#checkQuorum(broker);
      }
      const image = context.image();
      if (image.metadataOffset > (this.#newest?.metadataOffset ?? -1)) this.#onMetadata(image);
      for (const partition of context.replicas.partitions())
        if (this.#marks.get(partition) !== partition.highWatermark) this.#onMarkMoved(broker, partition);
    }
    if (this.#cuts.length > 0) this.#checkCuts();
  }

  /**
   * RE6, where the one that a choice falls on was known to be damaged just before it (9(3), 15.7(3)). The choice takes that back, and so
   * brokers are others behind it. Bad bytes that nobody has told of are no fault of a choice.
   */
  #onMetadata(image: ClusterImage): void {
    const before = this.#newest;
    this.#newest = image;
    if (before === null || before.brokers === image.brokers) return;
    for (const { brokerId, damaged } of before.brokers.values()) {
      const broker = this.#brokers.find(({ nodeId }) => nodeId === brokerId);
      for (const { topicId, partitions } of damaged)
        for (const number of partitions) {
          const topic = image.topicsById.get(topicId);
          const { leaderId, leaderEpoch = 0, uncleanEpoch } = topic?.partitions[number] ?? {};
          const wasLeader = before.topicsById.get(topicId)?.partitions[number]?.leaderId === brokerId;
          if (leaderId !== brokerId || wasLeader || leaderEpoch !== uncleanEpoch) continue;
          const log = broker?.context?.replicas.log(topic?.name ?? "", number);
          if (broker !== undefined && log?.topicId === topicId) this.#committed.onChosen(broker, log, leaderEpoch);
        }
    }
  }

  /** A file of a log is about to become shorter, or to go; what that leaves is looked at when the event has ended. */
  onCut(broker: ClusterBroker, path: string): void {
    const [, topic, partition] = LOG_PATH.exec(path) ?? [];
    if (topic !== undefined) this.#cuts.push({ broker, topic, partition: Number(partition) });
  }

  /** RE5, of those that are in the ISR by the newest that anybody has heard. */
  #checkCuts(): void {
    for (const { broker, topic, partition } of this.#cuts.splice(0)) {
      const log = broker.context?.replicas.log(topic, partition);
      const newest = newestImage(this.#brokers);
      if (log === undefined || newest === null || broker.state !== "ready") continue;
      const image = newest.topicsById.get(log.topicId)?.partitions[partition];
      const own = broker.context?.image();
      const isSameLife =
        own?.brokers.get(broker.nodeId)?.brokerEpoch === newest.brokers.get(broker.nodeId)?.brokerEpoch;
      const isSameEpoch = own?.topicsById.get(log.topicId)?.partitions[partition]?.leaderEpoch === image?.leaderEpoch;
      if (image === undefined || !isSameLife || !isSameEpoch || !image.isr.includes(broker.nodeId)) continue;
      this.count("cuts by members of the ISR");
      this.#committed.onCut(broker, log, image.leaderEpoch);
    }
  }

  /** CO2: what a broker answers another one names no metadata that it has not applied. */
  onAnswer(broker: ClusterBroker, method: string, answer: Uint8Array): void {
    const applied = broker.context?.image().metadataOffset;
    if (applied === undefined || answer.length === 0) return;
    const bytes = Buffer.from(answer.buffer, answer.byteOffset, answer.byteLength);
    // Most name none: what is not there need not be taken apart.
    if (!bytes.includes('"metadataOffset"')) return;
    const told = JSON.parse(bytes.toString()) as {
      readonly answer?: { readonly metadataOffset?: unknown };
    };
    const metadataOffset = told.answer?.metadataOffset;
    if (typeof metadataOffset !== "number") return;
    this.count("answers by metadata");
    ensure(
      metadataOffset <= applied,
      "CO2",
      () => `${broker.name} answers ${method} by metadata ${metadataOffset}, and has applied ${applied}`,
    );
  }

  /** RE1 where it is first seen, and RE2: within a leader epoch and a process life the high watermark never falls. */
  #onMarkMoved(broker: ClusterBroker, partition: Partition): void {
    const { highWatermark, logEndOffset } = partition;
    const name = (): string => `${partition.topic}-${partition.partition} at ${broker.name}`;
    const seen = this.#marks.get(partition);
    if (seen === undefined) this.#onLeads(broker, partition);
    ensure(
      seen === undefined || highWatermark >= seen,
      "RE2",
      () => `${name()}: the high watermark fell from ${seen} to ${highWatermark}`,
    );
    ensure(highWatermark <= logEndOffset, "RE2", () => `${name()}: the high watermark is beyond ${logEndOffset}`);
    this.#marks.set(partition, highWatermark);
    this.#committed.onShown(partition);
  }

  /** What the disks hold, of every replica. */
  compareDisks(topics: readonly { readonly name: string; readonly partitions: number }[]): void {
    for (const { name, partitions } of topics)
      for (let partition = 0; partition < partitions; partition++) {
        for (const broker of this.#brokers) {
          const led = broker.context?.replicas.find(name, partition);
          if (led !== undefined) this.#committed.onLogStart(led);
        }
        for (const broker of this.#brokers) this.#committed.compare(broker, name, partition);
      }
  }

  #onLeads(broker: ClusterBroker, led: Partition): void {
    const { topicId, topic, partition, leaderEpoch } = led;
    this.count("leaderships");
    this.#history.led(topic, partition, led.logEndOffset, led.logStartOffset);
    this.#committed.onLeads(broker, led);
    const place = `${topicId}/${partition}/${leaderEpoch}`;
    const leader = this.#leaders.get(place) ?? broker.nodeId;
    this.#leaders.set(place, leader);
    ensure(
      leader === broker.nodeId,
      "RE1",
      () => `${broker.name} and broker ${leader} lead ${topic}-${partition} in epoch ${leaderEpoch}`,
    );
  }

  /** RA1; and RA2 within a life: a term that was not written down before a crash was told to nobody. */
  #checkQuorum(broker: ClusterBroker): void {
    const quorum = broker.context?.quorum() ?? null;
    if (quorum === null) return;
    const { role, term, commitIndex, isSuspended } = quorum;
    const { nodeId, lifeNumber: life } = broker;
    if (role === "leader") {
      const leader = this.#controllers.get(term);
      if (leader === undefined) {
        this.#controllers.set(term, nodeId);
        this.count("controllers");
      }
      ensure(
        leader === undefined || leader === nodeId,
        "RA1",
        () => `${broker.name} and broker ${leader} lead the metadata in term ${term}`,
      );
    }
    // A store that is opened anew knows what was written down; so does who has left.
    if (isSuspended || broker.state === "stopping") return void this.#terms.delete(nodeId);
    const seen = this.#terms.get(nodeId);
    if (seen?.life !== life) {
      this.#terms.set(nodeId, { life, term, commitIndex });
      return;
    }
    ensure(term >= seen.term, "RA2", () => `the term of ${broker.name} fell from ${seen.term} to ${term}`);
    ensure(
      commitIndex >= seen.commitIndex,
      "RA2",
      () => `the commit index of ${broker.name} fell from ${seen.commitIndex} to ${commitIndex}`,
    );
    seen.term = term;
    seen.commitIndex = commitIndex;
  }

  /** RE7 and RE13, when `brokerId` says that a batch is acknowledged by all. */
  onAcked(
    brokerId: number,
    { topic, partition }: { readonly topic: string; readonly partition: number },
    { baseOffset }: ProduceResult,
    recordsCount: number,
  ): void {
    this.count("acknowledged");
    const place = `${topic}-${partition}`;
    this.#acknowledged.set(place, this.acknowledgedBy(place) + 1);
    const leader = this.#brokers.find(({ nodeId }) => nodeId === brokerId);
    const led = leader?.context?.replicas.find(topic, partition);
    if (leader === undefined || led === undefined) return;
    const end = baseOffset + recordsCount;
    const name = `${topic}-${partition}`;
    ensure(
      end <= led.logEndOffset,
      "RE13",
      () => `${name}: ${end - 1} was acknowledged, the log ends at ${led.logEndOffset}`,
    );
    ensure(
      end <= led.highWatermark,
      "RE7",
      () => `${name}: ${end - 1} was acknowledged, the high watermark is ${led.highWatermark}`,
    );
    ensure(led.isr.includes(leader.nodeId as never), "RE7", () => `${name}: the leader is not in its ISR`);
    const counts = led.durability === "page-cache" || led.durability === "none" ? "written" : "synced";
    let holders = 0;
    for (const brokerId of led.isr) {
      const member = this.#brokers.find(({ nodeId }) => nodeId === brokerId);
      const log = member?.context?.replicas.log(topic, partition);
      // What a dead member held was looked at when it was alive; another life of it has left the ISR, and the leader will hear.
      if (member === undefined || log === undefined || !isKnownTo(leader, member)) {
        holders += 1;
        continue;
      }
      const held = counts === "synced" ? Math.min(log.writtenEndOffset, log.syncedEndOffset) : log.writtenEndOffset;
      ensure(
        end <= held || end <= log.logStartOffset || this.#hasLeft(member, led),
        "RE7",
        () => `${name}: ${end - 1} was acknowledged, and ISR member ${member.name} has ${counts} up to ${held}`,
      );
      holders += 1;
    }
    ensure(
      holders >= Math.min(led.effectiveMinIsr, led.isr.length),
      "RE7",
      () => `${name}: ${end - 1} was acknowledged by ${holders}`,
    );
  }

  /** One that found bad bytes of its own leaves the ISR before it cuts them off, and the leader will hear of it (15.7(2)). */
  #hasLeft(member: ClusterBroker, { topicId, partition, leaderEpoch }: Partition): boolean {
    const image = newestImage(this.#brokers)?.topicsById.get(topicId)?.partitions[partition];
    return image !== undefined && image.leaderEpoch >= leaderEpoch && !image.isr.includes(member.nodeId);
  }
}

/** The life that `member` lives now is the one that `broker` has heard of. */
function isKnownTo(broker: ClusterBroker, member: ClusterBroker): boolean {
  const epochAt = (at: ClusterBroker): number | undefined =>
    at.context?.image().brokers.get(member.nodeId)?.brokerEpoch;
  return member.state === "ready" && epochAt(broker) === epochAt(member);
}
