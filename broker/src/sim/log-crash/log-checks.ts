/**
 * What a log answers, against the shadow and against a rebuild from its files: contents, ends, epochs, producers, look-ups
 * (ST1, ST4, ST8, ST9, 11.1(2), 12.4). Asked at rest: everything appended is written, nothing is being cut.
 */
import { BATCH_HEADER_BYTES } from "@tidemark/proto";
import { asLeaderEpoch, asOffset } from "../../base/index.ts";
import type { SeededRandom } from "../../base/index.ts";
import type { Offset } from "../../base/index.ts";
import { DiskFault } from "../../ports/index.ts";
import type { AbortedTransaction, PartitionLog, ReadSpan } from "../../storage/index.ts";
import { checkIndexes } from "./index-checks.ts";
import { epochsOf } from "./log-image.ts";
import { ownImage } from "./medium-checks.ts";
import type { RunState } from "./run-state.ts";
import type { ShadowBatch, ShadowLog } from "./shadow-log.ts";
import { ensure } from "../violation.ts";

/** Batches of one producer that its entry in the log remembers at most (11.1(2)). */
const REMEMBERED_BATCHES = 5;

/** Everything that can be asked at once. */
export function checkLog(state: RunState, shadow: ShadowLog, log: PartitionLog): void {
  checkEnds(shadow, log);
  const image = ownImage(state, shadow);
  ensure(image !== null, "created replicas survive", () => `${shadow.name} has no directory of its topic id`);
  const end = log.writtenEndOffset;
  const endsRight = shadow.mayHaveTail ? image.endOffset >= end : image.isWhole && image.endOffset === end;
  ensure(endsRight, "ST1", () => {
    return `${shadow.name}: the files hold whole batches to ${image.endOffset}${image.isWhole ? "" : " and more behind"}, the log says ${end}`;
  });
  const batches = image.batches.filter((batch) => batch.baseOffset < end);
  const first = batches[0]?.baseOffset ?? shadow.endOffset;
  const expected = shadow.batches.filter((batch) => batch.baseOffset >= first);
  ensure(
    batches.length === expected.length && batches.every((batch, i) => expected[i]?.bytes.equals(batch.bytes) === true),
    "ST9",
    () => {
      return `${shadow.name}: the files do not hold the bytes that were appended`;
    },
  );
  checkIndexes(state.medium, image, log.recoveryPoint);
  for (const [slot, [epoch]] of epochsOf(batches).entries()) {
    const epochEnd = epochsOf(batches)[slot + 1]?.[1] ?? shadow.endOffset;
    if (epochEnd <= log.logStartOffset) continue;
    const found = log.endOffsetFor(asLeaderEpoch(epoch));
    ensure(found !== null && found.epoch === epoch && found.endOffset === epochEnd, "ST4", () => {
      return `${shadow.name}: epoch ${epoch} ends at ${epochEnd}, the log says ${found?.epoch} ends at ${found?.endOffset}`;
    });
  }
  // An epoch that ends where the log starts may be forgotten (4.2(8)).
  const readable = batches.filter((batch) => batch.header.lastOffset >= log.logStartOffset);
  const newest = epochsOf(readable).at(-1)?.[0] ?? -1;
  ensure(
    log.latestEpoch >= newest && log.latestEpoch <= Math.max(epochsOf(batches).at(-1)?.[0] ?? -1, shadow.leaderEpoch),
    "ST4",
    () => {
      return `${shadow.name}: latest epoch ${log.latestEpoch}, batches have ${newest}`;
    },
  );
  for (const producerId of shadow.producerIds()) checkProducer(shadow, log, producerId);
  checkTransactions(shadow, log);
}

/** Open transactions and the transaction index. Below a raised log start, what began there may be forgotten. */
function checkTransactions(shadow: ShadowLog, log: PartitionLog): void {
  if (shadow.logStartMax > 0) return;
  const { firstOpen, aborted } = shadow.transactions();
  ensure(
    log.firstOpenTransactionOffset === firstOpen,
    "2.5(4)",
    () => `${shadow.name}: the oldest open transaction begins at ${log.firstOpenTransactionOffset}, not ${firstOpen}`,
  );
  const found = abortedOf(log);
  if (found === null) return;
  ensure(JSON.stringify(found) === JSON.stringify(aborted), "2.5(3)", () => {
    return `${shadow.name}: aborted are ${JSON.stringify(aborted)}, the log says ${JSON.stringify(found)}`;
  });
}

