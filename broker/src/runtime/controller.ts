/**
 * The cluster's metadata on this node: what Raft has committed, applied in order; and while this node leads Raft, the controller,
 * which decides every command on its working state, proposes what follows, and answers when that is committed (semantics 10.3).
 *
 *     follower ── leads Raft ──> claiming ── an entry of its own term is committed, all before it applied ──> active
 *        ^──────────────── deposed, suspended: the working state is dropped, who waits is answered 41 ─────────────┘
 *
 * Commands that come while it claims wait for the end of that. A full disk suspends consensus (10.1(1)): whoever waits, and whoever
 * comes until there is room, is answered KAFKA_STORAGE_ERROR, and queries go on.
 *
 * What only a cluster of several brokers needs (sessions, questions about logs, balance) is in controller-duties.ts, loaded when
 * there is a second broker. Not here: what a change means for this broker (replica manager).
 */
import { ProtoError } from "@tidemark/proto";
import { Histogram, type Ms, SECONDS_BOUNDS } from "../base/index.ts";
import { type BrokerConfig, layeredConfig, layersOf } from "../config/index.ts";
import {
  allocateProducerIds,
  alterConfigs,
  alterPartitions,
  alterReassignments,
  applyEntry,
  type BrokerHeartbeat,
  type BrokerRegistration,
  type ClusterImage,
  createdTopicOf,
  createPartitions,
  createTopics,
  type Decision,
  decodeEntry,
  deleteTopics,
  drainBrokers,
  electLeaders,
  heartbeat,
  type MetadataEntry,
  type MetadataRecord,
  type PlacementContext,
  registerBroker,
  reportDamage,
  type TopicImage,
  unregisterBroker,
} from "../metadata/index.ts";
import type { Clock, Logger, RandomBytes, Timers } from "../ports/index.ts";
import type { Snapshot, SoftState } from "../raft/index.ts";
import { inconsistentCluster } from "../storage/index.ts";
import { BrokerReports } from "./broker-reports.ts";
import type { CommittedEntry, Consensus, LogPage, RaftEvents } from "./consensus.ts";
import {
  type ControllerCommands,
  type Decided,
  type LeaderTransfer,
  NotController,
  type Results,
  type SeatedVoters,
  type VoterChangeRequest,
} from "./controller-commands.ts";
import type { ControllerDuties, ControllerPeers } from "./controller-duties.ts";
import type { EventTimeline } from "./event-timeline.ts";
import { type AppliedListener, MetadataState } from "./metadata-state.ts";
import { NO_ROOM, Proposals } from "./proposals.ts";
import type { QuorumOperations } from "./quorum-operations.ts";
import { quorumStatus, type QuorumStatus } from "./quorum-status.ts";

export type { AppliedListener };

export interface ControllerOptions {
  /** This node's file, environment and flags; what the metadata sets above them is seen by every decision after it. */
  readonly config: BrokerConfig;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: RandomBytes;
  readonly logger: Logger;
  /** The cluster that the data directory names; null: none yet. */
  readonly clusterId: string | null;
  /** How the other brokers are reached. */
  readonly peers: ControllerPeers;
  /** Metadata can no longer be stored, or a listener threw: the process must stop. Called once. */
  readonly onFault: (fault: unknown) => void;
  /** What a controller of several brokers loads late; for tests. */
  readonly loadDuties?: () => Promise<Pick<typeof import("./controller-duties.ts"), "ControllerDuties">>;
}

/** Entries that come in one go, and are applied as one change where nobody waits for each. */
const REPLAY_ENTRIES_MIN = 32;
/** Commands that wait for a claim to end; a claim takes one round trip. */
export const WAITING_MAX = 10_000;
/** An entry of Raft's own. */
const NO_RECORDS: MetadataEntry = { at: null, records: [] };
const NO_DURATIONS = new Histogram(SECONDS_BOUNDS);
/** How long a stop waits for what is proposed. */
const CLOSE_MS = 5_000;

/** What is held for others, for whoever holds it to its bounds. */
export interface ControllerQueues {
  /** Commands that wait for a claim to end. */
  readonly waitingCount: number;
  /** Entries that wait for their commit. */
  readonly proposalsCount: number;
  readonly inflight: Consensus["inflight"];
}

type Duties = ControllerDuties | Promise<ControllerDuties> | null;

