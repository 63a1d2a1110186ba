/**
 * `append`: validate, append and write one batch after the other, beside `writevSync` and CRC-32C of the same bytes. In
 * the synced rows both sides wait for `fdatasync`, once per `syncEvery` bytes, so that they sync equally often.
 */
import { asLeaderEpoch } from "@tidemark/broker/base";
import { registerNativeCrc32c } from "@tidemark/broker/platform";
import type { LogConfig, PartitionLog } from "@tidemark/broker/storage";
import { crc32c, validateProducedBatch } from "@tidemark/proto";
import { closeSync, fdatasync, openSync, rmSync, writevSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Scale } from "../bench.ts";
import { fresh, makeBatches } from "./batches.ts";
import { logConfig, now, openFreshLog } from "./log-harness.ts";
import { compare, timed, type Row, type Sample } from "./measure.ts";
import { withScratch } from "./scratch.ts";

const KIB = 1024;
const limits = { maxBytes: 32 * 2 ** 20 };
const epoch = asLeaderEpoch(0);
const syncData = promisify(fdatasync);

const cells: readonly { batchBytes: number; label: string; durability: LogConfig["durability"]; headline: boolean }[] =
  [
    { batchBytes: 4 * KIB, label: "4 KiB", durability: "page-cache", headline: true },
    { batchBytes: 64 * KIB, label: "64 KiB", durability: "page-cache", headline: true },
    { batchBytes: 1024 * KIB, label: "1 MiB", durability: "page-cache", headline: false },
    { batchBytes: 64 * KIB, label: "64 KiB", durability: "group-commit", headline: false },
  ];

export async function* append({ bytes, pairs, wants }: Scale): AsyncGenerator<Row> {
  registerNativeCrc32c();
  for (const { batchBytes, label, durability, headline } of cells) {
    const row = `${label} batches, log.append, ${durability}`;
    if (!wants(row)) continue;
    const batches = makeBatches(batchBytes, Math.max(4, Math.floor((8 * 2 ** 20) / batchBytes)));
    const batchSize = batches[0]?.length ?? batchBytes;
    const count = Math.max(1, Math.floor(bytes / batchSize));
    const syncEvery = durability === "group-commit" ? Math.max(1, Math.floor((4 * 2 ** 20) / batchSize)) : 0;
    yield await withScratch((root) =>
      compare(
        { row, headline },
        { bytes: count * batchSize, count: (count * batchSize) / 1e6, unit: "MB/s" },
        pairs,
        () => appendToLog(root, batches, count, logConfig(durability), syncEvery),
        () => writeRaw(root, batches, count, syncEvery),
      ),
    );
  }
}

async function appendToLog(
  root: string,
  batches: readonly Buffer[],
  count: number,
  config: LogConfig,
  syncEvery: number,
): Promise<Sample> {
  const { directory, log } = await openFreshLog(root, "own", config);
  log.startEpoch(epoch);
  const sample = await timed(async () => {
    for (let sent = 0; sent < count; sent++) {
      const batch = fresh(batches[sent % batches.length]);
      const verdict = validateProducedBatch(batch, limits);
      if (!verdict.ok) throw new Error(verdict.message);
      const result = log.append(batch, verdict.header, epoch, now());
      if (!result.ok) throw new Error(result.code);
      const fault = log.writeAppended();
      if (fault !== null) throw fault;
      if (log.writtenEndOffset < log.logEndOffset) await log.whenWritten();
      if (syncEvery > 0 && (sent + 1) % syncEvery === 0) await synced(log);
    }
  });
  await directory.close(1);
  rmSync(join(root, "own"), { recursive: true });
  return sample;
}

function synced(log: PartitionLog): Promise<void> {
  const end = log.writtenEndOffset;
  return new Promise((resolve, reject) => {
    log.events = {
      onWritten: () => undefined,
      onSynced: (syncedEnd) => syncedEnd >= end && resolve(),
      onLogStart: () => undefined,
      onSyncFailed: reject,
    };
    log.sync();
    if (log.syncedEndOffset >= end) resolve();
  });
}

async function writeRaw(root: string, batches: readonly Buffer[], count: number, syncEvery: number): Promise<Sample> {
  const path = join(root, "raw");
  const descriptor = openSync(path, "w", 0o600);
  const sample = await timed(async () => {
    let at = 0;
    for (let sent = 0; sent < count; sent++) {
      const batch = batches[sent % batches.length] ?? Buffer.alloc(0);
      if (crc32c(batch, 21) < 0) throw new Error("a CRC is unsigned");
      at += writevSync(descriptor, [batch], at);
      if (syncEvery > 0 && (sent + 1) % syncEvery === 0) await syncData(descriptor);
    }
  });
  closeSync(descriptor);
  rmSync(path);
  return sample;
}