/** 3.6: after a start no file is left of segments that were removed, nor a segment that lies wholly below the log start. */
export function checkNothingIsLeft(state: RunState, shadow: ShadowLog, log: PartitionLog): void {
  const names = ownImage(state, shadow)?.names ?? [];
  const left = names.filter((name) => name.endsWith(".deleted"));
  ensure(left.length === 0, "3.6", () => `${shadow.name}: ${left.join(", ")} after a start`);
  const bases = log.segments().map(({ baseOffset }) => baseOffset);
  ensure(
    bases.length < 2 || (bases[1] ?? 0) > log.logStartOffset,
    "13(4)",
    () => `${shadow.name}: segments ${bases.join(", ")} and log start ${log.logStartOffset} after a start`,
  );
}

/** Null: the index could not be read, which takes an injected fault. */
function abortedOf(log: PartitionLog): AbortedTransaction[] | null {
  try {
    return log.abortedTransactions(log.logStartOffset, log.logEndOffset);
  } catch (error: unknown) {
    if (error instanceof DiskFault) return null;
    throw error;
  }
}

export function checkEnds(shadow: ShadowLog, log: PartitionLog): void {
  const ends = `log start ${log.logStartOffset}, high watermark ${log.highWatermark}, synced ${log.syncedEndOffset}, written ${log.writtenEndOffset}, end ${log.logEndOffset}`;
  ensure(
    log.logEndOffset === shadow.endOffset && log.writtenEndOffset === shadow.endOffset,
    "log end",
    () => `${shadow.name} should end at ${shadow.endOffset}: ${ends}`,
  );
  ensure(
    log.syncedEndOffset <= log.writtenEndOffset && log.recoveryPoint <= log.logEndOffset,
    "ST10",
    () => `${shadow.name}: ${ends}`,
  );
  ensure(
    log.highWatermark <= log.logEndOffset && log.highWatermark >= log.logStartOffset,
    "high watermark",
    () => `${shadow.name}: ${ends}`,
  );
  ensure(
    log.logStartOffset >= shadow.logStart && log.logStartOffset <= shadow.logStartMax,
    "ST5",
    () => `${shadow.name} should start at ${shadow.logStart}: ${ends}`,
  );
}

function checkProducer(shadow: ShadowLog, log: PartitionLog, producerId: number): void {
  const expected = shadow.batchesOf(producerId);
  const last = expected.at(-1);
  const entry = log.producer(producerId);
  const said = JSON.stringify(entry);
  if (last === undefined || last.lastOffset < log.logStartOffset) {
    ensure(
      last !== undefined || entry === undefined,
      "ST8",
      () => `${shadow.name}: producer ${producerId} has no batch, the log knows ${said}`,
    );
    return;
  }
  ensure(
    entry !== undefined,
    "ST8",
    () => `${shadow.name}: producer ${producerId} is forgotten, it wrote at ${last.baseOffset}`,
  );
  const isLast =
    entry.producerEpoch === last.producerEpoch &&
    entry.lastSequence === last.lastSequence &&
    entry.lastOffset === last.lastOffset;
  ensure(
    isLast,
    "ST8",
    () =>
      `${shadow.name}: producer ${producerId} ended with ${last.producerEpoch}/${last.lastSequence} at ${last.lastOffset}, the log says ${said}`,
  );
  ensure(entry.batches.length <= REMEMBERED_BATCHES, "ST8", () => `${shadow.name}: ${said}`);
  const tail = expected.slice(-entry.batches.length);
  const isTail = entry.batches.every((batch, i) => {
    const other = tail[i];
    return (
      other !== undefined &&
      batch.firstSequence === other.firstSequence &&
      batch.lastSequence === other.lastSequence &&
      batch.baseOffset === other.baseOffset
    );
  });
  ensure(
    isTail,
    "ST8",
    () => `${shadow.name}: producer ${producerId}: ${said} is not the end of ${JSON.stringify(tail.map(sequences))}`,
  );
  // A load remembers the last one only.
  if (entry.olderInLog && entry.batches.length < REMEMBERED_BATCHES) return;
  const wanted = Math.min(
    REMEMBERED_BATCHES,
    expected.filter((batch) => batch.lastOffset >= log.logStartOffset).length,
  );
  ensure(
    entry.batches.length >= wanted,
    "ST8",
    () => `${shadow.name}: producer ${producerId}: all of ${said} is said to be known, ${wanted} are in the log`,
  );
}

