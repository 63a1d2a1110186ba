/**
 * Replicas held against one another, byte for byte (testing 3.3(4)), when all brokers have stopped: every replica of a partition has the same
 * batches up to the lowest high watermark on any of them, and equal (offset, epoch) means equal bytes wherever two have one.
 */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { readBatchHeader } from "@tidemark/proto";

const BATCH_OVERHEAD_BYTES = 61;
const LENGTH_PREFIX_BYTES = 12;

interface Replica {
  readonly directory: string;
  readonly highWatermark: number;
  /** By base offset: last offset and what the bytes hash to. */
  readonly batches: ReadonlyMap<number, { readonly lastOffset: number; readonly hash: string }>;
  readonly endOffset: number;
}

export interface Comparison {
  readonly replicas: number;
  readonly batches: number;
  readonly differences: readonly string[];
}

/** @param directoriesOf the data directories of the brokers that have the partition: of all of them, or by its number */
export function compareReplicas(
  directoriesOf: readonly string[] | ((partition: number) => readonly string[]),
  topic: string,
  partitionsCount: number,
): Comparison {
  const differences: string[] = [];
  let replicasCount = 0;
  let batchesCount = 0;
  for (let partition = 0; partition < partitionsCount; partition++) {
    const name = `${topic}-${partition}`;
    const directories = typeof directoriesOf === "function" ? directoriesOf(partition) : directoriesOf;
    const replicas = directories
      .map((directory) => readReplica(directory, topic, partition))
      .filter((one) => one !== null);
    replicasCount += replicas.length;
    if (replicas.length < directories.length)
      differences.push(`${name}: ${replicas.length} of ${directories.length} replicas are there`);
    const [first, ...others] = replicas;
    if (first === undefined) continue;
    const committed = Math.min(...replicas.map(({ highWatermark }) => highWatermark));
    batchesCount += first.batches.size;
    for (const other of others) {
      for (const baseOffset of new Set([...first.batches.keys(), ...other.batches.keys()])) {
        const one = first.batches.get(baseOffset);
        const two = other.batches.get(baseOffset);
        const isCommitted = (one ?? two)?.lastOffset !== undefined && baseOffset < committed;
        if (isCommitted && (one === undefined || two === undefined))
          differences.push(
            `${name}: the batch at ${baseOffset} is only in ${(one === undefined ? other : first).directory}`,
          );
        if (one !== undefined && two !== undefined && one.hash !== two.hash && isCommitted)
          differences.push(`${name}: the batches at ${baseOffset} in ${first.directory} and ${other.directory} differ`);
      }
    }
    // After clean stops nothing is left behind the watermark but what nobody was told of.
    for (const { directory, highWatermark, endOffset } of replicas)
      if (highWatermark > endOffset)
        differences.push(`${name}: ${directory} ends at ${endOffset}, below its high watermark ${highWatermark}`);
  }
  return { replicas: replicasCount, batches: batchesCount, differences };
}

function readReplica(directory: string, topic: string, partition: number): Replica | null {
  const path = join(directory, `${topic}-${partition}`);
  let files: string[];
  try {
    files = readdirSync(path)
      .filter((file) => file.endsWith(".log"))
      .sort();
  } catch {
    return null;
  }
  const batches = new Map<number, { lastOffset: number; hash: string }>();
  let endOffset = 0;
  for (const file of files) {
    const bytes = readFileSync(join(path, file));
    for (let at = 0; at + BATCH_OVERHEAD_BYTES <= bytes.length; ) {
      const size = LENGTH_PREFIX_BYTES + bytes.readInt32BE(at + 8);
      const header = readBatchHeader(bytes, at);
      const hash = createHash("sha256")
        .update(bytes.subarray(at, at + size))
        .digest("base64");
      batches.set(header.baseOffset, { lastOffset: header.lastOffset, hash });
      endOffset = header.lastOffset + 1;
      at += size;
    }
  }
  return { directory, highWatermark: highWatermarkOf(directory, topic, partition), batches, endOffset };
}

function highWatermarkOf(directory: string, topic: string, partition: number): number {
  const text = readFileSync(join(directory, "replication-offset-checkpoint"), "utf8");
  const line = text.split("\n").find((one) => one.startsWith(`${topic} ${partition} `));
  return Number(line?.split(" ")[2] ?? 0);
}
