/**
 * One partition of the shipping code on the simulated disk, under virtual time: what a test appends, and how each batch was
 * answered and when.
 */
import type { BatchHeader } from "@tidemark/proto";
import { RecordBatchBuilder, RecordCursor, validateProducedBatch } from "@tidemark/proto";
import {
  asBrokerId,
  asLeaderEpoch,
  asOffset,
  asPartitionId,
  SeededRandom,
  SharedMemory,
} from "../../../src/base/index.ts";
import type { Disk, DiskFault, Logger } from "../../../src/ports/index.ts";
import type { Membership } from "../../../src/replication/index.ts";
import { AppendTask, deadlineAfter, Partition, Purgatory, Turn } from "../../../src/runtime/index.ts";
import type { Acks, LogEnd, PartitionSettings } from "../../../src/runtime/index.ts";
import { SimDisk, SimWorld } from "../../../src/sim/index.ts";
import type { SimProcess } from "../../../src/sim/index.ts";
import { openLogDirectory } from "../../../src/storage/index.ts";
import type { LogConfig, LogDirectory, PartitionLog } from "../../../src/storage/index.ts";

const PATH = "/data";
const TOPIC = "tide";
const TOPIC_ID = "AAAAAAAAAAAAAAAAAAAAAQ";

export const quietLogger: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => quietLogger,
};

export const logConfig: LogConfig = {
  segmentBytes: 1024 * 1024,
  segmentMs: Number.MAX_SAFE_INTEGER,
  segmentJitterMs: 0,
  segmentIndexBytes: 10 * 1024 * 1024,
  indexIntervalBytes: 4096,
  flushMessages: Number.MAX_SAFE_INTEGER,
  flushMs: Number.MAX_SAFE_INTEGER,
  flushWindowMs: 0,
  fileDeleteDelayMs: 60_000,
  cleanupPolicy: ["delete"],
  retentionMs: -1,
  retentionBytes: -1,
  producerIdExpirationMs: 86_400_000,
  durability: "page-cache",
};

export const settings: PartitionSettings = {
  maxMessageBytes: 1024 * 1024,
  isLogAppendTime: false,
  timestampBeforeMaxMs: Number.MAX_SAFE_INTEGER,
  timestampAfterMaxMs: Number.MAX_SAFE_INTEGER,
  validatesRecords: false,
  isInternal: false,
};

export interface BatchSpec {
  readonly values?: readonly string[];
  readonly producerId?: number;
  readonly producerEpoch?: number;
  readonly sequence?: number;
  readonly expectedEnd?: LogEnd;
}

export function makeBatch(spec: BatchSpec): Buffer {
  const builder = new RecordBatchBuilder();
  for (const value of spec.values ?? ["one"]) builder.append(1_700_000_000_000, null, Buffer.from(value), null);
  const { producerId, producerEpoch = 0, sequence = 0 } = spec;
  return builder.build(producerId === undefined ? {} : { producerId, producerEpoch, baseSequence: sequence });
}

function headerOf(bytes: Buffer): BatchHeader {
  const verdict = validateProducedBatch(bytes, { maxBytes: settings.maxMessageBytes });
  if (!verdict.ok) throw new Error(verdict.message);
  return verdict.header;
}

/** How a batch ended. Null while it has not. */
export interface Answer {
  readonly code: AppendTask["code"];
  readonly baseOffset: number;
  readonly isDuplicate: boolean;
  readonly isUnwritten: boolean;
  readonly message: string;
  readonly logEnd: LogEnd | null;
  readonly atMs: number;
}

export interface Outcome {
  answer: Answer | null;
  /** The bytes were let go. */
  isTaken: boolean;
}

export interface BenchOptions {
  readonly seed?: number;
  readonly durability?: LogConfig["durability"];
  readonly log?: Partial<LogConfig>;
  readonly membership?: Partial<{ replicas: number[]; isr: number[]; minIsr: number }>;
  /** As the replica manager does: a fault ends the leadership in the stretch that met it. */
  readonly closesOnFault?: boolean;
}

export class PartitionBench {
  readonly world: SimWorld;
  readonly disk: SimDisk;
  readonly diskFaults: DiskFault[] = [];
  /** What the disk's reserve says (3.8(2)). */
  hasRoom = true;
  readonly #options: BenchOptions;
  #epoch = 0;
  #life: Life | null = null;

  private constructor(options: BenchOptions) {
    this.#options = options;
    const random = new SeededRandom(options.seed ?? 1);
    this.world = new SimWorld(random.fork("world"));
    this.disk = new SimDisk({ random: random.fork("disk"), mode: "strict" });
  }

  static async open(options: BenchOptions = {}): Promise<PartitionBench> {
    const bench = new PartitionBench(options);
    await bench.#begin();
    return bench;
  }

  get process(): SimProcess {
    return this.#current.process;
  }

  get partition(): Partition {
    return this.#current.partition;
  }

  get log(): PartitionLog {
    return this.#current.log;
  }

  get turn(): Turn {
    return this.#current.turn;
  }

  get purgatory(): Purgatory {
    return this.#current.purgatory;
  }

