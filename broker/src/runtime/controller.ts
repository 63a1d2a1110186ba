/**
 * The controller: takes commands, decides each on the working image in one synchronous stretch, stores what follows, and
 * answers when it is committed (semantics 10.3).
 *
 * Two images: the committed one, which queries and the other rooms see, and the working one, which also holds what was
 * decided and is not stored yet. Entries are appended in order, one append in flight; what was decided meanwhile shares
 * the next one. An answer, a refusal too, leaves when everything it was decided on is committed.
 *
 * A failed append drops the working image. For want of space or file descriptors (10.1(1)) whoever waits, and whoever comes
 * until there is room, is answered KAFKA_STORAGE_ERROR, queries go on, and the store is opened again. Only then it shows
 * whether the entries were stored; those that were become committed with the first entry of a new term, as after a restart.
 * Any other failed append is final: the answer is NOT_CONTROLLER, and the owner is told, who stops the process.
 *
 * A single voter commits by storing. With several, the append becomes a proposal and the commit comes from the quorum;
 * images, commands and records stay as they are. Not here: what a change means for this broker (replica manager).
 */
import { ProtoError, UUID_BYTES, uuidToText } from "@tidemark/proto";
import { assert, Histogram, SECONDS_BOUNDS } from "../base/index.ts";
import { type BrokerConfig, layeredConfig, layersOf } from "../config/index.ts";
import {
  allocateProducerIds,
  alterConfigs,
  type AlterConfigsResult,
  applyEntry,
  type BrokerRegistration,
  type ClusterImage,
  type ConfigAlteration,
  createPartitions,
  type CreatePartitionsResult,
  type CreatePartitionsSpec,
  type CreateTopicResult,
  type CreateTopicSpec,
  createTopics,
  type Decision,
  decodeRecords,
  type DeleteTopicResult,
  deleteTopics,
  encodeRecords,
  type MetadataDelta,
  type MetadataRecord,
  type PlacementContext,
  registerBroker,
  Replay,
} from "../metadata/index.ts";
import type { Clock, DiskFault, Logger, RandomBytes } from "../ports/index.ts";
import {
  inconsistentCluster,
  isPassingFault,
  type MetadataEntry,
  type MetadataStore,
  StorageError,
} from "../storage/index.ts";
import { MetadataReopener, type MetadataReopenerOptions } from "./metadata-reopener.ts";

export interface ControllerOptions {
  /** Open, with its lock held; the controller closes it. */
  readonly store: MetadataStore;
  /** Opens it again after a full disk. */
  readonly reopen: MetadataReopenerOptions<MetadataStore>;
  readonly clock: Clock;
  readonly random: RandomBytes;
  /** This node's file, environment and flags; what the metadata sets above them is seen by every decision after it. */
  readonly config: BrokerConfig;
  readonly logger: Logger;
  /** The cluster that the data directory names; null: none yet, and one is born if the store is empty. */
  readonly clusterId: string | null;
  /** What a cluster that is born is called; null = by chance. */
  readonly newClusterId?: string | null;
  /** Metadata can no longer be stored, or a listener threw: the process must stop. Called once. */
  readonly onFault: (fault: unknown) => void;
}

export type AppliedListener = (delta: MetadataDelta, image: ClusterImage) => void;

/** An entry that was decided and is not committed. */
interface Proposal {
  readonly entry: MetadataEntry;
  readonly image: ClusterImage;
  readonly delta: MetadataDelta;
  /** Answers that leave with its commit. */
  readonly waiters: { readonly commit: () => void; readonly drop: (error: Error) => void }[];
  /** It was found in the store when that was opened again. */
  readonly isStored: boolean;
}

/** `suspended`: the store takes no writes until it is opened again. `stopped`: closed, or failed for good. */
type Stage = "opening" | "open" | "suspended" | "stopped";