export class Controller implements ControllerCommands, RaftEvents {
  readonly #options: ControllerOptions;
  readonly #config: BrokerConfig;
  readonly #logger: Logger;
  readonly #state = new MetadataState();
  readonly #reports = new BrokerReports();
  /** Seconds from the proposal of an entry here to its commit. */
  readonly commitDurations = new Histogram(SECONDS_BOUNDS);
  #consensus: Consensus | null = null;
  #softState: SoftState = { role: "follower", term: 0, leader: null };
  /** Since when no leader is known; of no meaning while one is. */
  #leaderlessSince: Ms;
  /** While active. */
  #proposals: Proposals | null = null;
  /** Commands that came while claiming. */
  #waiting: { readonly run: () => void; readonly drop: (error: Error) => void }[] = [];
  #duties: Duties = null;
  #operations: QuorumOperations | null = null;
  #isStopped = false;
  #uncleanElections = 0;
  #onActive: { readonly resolve: () => void; readonly reject: (fault: unknown) => void }[] = [];
  #onIdle: (() => void) | null = null;

  constructor(options: ControllerOptions) {
    this.#options = options;
    this.#leaderlessSince = options.clock.monotonicNow();
    this.#config = options.config;
    this.#logger = options.logger.child("controller");
  }

  /** Begins with an opened consensus, which has told its snapshot to this by then. */
  attach(consensus: Consensus): void {
    this.#consensus = consensus;
    // Not at the moment when a leader is gone.
    if (consensus.voters.length > 1) this.#moduleOfDuties().catch((fault: unknown) => this.onFault(fault));
  }

  // ---- what is known here ----

  /** What is committed and applied. Immutable: a reader may keep it across turns. */
  get image(): ClusterImage {
    return this.#state.image;
  }

  /** What happened lately, as far as this node has applied it entry by entry. */
  get timeline(): EventTimeline {
    return this.#state.timeline;
  }

  /** Leaders that this node has decided on although they might lack what was acknowledged, since its start. */
  get uncleanElections(): number {
    return this.#uncleanElections;
  }

  get topicsDeletedBefore(): ReadonlySet<string> {
    return this.#state.topicsDeleted;
  }

  get term(): number {
    return this.#consensus?.term ?? 0;
  }

  /** Index of the last entry here; what is above the committed image is not committed yet. */
  get lastIndex(): number {
    return this.#consensus?.lastIndex ?? 0;
  }

  /** Who leads Raft, as far as known here; -1 = unknown. */
  get leaderId(): number {
    return this.#softState.leader?.nodeId ?? -1;
  }

