/**
 * Follower side of one partition in one leader epoch (semantics 3.2, 5.3, 5.4): what it asks its leader, which answers it
 * takes, where it cuts its log. Knows nothing of disk or sockets; says what to do and is told when that is done. A new
 * leader epoch is a new object.
 *
 *     away ------onStreamOpened-----> following        the ask carries a new generation
 *     following --diverging, error 1-> cutting          until `onCut`, then following
 *     following --other refusal------> waiting          until `onRetry`, then following
 *     cutting ---the log refuses-----> waiting          the same: the leader says again where to cut
 *     following --cut below own high watermark--> stopped (5.3(6)): bytes stay, for an operator
 *     any but stopped --onStreamLost--> away
 *
 * Invariant: whatever was asked in an older generation changes nothing (5.3(2)); while it is not following it reports
 * nothing, since what it would vouch for is about to change.
 *
 * Not here: bytes, their CRC, and the append itself. The shell appends what an `append` effect holds and says `onAppended`;
 * if the log takes it later, the same frame is handed in again then.
 */
import { asOffset, assert } from "../base/index.ts";
import type { LeaderEpoch, Offset } from "../base/index.ts";
import type { FrameAnswer, LeaderFrame, ReplicaAsk, ReplicaRefusal } from "./replica-report.ts";
import { type EpochLog, truncationPoint } from "./truncation.ts";

/** The log, as far as a follower asks it; a PartitionLog is one. */
export interface FollowerLog extends EpochLog {
  readonly logStartOffset: Offset;
  /** That a crash would leave. */
  readonly durableLogStartOffset: Offset;
  readonly highWatermark: Offset;
  /** -1 = none. */
  readonly latestEpoch: LeaderEpoch;
}

export interface PartitionFollowerOptions {
  readonly leaderEpoch: LeaderEpoch;
  /** Leader epoch of the last unclean choice (9(3)); -1 = none. */
  readonly uncleanEpoch: number;
  /** The last one used for this partition in this process, 0 at first. */
  readonly generation: number;
}

export type RecordsAnswer<Records> = Extract<FrameAnswer<Records>, { kind: "records" }>;

/** `LOG_DAMAGED`: bad bytes of its own are in the way. */
export type RetryCause = ReplicaRefusal | "CORRUPT_MESSAGE" | "LOG_DAMAGED";

export type FollowerEffect<Records> =
  | ({ readonly kind: "ask"; readonly generation: number } & ReplicaAsk)
  | {
      readonly kind: "append";
      readonly answer: RecordsAnswer<Records>;
      /** Not null: the log is empty and starts anew at this offset first (5.3(8)). */
      readonly restartAt: Offset | null;
      /** Not null: a log start here or above is durable first (decision 0030). An `advance` to it came before. */
      readonly startAt: Offset | null;
    }
  /** Set what moved: both lie inside the log. */
  | { readonly kind: "advance"; readonly highWatermark: Offset; readonly logStartOffset: Offset }
  /** As in 5.5, also when `to` is the log end; then `onCut`. */
  | { readonly kind: "truncate"; readonly to: Offset }
  /** All batches and epochs go, the log starts at `at`; then `onCut`. */
  | { readonly kind: "restart"; readonly at: Offset }
  /** Call `onRetry` after `replica.fetch.backoff.ms`, and as soon as metadata of the partition or its leader changed. */
  | { readonly kind: "retryLater"; readonly cause: RetryCause }
  /** The replica answers KAFKA_STORAGE_ERROR from here on and keeps its bytes (5.3(6)). */
  | { readonly kind: "stop"; readonly reason: string };

type State = "away" | "following" | "cutting" | "waiting" | "stopped";

export class PartitionFollower<Records> {
  readonly leaderEpoch: LeaderEpoch;
  readonly #log: FollowerLog;
  #uncleanEpoch: number;
  #state: State = "away";
  /** Only grows. What was asked or told in an older one is void. */
  #generation: number;
  /**
   * Log start of the leader in its first answer of this generation. Of what lies below, nobody compared the epochs: the leader has
   * forgotten them. Null: no answer yet.
   */
  #comparedFrom: Offset | null = null;
  /** False while the stream is gone: what ends then leads to `away`. */
  #hasStream = false;