export class Controller {
  /** Seconds from the write of entries to their commit. */
  readonly appendDurations = new Histogram(SECONDS_BOUNDS);
  /** Since the start. */
  entriesAppended = 0;
  readonly #clock: Clock;
  readonly #reopener: MetadataReopener<MetadataStore>;
  readonly #random: RandomBytes;
  readonly #newClusterId: string | null;
  readonly #config: BrokerConfig;
  readonly #logger: Logger;
  readonly #onFault: (fault: unknown) => void;
  readonly #listeners: AppliedListener[] = [];
  readonly #topicsDeletedBefore: ReadonlySet<string>;
  #store: MetadataStore;
  #term: number;
  #committed: ClusterImage;
  /** Invariant: the newest proposal's image, or the committed one when nothing is proposed. */
  #working: ClusterImage;
  /** In order of index; the first ones are being stored. */
  #proposals: Proposal[] = [];
  #writing: Promise<void> | null = null;
  /** The store is being opened again. */
  #resuming: Promise<void> | null = null;
  #stage: Stage = "opening";

  private constructor(options: ControllerOptions, image: ClusterImage, deleted: ReadonlySet<string>, term: number) {
    this.#topicsDeletedBefore = deleted;
    this.#store = options.store;
    this.#random = options.random;
    this.#newClusterId = options.newClusterId ?? null;
    this.#clock = options.clock;
    this.#config = options.config;
    this.#logger = options.logger.child("controller");
    this.#onFault = options.onFault;
    this.#reopener = new MetadataReopener(options.reopen, this.#logger);
    this.#term = term;
    this.#committed = image;
    this.#working = image;
  }

