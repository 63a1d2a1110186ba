/** A follower core on a log that is a list of epochs and two ends; records are the offset behind their last one. */
import { asLeaderEpoch, asOffset } from "../../../src/base/index.ts";
import type { LeaderEpoch, Offset } from "../../../src/base/index.ts";
import { PartitionFollower } from "../../../src/replication/index.ts";
import type {
  EpochEnd,
  FollowerEffect,
  FollowerLog,
  FrameAnswer,
  ReplicaRefusal,
} from "../../../src/replication/index.ts";
import { EpochCache } from "../../../src/storage/epoch-cache.ts";

type Effects = readonly FollowerEffect<number>[];

export interface FollowerBenchOptions {
  readonly epochs?: readonly (readonly [epoch: number, startOffset: number])[];
  readonly logStart?: number;
  readonly durableLogStart?: number;
  readonly logEnd?: number;
  readonly highWatermark?: number;
  readonly leaderEpoch?: number;
  readonly uncleanEpoch?: number;
  readonly generation?: number;
  /** `truncate` is left to the test. */
  readonly isCutLater?: boolean;
}

export class FakeLog implements FollowerLog {
  logStartOffset: Offset;
  durableLogStartOffset: Offset;
  logEndOffset: Offset;
  highWatermark: Offset;
  readonly epochs: EpochCache;

  constructor(options: FollowerBenchOptions) {
    const entries = options.epochs ?? [];
    this.epochs = new EpochCache(
      entries.map(([epoch, startOffset]) => ({ epoch: asLeaderEpoch(epoch), startOffset: asOffset(startOffset) })),
    );
    this.logStartOffset = asOffset(options.logStart ?? 0);
    this.durableLogStartOffset = asOffset(options.durableLogStart ?? this.logStartOffset);
    this.logEndOffset = asOffset(options.logEnd ?? 0);
    this.highWatermark = asOffset(options.highWatermark ?? this.logStartOffset);
  }

  get latestEpoch(): LeaderEpoch {
    return this.epochs.latest;
  }

  endOffsetFor(epoch: LeaderEpoch): EpochEnd | null {
    return this.epochs.endOffsetFor(epoch, this.logEndOffset);
  }

  truncateTo(to: number): void {
    this.logEndOffset = asOffset(to);
    this.highWatermark = asOffset(Math.min(this.highWatermark, to));
    this.epochs.truncateEnd(to);
  }

  restartAt(at: number): void {
    this.epochs.clear();
    this.logStartOffset = asOffset(at);
    this.durableLogStartOffset = asOffset(at);
    this.logEndOffset = asOffset(at);
    this.highWatermark = asOffset(at);
  }
}

export class FollowerBench {
  readonly log: FakeLog;
  readonly core: PartitionFollower<number>;
  readonly #isCutLater: boolean;

  constructor(options: FollowerBenchOptions = {}) {
    this.log = new FakeLog(options);
    this.#isCutLater = options.isCutLater ?? false;
    this.core = new PartitionFollower(
      {
        leaderEpoch: asLeaderEpoch(options.leaderEpoch ?? 7),
        uncleanEpoch: options.uncleanEpoch ?? -1,
        generation: options.generation ?? 0,
      },
      this.log,
    );
  }

  /** Does what the effects say, as a shell whose disk answers at once, and returns them all. */
  perform(effects: Effects): Effects {
    const done: FollowerEffect<number>[] = [];
    for (const effect of effects) {
      done.push(effect);
      if (effect.kind === "append") {
        if (effect.restartAt !== null) this.log.restartAt(effect.restartAt);
        this.log.logEndOffset = asOffset(effect.answer.records ?? 0);
        this.log.epochs.add(this.core.leaderEpoch, effect.answer.firstBaseOffset);
        done.push(...this.perform(this.core.onAppended(effect.answer)));
      } else if (effect.kind === "advance") {
        this.log.highWatermark = effect.highWatermark;
        this.log.logStartOffset = effect.logStartOffset;
        this.log.durableLogStartOffset = effect.logStartOffset;
      } else if (effect.kind === "truncate" && this.#isCutLater) {
        return done;
      } else if (effect.kind === "truncate") {
        this.log.truncateTo(effect.to);
        done.push(...this.perform(this.core.onCut()));
      } else if (effect.kind === "restart") {
        this.log.restartAt(effect.at);
        done.push(...this.perform(this.core.onCut()));
      }
    }
    return done;
  }

  open(): Effects {
    return this.perform(this.core.onStreamOpened());
  }

  records(
    to: number | null,
    over: {
      readonly askedFrom?: number;
      readonly base?: number;
      readonly highWatermark?: number;
      readonly logStart?: number;
      readonly generation?: number;
      readonly leaderEpoch?: number;
    } = {},
  ): Effects {
    const askedFrom = over.askedFrom ?? this.log.logEndOffset;
    return this.frame(
      {
        kind: "records",
        records: to,
        firstBaseOffset: asOffset(over.base ?? askedFrom),
        highWatermark: asOffset(over.highWatermark ?? 0),
        logStartOffset: asOffset(over.logStart ?? 0),
      },
      { ...over, askedFrom },
    );
  }

  diverging(epoch: number, endOffset: number): Effects {
    return this.frame({ kind: "diverging", end: { epoch: asLeaderEpoch(epoch), endOffset: asOffset(endOffset) } });
  }

  refused(code: ReplicaRefusal, logStart = 0, logEnd = 0): Effects {
    return this.frame({
      kind: "refused",
      code,
      logStartOffset: asOffset(logStart),
      logEndOffset: asOffset(logEnd),
    });
  }

  frame(
    answer: FrameAnswer<number>,
    over: { readonly askedFrom?: number; readonly generation?: number; readonly leaderEpoch?: number } = {},
  ): Effects {
    return this.perform(
      this.core.onFrame({
        leaderEpoch: asLeaderEpoch(over.leaderEpoch ?? this.core.leaderEpoch),
        generation: over.generation ?? this.core.generation,
        askedFrom: asOffset(over.askedFrom ?? this.log.logEndOffset),
        answer,
      }),
    );
  }
}

export function kinds(effects: Effects): string[] {
  return effects.map(({ kind }) => kind);
}
