/**
 * Nodes that drive the consensus core over stores in memory, in simulated time: a medium outlives its node, writes fail on
 * request, messages go through the codec and arrive a little later.
 */
import { SeededRandom } from "../../../src/base/index.ts";
import { MemoryDisk, MemoryStore } from "../../../src/platform/index.ts";
import { DiskFault, type KeyValueStore, type Logger, type StoreOperation } from "../../../src/ports/index.ts";
import type { Message, ReplicaId, SoftState } from "../../../src/raft/index.ts";
import {
  type CommittedEntry,
  decodeMessage,
  encodeMessage,
  RaftDriver,
  type RaftEvents,
} from "../../../src/runtime/index.ts";
import { type SimProcess, SimWorld } from "../../../src/sim/index.ts";
import { createRaftStore, openRaftStore, type OpenedRaftStore } from "../../../src/storage/index.ts";

export type WriteOutcome = "written" | "lost" | "kept";

export const DIRECTORY = "/data";

/** What outlives the process. The batches fail as `outcomes` say, the next first, then as `rest` says. */
export class RaftMedium {
  readonly disk = new MemoryDisk();
  readonly pairs = new MemoryStore();
  outcomes: WriteOutcome[] = [];
  rest: WriteOutcome = "written";
  faultKind: "ENOSPC" | "EIO" = "ENOSPC";
  hasRoom = true;
  batches = 0;
  openNow = 0;
  openedCount = 0;

  constructor() {
    this.disk.mkdir(DIRECTORY);
  }

  fault(operation: string): DiskFault {
    return new DiskFault(this.faultKind, operation, DIRECTORY);
  }

  get options() {
    return {
      directory: DIRECTORY,
      disk: this.disk,
      openStore: async (): Promise<KeyValueStore> => {
        this.openNow += 1;
        this.openedCount += 1;
        return new FailingStore(this);
      },
    };
  }
}

/** Takes no write after one that failed, as LevelDB does. */
class FailingStore implements KeyValueStore {
  readonly #medium: RaftMedium;
  #hasFailed = false;
  #isOpen = true;

  constructor(medium: RaftMedium) {
    this.#medium = medium;
  }

  get(key: Uint8Array): Uint8Array | undefined {
    return this.#medium.pairs.get(key);
  }

  range(from: Uint8Array, to: Uint8Array) {
    return this.#medium.pairs.range(from, to);
  }

  async batch(operations: readonly StoreOperation[]): Promise<void> {
    const outcome = this.#hasFailed || !this.#isOpen ? "lost" : (this.#medium.outcomes.shift() ?? this.#medium.rest);
    if (outcome !== "lost") await this.#medium.pairs.batch(operations);
    this.#medium.batches += 1;
    if (outcome === "written") return;
    this.#hasFailed = true;
    throw this.#medium.fault("batch");
  }

  async close(): Promise<void> {
    if (this.#isOpen) this.#medium.openNow -= 1;
    this.#isOpen = false;
  }
}

/** One node: its state machine is the list of the commands it has applied. */
export class RaftBenchNode {
  readonly replica: ReplicaId;
  readonly medium: RaftMedium;
  readonly process: SimProcess;
  readonly driver: RaftDriver;
  readonly roles: SoftState[] = [];
  readonly faults: unknown[] = [];
  readonly logged: string[] = [];
  commands: string[] = [];
  /** Every entry, commandless ones too, in the order they came. */
  readonly applied: CommittedEntry[] = [];
  snapshotsTaken = 0;
  snapshotsReceived = 0;
  /** Called inside `onCommitted` and `onRole`. */
  onCommitted: (entries: readonly CommittedEntry[]) => void = () => undefined;
  onRole: (softState: SoftState) => void = () => undefined;

