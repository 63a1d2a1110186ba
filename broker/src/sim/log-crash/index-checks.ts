/**
 * ST8 for the sparse indexes: every entry of `.index` and `.timeindex` names a batch that is there, in order, and a closed
 * segment's time index ends with its largest timestamp. How dense the entries are is the log's choice; a lookup that goes
 * wrong for want of one shows in the reads of the run. Index files are trusted only below the recovery point, which passes a
 * segment when they are complete (3.3(3)); before that they may lag behind, or hold entries of a cut tail.
 */
import type { SimDisk } from "../sim-disk.ts";
import { contentOf } from "./log-image.ts";
import type { ImageSegment, LogImage } from "./log-image.ts";
import { ensure } from "../violation.ts";

const OFFSET_ENTRY_BYTES = 8;
const TIME_ENTRY_BYTES = 12;

/** Looks at the segments that end at or below `recoveryPoint`; at all of them, the active one included, after a clean stop. */
export function checkIndexes(medium: SimDisk, image: LogImage, recoveryPoint: number): void {
  image.segments.forEach((segment, slot) => {
    const next = image.segments[slot + 1]?.baseOffset ?? Number.POSITIVE_INFINITY;
    if (next > recoveryPoint) return;
    checkOffsetIndex(medium, segment);
    checkTimeIndex(medium, segment);
  });
}

function checkOffsetIndex(medium: SimDisk, segment: ImageSegment): void {
  const file = medium.fileAt(`${segment.stem}.index`);
  if (file === undefined) return;
  const bytes = contentOf(file);
  const where = `${segment.stem}.index`;
  ensure(bytes.length % OFFSET_ENTRY_BYTES === 0, "ST8", () => `${where}: ${bytes.length} bytes`);
  const positions = new Map(segment.batches.map((batch) => [batch.position, batch]));
  let last = -1;
  for (let at = 0; at < bytes.length; at += OFFSET_ENTRY_BYTES) {
    const offset = segment.baseOffset + bytes.readInt32BE(at);
    const position = bytes.readInt32BE(at + 4);
    const batch = positions.get(position);
    ensure(batch?.header.lastOffset === offset, "ST8", () => {
      return `${where}: entry ${at / OFFSET_ENTRY_BYTES} says offset ${offset} ends the batch at ${position}; there is ${batch?.header.lastOffset ?? "no batch"}`;
    });
    ensure(offset > last, "ST8", () => `${where}: offset ${offset} follows ${last}`);
    last = offset;
  }
}

function checkTimeIndex(medium: SimDisk, segment: ImageSegment): void {
  const file = medium.fileAt(`${segment.stem}.timeindex`);
  if (file === undefined) return;
  const bytes = contentOf(file);
  const where = `${segment.stem}.timeindex`;
  ensure(bytes.length % TIME_ENTRY_BYTES === 0, "ST8", () => `${where}: ${bytes.length} bytes`);
  let last = Number.NEGATIVE_INFINITY;
  for (let at = 0; at < bytes.length; at += TIME_ENTRY_BYTES) {
    const timestamp = Number(bytes.readBigInt64BE(at));
    const offset = segment.baseOffset + bytes.readInt32BE(at + 8);
    const batch = segment.batches.find((other) => offset >= other.baseOffset && offset <= other.header.lastOffset);
    ensure(batch?.header.maxTimestamp === timestamp, "ST8", () => {
      return `${where}: entry ${at / TIME_ENTRY_BYTES} says ${timestamp} at offset ${offset}; there is ${batch?.header.maxTimestamp ?? "no batch"}`;
    });
    const earlier = segment.batches.find(
      (other) => other.baseOffset < batch.baseOffset && other.header.maxTimestamp > timestamp,
    );
    ensure(
      earlier === undefined,
      "ST8",
      () =>
        `${where}: ${timestamp} at ${offset}, but ${earlier?.header.maxTimestamp} is earlier at ${earlier?.baseOffset}`,
    );
    ensure(timestamp > last, "ST8", () => `${where}: ${timestamp} follows ${last}`);
    last = timestamp;
  }
  if (segment.batches.length === 0) return;
  const largest = Math.max(...segment.batches.map((batch) => batch.header.maxTimestamp));
  ensure(last === largest, "ST8", () => `${where}: closed with ${last}, the largest timestamp is ${largest}`);
}
