/**
 * The cluster's metadata as this node has applied it: what is committed, in order, each entry once. Every node keeps it; the one
 * that leads Raft decides on a copy that runs ahead (proposals.ts).
 *
 * Invariant: (image, metadata offset) is one value, and records of one entry become visible together (semantics 10.3(1)).
 */
import { assert } from "../base/index.ts";
import {
  type ClusterImage,
  decodeImage,
  diffImages,
  emptyImage,
  encodeImage,
  type MetadataDelta,
  Replay,
  decodeRecords,
} from "../metadata/index.ts";
import type { CommittedEntry } from "./consensus.ts";

/** Called for every entry, also for one that changed nothing but the offset. */
export type AppliedListener = (delta: MetadataDelta, image: ClusterImage) => void;

/** Ids of deleted topics that are remembered; a directory of one deleted before is left to its operator. */
const TOPICS_DELETED_MAX = 10_000;

export class MetadataState {
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

  /** A snapshot replaces what was here. */
  restore(index: number, bytes: Uint8Array): void {
    const before = this.#image;
    const { image, topicsDeleted } = decodeImage(bytes);
    assert(index >= before.metadataOffset, "a snapshot is older than what was applied");
    for (const topicId of topicsDeleted) this.#noteDeleted(topicId);
    this.applied({ ...image, metadataOffset: index }, diffImages(before, { ...image, metadataOffset: index }));
  }

  /** Entries one after the other and one image at the end: what a start has to read costs what its records say. */
  replay(entries: readonly CommittedEntry[]): void {
    const before = this.#image;
    const replay = new Replay(before);
    for (const { index, bytes } of entries) replay.apply(index, bytes === null ? [] : decodeRecords(bytes));
    const { image, topicsDeleted } = replay.finish();
    for (const topicId of topicsDeleted) this.#noteDeleted(topicId);
    this.applied(image, diffImages(before, image));
  }

  /** The next image, made from one entry. */
  applied(image: ClusterImage, delta: MetadataDelta): void {
    this.#image = image;
    for (const { topicId } of delta.topicsDeleted) this.#noteDeleted(topicId);
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
