/**
 * Messages of the consensus core as frames between brokers. Big-endian; the connection keeps frames apart and whole, so
 * that there is neither length nor checksum of the frame here.
 *
 *     version u8 = 1 | kind u8 | from | to | term u64 | fields of the kind      replica = node id u32 | directory id
 *
 * `decodeMessage` takes what anybody may have sent: it throws MalformedMessage, reads nothing beyond the frame, and makes
 * nothing larger than it. Commands are copies: they stay in the log for long, and a frame may be a small part of something
 * large. Pieces of snapshots are views.
 */
import { ByteReader, ByteWriter } from "../base/index.ts";
import type { Entry, EntryBody, Message, ReplicaId, Snapshot } from "../raft/index.ts";
import { readBody, readVoters, writeBody, writeVoters } from "../storage/index.ts";

export class MalformedMessage extends Error {
  constructor(message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.name = "MalformedMessage";
  }
}

const VERSION = 1;

/** The place is the number on the wire. */
const KINDS = [
  "voteRequest",
  "voteResponse",
  "appendRequest",
  "appendAccepted",
  "appendRejected",
  "heartbeatRequest",
  "heartbeatResponse",
  "snapshotOffer",
  "snapshotFetch",
  "snapshotChunk",
  "timeoutNow",
  "followRequest",
] as const satisfies readonly Message["kind"][];

/** index u64, term u64, body length u32, kind u8: what an entry takes at least. */
const ENTRY_BYTES_MIN = 8 + 8 + 4 + 1;

export function encodeMessage(message: Message): Uint8Array {
  const writer = new ByteWriter().u8(VERSION).u8(KINDS.indexOf(message.kind));
  writeReplica(writer, message.from);
  writeReplica(writer, message.to);
  writer.u64(message.term);
  writeFields(writer, message);
  return writer.finish();
}

/** Throws MalformedMessage. */
export function decodeMessage(frame: Uint8Array): Message {
  try {
    const reader = new ByteReader(frame);
    const version = reader.u8();
    if (version !== VERSION)
      throw new MalformedMessage(`a message of version ${version}, this broker reads ${VERSION}`);
    const kind = KINDS[reader.u8()];
    if (kind === undefined) throw new MalformedMessage("a message of an unknown kind");
    const header = { from: readReplica(reader), to: readReplica(reader), term: reader.u64() };
    const message = readMessage(reader, kind, header);
    if (reader.left > 0) throw new MalformedMessage(`${reader.left} bytes behind a ${kind}`);
    return message;
  } catch (cause: unknown) {
    if (!(cause instanceof RangeError)) throw cause;
    throw new MalformedMessage(`not a message of the metadata log: ${cause.message}`, { cause });
  }
}

function writeFields(writer: ByteWriter, message: Message): void {
  switch (message.kind) {
    case "voteRequest":
      writer.u8(flags(message.isPreVote, message.isTransfer)).u64(message.lastIndex).u64(message.lastTerm);
      return;
    case "voteResponse":
      writer.u8(flags(message.isPreVote, message.isGranted));
      return;
    case "appendRequest":
      writer.u64(message.previousIndex).u64(message.previousTerm).u64(message.commitIndex);
      writer.u32(message.entries.length);
      for (const entry of message.entries) writeEntry(writer, entry);
      return;
    case "appendAccepted":
      writer.u64(message.matchIndex);
      return;
    case "appendRejected":
      writer.u64(message.previousIndex).u64(message.hintIndex).u64(message.hintTerm);
      return;
    case "heartbeatRequest":
      writer.u64(message.commitIndex).u64(message.readRound);
      return;
    case "heartbeatResponse":
      writer.u64(message.readRound);
      return;
    case "snapshotOffer":
      writeSnapshot(writer, message.snapshot);
      return;
    case "snapshotFetch":
      writeSnapshot(writer, message.snapshot);
      writer.u64(message.position);
      return;
    case "snapshotChunk":
      writeSnapshot(writer, message.snapshot);
      writer.u64(message.position).u32(message.bytes.byteLength).bytes(message.bytes);
      return;
    case "timeoutNow":
    case "followRequest":
  }
}