  get #leaderlessMs(): number {
    if (this.#softState.leader !== null) return 0;
    return Math.ceil(Math.max(1, this.#options.clock.monotonicNow() - this.#leaderlessSince));
  }

  /** The metadata log as this node knows it; null before there is one. */
  get quorum(): QuorumStatus | null {
    return this.#consensus === null ? null : quorumStatus(this.#consensus, this.#leaderlessMs);
  }

  /** Entries of the metadata log as they are here; null before there is one, and while it cannot be stored. */
  logPage(from: number, bytesMax: number): LogPage | null {
    return this.#consensus?.page(from, bytesMax) ?? null;
  }

  /** Rejects as `Consensus.takeSnapshot` does. */
  takeSnapshot(): Promise<Snapshot> {
    if (this.#consensus === null) return Promise.reject(this.#notController("the metadata is not open"));
    return this.#consensus.takeSnapshot();
  }

  /** Commands are decided here. */
  get isActive(): boolean {
    return this.#proposals !== null;
  }

  /** Whether changes are refused because the store ran out of space and is not open again yet. */
  get isSuspended(): boolean {
    return this.#consensus?.isSuspended ?? false;
  }

  get queues(): ControllerQueues {
    return {
      waitingCount: this.#waiting.length,
      proposalsCount: this.#proposals?.count ?? 0,
      inflight: this.#consensus?.inflight ?? [],
    };
  }

  /** Seconds from handing entries to the disk until they are safe there. */
  get appendDurations(): Histogram {
    return this.#consensus?.appendDurations ?? NO_DURATIONS;
  }

  /** What this node is in the quorum, whom it follows and has voted for (ids, -1: nobody), and the leaders it has seen begin. */
  get election(): Pick<QuorumStatus, "role" | "leaderId"> & {
    readonly votedFor: number;
    readonly leaderChanges: number;
  } {
    const { vote, leaderChanges } = this.#consensus ?? { vote: null, leaderChanges: 0 };
    const { role, leaderId } = this.quorum ?? { role: "follower", leaderId: -1 };
    return { role, leaderId, votedFor: vote?.nodeId ?? -1, leaderChanges };
  }

  get entriesAppended(): number {
    return this.#consensus?.entriesAppended ?? 0;
  }

  get snapshotBytes(): number {
    return this.#consensus?.snapshotBytes ?? 0;
  }

  /** Calls `listener` for every change, in order, when it is committed and before whoever waits for it is answered. */
  onApplied(listener: AppliedListener): void {
    this.#state.onApplied(listener);
  }

  /** Resolves when commands are decided here; a sole voter is there soon. Rejects when that will not be. */
  whenActive(): Promise<void> {
    if (this.isActive) return Promise.resolve();
    return new Promise((resolve, reject) => {
      this.#onActive.push({ resolve, reject });
    });
  }

  // ---- Raft ----

  onSnapshot(index: number, _term: number, bytes: Uint8Array): void {
    this.#state.restore(index, bytes, this.#options.clock.wallNow());
    const { clusterId } = this.#options;
    if (clusterId === null || clusterId === this.image.clusterId) return;
    throw inconsistentCluster(this.#config.dataDirectory, clusterId, this.image.clusterId);
  }

  onRole(softState: SoftState): void {
    const wasLeader = this.#softState.role === "leader";
    const isSameReign = wasLeader && softState.role === "leader" && softState.term === this.#softState.term;
    if (softState.leader === null && this.#softState.leader !== null)
      this.#leaderlessSince = this.#options.clock.monotonicNow();
    this.#softState = softState;
    this.#operations?.onChange();
    if (this.isSuspended) {
      for (const { reject } of this.#onActive.splice(0)) reject(new ProtoError("KAFKA_STORAGE_ERROR", NO_ROOM));
    }
    if (isSameReign || (!wasLeader && softState.role !== "leader")) return;
    if (wasLeader) this.#resign();
  }

  onCommitted(entries: readonly CommittedEntry[]): void {
    if (this.#proposals === null && entries.length >= REPLAY_ENTRIES_MIN)
      this.#state.replay(entries, this.#options.clock.wallNow());
    else for (const entry of entries) this.#apply(entry);
    this.#operations?.onChange();
    this.#maybeBecomeActive(entries.at(-1)?.term ?? -1);
    if (this.#proposals?.isEmpty === true) this.#onIdle?.();
  }

  encodeSnapshot(): Uint8Array {
    return this.#state.encodeSnapshot();
  }

  onFault(fault: unknown): void {
    this.#isStopped = true;
    this.#logger.error("the controller has failed", { err: fault });
    this.#drop(new NotController("the controller could not store the change", -1, { cause: fault }));
    for (const { reject } of this.#onActive.splice(0)) reject(fault);
    this.#options.onFault(fault);
  }

  /** What is proposed is still stored, within a bound; further commands are answered NOT_CONTROLLER. Closes consensus. */
  async close(): Promise<void> {
    this.#isStopped = true;
    this.#stopDuties();
    if (this.#proposals?.isEmpty === false && !this.isSuspended) {
      await new Promise<void>((resolve) => {
        this.#onIdle = resolve;
        this.#options.timers.after(CLOSE_MS, resolve);
      });
    }
    await this.#consensus?.close();
    this.#drop(new NotController("the controller has stopped"));
  }

  #apply({ index, term, bytes }: CommittedEntry): void {
    const proposal = this.#proposals?.take(index, term) ?? null;
    if (proposal !== null) {
      this.#state.applied(proposal.image, proposal.delta, proposal.entry);
      this.commitDurations.observe(proposal.seconds);
      this.#uncleanElections += uncleanlyChosen(proposal.entry);
      proposal.answer();
      this.#reports.onImage(proposal.image);
      this.#dutiesNow?.onApplied(proposal.delta, proposal.image);
      return;
    }
    const entry = bytes === null ? NO_RECORDS : decodeEntry(bytes);
    const { image, delta } = applyEntry(this.#state.image, index, entry.records);
    this.#state.applied(image, delta, entry);
    this.#reports.onImage(image);
  }

  /** With an entry of its own term everything before it is committed, and nothing of others can follow (10.1(6)). */
  #maybeBecomeActive(newestTerm: number): void {
    const { role, term } = this.#softState;
    const consensus = this.#consensus;
    if (consensus === null || this.#proposals !== null || role !== "leader" || newestTerm !== term) return;
    if (this.#isStopped) return;
    this.#proposals = new Proposals(consensus, this.image, this.#options.clock);
    this.#reports.clear();
    void this.#startTerm();
    this.#maybeStartDuties();
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const { run } of waiting) run();
    for (const { resolve } of this.#onActive.splice(0)) resolve();
  }

  /** Whose commands follow, and what holds where nothing was set. Never rejects. */
  async #startTerm(): Promise<void> {
    const controllerId = this.#config.nodeId;
    const minIsrDefault = this.#config.topicDefaults.minInsyncReplicas;
    const record: MetadataRecord = { type: "termStarted", term: this.term, controllerId, minIsrDefault };
    try {
      await this.#submit(() => ({ records: [record], response: null }));
      this.#logger.info("this node decides on the cluster's metadata", {
        term: this.term,
        metadataOffset: this.image.metadataOffset,
      });
    } catch (cause: unknown) {
      // Deposed at once: the next one begins its own.
      this.#logger.debug("the term ended before it began", { err: cause });
    }
  }

  #resign(): void {
    this.#stopDuties();
    const isSuspended = this.isSuspended;
    this.#drop(
      isSuspended
        ? new ProtoError("KAFKA_STORAGE_ERROR", `${NO_ROOM}; whether this one was stored will show then`)
        : this.#notController("this node no longer leads the metadata log"),
    );
  }

  #drop(error: Error): void {
    const proposals = this.#proposals;
    this.#proposals = null;
    proposals?.drop(error);
    this.#onIdle?.();
    for (const { drop } of this.#waiting.splice(0)) drop(error);
    this.#reports.drop(error);
  }

  // ---- commands ----

  async registerBroker(request: BrokerRegistration): Promise<Decided & { readonly brokerEpoch: number }> {
    const { response, metadataOffset } = await this.#submit((working) => {
      const isLocal = request.brokerId === this.#config.nodeId;
      const isAppliedAtOnce = isLocal && this.#consensus?.voters.length === 1;
      // Until the sessions have begun, which is soon, nobody is taken for dead.
      const isAlive = isLocal || (this.#dutiesNow?.isAlive(request.brokerId) ?? true);
      return registerBroker(working, request, { isAlive, isAppliedAtOnce });
    });
    if (!response.ok) throw new ProtoError(response.error, response.message);
    this.#maybeStartDuties();
    this.#dutiesNow?.onHeard(request.brokerId);
    return { metadataOffset, brokerEpoch: response.brokerEpoch };
  }

  async heartbeat(request: BrokerHeartbeat): ReturnType<ControllerCommands["heartbeat"]> {
    const { brokerId } = request;
    const { response, metadataOffset } = await this.#submit((working) => {
      const decision = heartbeat(working, request);
      if (decision.response.error !== "NONE") return decision;
      this.#dutiesNow?.onHeard(brokerId);
      const isChanged = decision.records.length > 0;
      this.#reports.onHeartbeat(working, request, isChanged ? working.metadataOffset + 1 : working.metadataOffset);
      return decision;
    });
    if (response.error !== "NONE") return { ...response, metadataOffset };
    const mayShutDown = request.wantShutDown && this.#reports.mayShutDown(this.image, brokerId, this.#config.nodeId);
    return { ...response, mayShutDown, metadataOffset };
  }

  async alterPartitions(request: Parameters<ControllerCommands["alterPartitions"]>[0]) {
    return resultsOf(await this.#submit((working) => alterPartitions(working, request)));
  }

  async reportDamage(request: Parameters<ControllerCommands["reportDamage"]>[0]) {
    return resultsOf(await this.#submit((working) => reportDamage(working, request)));
  }

  async allocateProducerIds({ brokerId }: { readonly brokerId: number }) {
    const { response, metadataOffset } = await this.#submit((working) => allocateProducerIds(working, brokerId));
    return { ...response, metadataOffset };
  }

  async createTopics({
    specs,
    isValidateOnly,
    isIfAbsent = false,
  }: Parameters<ControllerCommands["createTopics"]>[0]): ReturnType<ControllerCommands["createTopics"]> {
    const decided = await this.#answer((working) => {
      const context = { ...this.#placement(working), ifAbsent: isIfAbsent };
      return validated(createTopics(working, specs, context), isValidateOnly);
    });
    return withTopics(decided);
  }

  async createPartitions({
    specs,
    isValidateOnly,
  }: Parameters<ControllerCommands["createPartitions"]>[0]): ReturnType<ControllerCommands["createPartitions"]> {
    return withTopics(
      await this.#answer((working) =>
        validated(createPartitions(working, specs, this.#placement(working)), isValidateOnly),
      ),
    );
  }

  async deleteTopics({ targets, isValidateOnly }: Parameters<ControllerCommands["deleteTopics"]>[0]) {
    return resultsOf(
      await this.#answer((working) =>
        validated(deleteTopics(working, targets, this.#placement(working).config), isValidateOnly),
      ),
    );
  }

  async alterConfigs({ alterations, isValidateOnly }: Parameters<ControllerCommands["alterConfigs"]>[0]) {
    return resultsOf(
      await this.#answer((working) => validated(alterConfigs(working, alterations, this.#config), isValidateOnly)),
    );
  }

  async electLeaders({
    type,
    targets,
  }: Parameters<ControllerCommands["electLeaders"]>[0]): ReturnType<ControllerCommands["electLeaders"]> {
    const decided = resultsOf(await this.#answer((working) => electLeaders(working, type, targets)));
    if (type === "preferred" || decided.results.every(({ error }) => error !== "NONE")) return decided;
    const duties = await this.#loadDuties();
    const results = await duties.electUncleanly(decided.results);
    return { results, metadataOffset: this.image.metadataOffset };
  }

  async alterReassignments({
    changes,
    isValidateOnly,
  }: Parameters<ControllerCommands["alterReassignments"]>[0]): ReturnType<ControllerCommands["alterReassignments"]> {
    return resultsOf(
      await this.#answer((working) =>
        validated(alterReassignments(working, changes, this.#placement(working)), isValidateOnly),
      ),
    );
  }

  async drainBrokers({ brokerIds, isDraining }: Parameters<ControllerCommands["drainBrokers"]>[0]) {
    return resultsOf(await this.#answer((working) => drainBrokers(working, brokerIds, isDraining)));
  }

  async unregisterBroker({ brokerId }: { readonly brokerId: number }) {
    const { response, metadataOffset } = await this.#answer((working) => {
      const isVoter = this.#consensus?.voters.some(({ nodeId }) => nodeId === brokerId) ?? false;
      return unregisterBroker(working, brokerId, { isVoter });
    });
    return { results: [response], metadataOffset };
  }

  async awaitTopic(request: Parameters<ControllerCommands["awaitTopic"]>[0]): Promise<Results<number>> {
    await this.#submit(() => ({ records: [], response: null }));
    const { clock, timers } = this.#options;
    const results = await this.#reports.awaitTopic(request, () => this.image, { clock, timers });
    return { results, metadataOffset: this.image.metadataOffset };
  }

  async transferLeadership(request: { readonly nodeId: number }): Promise<LeaderTransfer> {
    return (await this.#loadOperations()).transferLeadership(request);
  }

  async changeVoter(request: VoterChangeRequest): Promise<SeatedVoters> {
    return (await this.#loadOperations()).changeVoter(request);
  }

  async #loadOperations(): Promise<QuorumOperations> {
    const consensus = this.#consensus;
    if (consensus === null) throw this.#notController("the metadata is not open");
    const { QuorumOperations } = await import("./quorum-operations.ts");
    const { nodeId, controllerQuorumFetchTimeoutMs, controllerQuorumElectionTimeoutMs } = this.#config;
    this.#operations ??= new QuorumOperations({
      nodeId,
      consensus,
      timers: this.#options.timers,
      silentMs: controllerQuorumFetchTimeoutMs,
      transferMs: controllerQuorumFetchTimeoutMs + controllerQuorumElectionTimeoutMs,
      image: () => this.image,
      submit: (decide) => this.#submit(decide),
    });
    return this.#operations;
  }

  // ---- deciding ----

  /**
   * For clients. A change is answered when it is committed; an answer without one, a refusal above all, says what is so, which a node
   * that was deposed while it was paused may not know: it proves first that it still leads (10.1(6), 10.3(3)).
   */
  async #answer<Response>(
    decide: (working: ClusterImage) => Decision<Response>,
  ): Promise<{ readonly response: Response; readonly metadataOffset: number }> {
    let reign: Proposals | null = null;
    let isChange = false;
    const decided = await this.#submit((working) => {
      const decision = decide(working);
      reign = this.#proposals;
      isChange = decision.records.length > 0;
      return decision;
    });
    if (isChange) return decided;
    await this.#consensus?.readBarrier().catch((cause: unknown) => {
      const isDeposed = cause instanceof ProtoError && cause.code === "NOT_CONTROLLER";
      throw isDeposed ? this.#notController("this node no longer leads the metadata log") : cause;
    });
    // A later reign proves nothing of what an earlier one has said.
    if (this.#proposals !== reign) throw this.#notController("this node no longer leads the metadata log");
    return decided;
  }

  #submit<Response>(
    decide: (working: ClusterImage) => Decision<Response>,
  ): Promise<{ readonly response: Response; readonly metadataOffset: number }> {
    if (this.#isStopped) return Promise.reject(new NotController("the controller has stopped"));
    if (this.#proposals !== null) return this.#proposals.submit(decide);
    if (this.isSuspended) return Promise.reject(new ProtoError("KAFKA_STORAGE_ERROR", NO_ROOM));
    if (this.#softState.role !== "leader" || this.#waiting.length >= WAITING_MAX) {
      return Promise.reject(this.#notController("this node does not lead the metadata log"));
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ run: () => resolve(this.#submit(decide)), drop: reject });
    });
  }

  #notController(message: string): NotController {
    return new NotController(message, this.#softState.role === "leader" ? -1 : this.leaderId);
  }

  /** What a decision on `working` goes by. */
  #placement(working: ClusterImage): PlacementContext {
    const layers = layersOf(this.#config, working.configs);
    return { layers, config: layeredConfig(layers), random: this.#options.random };
  }

  /** What the controller alone knows of brokers and of partitions without a leader; null elsewhere, and where there is one broker. */
  get explanations(): Pick<ControllerDuties, "standingOf" | "explain"> | null {
    return this.isActive ? this.#dutiesNow : null;
  }

  // ---- duties of the controller of several brokers ----

  get #dutiesNow(): ControllerDuties | null {
    return this.#duties === null || this.#duties instanceof Promise ? null : this.#duties;
  }

  #maybeStartDuties(): void {
    const { nodeId } = this.#config;
    const hasOthers = [...(this.#proposals?.working.brokers.keys() ?? [])].some((brokerId) => brokerId !== nodeId);
    if (!hasOthers || this.#duties !== null) return;
    this.#loadDuties().catch((cause: unknown) => {
      if (cause instanceof NotController) this.#logger.debug("the controller's duties did not start", { err: cause });
      // Node gives a module up for good that it could not load once: another process can, and until then another voter leads.
      else this.onFault(cause);
    });
  }

  /** Rejects with NotController when the reign, or this controller, ends meanwhile. */
  #loadDuties(): Promise<ControllerDuties> {
    if (this.#duties !== null) return Promise.resolve(this.#duties);
    if (!this.isActive || this.#isStopped) return Promise.reject(this.#notController("this node no longer leads"));
    const loading = this.#moduleOfDuties().then(({ ControllerDuties }) => {
      if (this.#duties !== loading) throw this.#notController("this node no longer leads");
      const { clock, timers, peers } = this.#options;
      const duties = new ControllerDuties({
        nodeId: this.#config.nodeId,
        config: () => layeredConfig(layersOf(this.#config, this.image.configs)),
        clock,
        timers,
        peers,
        logger: this.#logger,
        image: () => this.image,
        submit: (decide) => this.#submit(decide),
      });
      this.#duties = duties;
      duties.start();
      return duties;
    });
    this.#duties = loading;
    return loading;
  }

  #moduleOfDuties(): ReturnType<NonNullable<ControllerOptions["loadDuties"]>> {
    return (this.#options.loadDuties ?? loadDuties)();
  }

  #stopDuties(): void {
    this.#dutiesNow?.stop();
    this.#duties = null;
  }
}

function loadDuties(): Promise<typeof import("./controller-duties.ts")> {
  return import("./controller-duties.ts");
}

function uncleanlyChosen({ records }: MetadataEntry): number {
  let count = 0;
  for (const record of records) {
    if (record.type !== "leadersChosen" || record.choice !== "unclean") continue;
    for (const { partitions } of record.partitions) count += partitions.length;
  }
  return count;
}

function validated<Response>(decision: Decision<Response>, isValidateOnly: boolean): Decision<Response> {
  return isValidateOnly ? { ...decision, records: [] } : decision;
}

function resultsOf<Result>({
  response,
  metadataOffset,
}: {
  readonly response: readonly Result[];
  readonly metadataOffset: number;
}): Results<Result> {
  return { results: response, metadataOffset };
}

function withTopics<Result extends { readonly topic: TopicImage | null }>({
  response,
  metadataOffset,
}: {
  readonly response: readonly Result[];
  readonly metadataOffset: number;
}) {
  const results = response.map(({ topic, ...rest }) => ({
    ...rest,
    topic: topic === null ? null : createdTopicOf(topic),
  }));
  return { results, metadataOffset };
}
