/**
 * Several brokers' replica managers in one simulated world: real logs on simulated disks, streams over the simulated network,
 * metadata written by the test. There is no Raft: an entry is applied at every broker at once, or later where a test says so.
 */
import { RecordCursor, validateProducedBatch } from "@tidemark/proto";
import { asOffset, asPartitionId, SeededRandom, SharedMemory } from "../../../src/base/index.ts";
import { LiveConfig, loadConfig } from "../../../src/config/index.ts";
import {
  alterPartitions,
  alterReassignments,
  applyEntry,
  diffImages,
  emptyImage,
  registerBroker,
  reportDamage,
} from "../../../src/metadata/index.ts";
import type {
  AlterPartitionsRequest,
  ClusterImage,
  DamageReport,
  IsrVerdict,
  MetadataRecord,
} from "../../../src/metadata/index.ts";
import {
  type Disk,
  type DiskFault,
  type Logger,
  noFailpoint,
  type PeerIdentity,
  type PeerService,
} from "../../../src/ports/index.ts";
import { AppendTask, deadlineAfter, Purgatory, ReplicaManager, Turn } from "../../../src/runtime/index.ts";
import type { Acks, Partition } from "../../../src/runtime/index.ts";
import { Replication } from "../../../src/runtime/replication.ts";
import { CALM_NETWORK, SimDisk, SimNetwork, SimWorld } from "../../../src/sim/index.ts";
import type { SimNetworkOptions, SimPeerTransport, SimProcess } from "../../../src/sim/index.ts";
import { openLogDirectory } from "../../../src/storage/index.ts";
import type { LogDirectory, PartitionLog } from "../../../src/storage/index.ts";
import { testConfig } from "../../metadata/fixtures.ts";
import { makeBatch, quietLogger } from "./partition-bench.ts";
import type { Answer, BatchSpec, Outcome } from "./partition-bench.ts";

const PATH = "/data";
export const TOPIC = "tide";

export function topicIdOf(n: number): string {
  return `${"A".repeat(19)}${String(n).padStart(2, "0")}A`;
}

export interface ReplicationBenchOptions {
  readonly brokers?: number;
  readonly seed?: number;
  readonly network?: SimNetworkOptions;
  /** Of the topic. */
  readonly overrides?: Readonly<Record<string, string>>;
  /** Of the brokers, as in a file. */
  readonly settings?: Readonly<Record<string, string>>;
  readonly partitions?: number;
}

interface Life {
  readonly process: SimProcess;
  readonly transport: SimPeerTransport;
  readonly disk: Disk;
  readonly manager: ReplicaManager;
  readonly purgatory: Purgatory;
  readonly turn: Turn;
  readonly directory: () => LogDirectory;
  readonly config: LiveConfig;
}

export class BrokerNode {
  readonly id: number;
  readonly disk: SimDisk;
  readonly faults: DiskFault[] = [];
  readonly lines: string[] = [];
  /** Entries that it has not applied yet wait while this is true. */
  isMetadataHeld = false;
  image: ClusterImage = emptyImage;
  life: Life | null = null;
  /** How many disks it has had. */
  disksCount = 1;

  constructor(id: number, random: SeededRandom) {
    this.id = id;
    this.disk = new SimDisk({ random: random.fork(`disk ${id}`), mode: "strict" });
  }

  get directoryId(): string {
    return topicIdOf(10 * this.disksCount + this.id);
  }

  get alive(): Life {
    if (this.life === null) throw new Error(`broker ${this.id} is down`);
    return this.life;
  }

  get manager(): ReplicaManager {
    return this.alive.manager;
  }

  log(partition = 0, topic = TOPIC): PartitionLog {
    const log = this.alive.directory().log(topic, asPartitionId(partition));
    if (log === undefined) throw new Error(`broker ${this.id} has no log of ${topic}-${partition}`);
    return log;
  }

  led(partition = 0, topic = TOPIC): Partition {
    const led = this.manager.find(topic, partition);
    if (led === undefined) throw new Error(`broker ${this.id} does not lead ${topic}-${partition}`);
    return led;
  }

