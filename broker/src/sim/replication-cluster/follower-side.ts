/** A broker that follows: drives the real follower core on its log, over one stream at a time. */
import { asBrokerId, asLeaderEpoch } from "../../base/index.ts";
import { PartitionFollower } from "../../replication/index.ts";
import type { FollowerEffect, ReplicaAsk } from "../../replication/index.ts";
import type { Link } from "./link.ts";
import type { ClusterState } from "./model-controller.ts";
import type { ModelFrame, ModelRecords, ReplicaHost } from "./replica-host.ts";
import { ensure } from "../violation.ts";

const BACKOFF_MS = 10;

type Append = Extract<FollowerEffect<ModelRecords>, { kind: "append" }>;

export class FollowerSide {
  readonly core: PartitionFollower<ModelRecords>;
  readonly leaderId: number;
  readonly #host: ReplicaHost;
  #link: Link | null = null;
  #isClosed = false;
  /** Waits for a durable log start, with the frames that came behind it. */
  #held: { readonly append: Append; readonly frames: ModelFrame[] } | null = null;

  constructor(host: ReplicaHost, state: ClusterState, generation: number) {
    this.#host = host;
    this.leaderId = state.leaderId;
    const leaderEpoch = asLeaderEpoch(state.leaderEpoch);
    this.core = new PartitionFollower({ leaderEpoch, uncleanEpoch: state.uncleanEpoch, generation }, host.log);
  }

  close(): void {
    this.#isClosed = true;
  }

  get isConnected(): boolean {
    return this.#link !== null;
  }

  onLinkOpened(link: Link): void {
    this.#link = link;
    this.#perform(this.core.onStreamOpened());
  }

  onLinkLost(link: Link): void {
    if (link !== this.#link) return;
    this.#link = null;
    this.#held = null;
    this.core.onStreamLost();
    if (!this.#isClosed) this.#host.world.dial(this.#host, this.leaderId);
  }

  onState(state: ClusterState): void {
    this.core.onMetadata(state.uncleanEpoch);
    this.#perform(this.core.onRetry());
    this.report();
  }

  onFrame(link: Link, frame: ModelFrame): void {
    if (link !== this.#link || this.#isClosed) return;
    if (this.#held !== null) this.#held.frames.push(frame);
    else this.#takeFrame(frame);
  }

  #takeFrame(frame: ModelFrame): void {
    const { world } = this.#host;
    const { badBatchChance } = world.options;
    if (frame.answer.kind === "records" && frame.answer.records !== null && world.disks.chance(badBatchChance)) {
      this.#perform(this.core.onBadBatch());
      return;
    }
    const effects = this.core.onFrame(frame);
    const hasMarks = frame.answer.kind === "diverging" && effects.some(({ kind }) => kind === "advance");
    ensure(!hasMarks, "RE11", () => `${this.#host.name} takes a mark from a diverging answer`);
    this.#perform(effects);
  }

  onWritten(isFailed: boolean): void {
    if (isFailed) {
      this.#held = null;
      this.#perform(this.core.onWriteFailed());
    }
    this.report();
  }

  /** The log start is durable. */
  onLogStartKept(): void {
    this.report();
    const held = this.#held;
    if (held === null || this.#isClosed) return;
    this.#held = null;
    this.#append(held.append);
    for (const frame of held.frames) if (this.#link !== null) this.onFrame(this.#link, frame);
  }

  onSynced(): void {
    this.report();
  }

  onCut(): void {
    this.#perform(this.core.onCut());
  }

  /** How far it is; nothing while that is about to change. */
  report(ask: ReplicaAsk | null = null): void {
    const { log, brokerEpoch, brokerId, countedEnd, countsSynced } = this.#host;
    if (!this.core.isReporting || this.#isClosed) return;
    this.#link?.sendUp({
      follower: asBrokerId(brokerId),
      brokerEpoch,
      leaderEpoch: this.core.leaderEpoch,
      generation: this.core.generation,
      ask,
      appendedTo: countedEnd,
      isSynced: countsSynced,
      durableLogStart: log.durableLogStartOffset,
    });
  }

  #perform(effects: readonly FollowerEffect<ModelRecords>[]): void {
    const host = this.#host;
    for (const effect of effects) {
      switch (effect.kind) {
        case "ask":
          this.report(effect);
          break;
        case "append":
          this.#append(effect);
          break;
        case "advance":
          host.log.highWatermark = effect.highWatermark;
          if (effect.logStartOffset > host.log.logStartOffset) {
            host.log.logStartOffset = effect.logStartOffset;
            host.keepLogStart();
          }
          break;
        case "truncate":
          host.cutLog(effect.to, "truncate");
          break;
        case "restart":
          host.cutLog(effect.at, "restart");
          break;
        case "retryLater":
          host.world.schedule(host, BACKOFF_MS, () => {
            if (!this.#isClosed) this.#perform(this.core.onRetry());
          });
          break;
        case "stop":
          host.stopReplica(effect.reason);
          break;
      }
    }
  }

  #append(append: Append): void {
    const { log, world } = this.#host;
    const { answer, restartAt, startAt } = append;
    const records = answer.records ?? [];
    if (startAt !== null && log.durableLogStartOffset < startAt) {
      this.#held = { append, frames: [] };
      world.checks.count("append held for a log start");
      return;
    }
    if (restartAt !== null) {
      // The log start stays in its checkpoint: what was deleted does not come back by this.
      const { durableLogStartOffset } = log;
      log.restart(restartAt);
      log.finishCut();
      log.durableLogStartOffset = durableLogStartOffset;
      world.checks.count("restart inside a batch");
    }
    const [first] = records;
    if (first === undefined || first.baseOffset < log.logEndOffset || first.epoch < log.latestEpoch) {
      this.#perform(this.core.onBadBatch());
      return;
    }
    world.checks.onFollowerAppended(this.#host, log.batches.at(-1), records);
    log.append(records);
    world.checks.onAppended(this.#host);
    this.#host.writeAppended();
    this.#perform(this.core.onAppended(answer));
  }
}