  constructor(bench: RaftBench, replica: ReplicaId, medium: RaftMedium, opened: OpenedRaftStore) {
    this.replica = replica;
    this.medium = medium;
    this.process = bench.world.startProcess();
    const note = (message: string): void => void this.logged.push(message);
    const logger: Logger = { debug: () => {}, info: note, warn: note, error: note, child: () => logger };
    const events: RaftEvents = {
      onSnapshot: (_index, _term, bytes) => {
        this.snapshotsReceived += 1;
        const text = Buffer.from(bytes).toString();
        this.commands = text === "" ? [] : text.split("\n");
      },
      onCommitted: (entries) => {
        this.applied.push(...entries);
        for (const { bytes } of entries) if (bytes !== null) this.commands.push(Buffer.from(bytes).toString());
        this.onCommitted(entries);
      },
      onRole: (softState) => {
        this.roles.push(softState);
        this.onRole(softState);
      },
      encodeSnapshot: () => {
        this.snapshotsTaken += 1;
        return Buffer.from(this.commands.join("\n"));
      },
      onFault: (fault) => void this.faults.push(fault),
    };
    this.driver = RaftDriver.open(
      {
        replica,
        opened,
        fetchTimeoutMs: 2000,
        electionTimeoutMs: 1000,
        electionBackoffMaxMs: 1000,
        ...bench.snapshotLimits,
      },
      {
        clock: this.process,
        timers: this.process,
        logger,
        random: () => bench.random.float(),
        send: (message) => bench.send(message),
        events,
        reopen: {
          open: () => openRaftStore(medium.options, { mayBeTorn: true }),
          hasRoom: () => medium.hasRoom,
          timers: this.process,
        },
      },
    );
  }

  propose(...commands: string[]) {
    return this.driver.propose(commands.map((command) => Buffer.from(command)));
  }
}

export class RaftBench {
  readonly random: SeededRandom;
  readonly world: SimWorld;
  readonly nodes = new Map<number, RaftBenchNode>();
  readonly cut = new Set<number>();
  snapshotLimits = { snapshotBytes: 1_000_000, snapshotMs: 3_600_000 };

  constructor(seed = 1) {
    this.random = new SeededRandom(seed);
    this.world = new SimWorld(this.random);
  }

  /** A node at its birth, with these voters. */
  async birth(nodeId: number, voters: readonly ReplicaId[], medium = new RaftMedium()): Promise<RaftBenchNode> {
    const point = { index: 0, term: 0, voters };
    return this.#start(nodeId, medium, await createRaftStore(medium.options, { point, bytes: new Uint8Array(0) }));
  }

  async restart(node: RaftBenchNode): Promise<RaftBenchNode> {
    return this.#start(node.replica.nodeId, node.medium, await openRaftStore(node.medium.options));
  }

  async kill(node: RaftBenchNode): Promise<void> {
    node.process.kill();
    this.nodes.delete(node.replica.nodeId);
    await this.world.settle();
  }

  /** Lets time pass. The disk in memory answers in turns of the real loop, of which each slice gets some. */
  async run(durationMs: number): Promise<void> {
    const slices = Math.max(4, Math.ceil(durationMs / 20));
    for (let slice = 0; slice < slices; slice += 1) {
      await this.world.runFor(durationMs / slices);
      for (let turn = 0; turn < 6; turn += 1) await this.world.settle();
    }
  }

  send(message: Message): void {
    if (this.cut.has(message.from.nodeId) || this.cut.has(message.to.nodeId)) return;
    const frame = encodeMessage(message);
    this.world.schedule(
      0.1 + this.random.float(),
      () => {
        if (this.cut.has(message.to.nodeId)) return;
        this.nodes.get(message.to.nodeId)?.driver.step(decodeMessage(frame));
      },
      () => true,
    );
  }

  get leader(): RaftBenchNode | undefined {
    return [...this.nodes.values()].find(({ driver }) => driver.softState.role === "leader");
  }

  #start(nodeId: number, medium: RaftMedium, opened: OpenedRaftStore): RaftBenchNode {
    const node = new RaftBenchNode(this, { nodeId, directoryId: "d" }, medium, opened);
    this.nodes.set(nodeId, node);
    return node;
  }
}

export function voterIds(count: number): ReplicaId[] {
  return Array.from({ length: count }, (_, slot) => ({ nodeId: slot + 1, directoryId: "d" }));
}