function readMessage(
  reader: ByteReader,
  kind: Message["kind"],
  header: { readonly from: ReplicaId; readonly to: ReplicaId; readonly term: number },
): Message {
  switch (kind) {
    case "voteRequest": {
      const [isPreVote, isTransfer] = readFlags(reader);
      return { kind, ...header, isPreVote, isTransfer, lastIndex: reader.u64(), lastTerm: reader.u64() };
    }
    case "voteResponse": {
      const [isPreVote, isGranted] = readFlags(reader);
      return { kind, ...header, isPreVote, isGranted };
    }
    case "appendRequest": {
      const [previousIndex, previousTerm, commitIndex] = [reader.u64(), reader.u64(), reader.u64()];
      const entries = readEntries(reader, { index: previousIndex, term: previousTerm });
      if ((entries.at(-1)?.term ?? 0) > header.term)
        throw new MalformedMessage("an entry of a later term than its leader");
      return { kind, ...header, previousIndex, previousTerm, commitIndex, entries };
    }
    case "appendAccepted":
      return { kind, ...header, matchIndex: reader.u64() };
    case "appendRejected":
      return { kind, ...header, previousIndex: reader.u64(), hintIndex: reader.u64(), hintTerm: reader.u64() };
    case "heartbeatRequest":
      return { kind, ...header, commitIndex: reader.u64(), readRound: reader.u64() };
    case "heartbeatResponse":
      return { kind, ...header, readRound: reader.u64() };
    case "snapshotOffer":
      return { kind, ...header, snapshot: readSnapshot(reader) };
    case "snapshotFetch":
      return { kind, ...header, snapshot: readSnapshot(reader), position: reader.u64() };
    case "snapshotChunk":
      return {
        kind,
        ...header,
        snapshot: readSnapshot(reader),
        position: reader.u64(),
        bytes: reader.bytes(reader.u32()),
      };
    case "timeoutNow":
    case "followRequest":
      return { kind, ...header };
  }
}

function writeEntry(writer: ByteWriter, { index, term, body }: Entry): void {
  writer.u64(index).u64(term).u32(bodyBytes(body));
  writeBody(writer, body);
}

function bodyBytes(body: EntryBody): number {
  if (body.kind === "command") return 1 + body.bytes.byteLength;
  const writer = new ByteWriter();
  writeBody(writer, body);
  return writer.written.length;
}

/** They follow the one before without a gap: the core asserts it of what it holds, so that it is refused here. */
function readEntries(reader: ByteReader, previous: { readonly index: number; readonly term: number }): Entry[] {
  const count = reader.u32();
  if (count > reader.left / ENTRY_BYTES_MIN) throw new MalformedMessage(`${count} entries in ${reader.left} bytes`);
  const entries: Entry[] = [];
  for (let slot = 0; slot < count; slot += 1) {
    const index = reader.u64();
    const term = reader.u64();
    if (index !== previous.index + 1 + slot) throw new MalformedMessage("entries with a gap");
    if (term < (entries.at(-1)?.term ?? previous.term)) throw new MalformedMessage("entries whose term falls");
    const body = readBody(reader, reader.u32());
    entries.push({
      index,
      term,
      body: body.kind === "command" ? { ...body, bytes: new Uint8Array(body.bytes) } : body,
    });
  }
  return entries;
}

function writeReplica(writer: ByteWriter, { nodeId, directoryId }: ReplicaId): void {
  writer.u32(nodeId).shortText(directoryId);
}

function readReplica(reader: ByteReader): ReplicaId {
  return { nodeId: reader.u32(), directoryId: reader.shortText() };
}

function writeSnapshot(writer: ByteWriter, { index, term, voters, sizeBytes, crc }: Snapshot): void {
  writer.u64(index).u64(term).u64(sizeBytes).u32(crc);
  writeVoters(writer, voters);
}

function readSnapshot(reader: ByteReader): Snapshot {
  const [index, term, sizeBytes, crc] = [reader.u64(), reader.u64(), reader.u64(), reader.u32()];
  return { index, term, sizeBytes, crc, voters: readVoters(reader) };
}

function flags(first: boolean, second: boolean): number {
  return (first ? 1 : 0) | (second ? 2 : 0);
}

function readFlags(reader: ByteReader): readonly [boolean, boolean] {
  const bits = reader.u8();
  if (bits > 3) throw new MalformedMessage("unknown flags");
  return [(bits & 1) !== 0, (bits & 2) !== 0];
}
