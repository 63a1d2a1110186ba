/**
 * The controller: takes commands, decides each on the working image in one synchronous stretch, stores what follows, and
 * answers when it is committed (semantics 10.3).
 *
 * Two images: the committed one, which queries and the other rooms see, and the working one, which also holds what was
 * decided and is not stored yet. Entries are appended in order, one append in flight; what was decided meanwhile shares
 * the next one. An answer, a refusal too, leaves when everything it was decided on is committed.
 *
 * A failed append is final: the working image is dropped, whoever waits is answered NOT_CONTROLLER, and the owner is told,
 * who stops the process. Whether the entries were stored shows at the next start.
 *
 * A single voter commits by storing. With several, the append becomes a proposal and the commit comes from the quorum;
 * images, commands and records stay as they are. Not here: what a change means for this broker (replica manager).
 */
import { ProtoError, UUID_BYTES, uuidToText } from "@tidemark/proto";
import { assert } from "../base/index.ts";
import type { BrokerConfig } from "../config/index.ts";
import {
  allocateProducerIds,
  applyEntry,
  type BrokerRegistration,
  type ClusterImage,
  type CreateTopicResult,
  type CreateTopicSpec,
  createTopics,
  type Decision,
  decodeRecords,
  type DeleteTopicResult,
  deleteTopics,
  emptyImage,
  encodeRecords,
  type MetadataDelta,
  type MetadataRecord,
  registerBroker,
} from "../metadata/index.ts";
import type { Clock, Logger, RandomBytes } from "../ports/index.ts";
import { type MetadataEntry, type MetadataStore, inconsistentCluster } from "../storage/index.ts";

export interface ControllerOptions {
  /** Open, with its lock held; the controller closes it. */
  readonly store: MetadataStore;
  readonly clock: Clock;
  readonly random: RandomBytes;
  readonly config: BrokerConfig;
  readonly logger: Logger;
  /** The cluster that the data directory names; null: none yet, and one is born if the store is empty. */
  readonly clusterId: string | null;
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
}

export class Controller {
  readonly #store: MetadataStore;
  readonly #random: RandomBytes;
  readonly #config: BrokerConfig;
  readonly #logger: Logger;
  readonly #onFault: (fault: unknown) => void;
  readonly #term: number;
  readonly #listeners: AppliedListener[] = [];
  #committed: ClusterImage;
  /** Invariant: the newest proposal's image, or the committed one when nothing is proposed. */
  #working: ClusterImage;
  /** In order of index; the first ones are being stored. */
  #proposals: Proposal[] = [];
  #writing: Promise<void> | null = null;
  #isStopped = false;

  private constructor(options: ControllerOptions, image: ClusterImage, term: number) {
    this.#store = options.store;
    this.#random = options.random;
    this.#config = options.config;
    this.#logger = options.logger.child("controller");
    this.#onFault = options.onFault;
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
    let image = emptyImage;
    for (const { index, data } of await store.readFrom(1)) {
      image = applyEntry(image, index, decodeRecords(data)).image;
    }
    if (clusterId !== null && image.clusterId !== clusterId) {
      throw inconsistentCluster(config.dataDirectory, clusterId, image.clusterId);
    }
    const controller = new Controller(options, image, store.lastTerm + 1);
    await controller.#startTerm();
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

  /** Calls `listener` for every entry, in order, when it is committed and before whoever waits for it is answered. */
  onApplied(listener: AppliedListener): void {
    this.#listeners.push(listener);
  }

  /** Rejects with ProtoError INVALID_REGISTRATION, NOT_CONTROLLER. */
  async registerBroker(request: BrokerRegistration): Promise<{ brokerEpoch: number }> {
    const response = await this.#submit((working) => registerBroker(working, request));
    if (!response.ok) throw new ProtoError(response.error, response.message);
    return { brokerEpoch: response.brokerEpoch };
  }

  /** One result per spec, in order. `validateOnly` decides and stores nothing. Never rejects. */
  async createTopics(
    specs: readonly CreateTopicSpec[],
    options: { readonly validateOnly: boolean; readonly ifAbsent?: boolean },
  ): Promise<CreateTopicResult[]> {
    const context = { config: this.#config, random: this.#random, ifAbsent: options.ifAbsent ?? false };
    try {
      return await this.#submit((working) => {
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
      return await this.#submit((working) => deleteTopics(working, names, this.#config));
    } catch (error: unknown) {
      const { code, message } = asProtoError(error);
      return names.map((name) => ({ name, error: code, message }));
    }
  }

  /** A block of producer ids that nobody else has or will have. Rejects with ProtoError NOT_CONTROLLER. */
  allocateProducerIds(): Promise<{ firstId: number; count: number }> {
    return this.#submit((working) => allocateProducerIds(working, this.#config.nodeId));
  }

  /** What is decided is still stored; further commands are answered NOT_CONTROLLER. Closes the store. */
  async close(): Promise<void> {
    this.#isStopped = true;
    await this.#writing;
    await this.#store.close();
  }

  /** The first entry of a term: what earlier terms stored is committed by it, and nothing of theirs can follow. */
  #startTerm(): Promise<void> {
    return this.#submit((working) => {
      const records: MetadataRecord[] = [];
      if (working.clusterId === "") {
        records.push({ type: "clusterCreated", clusterId: uuidToText(this.#random(UUID_BYTES)) });
      }
      records.push({ type: "termStarted", term: this.#term, controllerId: this.#config.nodeId });
      return { records, response: undefined };
    });
  }

  #submit<Response>(decide: (working: ClusterImage) => Decision<Response>): Promise<Response> {
    if (this.#isStopped) return Promise.reject(new ProtoError("NOT_CONTROLLER", "the controller has stopped"));
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
    const entry = { index, term: this.#term, data: encodeRecords(records) };
    const { image, delta } = applyEntry(this.#working, index, records);
    this.#working = image;
    this.#proposals.push({ entry, image, delta, waiters: [] });
    this.#writing ??= this.#writeProposals();
  }

  /** Runs while there are proposals; never rejects. */
  async #writeProposals(): Promise<void> {
    try {
      while (this.#proposals.length > 0) {
        const batch = [...this.#proposals];
        await this.#store.append(batch.map(({ entry }) => entry));
        for (const proposal of batch) this.#commit(proposal);
      }
    } catch (error: unknown) {
      this.#fail(error);
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

  #fail(fault: unknown): void {
    this.#isStopped = true;
    this.#logger.error("the controller has failed", { err: fault });
    const dropped = this.#proposals;
    this.#proposals = [];
    this.#working = this.#committed;
    const error = new ProtoError("NOT_CONTROLLER", "the controller could not store the change", { cause: fault });
    for (const { waiters } of dropped) for (const { drop } of waiters) drop(error);
    this.#onFault(fault);
  }
}

function asProtoError(error: unknown): ProtoError {
  if (error instanceof ProtoError) return error;
  throw error;
}
