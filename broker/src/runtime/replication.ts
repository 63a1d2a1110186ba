/**
 * What a broker needs of replication when it is not alone: the streams to those whose partitions it follows, and the streams
 * from those that follow it. A door of its own: a single broker never loads it.
 *
 * Not here: which replica leads or follows (replica-manager.ts), what follows from a report (replication).
 */
import type { ErrorName } from "@tidemark/proto";
import type { Clock, Logger, PeerAddress, PeerStream, PeerStreamHandlers, Timers } from "../ports/index.ts";
import { FollowedPartition } from "./followed-partition.ts";
import type { FollowedPartitionDeps, FollowedPartitionOptions } from "./followed-partition.ts";
import type { Partition } from "./partition.ts";
import { ReplicaFetcher, type ReplicaFetcherDeps } from "./replica-fetcher.ts";
import { ReplicationSource } from "./replication-source.ts";
import { ReplicationThrottle } from "./replication-throttle.ts";
import { SlabPool } from "./slab-pool.ts";
import type { Turn } from "./turn.ts";

/** What a follower asks for, as far as this broker knows it. */
export type Led =
  | { readonly partition: Partition }
  | {
      readonly partition: null;
      readonly code: ErrorName;
      /** It may be led here as soon as metadata, or its log, is as far. */
      readonly mayCome: boolean;
    };

/** The other brokers. */
export interface ReplicationPeers {
  readonly transport: ReplicaFetcherDeps["transport"];
  /** Null while the metadata does not say where that broker is. */
  addressOf(brokerId: number): PeerAddress | null;
  /** Of this broker, as registered; -1 = not yet. */
  brokerEpoch(): number;
}

/** The replicas of this broker. */
export interface ReplicationHost {
  readonly brokerId: number;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly turn: Turn;
  readonly logger: Logger;
  readonly reserve: FollowedPartitionDeps["reserve"];
  readonly onDiskFault: FollowedPartitionDeps["onDiskFault"];
  /** `replica.fetch.backoff.ms`, `replica.fetch.max.bytes`, `replica.fetch.response.max.bytes`. */
  backoffMs(): number;
  maxBytes(): number;
  messageBytes(): number;
  findLed(topicId: string, partition: number, leaderEpoch: number): Led;
  /** A reassignment adds the replica of this broker, and it is not in sync yet. */
  isFilling(brokerId: number, topicId: string, partition: number): boolean;
  /** `follower.replication.throttled.rate`, `leader.replication.throttled.rate`: bytes a second, null = none. */
  followerRate(): number | null;
  leaderRate(): number | null;
}

export class Replication {
  readonly #host: ReplicationHost;
  readonly #peers: ReplicationPeers;
  readonly #deps: ReplicationHost & ReplicationPeers & Pick<ReplicaFetcherDeps, "throttle" | "isFilling">;
  readonly #slabs = new SlabPool();
  readonly #fetchers = new Map<number, ReplicaFetcher>();
  readonly #addresses = new Map<number, string>();
  /** By follower. */
  readonly #sources = new Map<number, ReplicationSource>();
  readonly #leaderThrottle: ReplicationThrottle;
  /** That the streams to leaders were opened with. */
  #brokerEpoch = -1;

  constructor(host: ReplicationHost, peers: ReplicationPeers) {
    this.#host = host;
    this.#peers = peers;
    this.#leaderThrottle = new ReplicationThrottle(host.clock, () => host.leaderRate());
    this.#deps = {
      ...host,
      throttle: new ReplicationThrottle(host.clock, () => host.followerRate()),
      transport: peers.transport,
      addressOf: (brokerId) => peers.addressOf(brokerId),
      brokerEpoch: () => peers.brokerEpoch(),
    };
  }

  // ---- following ----

  follow(options: FollowedPartitionOptions): FollowedPartition {
    const { leaderId } = options;
    const followed = new FollowedPartition(options, this.#host);
    let fetcher = this.#fetchers.get(leaderId);
    // A start registers first: its streams would else begin anew with the next word of any broker, each with all of its partitions.
    if (this.#fetchers.size === 0) this.#brokerEpoch = this.#peers.brokerEpoch();
    if (fetcher === undefined) {
      fetcher = new ReplicaFetcher(leaderId, this.#deps);
      this.#fetchers.set(leaderId, fetcher);
      this.#addresses.set(leaderId, this.#addressTextOf(leaderId));
    }
    fetcher.follow(followed);
    return followed;
  }

  unfollow(followed: FollowedPartition): void {
    const fetcher = this.#fetchers.get(followed.leaderId);
    fetcher?.unfollow(followed);
    followed.close();
    if (fetcher?.isIdle !== true) return;
    fetcher.close();
    this.#fetchers.delete(followed.leaderId);
  }

  // ---- leading ----

  /** A peer follows partitions of this broker. A second stream of one process takes the place of the first. */
  accept(stream: PeerStream, followerId: number): PeerStreamHandlers {
    this.#sources.get(followerId)?.close();
    const { clock, timers, turn, logger } = this.#host;
    const source = new ReplicationSource(followerId, stream, {
      clock,
      timers,
      turn,
      logger,
      slabs: this.#slabs,
      find: (topicId, partition, leaderEpoch) => this.#host.findLed(topicId, partition, leaderEpoch),
      maxBytes: () => this.#host.maxBytes(),
      messageBytes: () => this.#host.messageBytes(),
      throttle: this.#leaderThrottle,
      isFilling: (id, topicId, partition) => this.#host.isFilling(id, topicId, partition),
      onEnded: (ended) => {
        if (this.#sources.get(followerId) === ended) this.#sources.delete(followerId);
      },
    });
    this.#sources.set(followerId, source);
    return source;
  }

  /** A partition is led here that was not before. */
  onLed(): void {
    for (const source of this.#sources.values()) source.onLedChanged();
  }

  // ---- the metadata ----

  /** An entry is applied, and the partitions know what concerns them. */
  onApplied(hasBrokersChanged: boolean): void {
    if (hasBrokersChanged) this.#onBrokersChanged();
    for (const fetcher of this.#fetchers.values()) fetcher.onApplied();
    this.onLed();
  }

  /** Streams of another process life, or to where nobody is any more, begin anew. */
  #onBrokersChanged(): void {
    const brokerEpoch = this.#peers.brokerEpoch();
    const hasRegistered = brokerEpoch !== this.#brokerEpoch;
    this.#brokerEpoch = brokerEpoch;
    for (const [brokerId, fetcher] of this.#fetchers) {
      const address = this.#addressTextOf(brokerId);
      if (!hasRegistered && address === this.#addresses.get(brokerId)) continue;
      this.#addresses.set(brokerId, address);
      fetcher.restart();
    }
  }

  #addressTextOf(brokerId: number): string {
    const address = this.#peers.addressOf(brokerId);
    return address === null ? "" : `${address.host}:${address.port}`;
  }

  close(): void {
    for (const fetcher of this.#fetchers.values()) fetcher.close();
    this.#fetchers.clear();
    for (const source of this.#sources.values()) source.close();
  }
}
