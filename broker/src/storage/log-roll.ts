/**
 * When a log goes on in a new segment, and how (3.3): by size, by index, by age less a jitter that keeps partitions from rolling
 * together, and before a gap. The old segment's indexes and a snapshot of the producers are written on the way; neither has to
 * succeed.
 */
import { SeededRandom } from "../base/index.ts";
import type { Ms, Offset } from "../base/index.ts";
import type { BatchHeader } from "@tidemark/proto";
import type { DiskFault } from "../ports/index.ts";
import { RELATIVE_OFFSET_MAX } from "./batch-fields.ts";
import type { GroupSync } from "./group-sync.ts";
import { attempt } from "./log-host.ts";
import type { LogHost } from "./log-host.ts";
import type { LogState } from "./log-state.ts";
import type { ProducerState } from "./producer-state.ts";
import { Segment } from "./segment.ts";
import type { SnapshotStore } from "./snapshot-store.ts";
import type { LogConfig } from "./types.ts";

export interface LogRollDeps {
  readonly host: LogHost;
  readonly directory: string;
  /** What its jitter is drawn from, with the place of the segment. */
  readonly seed: string;
  readonly state: LogState;
  readonly sync: GroupSync;
  readonly producers: ProducerState;
  readonly snapshots: SnapshotStore;
  config(): LogConfig;
}

export class LogRoll {
  readonly #deps: LogRollDeps;
  readonly #state: LogState;
  /** `segment.ms` less this segment's jitter. */
  #afterMs = 0;

  constructor(deps: LogRollDeps) {
    this.#deps = deps;
    this.#state = deps.state;
    this.drawJitter();
  }

  /** 3.3(1), (2): whether a batch that ends at `lastOffset` has to go into a new segment. */
  isDue(sizeBytes: number, lastOffset: number, header: BatchHeader, now: Ms): boolean {
    const { active } = this.#state;
    if (active.sizeBytes === 0) return false;
    const config = this.#deps.config();
    if (active.sizeBytes + sizeBytes > config.segmentBytes) return true;
    if (lastOffset - active.baseOffset > RELATIVE_OFFSET_MAX) return true;
    if (active.isIndexFull(config.segmentIndexBytes)) return true;
    const firstTimestamp = active.firstTimestamp();
    const hasTime = firstTimestamp !== null && firstTimestamp >= 0;
    const ageMs = hasTime ? header.maxTimestamp - firstTimestamp : now - active.createdAt;
    return ageMs > this.#afterMs;
  }

  /** 3.3(3). On a fault the old segment stays the active one. */
  run(baseOffset: Offset): DiskFault | null {
    const { host, sync, snapshots } = this.#deps;
    const { active: sealed, segments } = this.#state;
    const segment = this.newSegment(baseOffset);
    // Without room for indexes it goes on: they are written when the segment is finished. So it does without a snapshot.
    attempt(host, () => sealed.finishIndexes());
    const createFault = attempt(host, () => {
      host.failpoint("storage.roll.beforeCreate");
      segment.create();
    });
    if (createFault !== null) return createFault;
    host.failpoint("storage.roll.afterCreate");
    attempt(host, () => this.writeSnapshot());
    sealed.isSealed = true;
    segments.push(segment);
    this.#state.active = segment;
    segment.entryVersion = sync.directoryChanged();
    snapshots.prune(new Set(segments.map((kept) => kept.baseOffset)));
    sync.finishSealed();
    this.drawJitter();
    return null;
  }

  newSegment(baseOffset: Offset): Segment {
    const { host, directory } = this.#deps;
    return new Segment({
      files: host.files,
      directory,
      baseOffset,
      indexIntervalBytes: this.#deps.config().indexIntervalBytes,
      createdAt: host.clock.wallNow(),
      logger: host.logger,
    });
  }

  writeSnapshot(): void {
    const { logEndOffset, logStartOffset } = this.#state;
    if (logEndOffset > logStartOffset) this.#deps.snapshots.write(logEndOffset, this.#deps.producers);
  }

  /** Of the active segment as it is now. Once per segment, the same for the same segment: what matters is that partitions do not roll together. */
  drawJitter(): void {
    const { segmentMs, segmentJitterMs } = this.#deps.config();
    const spanMs = Math.min(segmentJitterMs, segmentMs);
    this.#afterMs = segmentMs;
    if (spanMs === 0) return;
    const random = new SeededRandom(this.#state.active.baseOffset).fork(this.#deps.seed);
    this.#afterMs -= random.below(spanMs);
  }
}
