/**
 * The frames of a replication stream (performance 4.1), which a follower opens to a broker whose partitions it follows.
 *
 *   up     protobuf of `ReportFrame`
 *   down   length of the head u32, head = protobuf of `DataFrame` without the records, the records of its items in order
 *
 * A stream names a partition once, when the follower first asks for it, and by a number of the follower's choice from then on
 * (`slot`). Records are neither copied when a frame is made nor when it is read. What is no frame is refused with ProtoError
 * INVALID_REQUEST; nothing is created on the word of a length, and elements are bounded.
 *
 * Brokers alone speak this, so it is no part of the entry that clients load.
 */
import { ProtoError } from "../errors.ts";
import { type Message, list, message, optional } from "./codec.ts";
import { bool, int32, sint32, sint64, string, uint32, uint32s, uint64 } from "./scalars.ts";

/** What a follower says: of single partitions, and how much more it takes. */
export interface ReportFrame {
  /** Of the follower, as registered: another process life is another follower (KIP-903). */
  brokerEpoch: number;
  /** Bytes of records that may be sent beyond those allowed before; the first frame opens with all of it. */
  creditBytes: number;
  reports: ReplicaReport[];
  /** Slots that are followed no longer. */
  removed: number[];
}

export interface ReplicaReport {
  slot: number;
  /** 22 characters, in the first report of a slot; empty afterwards. */
  topicId: string;
  partition: number;
  leaderEpoch: number;
  /** Raised at every truncation, epoch change and reassignment: what was asked before counts no longer (5.4). */
  generation: number;
  /** True: send from `readFrom` on. */
  asks: boolean;
  readFrom: number;
  /** Epoch of the batch before `readFrom` in the follower's log; -1 = none. */
  epochBefore: number;
  /** Everything below is appended; synced too, if `isSynced`. */
  appendedTo: number;
  isSynced: boolean;
  /** Log start that would survive a crash (13(4)). */
  durableLogStart: number;
  /** What lay at `readFrom` came with a wrong sum, twice: the leader is to look at its own bytes (15.7(1)). */
  isSuspect: boolean;
}

/** What a leader sends, of any number of partitions. */
export interface DataFrame {
  items: ReplicaData[];
}

export interface ReplicaData {
  slot: number;
  leaderEpoch: number;
  generation: number;
  /** Number of the error table; 0 = none. */
  errorCode: number;
  /** Where these records were asked for: the place of the first is at or beyond it, after compaction. */
  askedFrom: number;
  /** The follower's log parts from the leader's: no records, and nothing else counts but log start and end. */
  diverging: EpochEnd | null;
  highWatermark: number;
  logStartOffset: number;
  logEndOffset: number;
  /** Whole batches; may be empty. */
  records: Buffer;
}

export interface EpochEnd {
  epoch: number;
  endOffset: number;
}

/** The same, with its records still in pieces, as they go out. */
export type OutgoingData = Omit<ReplicaData, "records"> & { readonly records: readonly Buffer[] };

const replicaReport = message<ReplicaReport>({
  slot: uint32(1),
  topicId: string(2),
  partition: uint32(3),
  leaderEpoch: int32(4),
  generation: uint64(5),
  asks: bool(6),
  readFrom: uint64(7),
  epochBefore: sint32(8),
  appendedTo: uint64(9),
  isSynced: bool(10),
  durableLogStart: uint64(11),
  isSuspect: bool(12),
});

const reportFrame = message<ReportFrame>({
  brokerEpoch: sint64(1),
  creditBytes: uint64(2),
  reports: list(3, replicaReport),
  removed: uint32s(4),
});

const epochEnd = message<EpochEnd>({ epoch: sint32(1), endOffset: uint64(2) });

type DataHead = Omit<ReplicaData, "records"> & { recordsBytes: number };