  /** Hands a batch in; the answer stands in the object that comes back once there is one. */
  append(spec: BatchSpec, acks: Acks = "all", timeoutMs = 30_000): Outcome {
    const outcome: Outcome = { answer: null, isTaken: false };
    const bytes = makeBatch(spec);
    // Memory that is given back is another's at once (P34).
    const memory = new SharedMemory(bytes.length, bytes.length, () => bytes.fill(0xee));
    const owner = {
      onAppendTaken: (): void => {
        if (outcome.isTaken) throw new Error("a batch was taken twice");
        outcome.isTaken = true;
        memory.letGo();
      },
      onAppendDone: (task: AppendTask): void => {
        // Only an error may be told while the bytes are still being written.
        if (!outcome.isTaken && task.code === "NONE") throw new Error("a batch was answered before it was taken");
        if (outcome.answer !== null) throw new Error("a batch was answered twice");
        outcome.answer = {
          code: task.code,
          baseOffset: task.baseOffset,
          isDuplicate: task.isDuplicate,
          isUnwritten: task.isUnwritten,
          message: task.message,
          logEnd: task.logEnd,
          atMs: this.world.nowMs,
        };
      },
    };
    const deadline = deadlineAfter(this.process, timeoutMs);
    const { expectedEnd = null } = spec;
    const header = headerOf(bytes);
    this.partition.append(new AppendTask({ owner, slot: 0, acks, deadline, bytes, memory, header, expectedEnd }));
    return outcome;
  }

  /** The turn that takes in what was appended, and nothing that needs time. */
  async turnEnds(): Promise<void> {
    await this.world.runFor(0);
  }

  /** Drives the world until `promise` is settled. */
  async drive<T>(promise: Promise<T>): Promise<T> {
    let isSettled = false;
    const settle = (): void => {
      isSettled = true;
    };
    promise.then(settle, settle);
    while (!isSettled) {
      await new Promise((resolve) => setImmediate(resolve));
      if (!isSettled) await this.world.step();
    }
    return promise;
  }

  /** What a reader below the high watermark gets. */
  async visible(): Promise<string[]> {
    return this.#values(this.partition.highWatermark);
  }

  /** Everything written. */
  async written(): Promise<string[]> {
    return this.#values(this.log.writtenEndOffset);
  }

  /** This life ends as by kill -9; the next one recovers what it finds. */
  async kill(): Promise<void> {
    this.disk.crash();
    this.#current.process.kill();
    this.disk.restart("process");
    await this.#begin();
  }

  /** This life ends cleanly; the next one knows each producer by its snapshot, that is by its last batch. */
  async stop(): Promise<void> {
    this.partition.close("NOT_LEADER_OR_FOLLOWER");
    await this.drive(this.#current.directory.close(1));
    this.#current.process.kill();
    await this.#begin();
  }

  async #begin(): Promise<void> {
    const { durability = "page-cache", log = {}, membership = {} } = this.#options;
    const process = this.world.startProcess();
    const mount: Disk = this.disk.mount(process);
    if (!mount.isDirectory(PATH)) mount.mkdir(PATH);
    const config = { ...logConfig, durability, ...log };
    const spec = { topic: TOPIC, partition: asPartitionId(0), topicId: TOPIC_ID, config };
    const opening = openLogDirectory({
      path: PATH,
      disk: mount,
      clock: process,
      timers: process,
      logger: quietLogger,
      replicas: [spec],
      recoveryCheckpointIntervalMs: 5_000,
      logStartCheckpointIntervalMs: 60_000,
      highWatermarkCheckpointIntervalMs: 5_000,
      tailCacheBytes: 1024 * 1024,
      onOffline: (fault) => this.diskFaults.push(fault),
    });
    const directory = await this.drive(opening);
    const opened = directory.log(TOPIC, asPartitionId(0)) ?? (await this.drive(directory.createLog(spec)));
    const turn = new Turn(process);
    const purgatory = new Purgatory({ clock: process, timers: process });
    const replicas = (membership.replicas ?? [1]).map(asBrokerId);
    const members: Membership = {
      partitionEpoch: 0,
      replicas,
      isr: (membership.isr ?? [1]).map(asBrokerId),
      minInsyncReplicas: membership.minIsr ?? 1,
      isRecovering: false,
    };
    const partition = new Partition(
      {
        log: opened,
        settings,
        brokerId: asBrokerId(1),
        leaderEpoch: asLeaderEpoch(this.#epoch++),
        membership: members,
        lagTimeMaxMs: 30_000,
      },
      {
        clock: process,
        turn,
        purgatory,
        brokers: { ownBrokerEpoch: () => 1, broker: () => undefined },
        reserve: { hasRoom: () => this.hasRoom, fullMessage: "the disk is full" },
        onDiskFault: (fault) => this.#onDiskFault(fault),
        onSuspect: () => undefined,
        proposeIsr: () => undefined,
      },
    );
    this.#life = { process, directory, log: opened, turn, purgatory, partition };
  }

  #onDiskFault(fault: DiskFault): void {
    this.diskFaults.push(fault);
    if (this.#options.closesOnFault === true) this.partition.close("KAFKA_STORAGE_ERROR");
  }

  get #current(): Life {
    if (this.#life === null) throw new Error("the bench is not open");
    return this.#life;
  }

  async #values(limit: number): Promise<string[]> {
    const values: string[] = [];
    let offset = this.log.logStartOffset;
    while (offset < limit) {
      const read = await this.drive(this.log.read(offset, 1024 * 1024, asOffset(limit)));
      const cursor = new RecordCursor(read.records, { verifyCrc: true });
      while (cursor.next()) values.push(cursor.value?.toString() ?? "null");
      if (read.nextOffset === offset) throw new Error("the read does not advance");
      offset = read.nextOffset;
    }
    return values;
  }
}

interface Life {
  readonly process: SimProcess;
  readonly directory: LogDirectory;
  readonly log: PartitionLog;
  readonly turn: Turn;
  readonly purgatory: Purgatory;
  readonly partition: Partition;
}