  address(): { nodeId: number; host: string; port: number } {
    return { nodeId: this.id, host: "sim", port: 9390 + this.id };
  }
}

export class ReplicationBench {
  readonly world: SimWorld;
  readonly network: SimNetwork;
  readonly nodes: readonly BrokerNode[];
  readonly #options: ReplicationBenchOptions;
  /** Everything committed. */
  image: ClusterImage = emptyImage;
  /** Records, or all that the metadata says from there on. */
  readonly #entries: (readonly MetadataRecord[] | ClusterImage)[] = [];
  /** What a controller makes of a proposal; null: it is not reached. */
  controller: ((request: AlterPartitionsRequest) => readonly IsrVerdict["error"][] | null) | null = (request) =>
    this.#decide(request);
  readonly proposals: AlterPartitionsRequest[] = [];
  readonly damageReports: DamageReport[] = [];

  private constructor(options: ReplicationBenchOptions) {
    this.#options = options;
    const random = new SeededRandom(options.seed ?? 1);
    this.world = new SimWorld(random.fork("world"));
    this.network = new SimNetwork(this.world, random.fork("network"), options.network ?? CALM_NETWORK);
    const ids = Array.from({ length: options.brokers ?? 3 }, (_, i) => i + 1);
    this.nodes = ids.map((id) => new BrokerNode(id, random));
  }

  /** Brokers 1 to n, one topic whose partitions are led by broker 1 and followed by all others, all in sync. */
  static async open(options: ReplicationBenchOptions = {}): Promise<ReplicationBench> {
    const bench = new ReplicationBench(options);
    bench.commit({ type: "clusterCreated", clusterId: topicIdOf(99) });
    for (const node of bench.nodes) await bench.start(node.id);
    bench.create(1, TOPIC, options.partitions ?? 1);
    await bench.world.runFor(200);
    return bench;
  }

  node(id: number): BrokerNode {
    const node = this.nodes[id - 1];
    if (node === undefined) throw new Error(`there is no broker ${id}`);
    return node;
  }

  // ---- metadata ----

  commit(...records: MetadataRecord[]): void {
    this.#entries.push(records);
    this.image = applyEntry(this.image, this.image.metadataOffset + 1, records).image;
    for (const node of this.nodes) this.#catchUp(node);
  }

  /** As a snapshot that everybody takes: one of recovered metadata, which may say what no record can. */
  install(change: (image: ClusterImage) => ClusterImage): void {
    const metadataOffset = this.image.metadataOffset + 1;
    this.image = { ...change(this.image), metadataOffset };
    this.#entries.push(this.image);
    for (const node of this.nodes) this.#catchUp(node);
  }

  release(id: number): void {
    const node = this.node(id);
    node.isMetadataHeld = false;
    this.#catchUp(node);
  }