const dataHead = message<DataHead>({
  slot: uint32(1),
  leaderEpoch: int32(2),
  generation: uint64(3),
  errorCode: int32(4),
  askedFrom: uint64(5),
  diverging: optional(6, epochEnd),
  highWatermark: uint64(7),
  logStartOffset: uint64(8),
  logEndOffset: uint64(9),
  recordsBytes: uint32(10),
});

const dataHeads: Message<{ items: DataHead[] }> = message<{ items: DataHead[] }>({ items: list(1, dataHead) });

const LENGTH_BYTES = 4;

/** Throws RangeError for a number that its field cannot hold. */
export function encodeReportFrame(frame: ReportFrame): Buffer {
  return reportFrame.encode(frame);
}

/** Epochs of the result are -1 or more, those that lead 0 or more. Throws ProtoError INVALID_REQUEST. */
export function decodeReportFrame(bytes: Buffer): ReportFrame {
  const frame = reportFrame.decode(bytes);
  for (const { leaderEpoch, epochBefore } of frame.reports) checkEpochs(leaderEpoch, epochBefore);
  return frame;
}

/** The frame in pieces: its head, then the records where they lie. */
export function encodeDataFrame(items: readonly OutgoingData[]): Buffer[] {
  const heads: DataHead[] = [];
  const pieces: Buffer[] = [Buffer.alloc(0)];
  for (const item of items) {
    let recordsBytes = 0;
    for (const piece of item.records) {
      pieces.push(piece);
      recordsBytes += piece.length;
    }
    // Field by field here and below: a rest and a spread cost more than all the rest of a frame.
    heads.push({
      slot: item.slot,
      leaderEpoch: item.leaderEpoch,
      generation: item.generation,
      errorCode: item.errorCode,
      askedFrom: item.askedFrom,
      diverging: item.diverging,
      highWatermark: item.highWatermark,
      logStartOffset: item.logStartOffset,
      logEndOffset: item.logEndOffset,
      recordsBytes,
    });
  }
  const deferred = dataHeads.defer({ items: heads });
  const first = Buffer.allocUnsafe(LENGTH_BYTES + deferred.length);
  first.writeUInt32BE(deferred.length, 0);
  deferred.copy(first, LENGTH_BYTES);
  pieces[0] = first;
  return pieces;
}

/** Records are views of `bytes`; epochs as for `decodeReportFrame`. Throws ProtoError INVALID_REQUEST. */
export function decodeDataFrame(bytes: Buffer): DataFrame {
  if (bytes.length < LENGTH_BYTES) throw refused(`${bytes.length} bytes are no frame`);
  const headBytes = bytes.readUInt32BE(0);
  if (headBytes > bytes.length - LENGTH_BYTES) throw refused(`a head of ${headBytes} bytes does not fit`);
  let at = LENGTH_BYTES + headBytes;
  const { items } = dataHeads.decode(bytes.subarray(LENGTH_BYTES, at));
  const decoded = items.map((head): ReplicaData => {
    const { leaderEpoch, diverging, recordsBytes } = head;
    checkEpochs(leaderEpoch, diverging?.epoch ?? -1);
    if (recordsBytes > bytes.length - at) throw refused(`records of ${recordsBytes} bytes do not fit`);
    const records = bytes.subarray(at, at + recordsBytes);
    at += recordsBytes;
    return {
      slot: head.slot,
      leaderEpoch,
      generation: head.generation,
      errorCode: head.errorCode,
      askedFrom: head.askedFrom,
      diverging,
      highWatermark: head.highWatermark,
      logStartOffset: head.logStartOffset,
      logEndOffset: head.logEndOffset,
      records,
    };
  });
  if (at !== bytes.length) throw refused(`${bytes.length - at} bytes belong to no partition`);
  return { items: decoded };
}

function checkEpochs(leaderEpoch: number, other: number): void {
  if (leaderEpoch < 0 || other < -1) throw refused(`epochs ${leaderEpoch} and ${other}`);
}

function refused(what: string): ProtoError {
  return new ProtoError("INVALID_REQUEST", `replication frame: ${what}`);
}
