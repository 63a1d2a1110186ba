/**
 * A simulated machine with a data directory: a world, a disk, lives of the storage code that are killed or lose power.
 * Nothing waits in real time: `run` steps the world until a promise is settled.
 */
import { asLeaderEpoch, asMs, asOffset, asPartitionId, SeededRandom } from "../../../src/base/index.ts";
import type { Disk, Logger } from "../../../src/ports/index.ts";
import { DiskFault } from "../../../src/ports/index.ts";
import { SimDisk, SimWorld } from "../../../src/sim/index.ts";
import type { DirectoryMode, SimProcess } from "../../../src/sim/index.ts";
import { openLogDirectory } from "../../../src/storage/index.ts";
import type { OpenProgress, LogConfig, LogDirectory, PartitionLog, ReplicaSpec } from "../../../src/storage/index.ts";
import { BatchAttribute, BatchField, readBatchHeader, RecordBatchBuilder, sealBatch } from "@tidemark/proto";

export const DATA = "/data";
const NEVER = Number.MAX_SAFE_INTEGER;
export const TOPIC_ID = "AAAAAAAAAAAAAAAAAAAAAA";
export const OTHER_ID = "BBBBBBBBBBBBBBBBBBBBBA";

/** testTiny: segments and index intervals so small that ordinary tests cross every boundary. */
export const TINY: LogConfig = {
  segmentBytes: 1200,
  segmentMs: 604_800_000,
  segmentJitterMs: 0,
  segmentIndexBytes: 10_485_760,
  indexIntervalBytes: 200,
  flushMessages: NEVER,
  flushMs: NEVER,
  flushWindowMs: 0,
  fileDeleteDelayMs: 1000,
  cleanupPolicy: ["delete"],
  retentionMs: -1,
  retentionBytes: -1,
  producerIdExpirationMs: 86_400_000,
  durability: "page-cache",
};

export function specOf(config: Partial<LogConfig> = {}, topic = "t", partition = 0, topicId = TOPIC_ID): ReplicaSpec {
  return { topic, partition: asPartitionId(partition), topicId, config: { ...TINY, ...config } };
}

export interface BatchOptions {
  readonly records?: number;
  readonly valueBytes?: number;
  readonly timestamps?: readonly number[];
  readonly producerId?: number;
  readonly producerEpoch?: number;
  readonly baseSequence?: number;
  readonly isTransactional?: boolean;
}

export function makeBatch(options: BatchOptions = {}): Buffer {
  const { records = 1, valueBytes = 20, producerId = -1, producerEpoch = 0, baseSequence = 0 } = options;
  const builder = new RecordBatchBuilder();
  const timestamps = options.timestamps ?? Array.from({ length: records }, () => 1000);
  for (const timestamp of timestamps) builder.append(timestamp, null, Buffer.alloc(valueBytes, 0x61));
  const batch = builder.build(producerId < 0 ? {} : { producerId, producerEpoch, baseSequence });
  return options.isTransactional === true ? withAttributes(batch, BatchAttribute.TRANSACTIONAL) : batch;
}

export interface MarkerOptions {
  readonly producerId: number;
  readonly producerEpoch?: number;
  /** Control record type (2.3(3)). */
  readonly type: "abort" | "commit" | number;
  readonly coordinatorEpoch?: number;
  readonly timestamp?: number;
}

/** The control batch that ends a transaction, as Kafka writes it. */
export function makeMarker({ producerId, producerEpoch = 0, type, ...options }: MarkerOptions): Buffer {
  const key = Buffer.alloc(4);
  key.writeInt16BE(typeof type === "number" ? type : type === "abort" ? 0 : 1, 2);
  const value = Buffer.alloc(6);
  value.writeInt32BE(options.coordinatorEpoch ?? 0, 2);
  const builder = new RecordBatchBuilder();
  builder.append(options.timestamp ?? 1000, key, value);
  const batch = builder.build({ producerId, producerEpoch, baseSequence: -1 });
  return withAttributes(batch, BatchAttribute.TRANSACTIONAL | BatchAttribute.CONTROL);
}

function withAttributes(batch: Buffer, bits: number): Buffer {
  batch.writeInt16BE(batch.readInt16BE(BatchField.ATTRIBUTES) | bits, BatchField.ATTRIBUTES);
  sealBatch(batch, 0, batch.length);
  return batch;
}

export class StorageMachine {
  readonly world: SimWorld;
  readonly medium: SimDisk;
  readonly lines: string[] = [];
  process: SimProcess;
  disk: Disk;
  offline: DiskFault | null = null;
  checkpointMs = 5000;
  openFilesMax: number | undefined;
  producersMax = 100_000;
  tailCacheBytes = 0;

  constructor(options: { seed?: number; mode?: DirectoryMode } = {}) {
    const random = new SeededRandom(options.seed ?? 1);
    this.world = new SimWorld(random);
    this.medium = new SimDisk({ random, mode: options.mode ?? "strict" });
    this.process = this.world.startProcess();
    this.disk = this.medium.mount(this.process);
    this.disk.mkdir(DATA);
    this.medium.tree.commitAll(this.medium.tree.order);
  }

  /** Steps the world until `promise` is settled. */
  async run<T>(promise: Promise<T>): Promise<T> {
    let isSettled = false;
    const settled = promise.finally(() => {
      isSettled = true;
    });
    settled.catch(() => undefined);
    for (let idleTurns = 0; idleTurns < 5; idleTurns += 1) {
      await new Promise((resolve) => setImmediate(resolve));
      if (isSettled) return settled;
      if (await this.world.step()) idleTurns = 0;
    }
    throw new Error("nothing moves, and the promise is not settled");
  }

