/**
 * The cluster's metadata as this node has applied it: what is committed, in order, each entry once. Every node keeps it; the one
 * that leads Raft decides on a copy that runs ahead (proposals.ts).
 *
 * Invariant: (image, metadata offset) is one value, and records of one entry become visible together (semantics 10.3(1)).
 */
import { assert } from "../base/index.ts";
import {
  clusterEvents,
  type ClusterImage,
  decodeImage,
  diffImages,
  emptyImage,
  encodeImage,
  type MetadataDelta,
  type MetadataEntry,
  Replay,
  decodeRecords,
} from "../metadata/index.ts";
import type { CommittedEntry } from "./consensus.ts";
import { EventTimeline } from "./event-timeline.ts";

/** Called for every entry, also for one that changed nothing but the offset. */
export type AppliedListener = (delta: MetadataDelta, image: ClusterImage) => void;

/** Ids of deleted topics that are remembered; a directory of one deleted before is left to its operator. */
const TOPICS_DELETED_MAX = 10_000;

export class MetadataState {
  /** What happened, entry by entry. */
  readonly timeline = new EventTimeline();
  #image: ClusterImage = emptyImage;
  /** Oldest first. */
  readonly #topicsDeleted = new Set<string>();
  readonly #listeners: AppliedListener[] = [];

  get image(): ClusterImage {
    return this.#image;
  }

  /** Ids of the topics that were deleted: of their logs it is known that they may go. */
  get topicsDeleted(): ReadonlySet<string> {
    return this.#topicsDeleted;
  }

  onApplied(listener: AppliedListener): void {
    this.#listeners.push(listener);
  }

  /**
   * A snapshot replaces what was here. A topic that it does not have was deleted only where it says so: that of a recovered cluster has
   * not heard of some (decision 0028), and their logs are not to go. `now`: Unix ms.
   */
  restore(index: number, bytes: Uint8Array, now: number): void {
    const { image, topicsDeleted } = decodeImage(bytes);
    assert(index >= this.#image.metadataOffset, "a snapshot is older than what was applied");
    for (const topicId of topicsDeleted) this.#noteDeleted(topicId);
    this.#applyAtOnce({ ...image, metadataOffset: index }, now);
  }

  /** Entries one after the other and one image at the end: what a start has to read costs what its records say. */
  replay(entries: readonly CommittedEntry[], now: number): void {
    const replay = new Replay(this.#image);
    for (const { index, bytes } of entries) replay.apply(index, bytes === null ? [] : decodeRecords(bytes));
    const { image, topicsDeleted } = replay.finish();
    for (const topicId of topicsDeleted) this.#noteDeleted(topicId);
    this.#applyAtOnce(image, now);
  }

  /** The next image, made from one entry. */
  applied(image: ClusterImage, delta: MetadataDelta, { at, records }: MetadataEntry): void {
    this.timeline.note(image.metadataOffset, at, clusterEvents(this.#image, image, delta, records));
    for (const { topicId } of delta.topicsDeleted) this.#noteDeleted(topicId);
    this.#become(image, delta);
  }

  #applyAtOnce(image: ClusterImage, now: number): void {
    this.timeline.skip(image.metadataOffset, now);
    this.#become(image, diffImages(this.#image, image));
  }

  #become(image: ClusterImage, delta: MetadataDelta): void {
    this.#image = image;
    for (const listener of this.#listeners) listener(delta, image);
  }

  encodeSnapshot(): Uint8Array {
    return encodeImage({ image: this.#image, topicsDeleted: this.#topicsDeleted });
  }

  #noteDeleted(topicId: string): void {
    this.#topicsDeleted.add(topicId);
    const [oldest] = this.#topicsDeleted;
    if (this.#topicsDeleted.size > TOPICS_DELETED_MAX && oldest !== undefined) this.#topicsDeleted.delete(oldest);
  }
}
