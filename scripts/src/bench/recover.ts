/**
 * `recover`: opening a log directory whose process died with everything unflushed, beside reading the same file in 1 MiB
 * pieces with CRC-32C over them. The bytes are in the page cache on both sides, as they are after `kill -9`.
 */
import { asLeaderEpoch } from "@tidemark/broker/base";
import { registerNativeCrc32c } from "@tidemark/broker/platform";
import type { LogDirectory, PartitionLog } from "@tidemark/broker/storage";
import { crc32c, validateProducedBatch } from "@tidemark/proto";
import { closeSync, cpSync, fstatSync, openSync, readdirSync, readSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Scale } from "../bench.ts";
import { fresh, makeBatches } from "./batches.ts";
import { logConfig, now, openDirectory, openFreshLog, replica } from "./log-harness.ts";
import { compare, timed, type Row, type Sample } from "./measure.ts";
import { withScratch } from "./scratch.ts";

const KIB = 1024;
const epoch = asLeaderEpoch(0);
const config = logConfig("page-cache");
const pieceBytes = 1024 * KIB;

export async function* recover({ bytes, pairs, wants }: Scale): AsyncGenerator<Row> {
  registerNativeCrc32c();
  for (const [batchBytes, label] of [
    [KIB, "1 KiB"],
    [64 * KIB, "64 KiB"],
  ] as const) {
    const row = `${label} batches, openLogDirectory, page-cache`;
    if (!wants(row)) continue;
    yield await withScratch(async (root) => {
      const size = await writeUnflushed(root, batchBytes, bytes);
      return await compare(
        { row, headline: true },
        { bytes: size, count: size / 1e6, unit: "MB/s" },
        pairs,
        () => openAgain(root, size),
        () => readRaw(root),
      );
    });
  }
}

/** Leaves a directory as `kill -9` does: no marker, no checkpoint beyond what the log itself wrote. */
async function writeUnflushed(root: string, batchBytes: number, bytes: number): Promise<number> {
  const { log } = await openFreshLog(root, "dead", config);
  log.startEpoch(epoch);
  const batches = makeBatches(batchBytes, 64);
  for (let written = 0, sent = 0; written < bytes; sent++) {
    const batch = fresh(batches[sent % batches.length]);
    const verdict = validateProducedBatch(batch, { maxBytes: 32 * 2 ** 20 });
    if (!verdict.ok) throw new Error(verdict.message);
    const result = log.append(batch, verdict.header, epoch, now());
    if (!result.ok) throw new Error(result.code);
    if (sent % 64 === 63) await writeAll(log);
    written += batch.length;
  }
  await writeAll(log);
  return log.sizeBytes;
}

async function writeAll(log: PartitionLog): Promise<void> {
  const fault = log.writeAppended();
  if (fault !== null) throw fault;
  await log.whenWritten();
}

async function openAgain(root: string, size: number): Promise<Sample> {
  const path = join(root, "again");
  cpSync(join(root, "dead"), path, { recursive: true });
  const opened: LogDirectory[] = [];
  const sample = await timed(async () => {
    opened.push(await openDirectory(path, [replica(config)]));
  });
  for (const directory of opened) {
    const { bytesScanned } = directory.report;
    if (bytesScanned < size) throw new Error(`recovery looked at ${bytesScanned} of ${size} bytes`);
    await directory.close(1);
  }
  rmSync(path, { recursive: true });
  return sample;
}

async function readRaw(root: string): Promise<Sample> {
  const folder = join(root, "dead", "bench-0");
  const files = readdirSync(folder).filter((name) => name.endsWith(".log"));
  const piece = Buffer.allocUnsafeSlow(pieceBytes);
  return await timed(() => {
    for (const name of files) {
      const descriptor = openSync(join(folder, name), "r");
      const { size } = fstatSync(descriptor);
      for (let at = 0; at < size; ) {
        const read = readSync(descriptor, piece, 0, pieceBytes, at);
        if (crc32c(piece, 0, read) < 0) throw new Error("a CRC is unsigned");
        at += read;
      }
      closeSync(descriptor);
    }
  });
}
