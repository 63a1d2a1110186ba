/**
 * How far each broker says that it is, as the controller hears it in one term: for controlled shutdowns, which wait until everybody
 * knows the new leaders (semantics 10.5), and for topics, which are ready when their leaders have opened the logs (15.3(1)).
 */
import { type BrokerHeartbeat, type ClusterImage, isUsable, leadsAny, type TopicImage } from "../metadata/index.ts";
import type { Clock, TimerHandle, Timers } from "../ports/index.ts";

interface Report {
  readonly brokerEpoch: number;
  metadataOffset: number;
  readyOffset: number;
  shutDown: ShutDown | null;
}

/** From its first wish on. */
interface ShutDown {
  /** Where it was taken out. */
  readonly metadataOffset: number;
  readonly ledNothing: boolean;
}

export interface TopicWait {
  readonly topicId: string;
  readonly first: number;
  readonly metadataOffset: number;
  readonly timeoutMs: number;
}

interface Waiting extends TopicWait {
  readonly timer: TimerHandle;
  readonly resolve: (missing: readonly number[]) => void;
  readonly reject: (error: Error) => void;
}

export class BrokerReports {
  readonly #reports = new Map<number, Report>();
  readonly #waiting = new Set<Waiting>();

  /** A new term: what was said before was said to another. */
  clear(): void {
    this.#reports.clear();
  }

  /** `decidedAt`: the offset at which a wish to shut down has taken the broker out. `working`: before that. */
  onHeartbeat(working: ClusterImage, heartbeat: BrokerHeartbeat, decidedAt: number): void {
    const { brokerId, brokerEpoch, metadataOffset, readyOffset, wantShutDown } = heartbeat;
    let report = this.#reports.get(brokerId);
    if (report?.brokerEpoch !== brokerEpoch) {
      report = { brokerEpoch, metadataOffset, readyOffset, shutDown: null };
      this.#reports.set(brokerId, report);
    }
    // Requests may overtake one another.
    report.metadataOffset = Math.max(report.metadataOffset, metadataOffset);
    report.readyOffset = Math.max(report.readyOffset, readyOffset);
    if (wantShutDown) {
      report.shutDown ??= { metadataOffset: decidedAt, ledNothing: !leadsAny(working, brokerId) };
    }
    this.#check(working);
  }

  onImage(image: ClusterImage): void {
    this.#check(image);
  }

  /** 10.5. `localId`: this node's broker, which knows what this image says. */
  mayShutDown(image: ClusterImage, brokerId: number, localId: number): boolean {
    const shutDown = this.#reports.get(brokerId)?.shutDown;
    if (shutDown === undefined || shutDown === null) return false;
    if (shutDown.ledNothing || image.brokers.get(brokerId)?.isFenced !== false) return true;
    if (leadsAny(image, brokerId)) return false;
    return [...image.brokers.values()].every((broker) => {
      if (broker.brokerId === brokerId || !isUsable(broker)) return true;
      const known = broker.brokerId === localId ? image.metadataOffset : this.#offsetOf(broker);
      return known >= shutDown.metadataOffset;
    });
  }

  #offsetOf({ brokerId, brokerEpoch }: { readonly brokerId: number; readonly brokerEpoch: number }): number {
    const report = this.#reports.get(brokerId);
    return report?.brokerEpoch === brokerEpoch ? report.metadataOffset : -1;
  }

  /** Resolves with the partitions that have no leader with an open log when the time is over; none: ready. */
  awaitTopic(
    wait: TopicWait,
    image: () => ClusterImage,
    { timers }: { readonly clock: Clock; readonly timers: Timers },
  ): Promise<readonly number[]> {
    const missing = this.#missing(image(), wait);
    if (missing.length === 0) return Promise.resolve([]);
    return new Promise((resolve, reject) => {
      const timer = timers.after(wait.timeoutMs, () => {
        this.#waiting.delete(waiting);
        resolve(this.#missing(image(), wait));
      });
      const waiting: Waiting = { ...wait, timer, resolve, reject };
      this.#waiting.add(waiting);
    });
  }

  drop(error: Error): void {
    for (const { timer, reject } of this.#waiting) {
      timer.cancel();
      reject(error);
    }
    this.#waiting.clear();
    this.#reports.clear();
  }

  #check(image: ClusterImage): void {
    for (const waiting of this.#waiting) {
      if (this.#missing(image, waiting).length > 0) continue;
      this.#waiting.delete(waiting);
      waiting.timer.cancel();
      waiting.resolve([]);
    }
  }

  /** A topic that is gone misses nothing. */
  #missing(image: ClusterImage, { topicId, first, metadataOffset }: TopicWait): readonly number[] {
    const topic: TopicImage | undefined = image.topicsById.get(topicId);
    return (topic?.partitions ?? [])
      .filter(({ partition, leaderId }) => partition >= first && !this.#isReady(image, leaderId, metadataOffset))
      .map(({ partition }) => partition);
  }

  #isReady({ brokers }: ClusterImage, leaderId: number, metadataOffset: number): boolean {
    const report = this.#reports.get(leaderId);
    return report?.brokerEpoch === brokers.get(leaderId)?.brokerEpoch && (report?.readyOffset ?? -1) >= metadataOffset;
  }
}