  /**
   * Replays the store and begins a term of its own; in an empty store a cluster is born. Resolves when that is committed.
   * Rejects with StorageError INCONSISTENT_CLUSTER_ID, SyntaxError for entries of a newer version, DiskFault.
   */
  static async open(options: ControllerOptions): Promise<Controller> {
    const { store, clock, config, clusterId } = options;
    const startedAt = clock.monotonicNow();
    const replay = new Replay();
    for (const { index, data } of await store.readFrom(1)) replay.apply(index, decodeRecords(data));
    const { image, topicsDeleted } = replay.finish();
    if (clusterId !== null && image.clusterId !== clusterId) {
      throw inconsistentCluster(config.dataDirectory, clusterId, image.clusterId);
    }
    const controller = new Controller(options, image, topicsDeleted, store.lastTerm + 1);
    await controller.#startTerm();
    controller.#stage = "open";
    controller.#logger.info("metadata is replayed", {
      clusterId: controller.image.clusterId,
      metadataOffset: controller.image.metadataOffset,
      term: controller.#term,
      topics: image.topics.size,
      durationMs: Math.round(clock.monotonicNow() - startedAt),
    });
    return controller;
  }

  /** What is committed. Immutable: a reader may keep it across turns. */
  get image(): ClusterImage {
    return this.#committed;
  }

  get term(): number {
    return this.#term;
  }

  /** Ids of the topics that were deleted before this start: of their logs it is known that they may go. */
  get topicsDeletedBefore(): ReadonlySet<string> {
    return this.#topicsDeletedBefore;
  }

  /** Index of the last entry that was decided; what is above the committed image is not stored yet. */
  get lastIndex(): number {
    return this.#working.metadataOffset;
  }

  /** Calls `listener` for every entry, in order, when it is committed and before whoever waits for it is answered. */
  onApplied(listener: AppliedListener): void {
    this.#listeners.push(listener);
  }

  /** Rejects with ProtoError INVALID_REGISTRATION, NOT_CONTROLLER. */
  async registerBroker(request: BrokerRegistration): Promise<{ brokerEpoch: number }> {
    const response = await this.#submit((working) =>
      registerBroker(working, request, { isAlive: false, isAppliedAtOnce: true }),
    );
    if (!response.ok) throw new ProtoError(response.error, response.message);
    return { brokerEpoch: response.brokerEpoch };
  }

  /** One result per spec, in order. `validateOnly` decides and stores nothing. Never rejects. */
  async createTopics(
    specs: readonly CreateTopicSpec[],
    options: { readonly validateOnly: boolean; readonly ifAbsent?: boolean },
  ): Promise<CreateTopicResult[]> {
    try {
      return await this.#submit((working) => {
        const context = { ...this.#placement(working), ifAbsent: options.ifAbsent ?? false };
        const decision = createTopics(working, specs, context);
        return options.validateOnly ? { ...decision, records: [] } : decision;
      });
    } catch (error: unknown) {
      const { code, message } = asProtoError(error);
      return specs.map(({ name }) => ({ name, error: code, message, topic: null }));
    }
  }

  /** One result per name, in order. Never rejects. */
  async deleteTopics(names: readonly string[]): Promise<DeleteTopicResult[]> {
    try {
      return await this.#submit((working) => deleteTopics(working, names, this.#placement(working).config));
    } catch (error: unknown) {
      const { code, message } = asProtoError(error);
      return names.map((name) => ({ name, error: code, message }));
    }
  }

  /** One result per spec, in order. `validateOnly` decides and stores nothing. Never rejects. */
  async createPartitions(
    specs: readonly CreatePartitionsSpec[],
    options: { readonly validateOnly: boolean },
  ): Promise<CreatePartitionsResult[]> {
    try {
      return await this.#submit((working) => {
        const decision = createPartitions(working, specs, this.#placement(working));
        return options.validateOnly ? { ...decision, records: [] } : decision;
      });
    } catch (error: unknown) {
      const { code, message } = asProtoError(error);
      return specs.map(({ name }) => ({ name, error: code, message, topic: null, before: 0 }));
    }
  }

  /** One result per alteration, in order. `validateOnly` decides and stores nothing. Never rejects. */
  async alterConfigs(
    alterations: readonly ConfigAlteration[],
    options: { readonly validateOnly: boolean },
  ): Promise<AlterConfigsResult[]> {
    try {
      return await this.#submit((working) => {
        const decision = alterConfigs(working, alterations, this.#config);
        return options.validateOnly ? { ...decision, records: [] } : decision;
      });
    } catch (error: unknown) {
      const { code, message } = asProtoError(error);
      return alterations.map(() => ({ error: code, message }));
    }
  }

  /** A block of producer ids that nobody else has or will have. Rejects with ProtoError NOT_CONTROLLER. */
  allocateProducerIds(): Promise<{ firstId: number; count: number }> {
    return this.#submit((working) => allocateProducerIds(working, this.#config.nodeId));
  }

  /** What is decided is still stored; further commands are answered NOT_CONTROLLER. Closes the store. */
  async close(): Promise<void> {
    this.#stage = "stopped";
    this.#reopener.stop();
    await this.#writing;
    await this.#resuming;
    await this.#store.close();
  }

  /** Whether changes are refused because the store ran out of space and is not open again yet. */
  get isSuspended(): boolean {
    return this.#stage === "suspended";
  }

  /** What a decision on `working` goes by. */
  #placement(working: ClusterImage): PlacementContext {
    const layers = layersOf(this.#config, working.configs);
    return { layers, config: layeredConfig(layers), random: this.#random };
  }

  /** The first entry of a term: what earlier terms stored is committed by it, and nothing of theirs can follow. */
  #startTerm(): Promise<void> {
    return this.#submit((working) => {
      const records: MetadataRecord[] = [];
      if (working.clusterId === "") {
        records.push({ type: "clusterCreated", clusterId: this.#newClusterId ?? uuidToText(this.#random(UUID_BYTES)) });
      }
      records.push({
        type: "termStarted",
        term: this.#term,
        controllerId: this.#config.nodeId,
        minIsrDefault: this.#config.topicDefaults.minInsyncReplicas,
      });
      return { records, response: undefined };
    });
  }

  #submit<Response>(decide: (working: ClusterImage) => Decision<Response>): Promise<Response> {
    if (this.#stage === "stopped")
      return Promise.reject(new ProtoError("NOT_CONTROLLER", "the controller has stopped"));
    if (this.#stage === "suspended") return Promise.reject(new ProtoError("KAFKA_STORAGE_ERROR", NO_ROOM));
    const { records, response } = decide(this.#working);
    if (records.length > 0) this.#propose(records);
    // Without records too: a refusal may rest on what is proposed and not committed.
    const newest = this.#proposals.at(-1);
    if (newest === undefined) return Promise.resolve(response);
    return new Promise((resolve, reject) => {
      newest.waiters.push({ commit: () => resolve(response), drop: reject });
    });
  }

  #propose(records: readonly MetadataRecord[]): void {
    const index = this.#working.metadataOffset + 1;
    this.#decided({ index, term: this.#term, data: encodeRecords(records) }, records, { isStored: false });
    this.#writing ??= this.#writeProposals();
  }

  #decided(entry: MetadataEntry, records: readonly MetadataRecord[], { isStored }: { isStored: boolean }): void {
    const { image, delta } = applyEntry(this.#working, entry.index, records);
    this.#working = image;
    this.#proposals.push({ entry, image, delta, waiters: [], isStored });
  }

  /** Runs while there are proposals; never rejects. */
  async #writeProposals(): Promise<void> {
    try {
      while (this.#proposals.length > 0) {
        const batch = [...this.#proposals];
        const startedAt = this.#clock.monotonicNow();
        await this.#store.append(batch.filter(({ isStored }) => !isStored).map(({ entry }) => entry));
        this.appendDurations.observe((this.#clock.monotonicNow() - startedAt) / 1000);
        this.entriesAppended += batch.length;
        for (const proposal of batch) this.#commit(proposal);
      }
    } catch (error: unknown) {
      // A start tells by its rejection, and is tried again by whoever started.
      if (isPassingFault(error) && this.#stage !== "opening") this.#suspend(error);
      else this.#fail(error);
    } finally {
      this.#writing = null;
    }
  }

  #commit(proposal: Proposal): void {
    assert(this.#proposals[0] === proposal, "proposals commit in order");
    this.#committed = proposal.image;
    for (const listener of this.#listeners) listener(proposal.delta, proposal.image);
    this.#proposals.shift();
    for (const { commit } of proposal.waiters) commit();
  }

  // ---- a store that takes no more writes ----

  #suspend(fault: DiskFault): void {
    this.#logger.error("no room to store metadata: changes are refused until there is", { err: fault });
    this.#drop(new ProtoError("KAFKA_STORAGE_ERROR", `${NO_ROOM}; whether this one was stored will show then`));
    // A stop under way takes what is durable as it is.
    if (this.#stage === "stopped") return;
    this.#stage = "suspended";
    this.#resuming ??= this.#resume();
  }

  /** Never rejects. */
  async #resume(): Promise<void> {
    try {
      const store = await this.#reopener.reopen(this.#store);
      if (store === null) return;
      this.#store = store;
      const found = await store.readFrom(this.#committed.metadataOffset + 1);
      if (this.#isStoppedNow) return;
      if (store.lastIndex < this.#committed.metadataOffset) {
        const what = `it ends at entry ${store.lastIndex}, and ${this.#committed.metadataOffset} were committed`;
        throw new StorageError("METADATA_LOST", store.path, `the metadata store lost entries (${what})`);
      }
      this.#stage = "open";
      this.#term = store.lastTerm + 1;
      for (const entry of found) this.#decided(entry, decodeRecords(entry.data), { isStored: true });
      this.#startTerm().then(
        () => this.#logger.info("metadata is stored again", { term: this.#term, entriesFound: found.length }),
        // Whoever dropped it has said why.
        () => undefined,
      );
    } catch (error: unknown) {
      this.#fail(error);
    } finally {
      this.#resuming = null;
    }
  }

  /** Asked after an await, where the compiler believes what it saw before. */
  get #isStoppedNow(): boolean {
    return this.#stage === "stopped";
  }

  #fail(fault: unknown): void {
    this.#stage = "stopped";
    this.#logger.error("the controller has failed", { err: fault });
    this.#drop(new ProtoError("NOT_CONTROLLER", "the controller could not store the change", { cause: fault }));
    this.#onFault(fault);
  }

  /** The working image goes back to what is committed; whoever waits for more is told. */
  #drop(error: ProtoError): void {
    const dropped = this.#proposals;
    this.#proposals = [];
    this.#working = this.#committed;
    for (const { waiters } of dropped) for (const { drop } of waiters) drop(error);
  }
}

const NO_ROOM =
  "the broker has no room to store metadata: its disk is full; changes are taken again by themselves once there is space";

function asProtoError(error: unknown): ProtoError {
  if (error instanceof ProtoError) return error;
  throw error;
}
