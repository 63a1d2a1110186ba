/** The data directory that Apache Kafka 4.3 left (broker/test/data/kafka-4.3), unpacked for one test. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

const archive = resolve(import.meta.dirname, "../../../../test/data/kafka-4.3/data.tar.gz");

export class KafkaData {
  readonly path = mkdtempSync(join(tmpdir(), "tidemark-kafka-data-"));

  constructor() {
    execFileSync("tar", ["-xzf", archive, "-C", this.path]);
  }

  join(name: string): string {
    return join(this.path, name);
  }

  remove(): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

/** Topic and partition, batches, records and the next offset of every log in it. */
export const KAFKA_LOGS = [
  { name: "__cluster_metadata-0", segments: 1, endOffset: 104, latestEpoch: 2 },
  { name: "__transaction_state-0", segments: 1, endOffset: 17, latestEpoch: 2 },
  { name: "codecs-0", segments: 6, endOffset: 205, latestEpoch: 2 },
  { name: "compacted-0", segments: 2, endOffset: 40, latestEpoch: 0 },
  { name: "empty-0", segments: 1, endOffset: 0, latestEpoch: -1 },
  { name: "transactions-0", segments: 2, endOffset: 21, latestEpoch: 2 },
  { name: "trimmed-0", segments: 1, endOffset: 20, latestEpoch: 0 },
] as const;
