/**
 * Entries of the Raft log as key and value of the store (semantics 10.1(9)), and lists of voters wherever they are kept
 * or sent. Big-endian; each value opens with the CRC-32C of the rest of it.
 *
 *     key `e` + index u64    crc u32 | index u64 | term u64 | kind u8 | body
 *     key `last`             crc u32 | index u64 | term u64
 *
 *     kind 0 command         body = its bytes
 *     kind 1 leaderStart     no body
 *     kind 2 voters          body = count u16, each: node id u32 | directory id (length u8, UTF-8)
 */
import { crc32c } from "@tidemark/proto";
import { assert, ByteReader, ByteWriter } from "../../base/index.ts";
import type { Entry, EntryBody, LogIndex, ReplicaId, Term } from "../../raft/index.ts";

export const FIRST_ENTRY_KEY = Buffer.from("e");
export const END_ENTRY_KEY = Buffer.from("f");
export const LAST_KEY = Buffer.from("last");

const CRC_BYTES = 4;
const KINDS = ["command", "leaderStart", "voters"] as const satisfies readonly EntryBody["kind"][];

/** More seats than any cluster has; bounds what a damaged count asks for. */
export const VOTERS_MAX = 255;

export interface LastEntry {
  readonly index: LogIndex;
  readonly term: Term;
}

export function entryKey(index: LogIndex): Buffer {
  const key = Buffer.alloc(9);
  FIRST_ENTRY_KEY.copy(key);
  key.writeBigUInt64BE(BigInt(index), 1);
  return key;
}

export function encodeEntry({ index, term, body }: Entry): Uint8Array {
  const writer = new ByteWriter().u32(0).u64(index).u64(term);
  writeBody(writer, body);
  return withCrc(writer);
}

/** Null when the value is not what `encodeEntry` wrote. */
export function decodeEntry(value: Uint8Array): Entry | null {
  return decodeChecked(value, (reader) => {
    const index = reader.u64();
    const term = reader.u64();
    return { index, term, body: readBody(reader, reader.left) };
  });
}

export function encodeLast({ index, term }: LastEntry): Uint8Array {
  return withCrc(new ByteWriter().u32(0).u64(index).u64(term));
}

export function decodeLast(value: Uint8Array): LastEntry | null {
  return decodeChecked(value, (reader) => ({ index: reader.u64(), term: reader.u64() }));
}

export function writeVoters(writer: ByteWriter, voters: readonly ReplicaId[]): void {
  assert(voters.length <= VOTERS_MAX, "more voters than a cluster may have");
  writer.u16(voters.length);
  for (const { nodeId, directoryId } of voters) writer.u32(nodeId).shortText(directoryId);
}

/** Throws RangeError. */
export function readVoters(reader: ByteReader): ReplicaId[] {
  const count = reader.u16();
  if (count > VOTERS_MAX) throw new RangeError(`${count} voters`);
  return Array.from({ length: count }, () => ({ nodeId: reader.u32(), directoryId: reader.shortText() }));
}

export function writeBody(writer: ByteWriter, body: EntryBody): void {
  writer.u8(KINDS.indexOf(body.kind));
  if (body.kind === "command") writer.bytes(body.bytes);
  else if (body.kind === "voters") writeVoters(writer, body.voters);
}

/** A body of `length` bytes, kind included; a command's bytes are a view. Throws RangeError. */
export function readBody(reader: ByteReader, length: number): EntryBody {
  const end = reader.position + length;
  const kind = KINDS[reader.u8()];
  if (kind === undefined) throw new RangeError("an entry of an unknown kind");
  const body = readBodyOf(kind, reader, end);
  if (reader.position !== end) throw new RangeError("an entry of another length than it says");
  return body;
}

function readBodyOf(kind: EntryBody["kind"], reader: ByteReader, end: number): EntryBody {
  switch (kind) {
    case "command":
      return { kind, bytes: reader.bytes(end - reader.position) };
    case "leaderStart":
      return { kind };
    case "voters":
      return { kind, voters: readVoters(reader) };
  }
}

function withCrc(writer: ByteWriter): Uint8Array {
  const bytes = writer.finish();
  new DataView(bytes.buffer).setUint32(0, crc32c(bytes, CRC_BYTES));
  return bytes;
}

function decodeChecked<Value>(bytes: Uint8Array, read: (reader: ByteReader) => Value): Value | null {
  try {
    const reader = new ByteReader(bytes);
    if (reader.u32() !== crc32c(bytes, Math.min(CRC_BYTES, bytes.length))) return null;
    const value = read(reader);
    return reader.left === 0 ? value : null;
  } catch (error: unknown) {
    if (error instanceof RangeError) return null;
    throw error;
  }
}
