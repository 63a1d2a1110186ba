/**
 * One seed of the profile "cluster": brokers made of the shipping code, as their composition root composes them, on a virtual clock,
 * network, disk and store; producers and readers at `api/`; and what testing.md 3.3 asks of them in its phases.
 *
 * One step of the world at a time: an event, its promise reactions, the end of the turn, and the invariants. The event takes part in the
 * hash of the run.
 */
import { SeededRandom } from "../../base/index.ts";
import type { PeerAddress } from "../../ports/index.ts";
import { checkHistory, History } from "../history/index.ts";
import { CALM_NETWORK, SimNetwork } from "../network/index.ts";
import { ensureGoing } from "../seed-run.ts";
import { SimWorld } from "../sim-world.ts";
import { ensure } from "../violation.ts";
import { Agenda } from "./agenda.ts";
import { Bounds } from "./bounds.ts";
import { compareReplicas, isOutOfSync, newestImage, outOfSync } from "./at-rest.ts";
import { Changes } from "./changes.ts";
import { keysOf, rackOf } from "./broker-keys.ts";
import { ClusterBroker, DATA } from "./cluster-broker.ts";
import { ClusterChecks } from "./cluster-checks.ts";
import { ClusterClients } from "./cluster-clients.ts";
import { Deletions } from "./deletions.ts";
import { FaultAtlas, isAllInSync } from "./fault-atlas.ts";
import { readIdentity } from "./identity-file.ts";
import { LivingCore } from "./living-core.ts";
import type { MakeNode } from "./node.ts";
import type { MakeProducerCore } from "./producer-core.ts";
import type { MakeReaderCore } from "./reader-core.ts";
import { Faults } from "./fault-plan.ts";
import { type Deed, type PlanStep, valuesOf } from "./plan.ts";
import { type ClusterOptions, drawClusterOptions } from "./run-options.ts";
import type { SimReader } from "./sim-reader.ts";
import { Sends } from "./sends.ts";
import { verifyReplicas } from "./verify-replicas.ts";
import { type ChainPlace, NotInTime, waitChain } from "./wait-chain.ts";

/** The shipping code that a run is made of. */
export interface ClusterParts {
  readonly makeNode: MakeNode;
  readonly makeProducerCore: MakeProducerCore;
  readonly makeReaderCore: MakeReaderCore;
}

interface WaitOptions {
  /** Beyond the bound. */
  readonly moreMs?: number;
  /** Of which partitions is told who should act; none told: of those that are not in sync. */
  readonly concerns?: (place: ChainPlace) => boolean;
  readonly invariant?: "RE15" | "BO2";
}

/** Virtual time in which what must happen has to have happened, beside ten times the longest delay (3.3). */
const BOUND_MS = 60_000;
/** Between two records where no faults strike: every partition gets its share within that bound, in runs that last for an hour, too. */
const CALM_INTERVAL_MS = 150;
/** How long a change that nobody awaits any more may still be under way: a request, and the command that it became. */
const CHANGE_MS = 30_000;
/** Between two looks at all disks. */
const COMPARE_MS = 500;
/** Events of one moment, beyond which it has no end. */
const STANDING_MOST = 100_000;
/** In which emptied brokers have found out about each other. */
const BIRTH_MS = 5_000;
/** Before a healed broker that went down comes again. */
const RISE_MS = 100;
const PEER_PORT = 9_392;
/** Between two looks of an operator at all that is stored. */
const VERIFY_AGAIN_MS = 5_000;