/**
 * Asked later, whether the log was cut, or its start raised, since this call: what was begun before counts for nothing. Nor does it where
 * the disk did not give some of a closed segment: that is damage, and is not handed out (decision 0034).
 */
export function movesOf(shadow: ShadowLog, log: PartitionLog): () => boolean {
  const { generation } = shadow;
  const { logStartOffset } = log;
  return () =>
    shadow.generation !== generation ||
    log.logStartOffset !== logStartOffset ||
    log.rot !== null ||
    log.suspectedAt !== null;
}

/** 11.1(2): the last five batches of each producer are found, and none that is not in the log. */
export async function checkDuplicates(shadow: ShadowLog, log: PartitionLog): Promise<void> {
  for (const producerId of shadow.producerIds()) {
    const entry = log.producer(producerId);
    if (entry === undefined) continue;
    const hasMoved = movesOf(shadow, log);
    for (const batch of shadow.batchesOf(producerId).slice(-REMEMBERED_BATCHES)) {
      if (batch.lastOffset < log.logStartOffset) continue;
      const found = await findDuplicate(log, batch);
      // Others may have been appended meanwhile.
      const isRemembered = shadow.batchesOf(producerId).slice(-REMEMBERED_BATCHES).includes(batch);
      if (hasMoved() || !isRemembered) return;
      ensure(found === batch.baseOffset, "duplicates are recognised", () => {
        return `${shadow.name}: producer ${producerId}, sequences ${sequences(batch)}, stands at ${batch.baseOffset}; looked up: ${found}`;
      });
    }
    for (const batch of shadow.lost) {
      const mayBeFound =
        batch.producerId !== producerId || batch.producerEpoch !== entry.producerEpoch || shadow.holds(batch);
      if (mayBeFound) continue;
      const found = await findDuplicate(log, batch);
      if (hasMoved()) return;
      ensure(found === null, "P42: no duplicate of nothing", () => {
        return `${shadow.name}: producer ${producerId}, sequences ${sequences(batch)}, is not in the log; looked up: ${found}`;
      });
    }
  }
}

/** As the leader asks: what the entry remembers, then the log. */
async function findDuplicate(log: PartitionLog, batch: ShadowBatch): Promise<number | null> {
  const entry = log.producer(batch.producerId);
  if (entry === undefined || entry.producerEpoch !== batch.producerEpoch) return null;
  const known = entry.batches.find(
    (other) => other.firstSequence === batch.firstSequence && other.lastSequence === batch.lastSequence,
  );
  if (known !== undefined) return known.baseOffset;
  if (!entry.olderInLog) return null;
  const found = await log.findProducerBatch(
    batch.producerId,
    batch.producerEpoch,
    batch.firstSequence,
    batch.lastSequence,
  );
  return found?.baseOffset ?? null;
}

/** Reads from a random offset, both ways, and compares the bytes. */
export async function checkRead(random: SeededRandom, shadow: ShadowLog, log: PartitionLog): Promise<void> {
  const limit = log.writtenEndOffset;
  const offset = asOffset(random.between(log.logStartOffset, limit));
  const maxBytes = random.pick([1, 500, 5000, 1_000_000]);
  const hasMoved = movesOf(shadow, log);
  const tail = log.readTail(offset, maxBytes, limit);
  if (tail !== null && !hasMoved()) checkServed(shadow, offset, maxBytes, limit, tail);
  await checkReadInto(shadow, log, offset, maxBytes);
  const result = await log.read(offset, maxBytes, limit);
  if (!hasMoved()) checkServed(shadow, offset, maxBytes, limit, result);
}

/** What lies in memory is what was written (ST8, P42). Answers how many batches were looked at. */
export function checkTail(shadow: ShadowLog, log: PartitionLog): number {
  const limit = log.writtenEndOffset;
  let count = 0;
  for (const { baseOffset, lastOffset } of shadow.batches.slice(-5)) {
    if (lastOffset >= limit || baseOffset < log.logStartOffset) continue;
    const cached = log.readCached(asOffset(baseOffset), 1, limit);
    if (cached === null) continue;
    checkServed(shadow, baseOffset, 1, limit, { records: Buffer.concat(cached.pieces), nextOffset: cached.nextOffset });
    count += 1;
  }
  return count;
}