  /** What `promise` rejects with. */
  async failure(promise: Promise<unknown>): Promise<unknown> {
    return this.run(
      promise.then(
        () => {
          throw new Error("should have been rejected");
        },
        (error: unknown) => error,
      ),
    );
  }

  open(...replicas: ReplicaSpec[]): Promise<LogDirectory> {
    return this.run(this.opening(...replicas));
  }

  /** For who steps the world. */
  opening(...replicas: ReplicaSpec[]): Promise<LogDirectory> {
    return openLogDirectory({
      path: DATA,
      disk: this.disk,
      clock: this.process,
      timers: this.process,
      logger: this.#logger(),
      replicas,
      recoveryCheckpointIntervalMs: this.checkpointMs,
      logStartCheckpointIntervalMs: this.checkpointMs,
      highWatermarkCheckpointIntervalMs: this.checkpointMs,
      openFilesMax: this.openFilesMax,
      producersMax: this.producersMax,
      tailCacheBytes: this.tailCacheBytes,
      mustHurryRemovals: () => this.isFull,
      onRemoved: () => {
        this.removals += 1;
      },
      onProgress: (progress) => this.progress.push(progress),
      onOffline: (fault) => {
        this.offline = fault;
      },
    });
  }

  /** An open directory with one fresh log. */
  async fresh(config: Partial<LogConfig> = {}): Promise<{ directory: LogDirectory; log: PartitionLog }> {
    const directory = await this.open();
    const log = await this.run(directory.createLog(specOf(config)));
    return { directory, log };
  }

  /** Whether the directory takes the disk for full. */
  isFull = false;
  /** How often it told that files of what was deleted are gone. */
  removals = 0;

  /** What starts have told of themselves. */
  readonly progress: OpenProgress[] = [];

  /** Opens again after a stop or crash, expecting the log of `specOf(config)`. */
  async again(config: Partial<LogConfig> = {}): Promise<{ directory: LogDirectory; log: PartitionLog }> {
    return this.reopened(specOf(config));
  }

  /** The same for the log of `spec`. */
  async reopened(spec: ReplicaSpec): Promise<{ directory: LogDirectory; log: PartitionLog }> {
    const directory = await this.open(spec);
    const log = directory.log(spec.topic, spec.partition);
    if (log === undefined) throw new Error("the log is gone");
    return { directory, log };
  }

  restart(kind: "process" | "power"): void {
    this.medium.faults.removeAll();
    this.medium.restart(kind);
    this.process = this.world.startProcess();
    this.disk = this.medium.mount(this.process);
    this.offline = null;
  }

  async letPass(ms: number): Promise<void> {
    await this.world.runFor(ms);
  }

  async synced(log: PartitionLog): Promise<void> {
    log.sync();
    for (let turn = 0; log.syncedEndOffset < log.writtenEndOffset; turn += 1) {
      if (turn > 10_000) throw new Error("the sync never ends");
      await this.world.step();
    }
  }

  bytes(path: string): Buffer {
    const size = this.disk.sizeOf(path);
    if (size === null) throw new Error(`${path} is not there`);
    const file = this.disk.open(path, "read");
    const bytes = Buffer.alloc(size);
    file.readSync(bytes, 0);
    file.closeSync();
    return bytes;
  }

  text(path: string): string {
    return this.bytes(path).toString("utf8");
  }

  /** Overwrites, or makes, a file, and leaves it as if it had been there for ever. */
  put(path: string, content: string | Buffer): void {
    const file = this.disk.open(path, "create");
    file.truncateSync(0);
    file.writevSync([Buffer.from(content)], 0);
    file.closeSync();
    this.settle();
  }

  /** Everything written counts as synced from now on. */
  settle(): void {
    for (const file of this.medium.tree.files()) file.finishSync(file.beginSync());
    this.medium.tree.commitAll(this.medium.tree.order);
  }

  names(directory = `${DATA}/t-0`): string[] {
    return this.disk.list(directory).sort();
  }

  #logger(): Logger {
    const note = (message: string): void => {
      this.lines.push(message);
    };
    const logger: Logger = { debug: note, info: note, warn: note, error: note, child: () => logger };
    return logger;
  }
}

/** Appends one batch and writes it. */
export function append(log: PartitionLog, batch: Buffer = makeBatch(), epoch = 0, now = 1000): number {
  const result = log.append(batch, readBatchHeader(batch, 0), asLeaderEpoch(epoch), asMs(now));
  if (!result.ok) throw new Error(result.code);
  const fault = log.writeAppended();
  if (fault !== null) throw fault;
  return result.baseOffset;
}

export function queue(log: PartitionLog, batch: Buffer = makeBatch(), epoch = 0): ReturnType<PartitionLog["append"]> {
  return log.append(batch, readBatchHeader(batch, 0), asLeaderEpoch(epoch), asMs(1000));
}

/** All bytes of the log, by reads of `maxBytes`. */
export async function readAll(machine: StorageMachine, log: PartitionLog, maxBytes = 500): Promise<Buffer> {
  const parts: Buffer[] = [];
  for (let offset = log.logStartOffset; offset < log.writtenEndOffset; ) {
    const { records, nextOffset } = await machine.run(log.read(offset, maxBytes, log.writtenEndOffset));
    if (records.length === 0) throw new Error(`nothing at ${offset}`);
    parts.push(Buffer.from(records));
    offset = nextOffset;
  }
  return Buffer.concat(parts);
}

/** The bytes of all segments, in order. */
export function fileBytes(machine: StorageMachine, log: PartitionLog): Buffer {
  return Buffer.concat(log.segments().map(({ path }) => machine.bytes(path)));
}

export { asOffset, asLeaderEpoch, asMs, asPartitionId };