  #catchUp(node: BrokerNode): void {
    if (node.life === null || node.isMetadataHeld) return;
    for (let next = this.#entries[node.image.metadataOffset]; next; next = this.#entries[node.image.metadataOffset]) {
      const { image, delta } =
        "brokers" in next
          ? { image: next, delta: diffImages(node.image, next) }
          : applyEntry(node.image, node.image.metadataOffset + 1, next);
      node.image = image;
      node.life.config.update(image.configs);
      node.life.manager.onMetadata(delta, image);
    }
  }

  create(id: number, name: string, partitions = 1): void {
    const brokers = this.nodes.map((node) => node.id);
    const records: MetadataRecord[] = [
      { type: "topicCreated", topicId: topicIdOf(id), name, internal: false, overrides: this.#options.overrides ?? {} },
    ];
    for (let partition = 0; partition < partitions; partition++) {
      records.push({
        type: "partitionCreated",
        topicId: topicIdOf(id),
        partition,
        replicas: brokers,
        isr: brokers,
        leaderId: 1,
      } as MetadataRecord);
    }
    this.commit(...records);
  }

  /** Changes partition 0, or another, of the topic: what is not said stays. */
  change(
    what: { leaderId?: number; isr?: readonly number[]; isUnclean?: boolean },
    partition = 0,
    topicId = topicIdOf(1),
  ): void {
    const now = this.image.topicsById.get(topicId)?.partitions[partition];
    if (now === undefined) throw new Error("there is no such partition");
    const leaderId = what.leaderId ?? now.leaderId;
    const isr = what.isr ?? now.isr;
    const partitions = [{ topicId, partitions: [partition] }];
    const choice = what.isUnclean === true ? "unclean" : "inSync";
    const chosen: MetadataRecord = { type: "leadersChosen", leaderId, choice, partitions };
    const accepted: MetadataRecord = { type: "isrsChanged", isr, isRecovering: false, partitions };
    if (what.isr === undefined) return this.commit(chosen);
    if (leaderId === now.leaderId) return this.commit(accepted);
    // Whoever leads is in sync, before and after each of the two.
    this.commit(...(now.isr.includes(leaderId) ? [chosen, accepted] : [accepted, chosen]));
  }

  /** Recovered metadata says that partition 0 is led by broker 1 and in sync on `replicas`, and on nobody else (decision 0028). */
  recover(replicas: readonly number[]): void {
    this.install((image) => {
      const topic = image.topicsById.get(topicIdOf(1));
      const [before] = topic?.partitions ?? [];
      if (topic === undefined || before === undefined) throw new Error("there is no partition");
      const partition = {
        ...before,
        replicas,
        isr: replicas,
        elr: [],
        lastIsr: replicas.map((brokerId) => ({ brokerId, directoryId: this.node(brokerId).directoryId })),
        leaderId: 1,
        leaderEpoch: before.leaderEpoch + 1_000_000,
        partitionEpoch: before.partitionEpoch + 1_000_000,
      };
      const after = { ...topic, partitions: [partition] };
      return {
        ...image,
        topics: new Map([...image.topics, [topic.name, after]]),
        topicsById: new Map([...image.topicsById, [topic.topicId, after]]),
      };
    });
  }

  /** Null cancels. */
  reassign(replicas: readonly number[] | null, partition = 0, topic = TOPIC): void {
    const changes = [{ topic, partition, replicas }];
    const { records, response } = alterReassignments(this.image, changes, { config: testConfig() });
    if (response[0]?.error !== "NONE") throw new Error(response[0]?.message);
    this.commit(...records);
  }

  isr(partition = 0): readonly number[] {
    return this.image.topicsById.get(topicIdOf(1))?.partitions[partition]?.isr ?? [];
  }

  // ---- brokers ----

  /** Opens what its disk has, registers, leads and follows. */
  async start(id: number): Promise<void> {
    const node = this.node(id);
    const process = this.world.startProcess();
    const mount = node.disk.mount(process);
    if (!mount.isDirectory(PATH)) {
      mount.mkdir(PATH);
      node.disk.tree.commitAll(node.disk.tree.order);
    }
    const loaded = loadConfig({
      profile: "dev",
      env: {},
      flags: { "node.id": String(id), ...this.#options.settings },
    });
    if (!loaded.ok) throw new Error(JSON.stringify(loaded));
    const config = new LiveConfig(loaded.config);
    const turn = new Turn(process);
    const purgatory = new Purgatory({ clock: process, timers: process });
    const identity = (): PeerIdentity => ({ clusterId: topicIdOf(99), nodeId: id, directoryId: node.directoryId });
    const service: PeerService = {
      onRaft: () => undefined,
      onCall: () => Promise.reject(new Error("nobody calls")),
      onReplication: (stream, from) => {
        const replication = node.life?.manager.replication;
        if (replication) return replication.accept(stream, from.nodeId);
        stream.close();
        return { onFrame: (_, release) => release?.(), onDrain: () => undefined, onClosed: () => undefined };
      },
    };
    const transport = this.network.join({ process, address: node.address(), service, identity });
    let directory: LogDirectory | null = null;
    const note = (line: string, fields?: object): void => {
      node.lines.push(`${line} ${JSON.stringify(fields ?? {})}`);
    };
    const logger: Logger = { ...quietLogger, info: note, warn: note, error: note, child: () => logger };
    const manager = new ReplicaManager(
      { config, path: PATH, medium: "disk" },
      {
        disk: mount,
        failpoint: noFailpoint,
        clock: process,
        timers: process,
        logger,
        turn,
        purgatory,
        openLogDirectory: async (options) => (directory = await openLogDirectory(options)),
        commands: {
          alterPartitions: (request) => this.#alterPartitions(process, request),
          reportDamage: (request) => this.#reportDamage(process, request),
        },
        createReplication: (host) =>
          new Replication(host, {
            transport,
            addressOf: (brokerId) => this.node(brokerId).address(),
            brokerEpoch: () => node.image.brokers.get(id)?.brokerEpoch ?? -1,
          }),
        onOffline: (fault) => node.faults.push(fault),
      },
    );
    node.image = this.image;
    const { damaged } = await this.drive(manager.open(this.image));
    node.life = {
      process,
      transport,
      disk: mount,
      manager,
      purgatory,
      turn,
      config,
      directory: () => {
        if (directory === null) throw new Error("the logs are not open");
        return directory;
      },
    };
    const { directoryId } = node;
    const before = this.image.brokers.get(id);
    const { records } = registerBroker(
      this.image,
      {
        brokerId: id,
        incarnationId: `incarnation ${this.image.metadataOffset}`,
        directoryId,
        listeners: [],
        rack: null,
        // 9(6): an emptied disk is a new replica; all other restarts count as clean ones.
        previousBrokerEpoch: before?.directoryId === directoryId ? before.brokerEpoch : -1,
        damaged,
      },
      { isAlive: false, isAppliedAtOnce: true },
    );
    this.commit(...records);
    await this.drive(manager.start(node.image));
  }

  transport(id: number): SimPeerTransport {
    return this.node(id).alive.transport;
  }

  /** Its disk is a new one. */
  async wipe(id: number): Promise<void> {
    const node = this.node(id);
    const mount = node.disk.mount(this.world.startProcess());
    node.disksCount++;
    removeAll(mount, PATH);
    node.disk.restart("process");
    node.disk.tree.commitAll(node.disk.tree.order);
  }

  /** Changes one bit of a file, and of the page cache with it. */
  flip(id: number, path: string, position: number): void {
    const mount = this.node(id).alive.disk;
    const file = mount.open(path, "write");
    const byte = Buffer.alloc(1);
    file.readSync(byte, position);
    byte[0] = (byte[0] as number) ^ 0x10;
    file.writevSync([byte], position);
    file.closeSync();
  }

  /** The controller notices at once, and takes it out of leadership and ISRs. */
  kill(id: number, kind: "process" | "power" = "process"): void {
    const node = this.node(id);
    node.disk.crash();
    node.alive.process.kill();
    node.life = null;
    node.disk.restart(kind);
    this.network.leave(node.address());
    this.fence(id);
  }

  fence(id: number): void {
    this.commit({ type: "brokerChanged", brokerId: id, isFenced: true });
  }

  async stop(id: number): Promise<void> {
    const node = this.node(id);
    await this.drive(node.manager.stop(1));
    node.alive.process.kill();
    node.life = null;
    this.network.leave(node.address());
    this.fence(id);
  }

  // ---- the controller ----

  async #alterPartitions(
    process: SimProcess,
    request: AlterPartitionsRequest,
  ): Promise<{
    metadataOffset: number;
    results: readonly IsrVerdict[];
  }> {
    this.proposals.push(request);
    await process.sleep(1);
    const errors = this.controller?.(request) ?? null;
    const { metadataOffset } = this.image;
    await process.sleep(1);
    if (errors === null) throw new Error("no controller");
    return {
      metadataOffset,
      results: request.partitions.map(({ topicId, partition }, i) => ({
        topicId,
        partition,
        error: errors[i] ?? "NONE",
        message: "",
      })),
    };
  }

  async #reportDamage(process: SimProcess, request: DamageReport) {
    this.damageReports.push(request);
    await process.sleep(1);
    if (this.controller === null) throw new Error("no controller");
    const { records, response } = reportDamage(this.image, request);
    if (records.length > 0) this.commit(...records);
    const { metadataOffset } = this.image;
    await process.sleep(1);
    return { metadataOffset, results: response };
  }

  #decide(request: AlterPartitionsRequest): readonly IsrVerdict["error"][] {
    const { records, response } = alterPartitions(this.image, request);
    if (records.length > 0) this.commit(...records);
    return response.map(({ error }) => error);
  }

  // ---- what clients do ----

  append(id: number, spec: BatchSpec, acks: Acks = "all", timeoutMs = 30_000, partition = 0): Outcome {
    const outcome: Outcome = { answer: null, isTaken: false };
    const bytes = makeBatch(spec);
    const memory = new SharedMemory(bytes.length, bytes.length, () => bytes.fill(0xee));
    const owner = {
      onAppendTaken: (): void => {
        outcome.isTaken = true;
        memory.letGo();
      },
      onAppendDone: (task: AppendTask): void => {
        if (outcome.answer !== null) throw new Error("a batch was answered twice");
        const { code, message, baseOffset, isDuplicate, isUnwritten, logEnd } = task;
        const atMs = this.world.nowMs;
        outcome.answer = { code, message, baseOffset, isDuplicate, isUnwritten, logEnd, atMs } satisfies Answer;
      },
    };
    const verdict = validateProducedBatch(bytes, { maxBytes: 32 * 1024 * 1024 });
    if (!verdict.ok) throw new Error(verdict.message);
    const deadline = deadlineAfter(this.node(id).alive.process, timeoutMs);
    const task = new AppendTask({ owner, slot: 0, acks, deadline, bytes, memory, header: verdict.header });
    this.node(id).led(partition).append(task);
    return outcome;
  }

  /** Runs the world until `isReached`, at most `ms`. */
  async until(what: string, isReached: () => boolean, ms = 60_000): Promise<void> {
    const untilMs = this.world.nowMs + ms;
    await this.world.settle();
    while (!isReached()) {
      if (!(await this.world.step(untilMs))) throw new Error(`it never came to this: ${what}`);
    }
  }

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

  /** All bytes of a log, as they lie in its files. */
  bytes(id: number, partition = 0, topic = TOPIC): Buffer {
    const node = this.node(id);
    const parts = node
      .log(partition, topic)
      .segments()
      .map(({ path, sizeBytes }) => {
        const file = node.disk.fileAt(path);
        if (file === undefined) throw new Error(`${path} is not there`);
        const bytes = Buffer.alloc(sizeBytes);
        file.read(bytes, 0);
        return bytes;
      });
    return Buffer.concat(parts);
  }

  /** Record values below `end`, the log end without it. */
  async values(id: number, end?: number, partition = 0): Promise<string[]> {
    const log = this.node(id).log(partition);
    const limit = end ?? log.writtenEndOffset;
    const values: string[] = [];
    let offset = log.logStartOffset;
    while (offset < limit) {
      const read = await this.drive(log.read(offset, 1024 * 1024, asOffset(limit)));
      if (read.nextOffset === offset) break;
      const cursor = new RecordCursor(read.records, { verifyCrc: true });
      while (cursor.next()) if (cursor.offset >= log.logStartOffset) values.push(cursor.value?.toString() ?? "null");
      offset = read.nextOffset;
    }
    return values;
  }
}

function removeAll(disk: Disk, path: string): void {
  for (const name of disk.list(path)) {
    const child = `${path}/${name}`;
    if (!disk.isDirectory(child)) {
      disk.unlink(child);
      continue;
    }
    removeAll(disk, child);
    disk.rmdir(child);
  }
}