/** The same into memory of the reader's, behind some bytes of its own. */
async function checkReadInto(shadow: ShadowLog, log: PartitionLog, offset: Offset, room: number): Promise<void> {
  const limit = log.writtenEndOffset;
  const hasMoved = movesOf(shadow, log);
  const own = 7;
  // Room for a header at least: with less the size of the first batch cannot be told.
  const into = Buffer.alloc(own + Math.max(BATCH_HEADER_BYTES, Math.min(room, 100_000)));
  const check = (span: ReadSpan): void => {
    ensure(
      into.subarray(0, own).every((byte) => byte === 0),
      "ST9",
      () => `${shadow.name}: bytes of the reader's were overwritten`,
    );
    const isTooLarge = span.firstBatchBytes > into.length - own;
    if (isTooLarge)
      ensure(
        span.bytes === 0,
        "ST9",
        () => `${shadow.name}: ${span.bytes} bytes of a batch of ${span.firstBatchBytes}`,
      );
    else
      checkServed(shadow, offset, into.length, limit, {
        records: into.subarray(own, own + span.bytes),
        nextOffset: span.nextOffset,
      });
  };
  const tail = log.readTailInto(into, own, offset, limit);
  if (tail !== null && !hasMoved()) check(tail);
  const span = await log.readInto(into, own, offset, limit);
  if (!hasMoved()) check(span);
}

function checkServed(
  shadow: ShadowLog,
  offset: number,
  maxBytes: number,
  limit: number,
  served: { records: Buffer; nextOffset: number },
): void {
  const where = `${shadow.name}: read from ${offset} below ${limit}, ${maxBytes} bytes`;
  const first = shadow.batches.findIndex((batch) => batch.lastOffset >= offset);
  let at = 0;
  let slot = first;
  while (at < served.records.length) {
    const batch = shadow.batches[slot];
    const part = served.records.subarray(at, at + (batch?.bytes.length ?? 0));
    ensure(
      batch?.bytes.equals(part) === true && batch.lastOffset < limit,
      "ST9",
      () => `${where}: served ${served.records.length} bytes, at byte ${at} not what was written`,
    );
    at += batch.bytes.length;
    slot += 1;
  }
  const batches = slot - first;
  ensure(batches > 0 || offset >= limit, "ST9", () => `${where}: served nothing`);
  ensure(
    batches <= 1 || served.records.length <= maxBytes,
    "ST9",
    () => `${where}: served ${served.records.length} bytes`,
  );
  const next = batches > 0 ? (shadow.batches[slot - 1]?.lastOffset ?? -1) + 1 : offset;
  ensure(served.nextOffset === next, "ST9", () => `${where}: next offset ${served.nextOffset}, should be ${next}`);
}

/** 12.4 against a scan of all records. */
export async function checkTimeLookups(random: SeededRandom, shadow: ShadowLog, log: PartitionLog): Promise<void> {
  const limit = log.writtenEndOffset;
  const hasMoved = movesOf(shadow, log);
  const records = shadow.batches.flatMap((batch) =>
    batch.timestamps.map((timestamp, i) => ({ offset: batch.baseOffset + i, timestamp })),
  );
  const readable = records.filter(({ offset }) => offset >= log.logStartOffset && offset < limit);
  if (readable.length === 0) return;
  const timestamp = random.pick(readable).timestamp + random.pick([-1, 0, 1]);
  const expected = readable.find((record) => record.timestamp >= timestamp) ?? null;
  const found = await log.findByTimestamp(timestamp, limit);
  if (hasMoved()) return;
  ensure(found?.offset === expected?.offset && found?.timestamp === expected?.timestamp, "12.4", () => {
    return `${shadow.name}: first record from ${timestamp} on is ${JSON.stringify(expected)}, found ${JSON.stringify(found)}`;
  });
  const largest = Math.max(...readable.map((record) => record.timestamp));
  const newest = await log.findMaxTimestamp(limit);
  if (hasMoved()) return;
  const isRight =
    newest !== null &&
    newest.timestamp === largest &&
    readable.some((record) => record.offset === newest.offset && record.timestamp === largest);
  ensure(isRight, "12.4", () => `${shadow.name}: the largest timestamp is ${largest}, found ${JSON.stringify(newest)}`);
}

function sequences(batch: ShadowBatch): string {
  return `${batch.producerEpoch}/${batch.firstSequence}-${batch.lastSequence}`;
}
