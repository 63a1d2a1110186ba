/**
 * The one mutator of the cluster image. `applyEntry` is a pure function of image and entry: the same on the controller
 * that decided, on every other node, and at start. The records of one entry become visible together.
 *
 * A record that does not fit the image is an assertion failure: commands are checked before they are records, and two
 * nodes that disagree about what fits no longer have one cluster.
 */
import { assert } from "../base/index.ts";
import { emptyImage } from "./image.ts";
import type { ClusterImage, MetadataDelta } from "./image.ts";
import { ImageDraft } from "./image-draft.ts";
import type { MetadataRecord } from "./records.ts";

export interface Applied {
  readonly image: ClusterImage;
  readonly delta: MetadataDelta;
}

/** The image after the entry at `index`, which is the next one, and what changed. */
export function applyEntry(image: ClusterImage, index: number, records: readonly MetadataRecord[]): Applied {
  assert(index === image.metadataOffset + 1, `entry ${index} does not follow ${image.metadataOffset}`);
  const draft = new ImageDraft(image);
  for (const record of records) draft.apply(record);
  return draft.finish(index);
}

/**
 * All entries of a log, one after the other, and one image at the end: what `applyEntry` gives entry by entry, without an
 * image for each. So a start costs what the records say, and not that times the topics there are.
 */
export class Replay {
  readonly #draft: ImageDraft;
  readonly #topicsDeleted = new Set<string>();
  #metadataOffset: number;

  constructor(base: ClusterImage = emptyImage) {
    this.#draft = new ImageDraft(base);
    this.#metadataOffset = base.metadataOffset;
  }

  apply(index: number, records: readonly MetadataRecord[]): void {
    assert(index === this.#metadataOffset + 1, `entry ${index} does not follow ${this.#metadataOffset}`);
    for (const record of records) {
      this.#draft.apply(record);
      if (record.type === "topicDeleted") this.#topicsDeleted.add(record.topicId);
    }
    this.#metadataOffset = index;
  }

  /** Once, after the last entry. */
  finish(): { readonly image: ClusterImage; readonly topicsDeleted: ReadonlySet<string> } {
    return { image: this.#draft.finish(this.#metadataOffset).image, topicsDeleted: this.#topicsDeleted };
  }
}