  constructor(options: PartitionFollowerOptions, log: FollowerLog) {
    this.leaderEpoch = options.leaderEpoch;
    this.#uncleanEpoch = options.uncleanEpoch;
    this.#generation = options.generation;
    this.#log = log;
  }

  /** To be told with every report, and handed on to the next leader epoch's follower. */
  get generation(): number {
    return this.#generation;
  }

  /** May it tell how far it is (5.4)? Not while what it has is being cut. */
  get isReporting(): boolean {
    return this.#state === "following";
  }

  get isStopped(): boolean {
    return this.#state === "stopped";
  }

  /** A stream to the leader of this epoch is open: asks from the own log end, never from the high watermark (5.3(1)). */
  onStreamOpened(): readonly FollowerEffect<Records>[] {
    this.#hasStream = true;
    return this.#state === "away" ? this.#ask() : [];
  }

  onStreamLost(): void {
    this.#hasStream = false;
    // A cut goes on: it is the log's business, not the stream's.
    if (this.#state === "following" || this.#state === "waiting") this.#state = "away";
  }

  /** One frame of the leader, in the order in which they came. */
  onFrame(frame: LeaderFrame<Records>): readonly FollowerEffect<Records>[] {
    if (this.#state !== "following" || !this.#isAskedFor(frame)) return [];
    const { answer } = frame;
    if (answer.kind === "records") return this.#takeRecords(answer);
    // 5.3(4): its high watermark and log start are of another history (P04).
    if (answer.kind === "diverging") return this.#part(truncationPoint(answer.end, this.#log));
    if (answer.code === "OFFSET_OUT_OF_RANGE") return this.#onOutOfRange(answer);
    return this.#waitFor(answer.code);
  }

  /** The batches of an `append` effect are in the log: its end has moved. */
  onAppended(answer: RecordsAnswer<Records>): readonly FollowerEffect<Records>[] {
    return this.#advance(answer);
  }

  /** A batch was refused by its CRC, its offsets or its epochs (5.3(7), ST2): the rest of what was sent is void. */
  onBadBatch(): readonly FollowerEffect<Records>[] {
    return this.#state === "following" ? this.#waitFor("CORRUPT_MESSAGE") : [];
  }

  /** A write failed and the log was cut back (3.1(12)): what was sent on top of it is void. */
  onWriteFailed(): readonly FollowerEffect<Records>[] {
    return this.#state === "following" ? this.#waitFor("KAFKA_STORAGE_ERROR") : [];
  }

  onRetry(): readonly FollowerEffect<Records>[] {
    return this.#state === "waiting" ? this.#ask() : [];
  }

  /** What `truncate` or `restart` asked for is done, durably as far as 5.5 wants it. */
  onCut(): readonly FollowerEffect<Records>[] {
    assert(this.#state === "cutting", "a cut ended that nobody asked for");
    this.#state = "away";
    return this.#hasStream ? this.#ask() : [];
  }

  /** What `truncate` asked for could not be done, and the log is as it was. */
  onCutRefused(): readonly FollowerEffect<Records>[] {
    assert(this.#state === "cutting", "a cut was refused that nobody asked for");
    if (this.#hasStream) return this.#waitFor("LOG_DAMAGED");
    this.#state = "away";
    return [];
  }

  /** Metadata of the same leader epoch. */
  onMetadata(uncleanEpoch: number): void {
    this.#uncleanEpoch = uncleanEpoch;
  }

  /** 5.4: each ask begins a generation, so that nothing on its way is taken for an answer to it. */
  #ask(): readonly FollowerEffect<Records>[] {
    const { logEndOffset, latestEpoch } = this.#log;
    this.#state = "following";
    this.#generation += 1;
    this.#comparedFrom = null;
    return [{ kind: "ask", generation: this.#generation, readFrom: logEndOffset, epochBefore: latestEpoch }];
  }

  /** 5.3(2). */
  #isAskedFor({ leaderEpoch, generation, askedFrom }: LeaderFrame<Records>): boolean {
    return leaderEpoch === this.leaderEpoch && generation === this.#generation && askedFrom === this.#log.logEndOffset;
  }

  #takeRecords(answer: RecordsAnswer<Records>): readonly FollowerEffect<Records>[] {
    this.#comparedFrom ??= answer.logStartOffset;
    if (answer.records === null) return this.#advance(answer);
    const { logStartOffset, logEndOffset } = this.#log;
    if (answer.firstBaseOffset >= logEndOffset) return this.#append(answer);
    // 5.3(8): the leader's log starts inside its first batch (P10).
    if (logStartOffset === logEndOffset) {
      return [{ kind: "append", answer, restartAt: answer.firstBaseOffset, startAt: null }];
    }
    // All that is here is deleted there: it is the same with a log that is not empty yet, and would be asked for ever.
    return answer.logStartOffset < logEndOffset
      ? this.#waitFor("CORRUPT_MESSAGE")
      : this.#restartAt(answer.logStartOffset);
  }

  /**
   * What was not compared must be deleted for good before anything stands on it: a leader that begins further down, as a crash of this
   * replica would make it, judges by the newest epoch, and that one will be the same (decision 0030).
   */
  #append(answer: RecordsAnswer<Records>): readonly FollowerEffect<Records>[] {
    const startAt = this.#comparedFrom;
    if (startAt === null || startAt <= this.#log.durableLogStartOffset) {
      return [{ kind: "append", answer, restartAt: null, startAt: null }];
    }
    // It was deleted while the leader read it, and a log cannot begin beyond its end: the next answer says where to begin anew.
    if (startAt > this.#log.logEndOffset) return this.#waitFor("OFFSET_OUT_OF_RANGE");
    return [...this.#advance(answer), { kind: "append", answer, restartAt: null, startAt }];
  }

  /** 3.2: high watermark first, then the log start, which never passes it and never falls (P71). */
  #advance(answer: RecordsAnswer<Records>): readonly FollowerEffect<Records>[] {
    const { logStartOffset, logEndOffset, highWatermark } = this.#log;
    const mark = Math.max(logStartOffset, Math.min(answer.highWatermark, logEndOffset));
    const start = Math.max(logStartOffset, Math.min(answer.logStartOffset, mark));
    if (mark === highWatermark && start === logStartOffset) return [];
    return [{ kind: "advance", highWatermark: asOffset(mark), logStartOffset: asOffset(start) }];
  }

  /** 5.3(5): the leader's log is shorter, or begins later; never fatal (P11). */
  #onOutOfRange(answer: {
    readonly logStartOffset: Offset;
    readonly logEndOffset: Offset;
  }): readonly FollowerEffect<Records>[] {
    const own = this.#log.logEndOffset;
    if (answer.logEndOffset < own) return this.#truncate(answer.logEndOffset);
    return answer.logStartOffset <= own ? this.#waitFor("OFFSET_OUT_OF_RANGE") : this.#restartAt(answer.logStartOffset);
  }

  #restartAt(offset: Offset): readonly FollowerEffect<Records>[] {
    this.#state = "cutting";
    return [{ kind: "restart", at: offset }];
  }

  /** 5.3(3). A log of which everything that may be read would go begins anew at its start: that keeps what was deleted deleted. */
  #part(to: Offset): readonly FollowerEffect<Records>[] {
    const { highWatermark, logStartOffset } = this.#log;
    if (to >= logStartOffset || highWatermark > logStartOffset || this.#isUncleanlyLed) return this.#truncate(to);
    return this.#restartAt(logStartOffset);
  }

  /** The leader was chosen uncleanly, or from lastIsr, after the newest that this log has (9(3)). */
  get #isUncleanlyLed(): boolean {
    return this.#uncleanEpoch > this.#log.latestEpoch;
  }

  /** 5.3(6): below the own high watermark only after an unclean choice newer than anything in this log. */
  #truncate(to: Offset): readonly FollowerEffect<Records>[] {
    const { highWatermark, logStartOffset } = this.#log;
    if (to < highWatermark && !this.#isUncleanlyLed) {
      this.#state = "stopped";
      const reason = `the leader's log ends at ${to}, below the high watermark ${highWatermark} here, without an unclean choice`;
      return [{ kind: "stop", reason }];
    }
    this.#state = "cutting";
    // Nothing is left of a log that begins there or later. What was deleted here, the leader may have; and its file may hold it still, in
    // later epochs than what comes now, which would be taken for damage at a start (4.2(5)).
    return to <= logStartOffset ? [{ kind: "restart", at: to }] : [{ kind: "truncate", to }];
  }

  #waitFor(cause: RetryCause): readonly FollowerEffect<Records>[] {
    this.#state = "waiting";
    return [{ kind: "retryLater", cause }];
  }
}
