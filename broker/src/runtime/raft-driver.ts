/**
 * The shell around the consensus core on one node: performs what it asks for, in its order (raft/ready.ts), and feeds the
 * state machine. Term and vote go to disk first, then entries; messages that say so leave afterwards; one write is out at a
 * time.
 *
 *     running ── ENOSPC, EMFILE ──> suspended ── the store is open again ──> running
 *        └── close, or any other fault ──> stopped
 *
 * A failed write ends the core (semantics 10.1(1)): a new one starts from the disk, which alone knows what was stored. What
 * the state machine has applied by then stays applied: it was on this disk, and the new core hands it out again.
 *
 * Ticks run while there is somebody to wait for: a sole voter leads at once, and then nothing here is periodic. Snapshots are
 * raft-snapshots.ts's.
 */
import { ProtoError } from "@tidemark/proto";
import { Histogram, SECONDS_BOUNDS } from "../base/index.ts";
import type { Clock, Logger, TimerHandle, Timers } from "../ports/index.ts";
import { isSameReplica, RaftNode } from "../raft/index.ts";
import type {
  Entry,
  LogIndex,
  Message,
  Ready,
  ReadyWrite,
  ReplicaId,
  Snapshot,
  SoftState,
  Term,
} from "../raft/index.ts";
import { isPassingFault, StorageError } from "../storage/index.ts";
import type { OpenedRaftStore, RaftStore } from "../storage/index.ts";
import type { Consensus, LogPage, ProposeResult, QuorumProgress, RaftEvents, TransferResult } from "./consensus.ts";
import { raftPace, type RaftPace, type RaftTimes } from "./raft-pace.ts";
import { MetadataReopener, type MetadataReopenerOptions } from "./metadata-reopener.ts";
import { type Life, RaftSnapshots } from "./raft-snapshots.ts";
import { ReadBarriers } from "./read-barriers.ts";

export interface RaftDriverOptions extends RaftTimes {
  readonly replica: ReplicaId;
  readonly opened: OpenedRaftStore;
  /** Of entries applied since the last snapshot. */
  readonly snapshotBytes: number;
  readonly snapshotMs: number;
}

export interface RaftDriverDeps {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly logger: Logger;
  /** In [0, 1). */
  readonly random: () => number;
  /** Best effort; must not throw. */
  readonly send: (message: Message) => void;
  readonly events: RaftEvents;
  /** Opens the store again after a full disk, torn as the failed write may have left it. */
  readonly reopen: MetadataReopenerOptions<OpenedRaftStore>;
}

/** Of append messages to one peer that are not answered. */
export const INFLIGHT = { inflightMessagesMax: 64, inflightBytesMax: 8 * 1024 * 1024 } as const;
const CORE_OPTIONS = {
  ...INFLIGHT,
  appendBytesMax: 1024 * 1024,
  uncommittedBytesMax: 16 * 1024 * 1024,
} as const;
/** Bytes of entries applied in one go: a long replay must not hold the loop. */
const APPLY_BYTES_MAX = 1024 * 1024;

/** Only a leader sends these. */
const LEADERS_MESSAGES: ReadonlySet<Message["kind"]> = new Set([
  "appendRequest",
  "heartbeatRequest",
  "snapshotOffer",
  "snapshotChunk",
]);

export class RaftDriver implements Consensus {
  readonly replica: ReplicaId;
  readonly appendDurations = new Histogram(SECONDS_BOUNDS);
  entriesAppended = 0;
  leaderChanges = 0;
  readonly #pace: RaftPace;
  readonly #deps: RaftDriverDeps;
  readonly #logger: Logger;
  readonly #reopener: MetadataReopener<OpenedRaftStore>;
  readonly #reads = new ReadBarriers();
  readonly #snapshots: RaftSnapshots;
  /** Null while suspended, and when stopped. Whatever was awaited compares its own with it before it goes on. */
  #life: Life | null = null;
  /** To be closed at the end; null while the reopener has it. */
  #store: RaftStore | null = null;
  #isStopped = false;
  #told: SoftState;
  /** Of the leader last heard of. */
  #ledTerm: Term = 0;
  #voters: readonly ReplicaId[];
  #appliedIndex: LogIndex;
  /** When the last life ended: what is committed stays so. */
  #committedIndex: LogIndex;
  #isDraining = false;
  /** Ends when the write that is out has ended. */
  #writing: Promise<void> | null = null;
  #resuming: Promise<void> | null = null;
  #tickTimer: TimerHandle | null = null;
  /** That pass when it fires. */
  #ticksDue = 0;
  #applyTimer: TimerHandle | null = null;

