/**
 * `B.txnindex` as it lies on disk (2.5(3)): one entry for each aborted transaction whose marker stands in the segment, in
 * the order of the markers. Big-endian, 34 bytes an entry, not checksummed:
 *
 *      0  i16  version, 0          10  i64  firstOffset        26  i64  lastStableOffset after the marker
 *      2  i64  producerId          18  i64  lastOffset, that of the marker
 */
import { readInt64 } from "@tidemark/proto";

export const TXN_INDEX_SUFFIX = ".txnindex";

const ENTRY_BYTES = 34;

export interface AbortedTransaction {
  readonly producerId: number;
  readonly firstOffset: number;
  readonly lastOffset: number;
  readonly lastStableOffset: number;
}

/** The entries of a file; null when it is not whole. */
export function decodeTxnIndex(bytes: Buffer): AbortedTransaction[] | null {
  if (bytes.length % ENTRY_BYTES !== 0) return null;
  const entries: AbortedTransaction[] = [];
  for (let at = 0; at < bytes.length; at += ENTRY_BYTES) {
    const entry = {
      producerId: readInt64(bytes, at + 2),
      firstOffset: readInt64(bytes, at + 10),
      lastOffset: readInt64(bytes, at + 18),
      lastStableOffset: readInt64(bytes, at + 26),
    };
    const isPlausible =
      bytes.readInt16BE(at) === 0 &&
      Object.values(entry).every((value) => Number.isSafeInteger(value) && value >= 0) &&
      entry.firstOffset <= entry.lastOffset;
    if (!isPlausible) return null;
    entries.push(entry);
  }
  return entries;
}
