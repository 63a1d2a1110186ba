/**
 * `B.txnindex` as it lies on disk (2.5(3)): one entry for each aborted transaction whose marker stands in the segment, in
 * the order of the markers. Big-endian, 34 bytes an entry, not checksummed:
 *
 *      0  i16  version, 0          10  i64  firstOffset        26  i64  lastStableOffset after the marker
 *      2  i64  producerId          18  i64  lastOffset, that of the marker
 */
import { readInt64, writeInt64 } from "@tidemark/proto";

export const TXN_INDEX_SUFFIX = ".txnindex";

export const TXN_ENTRY_BYTES = 34;

export interface AbortedTransaction {
  readonly producerId: number;
  readonly firstOffset: number;
  readonly lastOffset: number;
  readonly lastStableOffset: number;
}

/** The entries of a file; null when it is not whole. */
export function decodeTxnIndex(bytes: Buffer): AbortedTransaction[] | null {
  if (bytes.length % TXN_ENTRY_BYTES !== 0) return null;
  const entries: AbortedTransaction[] = [];
  for (let at = 0; at < bytes.length; at += TXN_ENTRY_BYTES) {
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
    // Markers stand in the order of their offsets.
    if (entry.lastOffset <= (entries.at(-1)?.lastOffset ?? -1)) return null;
    entries.push(entry);
  }
  return entries;
}

export function encodeTxnIndex(entries: readonly AbortedTransaction[]): Buffer {
  const bytes = Buffer.allocUnsafe(entries.length * TXN_ENTRY_BYTES);
  for (const [slot, entry] of entries.entries()) {
    const at = slot * TXN_ENTRY_BYTES;
    bytes.writeInt16BE(0, at);
    writeInt64(bytes, at + 2, entry.producerId);
    writeInt64(bytes, at + 10, entry.firstOffset);
    writeInt64(bytes, at + 18, entry.lastOffset);
    writeInt64(bytes, at + 26, entry.lastStableOffset);
  }
  return bytes;
}