  private constructor(options: RaftDriverOptions, deps: RaftDriverDeps) {
    this.replica = options.replica;
    this.#pace = raftPace(options);
    this.#deps = deps;
    this.#logger = deps.logger.child("raft");
    this.#reopener = new MetadataReopener(deps.reopen, this.#logger);
    const { hardState, snapshot } = options.opened.stored;
    this.#told = { role: "follower", term: hardState.term, leader: null };
    this.#voters = snapshot.voters;
    this.#appliedIndex = this.#committedIndex = snapshot.index;
    const { snapshotBytes, snapshotMs, opened } = options;
    const { clock, timers, events } = deps;
    this.#snapshots = new RaftSnapshots(
      { snapshotBytes, snapshotMs, storedBytes: opened.snapshotBytes.byteLength },
      {
        clock,
        timers,
        logger: this.#logger,
        isCurrent: (life) => life === this.#life,
        encode: () => events.encodeSnapshot(),
        send: (message) => deps.send(message),
        look: () => void this.#input(() => null),
        onWriteFailed: (life, fault) => this.#onWriteFailed(life, fault),
        onFault: (fault) => this.#fail(fault),
      },
    );
  }

  /** Hands the stored snapshot to `events` before it returns; everything else follows in later turns. */
  static open(options: RaftDriverOptions, deps: RaftDriverDeps): RaftDriver {
    const driver = new RaftDriver(options, deps);
    const { stored, snapshotBytes } = options.opened;
    deps.events.onSnapshot(stored.snapshot.index, stored.snapshot.term, snapshotBytes);
    driver.#begin(options.opened);
    return driver;
  }

  get snapshotBytes(): number {
    return this.#snapshots.bytes;
  }

  get softState(): SoftState {
    return this.#life?.node.softState ?? this.#told;
  }

  get term(): Term {
    return this.softState.term;
  }

  get vote(): ReplicaId | null {
    return this.#life?.node.vote ?? null;
  }

  get commitIndex(): LogIndex {
    return Math.max(this.#appliedIndex, this.#committedIndex, this.#life?.node.commitIndex ?? 0);
  }

  get appliedIndex(): LogIndex {
    return this.#appliedIndex;
  }

  get lastIndex(): LogIndex {
    return this.#life?.node.lastIndex ?? this.#appliedIndex;
  }

  get voters(): readonly ReplicaId[] {
    return this.#life?.node.voters ?? this.#voters;
  }

  get progress(): readonly QuorumProgress[] | null {
    const progress = this.#life?.node.progress ?? null;
    return (
      progress?.map(({ replica, matchIndex, silentTicks, heardCount }) => ({
        replica,
        matchIndex,
        heardCount,
        silentMs: Math.round(silentTicks * this.#pace.tickMs),
      })) ?? null
    );
  }

  get inflight(): Consensus["inflight"] {
    return this.#life?.node.inflight ?? [];
  }

  get isSuspended(): boolean {
    return this.#life === null && !this.#isStopped;
  }

  propose(commands: readonly Uint8Array[]): ProposeResult {
    return this.#ask<ProposeResult>((node) => node.propose(commands));
  }

  addVoter(replica: ReplicaId): ProposeResult {
    return this.#ask<ProposeResult>((node) => node.addVoter(replica));
  }

  removeVoter(replica: ReplicaId): ProposeResult {
    return this.#ask<ProposeResult>((node) => node.removeVoter(replica));
  }

  transferTo(replica: ReplicaId): TransferResult {
    return this.#ask<TransferResult>((node) => node.transferTo(replica));
  }

  page(from: LogIndex, bytesMax: number): LogPage | null {
    const node = this.#life?.node;
    if (node === undefined) return null;
    const { firstIndex, lastIndex, commitIndex, snapshot } = node;
    return { firstIndex, lastIndex, commitIndex, snapshot, entries: node.entries(from, bytesMax) };
  }

  async takeSnapshot(): Promise<Snapshot> {
    const index = this.#appliedIndex;
    // One that is under way may be of less.
    await this.#snapshots.written();
    const life = this.#life;
    if (life !== null && life.node.snapshot.index < index) {
      this.#snapshots.want();
      this.#input(() => null);
      await this.#snapshots.written();
    }
    const newest = this.#life?.node.snapshot;
    if (newest !== undefined && newest.index >= index) return newest;
    throw this.isSuspended || this.#isStopped ? suspendedError() : noSnapshotError(index);
  }

  readBarrier(): Promise<void> {
    if (this.isSuspended) return Promise.reject(suspendedError());
    return new Promise((resolve, reject) => {
      const begun = this.#input((node) => {
        const begun = node.readBarrier();
        // Noted before anything follows from it: a sole voter's is confirmed in this very stretch.
        if (begun.ok) this.#reads.add(begun.term, begun.ticket, { resolve, reject });
        return begun;
      });
      if (begun === null || !begun.ok) reject(notLeaderError());
    });
  }

  step(message: Message): void {
    if (this.isSuspended) this.#overhear(message);
    this.#input((node) => {
      node.step(message);
    });
  }

  onLeaderGone(): void {
    const { leader, term } = this.softState;
    if (isSameReplica(leader, this.replica)) return;
    if (this.isSuspended && leader !== null) this.#tellSuspended({ role: "follower", term, leader: null });
    const delayTicks = Math.round(this.#deps.random() * this.#pace.leaderGoneTicks);
    // At once, so that whoever asks for votes meanwhile gets this node's.
    this.#input((node) => {
      node.onLeaderGone(delayTicks);
    });
  }

  onLeaderFound(leader: ReplicaId): void {
    this.#input((node) => {
      node.onLeaderFound(leader);
    });
  }

  async close(): Promise<void> {
    this.#end();
    this.#reopener.stop();
    await this.#resuming;
    await this.#writing;
    await this.#snapshots.settled();
    const store = this.#store;
    this.#store = null;
    await store?.close();
  }

  // ---- inputs, and what follows from them ----

  #ask<Answer>(
    input: (node: RaftNode) => Answer,
  ): Answer | { readonly ok: false; readonly code: "SUSPENDED" | "STOPPED" } {
    const isSuspended = this.isSuspended;
    return this.#input(input) ?? { ok: false, code: isSuspended ? "SUSPENDED" : "STOPPED" };
  }

  /** One input and all that follows from it. Null: there is no core, or it has just failed. */
  #input<Answer>(input: (node: RaftNode) => Answer): Answer | null {
    const life = this.#life;
    if (life === null) return null;
    try {
      const answer = input(life.node);
      this.#drain(life);
      return answer;
    } catch (error: unknown) {
      this.#fail(error);
      return null;
    }
  }

  #drain(life: Life): void {
    // An event handler's input is worked off by the loop that called it.
    if (this.#isDraining) return;
    this.#isDraining = true;
    let bytes = 0;
    try {
      while (this.#life === life && bytes < APPLY_BYTES_MAX) {
        const ready = life.node.takeReady();
        if (ready === null) break;
        bytes += this.#perform(life, ready);
      }
    } finally {
      this.#isDraining = false;
    }
    if (this.#life !== life) return;
    this.#reads.onApplied(this.#appliedIndex);
    if (bytes >= APPLY_BYTES_MAX) this.#goOnLater();
    this.#tickAsNeeded(life);
    this.#snapshots.maybeWrite(life, this.#appliedIndex);
  }

  #goOnLater(): void {
    this.#applyTimer ??= this.#deps.timers.after(0, () => {
      this.#applyTimer = null;
      this.#input(() => null);
    });
  }

  /** Answers the bytes of the entries that were applied. */
  #perform(life: Life, ready: Ready): number {
    for (const message of ready.messages) this.#deps.send(message);
    if (ready.write !== null) this.#writing = this.#write(life, ready.write);
    if (ready.softState !== null) this.#tellRole(ready.softState);
    const bytes = this.#apply(ready.committed);
    if (ready.readConfirmed !== null) this.#reads.onConfirmed(ready.readConfirmed);
    for (const read of ready.snapshotReads) this.#snapshots.sendPiece(life, read);
    return bytes;
  }

  #tellRole(softState: SoftState): void {
    this.#told = softState;
    this.#countLeader(softState);
    if (softState.role !== "leader") this.#reads.drop(notLeaderError());
    else this.#reads.dropOthers(softState.term, notLeaderError());
    this.#deps.events.onRole(softState);
  }

  /** A term has one leader; that it was silent for a while makes it no new one. */
  #countLeader({ leader, term }: SoftState): void {
    if (leader === null || term === this.#ledTerm) return;
    this.#ledTerm = term;
    this.leaderChanges += 1;
  }

  #apply(committed: readonly Entry[]): number {
    // After a suspension the core hands out again what was applied before it.
    const fresh = committed.filter(({ index }) => index > this.#appliedIndex);
    let bytes = 0;
    const entries = fresh.map(({ index, term, body }) => {
      const command = body.kind === "command" ? body.bytes : null;
      bytes += command?.byteLength ?? 0;
      return { index, term, bytes: command };
    });
    const last = entries.at(-1);
    if (last === undefined) return 0;
    this.#appliedIndex = last.index;
    this.#snapshots.onApplied(bytes);
    this.#deps.events.onCommitted(entries);
    return bytes;
  }

  async #write(life: Life, write: ReadyWrite): Promise<void> {
    const { clock } = this.#deps;
    const startedAtMs = clock.monotonicNow();
    try {
      const installed = await life.store.write(write);
      if (write.entries.length > 0) this.appendDurations.observe((clock.monotonicNow() - startedAtMs) / 1000);
      this.entriesAppended += write.entries.length;
      if (this.#life !== life) return;
      this.#input((node) => {
        if (write.snapshot !== null && installed !== null) this.#restart(write.snapshot, installed);
        for (const message of write.messages) this.#deps.send(message);
        node.advance();
      });
    } catch (error: unknown) {
      this.#onWriteFailed(life, error);
    }
  }

  /** The state machine begins anew on a leader's snapshot. */
  #restart({ index, term }: { readonly index: LogIndex; readonly term: Term }, bytes: Uint8Array): void {
    if (index <= this.#appliedIndex) return;
    this.#appliedIndex = index;
    this.#snapshots.onInstalled(bytes.byteLength);
    this.#deps.events.onSnapshot(index, term, bytes);
  }

  // ---- ticks ----

  #tickAsNeeded({ node }: Life): void {
    if (!node.needsTicks) {
      this.#tickTimer?.cancel();
      this.#tickTimer = null;
      return;
    }
    const { tickMs, idleTicks } = this.#pace;
    const ticks = Math.min(idleTicks, node.ticksUntilDue);
    if (this.#tickTimer !== null && ticks >= this.#ticksDue) return;
    // What has passed of a longer wait is forgotten: so much later at most.
    this.#tickTimer?.cancel();
    this.#ticksDue = ticks;
    this.#tickTimer = this.#deps.timers.after(ticks * tickMs, () => {
      this.#tickTimer = null;
      this.#input((core) => {
        for (let passed = 0; passed < ticks; passed += 1) core.tick();
      });
    });
  }

  // ---- lives, and their ends ----

  #begin(opened: OpenedRaftStore): void {
    const { store, stored } = opened;
    const options = { ...CORE_OPTIONS, ...this.#pace.options, replica: this.replica, stored };
    const life = { node: new RaftNode(options, { random: this.#deps.random }), store };
    this.#life = life;
    this.#store = store;
    this.#deps.timers.endOfTurn(() => {
      if (this.#life !== life) return;
      this.#snapshots.begin(life);
      // With its first tick a sole voter campaigns.
      this.#input((node) => {
        node.tick();
      });
    });
  }

  #onWriteFailed(life: Life, error: unknown): void {
    if (this.#life !== life) return;
    const isDamagedArrival = error instanceof StorageError && error.code === "SNAPSHOT_DAMAGED";
    if (!isPassingFault(error) && !isDamagedArrival) {
      this.#fail(error);
      return;
    }
    this.#logger.error("metadata cannot be stored: consensus pauses on this node until it can", { err: error });
    this.#leaveLife();
    this.#reads.drop(suspendedError());
    this.#resuming = this.#resume(life.store);
    this.#tellSuspended(this.#told);
  }

  /**
   * Without a core this node takes no part, and says nothing; but its broker lives on, and has to know whom it shows that to: whoever
   * speaks as a leader. Nothing else follows from it.
   */
  #overhear(message: Message): void {
    if (!LEADERS_MESSAGES.has(message.kind)) return;
    const { from, term } = message;
    const { leader, term: knownTerm } = this.#told;
    const isKnown = leader !== null && term === knownTerm && isSameReplica(leader, from);
    if (term >= knownTerm && !isKnown) this.#tellSuspended({ role: "follower", term, leader: from });
  }

  #tellSuspended(softState: SoftState): void {
    try {
      this.#tellRole(softState);
    } catch (fault: unknown) {
      this.#fail(fault);
    }
  }

  /** Never rejects. */
  async #resume(failed: RaftStore): Promise<void> {
    try {
      // What the failed life has begun lands before its successor reads: a vote too, where it was the cut that failed.
      await this.#writing;
      await this.#snapshots.settled();
      this.#store = null;
      const opened = await this.#reopener.reopen(failed);
      if (opened === null) return;
      this.#store = opened.store;
      if (this.#isStopped) return;
      const { snapshot, entries } = opened.stored;
      const { lastIndex } = opened.store;
      if (lastIndex < this.#appliedIndex) {
        const what = `it ends at entry ${lastIndex}, and ${this.#appliedIndex} were committed`;
        throw new StorageError("METADATA_LOST", opened.store.directory, `the metadata store lost entries (${what})`);
      }
      this.#logger.info("metadata can be stored again", { metadataOffset: lastIndex, entriesFound: entries.length });
      this.#restart(snapshot, opened.snapshotBytes);
      this.#begin(opened);
    } catch (error: unknown) {
      this.#fail(error);
    } finally {
      this.#resuming = null;
    }
  }

  #fail(fault: unknown): void {
    if (this.#isStopped) return;
    this.#end();
    this.#logger.error("consensus has failed on this node", { err: fault });
    this.#deps.events.onFault(fault);
  }

  /** For good: nothing is called from here on. */
  #end(): void {
    this.#leaveLife();
    this.#isStopped = true;
    this.#reads.drop(notLeaderError());
  }

  #leaveLife(): void {
    const { leader, term } = this.softState;
    this.#voters = this.voters;
    this.#committedIndex = this.commitIndex;
    // Another one leads on, whatever happens here.
    this.#told = { role: "follower", term, leader: isSameReplica(leader, this.replica) ? null : leader };
    this.#life = null;
    for (const timer of [this.#tickTimer, this.#applyTimer]) timer?.cancel();
    this.#tickTimer = this.#applyTimer = null;
    this.#snapshots.rest();
  }
}

function notLeaderError(): ProtoError {
  return new ProtoError("NOT_CONTROLLER", "this node does not lead the metadata log");
}

function noSnapshotError(index: LogIndex): ProtoError {
  return new ProtoError(
    "KAFKA_STORAGE_ERROR",
    `the snapshot of entry ${index} could not be written: see the broker's log`,
  );
}

function suspendedError(): ProtoError {
  return new ProtoError("KAFKA_STORAGE_ERROR", "the broker has no room to store metadata");
}