export class ClusterRun {
  readonly options: ClusterOptions;
  readonly world: SimWorld;
  readonly checks: ClusterChecks;
  readonly #atlas: FaultAtlas;
  readonly #bounds: Bounds;
  readonly #deletions: Deletions;
  readonly history = new History();
  /** What was done in the safety phase. */
  readonly plan: PlanStep[] = [];
  /** What is to be done there; null: as the seed draws. */
  readonly #given: readonly PlanStep[] | null;
  readonly #agenda = new Agenda();
  readonly #random: SeededRandom;
  readonly #network: SimNetwork;
  readonly brokers: readonly ClusterBroker[];
  readonly #clients: ClusterClients;
  #comparedAtMs = 0;
  /** When time has last gone on. */
  #movedAtMs = -1;
  #movedAtStep = 0;
  /** Brokers that are healed: none of them stays down. */
  #kept: readonly ClusterBroker[] = [];
  /** Of those, who is about to come again. */
  readonly #rising = new Set<ClusterBroker>();
  /** What no simulated fault explains; the run ends with the first. */
  #failure: unknown = null;

  /** `given` and `plan` stand in the place of what is drawn. */
  constructor(
    seed: number,
    parts: ClusterParts,
    given: Partial<ClusterOptions> = {},
    plan: readonly PlanStep[] | null = null,
  ) {
    this.#given = plan;
    this.#random = new SeededRandom(seed);
    this.options = drawClusterOptions(this.#random.fork("options"), given);
    const { brokersCount, network, directoryMode } = this.options;
    this.world = new SimWorld(this.#random.fork("world"));
    this.#network = new SimNetwork(this.world, this.#random, { ...CALM_NETWORK, delayMs: network.delayMs });
    this.#network.streamAheadBytes = this.options.streamAheadBytes;
    const addresses = Array.from({ length: brokersCount }, (_, slot): PeerAddress => {
      return { nodeId: slot + 1, host: "127.0.0.1", port: PEER_PORT + slot };
    });
    this.brokers = addresses.map(
      (address) =>
        new ClusterBroker(address, {
          world: this.world,
          network: this.#network,
          random: this.#random,
          makeNode: parts.makeNode,
          rack: rackOf(address, this.options),
          keys: keysOf(address, addresses, this.options),
          directoryMode,
          onFailure: (error) => this.fail(error),
          count: (what) => this.checks.count(what),
          onCut: (broker, path) => this.checks.onCut(broker, path),
          onAnswer: (broker, method, answer) => this.checks.onAnswer(broker, method, answer),
        }),
    );
    this.#bounds = new Bounds(this.brokers, this.#network);
    this.#deletions = new Deletions(this.brokers);
    this.#atlas = new FaultAtlas(this.brokers, this.options.topics, {
      now: () => this.world.nowMs,
      onWhole: (hurt) => this.checks.count(`whole again: ${hurt}`),
    });
    this.checks = new ClusterChecks(this.brokers, this.history, (...replica) => this.#atlas.isDamaged(...replica));
    this.#clients = new ClusterClients({
      world: this.world,
      network: this.#network,
      random: this.#random,
      options: this.options,
      brokers: this.brokers,
      history: this.history,
      makeProducerCore: parts.makeProducerCore,
      makeReaderCore: parts.makeReaderCore,
      count: (what) => this.checks.count(what),
      onFailure: (error) => this.fail(error),
      onAcked: (...acked) => this.checks.onAcked(...acked),
    });
  }

  /** The run ends with this, unless it has failed already. */
  fail(error: unknown): void {
    this.#failure ??= { error };
  }

  async run(): Promise<void> {
    const sends = await this.#warmUp();
    await this.#bear(sends);
    this.#sendUnrecorded(sends, "behind the faults");
    if (this.options.healsCoreFirst && this.#hasCore()) await this.#healCore();
    await this.#heal(this.brokers);
    sends.stop();
    // What administrators asked for last may come late, and all at once.
    if (this.plan.some((step) => "change" in step)) await this.#runFor(CHANGE_MS);
    await this.#drain();
    this.#compareReplicas();
    this.#checkHistory();
    await this.#stopAll();
    this.#compareReplicas();
    const torn = this.#network.tornFramesCount;
    if (torn > 0) this.checks.count("streams broken inside a frame", torn);
    if (this.options.losesMost && this.brokers.length >= 3) await this.#loseMost();
  }

  // ---- phases ----

  async #warmUp(): Promise<Sends> {
    for (const broker of this.brokers) broker.start();
    await this.#until("every broker is ready", () => this.brokers.every(({ state }) => state === "ready"));
    const admin = this.#clients.newLinks();
    const { topics } = this.options;
    let made = 0;
    for (const topic of topics) this.#clients.createTopic(admin, topic, () => (made += 1));
    await this.#until("topics are made", () => made === topics.length);
    for (const [number, kind] of this.options.producers.entries()) this.#clients.startProducer(number, kind);
    this.#startReaders();
    const { valueBytesMax } = this.options;
    const sends = new Sends({ topics, valueBytesMax }, this.#agenda, this.#clients.producers);
    this.#sendUnrecorded(sends, "before the faults");
    await this.#until("a record is acknowledged", () => (this.checks.counts.get("acknowledged") ?? 0) > 0);
    return sends;
  }

  /** One of each partition, and those beside them of some. */
  #startReaders(): void {
    const places = this.options.topics.flatMap(({ name, partitions }) =>
      Array.from({ length: partitions }, (_, partition) => ({ name, partition })),
    );
    const random = this.#random.fork("more readers");
    const more = Array.from({ length: this.options.moreReaders }, () => random.pick(places));
    for (const { name, partition } of [...places, ...more]) this.#clients.startReader(name, partition, "assigned");
  }

  /** What is sent outside the safety phase is the same whatever happens there. */
  #sendUnrecorded(sends: Sends, when: string): void {
    this.#agenda.begin(this.world.nowMs);
    const intervalMs = Math.min(this.options.recordIntervalMs, CALM_INTERVAL_MS);
    sends.draw(this.#random.fork(`sends ${when}`), intervalMs, () => undefined);
  }

  /** Whatever happens, the invariants hold. */
  async #bear(sends: Sends): Promise<void> {
    const agenda = this.#agenda;
    agenda.begin(this.world.nowMs);
    const record = (deed: Deed): void => void this.plan.push({ atMs: agenda.nowMs, ...deed });
    const faults = new Faults({
      world: this.world,
      agenda,
      network: this.#network,
      random: this.#random.fork("fault plan"),
      brokers: this.brokers,
      clientIds: () => this.#clients.ids,
      isPageCache: this.options.topics.some(({ durability }) => durability === "page-cache"),
      topics: this.options.topics,
      readers: () => this.#clients.readers,
      atlas: this.#atlas,
      count: (what) => this.checks.count(what),
      onStruck: (fault, values) => record({ fault, ...values }),
    });
    const { network, chaosMs } = this.options;
    this.#network.options = network;
    const changes = new Changes({
      agenda,
      links: this.#clients.newLinks(),
      random: this.#random.fork("change plan"),
      topics: this.options.topics,
      deletions: this.#deletions,
      atlas: this.#atlas,
      leaderOf: (topic, partition) =>
        newestImage(this.brokers)?.topics.get(topic)?.partitions[partition]?.leaderId ?? -1,
      count: (what) => this.checks.count(what),
      onAsked: (change, values) => record({ change, ...values }),
    });
    if (this.#given === null) {
      if (Object.keys(this.options.faults).length > 0) faults.draw(this.options.faults);
      if (Object.keys(this.options.changes).length > 0) changes.draw(this.options.changes);
      sends.draw(this.#random.fork("sends"), this.options.recordIntervalMs, record);
    } else {
      sends.stop();
      for (const step of this.#given)
        agenda.at(step.atMs, () => {
          if ("fault" in step) return faults.strike(step.fault, valuesOf(step));
          if ("change" in step) return changes.ask(step.change, valuesOf(step));
          sends.send(step);
          record(step);
        });
    }
    await this.#runFor(chaosMs);
    changes.end();
    faults.end();
    this.#network.options = { ...CALM_NETWORK, delayMs: network.delayMs };
  }

  /** Whoever lost a disk has no vote until it is taken in again, and seats may be on the way: what is a majority then is not for us to say. */
  #hasCore(): boolean {
    if (this.brokers.length < 3 || this.#atlas.hurt !== null) return false;
    if (this.plan.some((step) => "change" in step && step.change === "voter")) return false;
    const isSeatLost = this.checks.counts.has("fault wipe") || this.checks.counts.has("fault rotMetadata");
    return !isSeatLost || isAllInSync(this.brokers, this.options.topics);
  }

  /** A majority lives and the others stay dead. */
  async #healCore(): Promise<void> {
    const random = this.#random.fork("core");
    const most = (this.brokers.length - 1) / 2;
    const dead = new Set<ClusterBroker>();
    for (let count = random.between(1, most); count > 0; count--) dead.add(random.pick(this.brokers));
    for (const broker of dead) if (broker.isUp) broker.crash("process");
    const core = this.brokers.filter((broker) => !dead.has(broker));
    await this.#heal(core);
    const living = new LivingCore(core, this.options.topics);
    await this.#until("the core knows who is dead", () => living.knowsTheDead);
    await this.#until("what the core holds is led", () => living.isLed);
    const writable = living.writable();
    this.checks.count("core: partitions", living.placesCount);
    this.checks.count("core: written to", writable.length);
    const before = new Map(writable.map((name) => [name, this.checks.acknowledgedBy(name)]));
    const isWritten = (name: string): boolean => this.checks.acknowledgedBy(name) > (before.get(name) ?? 0);
    const hasGoneOn = (name: string): boolean => isWritten(name) || living.isShort(name);
    await this.#until(`writes go on at ${writable.join()}`, () => writable.every(hasGoneOn), {
      concerns: ({ topic, partition }) =>
        writable.includes(`${topic}-${partition}`) && !isWritten(`${topic}-${partition}`),
    });
  }

  /** All that was broken works again. */
  async #heal(brokers: readonly ClusterBroker[]): Promise<void> {
    this.#kept = brokers;
    await this.#until("every broker is ready", () => {
      const missing = brokers.filter(({ state }) => state !== "ready");
      return missing.length === 0 ? null : missing.map(({ name, state }) => `${name} is ${state}`).join();
    });
  }

  /** Whoever was on the way down when the faults ended, or meets what is left of them, comes again too. */
  #keepUp(): void {
    for (const broker of this.#kept) {
      if (broker.isPaused) broker.resume();
      if (broker.isUp) this.#rising.delete(broker);
      else if (!this.#rising.has(broker)) {
        this.#rising.add(broker);
        const isWanted = (): boolean => !broker.isUp && this.#kept.includes(broker);
        this.world.schedule(RISE_MS, () => broker.start(), isWanted);
      }
    }
  }

  /** What was sent ends; everything is read from the first record to the last. */
  async #drain(): Promise<void> {
    const bound = this.options.deliveryTimeoutMs;
    await this.#until(
      "every send has an end",
      () => this.#clients.producers.every(({ unsettledCount }) => unsettledCount === 0),
      { moreMs: bound },
    );
    await this.#readAgain();
    await this.#mend();
    await this.#until("replicas are in sync", () => outOfSync(this.brokers, this.options.topics));
    // A disk that was lost with a seat that nobody has given back.
    if (this.#atlas.hurt !== null) this.checks.count(`hurt to the end: ${this.#atlas.hurt}`);
    const drains = this.options.topics.flatMap(({ name, partitions }) =>
      Array.from({ length: partitions }, (_, partition) => this.#clients.startReader(name, partition, "drain")),
    );
    const isRead = (reader: SimReader): boolean => reader.position >= this.#endOf(reader.topic, reader.partition);
    await this.#until("everything is read", () => [...drains, ...this.#clients.readers].every(isRead));
    for (const reader of this.#clients.readers) reader.end();
    // The tails of logs get cold.
    await this.#until("nobody holds anything", () => this.#bounds.held(), { invariant: "BO2" });
  }

  /** What a disk has refused to read once is not asked for again in this life where nobody can mend it: an operator starts the broker again. */
  async #readAgain(): Promise<void> {
    const single = this.options.topics.filter(({ replicationFactor }) => replicationFactor === 1);
    const refused = this.brokers.filter(({ context }) =>
      single.some(({ name, partitions }) =>
        Array.from({ length: partitions }, (_, partition) => context?.replicas.log(name, partition)?.rot).some(
          (rot) => rot?.reason === "unreadable",
        ),
      ),
    );
    for (const broker of refused) broker.crash("process");
    if (refused.length > 0) await this.#heal(this.brokers);
  }

  /** 15.7: what is bad is found by who looks for it, and mended from the others. */
  async #mend(): Promise<void> {
    if (this.#atlas.damaged === null) return;
    const links = this.#clients.newLinks();
    const look = (): void => {
      verifyReplicas(links, this.options.topics, (replica) => {
        this.world.tell("bad bytes", replica);
        this.checks.count("bad bytes found");
      });
      links.process.after(VERIFY_AGAIN_MS, () => {
        if (this.#atlas.hurt !== null) look();
      });
    };
    look();
    await this.#until("bad bytes are mended", () => {
      const damaged = this.#atlas.hurt === null ? null : this.#atlas.damaged;
      const names = damaged?.replicas.map(({ topic, partition }) => `${topic}-${partition}`).join();
      return damaged === null ? null : `${names} of ${damaged.broker.name}`;
    });
  }

  async #stopAll(): Promise<void> {
    this.#kept = [];
    for (const broker of this.brokers) void broker.stop();
    await this.#until("every broker has stopped", () => this.brokers.every(({ state }) => state === "down"));
  }

  /** RA12: most brokers come back with nothing. They are a majority, and still wait for the others, who know of a cluster. */
  async #loseMost(): Promise<void> {
    const random = this.#random.fork("most disks are lost");
    const emptied = new Set<ClusterBroker>();
    while (emptied.size <= this.brokers.length / 2) emptied.add(random.pick(this.brokers));
    for (const broker of emptied) {
      broker.wipe();
      broker.start();
    }
    await this.#runFor(BIRTH_MS);
    for (const broker of emptied) {
      ensure(
        readIdentity(broker.disk, DATA).clusterId === null,
        "RA12",
        () => `${broker.name} belongs to a cluster that its peers have never heard of`,
      );
      broker.crash("process");
    }
    this.checks.count("most disks lost");
  }

  // ---- what is looked at ----

  /** Infinity: nobody leads it, as between two leaders. */
  #endOf(topic: string, partition: number): number {
    for (const broker of this.brokers) {
      const led = broker.context?.replicas.find(topic, partition);
      if (led !== undefined) return led.logEndOffset;
    }
    return Number.POSITIVE_INFINITY;
  }

  #compareReplicas(): void {
    this.checks.count("batches compared", compareReplicas(this.brokers, this.options.topics));
  }

  #checkHistory(): void {
    this.#deletions.check(this.options.topics, this.history);
    const verdict = checkHistory(this.history, { isIdempotent: true });
    for (const { anomaly, isFatal, count, examples } of verdict.anomalies) {
      this.checks.count(`anomaly ${anomaly}`, count);
      ensure(!isFatal, anomaly, () => examples.join("; "));
    }
    for (const [outcome, count] of Object.entries(verdict.sends)) this.checks.count(`sends: ${outcome}`, count);
  }

  // ---- time ----

  async #runFor(durationMs: number): Promise<void> {
    const untilMs = this.world.nowMs + durationMs;
    await this.#run(untilMs, () => false);
    this.world.advanceTo(untilMs);
  }

  /** Until it holds; `holds` may answer what is missing. Rejects with NotInTime when it does not come about in time. */
  async #until(
    what: string,
    holds: () => boolean | string | null,
    { moreMs = 0, concerns, invariant = "RE15" }: WaitOptions = {},
  ): Promise<void> {
    this.world.tell("wait", what);
    const untilMs = this.world.nowMs + BOUND_MS + 10 * this.options.network.delayMs.max + moreMs;
    let missing: boolean | string | null = null;
    const isOver = (): boolean => {
      missing = holds();
      return missing === true || missing === null;
    };
    if (isOver() || (await this.#run(untilMs, isOver))) return;
    const message = `not in time: ${what}${missing === false ? "" : ` (${missing})`}`;
    throw new NotInTime(invariant, message, await this.#waitChain(concerns));
  }

  /** `concerns`: which partitions; none told: those that are not in sync. */
  #waitChain(
    concerns = (place: ChainPlace) => isOutOfSync(this.brokers, this.options.topics, place),
  ): Promise<string[]> {
    const places = this.options.topics.flatMap(({ name: topic, partitions }) =>
      Array.from({ length: partitions }, (_, partition): ChainPlace => ({ topic, partition })),
    );
    const readers = this.#clients.readers
      .filter(({ topic, partition, position }) => position < this.#endOf(topic, partition))
      .map(
        ({ topic, partition, position, source }) => `a reader of ${topic}-${partition} is at ${position} and ${source}`,
      );
    const producers = this.#clients.producers.flatMap(({ waitsFor }) => (waitsFor === null ? [] : [waitsFor]));
    return waitChain(this.brokers, places.filter(concerns), [...producers, ...readers]);
  }

  /** As SimWorld.run, with the invariants behind each event; what is on the agenda is done in its time, between two of them. */
  async #run(untilMs: number, isOver: () => boolean): Promise<boolean> {
    const dueMs = (): number => Math.min(untilMs, this.#agenda.nextAtMs);
    const isOverBehind = (): boolean => {
      this.#afterEvent();
      return isOver();
    };
    while (!(await this.world.run(dueMs, isOverBehind))) {
      if (this.#agenda.nextAtMs > untilMs) return false;
      // Whether somebody acted from outside is no event: the same run, drawn or replayed, has the same events.
      this.world.advanceTo(this.#agenda.nextAtMs);
      this.#agenda.runNext();
      await this.world.settle();
      this.#noticeDeaths();
      this.#ensureGoing();
      if (isOver()) return true;
    }
    return true;
  }

  #afterEvent(): void {
    this.#ensureGoing();
    if (this.world.nowMs > this.#movedAtMs) {
      this.#movedAtMs = this.world.nowMs;
      this.#movedAtStep = this.world.stepsCount;
    }
    const standing = this.world.stepsCount - this.#movedAtStep;
    ensure(standing < STANDING_MOST, "RE15", () => `time stands still at ${this.world.nowMs} ms`);
    this.world.trace.fold(this.world.nowMs, this.world.stepsCount);
    this.#noticeDeaths();
    this.#keepUp();
    this.checks.afterEvent();
    if (this.world.nowMs >= this.#comparedAtMs + COMPARE_MS) {
      this.#comparedAtMs = this.world.nowMs;
      this.checks.compareDisks(this.options.topics);
      this.#bounds.atTimes();
    }
  }

  /** A broker dies inside what it does, in an event or when it is told from outside to do it: nothing else happens before others see that. */
  #noticeDeaths(): void {
    for (const broker of this.brokers) broker.noticeDeath();
  }

  #ensureGoing(): void {
    if (this.#failure !== null) throw (this.#failure as { readonly error: unknown }).error;
    ensureGoing(this.world.trace);
  }
}
