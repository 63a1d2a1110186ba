/** The brokers of a chaos run, and what is known of them from outside: who leads, who is in sync, who is the controller. */
import { mkdirSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Client, type TopicDescription } from "@tidemark/client";
import { FailingDisk } from "../support/mounts.ts";
import { BrokerProcess } from "./broker-process.ts";
import type { Network } from "./network.ts";

const POLL_MS = 100;
const JOIN_LIMIT_MS = 300_000;
const DISK_MEBIBYTES = 2_048;

export interface ClusterOptions {
  readonly folder: string;
  readonly brokersCount: number;
  /** The first so many vote; the others join later, and only follow. Default: all. */
  readonly votersCount?: number;
  readonly network: Network;
  /** Each broker's data lies on a medium of its own that can be filled and can fail. */
  readonly hasOwnDisks: boolean;
  readonly settings: Readonly<Record<string, string>>;
  readonly onUnexpectedEnd: (message: string) => void;
}

/** Something that a healthy cluster does within a bound, and this one did not (RE15). */
export class LivenessFailure extends Error {}

export class ChaosCluster implements AsyncDisposable {
  readonly brokers: readonly BrokerProcess[];
  readonly network: Network;
  readonly client: Client;
  readonly bootstrap: readonly string[];
  readonly #folder: string;
  readonly #disks: ReadonlyMap<number, FailingDisk>;

  private constructor(options: ClusterOptions, ports: readonly Ports[], disks: ReadonlyMap<number, FailingDisk>) {
    const { folder, network } = options;
    this.#folder = folder;
    this.#disks = disks;
    this.network = network;
    this.bootstrap = ports.map(({ grpc }, slot) => `${network.hostOf(slot + 1)}:${grpc}`);
    this.brokers = ports.map(({ grpc, http, peer }, slot) => {
      const nodeId = slot + 1;
      const host = network.hostOf(nodeId);
      mkdirSync(this.#diskPath(nodeId), { recursive: true });
      return new BrokerProcess({
        nodeId,
        commandPrefix: network.commandPrefix(nodeId),
        settings: {
          "node.id": String(nodeId),
          "controller.quorum.voters": ports
            .slice(0, options.votersCount)
            .map((_, other) => `${other + 1}@${network.peerAddress(nodeId, other + 1)}`)
            .join(","),
          "log.dirs": this.dataDirectory(nodeId),
          // A network of its own that nobody else is on.
          "security.allow.insecure.listeners": "GRPC,HTTP,PEER",
          listeners: `GRPC://${host}:${grpc},HTTP://${host}:${http},PEER://${host}:${peer}`,
          ...options.settings,
        },
        logPath: join(folder, `broker-${nodeId}.log`),
        http: `${host}:${http}`,
        onUnexpectedEnd: options.onUnexpectedEnd,
      });
    });
    this.client = new Client({ brokers: this.bootstrap, retry: { budget: 60_000 } });
  }

  static async make(options: ClusterOptions): Promise<ChaosCluster> {
    const ids = Array.from({ length: options.brokersCount }, (_, slot) => slot + 1);
    const held = await Promise.all(ids.map(() => Promise.all(Array.from({ length: 3 }, listen))));
    const ports = held.map(portsOf);
    // What the network listens on itself is none of the ports that the brokers will have.
    await options.network.connect(new Map(ports.map(({ peer }, slot) => [slot + 1, peer])));
    await Promise.all(held.flat().map((server) => new Promise((resolve) => server.close(resolve))));
    const disks = new Map<number, FailingDisk>();
    if (options.hasOwnDisks)
      for (const id of ids)
        disks.set(id, new FailingDisk({ mebibytes: DISK_MEBIBYTES, backedMebibytes: DISK_MEBIBYTES }));
    return new ChaosCluster(options, ports, disks);
  }

  broker(nodeId: number): BrokerProcess {
    const broker = this.brokers[nodeId - 1];
    if (broker === undefined) throw new RangeError(`there is no broker ${nodeId}`);
    return broker;
  }

  disk(nodeId: number): FailingDisk {
    const disk = this.#disks.get(nodeId);
    if (disk === undefined) throw new RangeError(`broker ${nodeId} has no disk of its own`);
    return disk;
  }

  dataDirectory(nodeId: number): string {
    return join(this.#diskPath(nodeId), "data");
  }

  /** Of a broker that does not run. */
  wipe(nodeId: number): void {
    rmSync(this.dataDirectory(nodeId), { recursive: true, force: true });
  }

  startAll(): Promise<void> {
    return this.start(this.brokers.map(({ nodeId }) => nodeId));
  }

  async start(nodeIds: readonly number[]): Promise<void> {
    const starting = nodeIds.map((id) => this.broker(id));
    for (const broker of starting) broker.start();
    await Promise.all(starting.map((broker) => broker.untilReady()));
    // Ready means that a broker serves; that the controller counts on it as well is another matter.
    await this.until(`brokers ${nodeIds.join(", ")} to be alive`, JOIN_LIMIT_MS, async () => {
      const { brokers } = await this.client.admin.cluster({ timeout: 120_000 });
      const missing = nodeIds.filter((id) => !brokers.some((broker) => broker.id === id && broker.alive));
      return missing.length === 0 ? null : `${missing.join(", ")} are not`;
    });
  }

  async describe(topic: string): Promise<TopicDescription> {
    return this.client.admin.topics.describe(topic, { timeout: 120_000 });
  }

  /** -1 while there is none. */
  async leaderOf(topic: string, partition: number): Promise<number> {
    const { detail } = await this.describe(topic);
    return detail.find((one) => one.partition === partition)?.leader ?? -1;
  }

  async controller(): Promise<number> {
    return (await this.client.admin.cluster({ timeout: 120_000 })).controllerId;
  }

  /**
   * Every broker ready and with a seat in the quorum, every replica of `topics` in sync: only then may a fault destroy a disk, or it could
   * be the last copy but one (a voter that was wiped loses its old seat before it gets a new one). @throws LivenessFailure after `limitMs`, saying what is missing
   */
  async untilWhole(topics: readonly string[], limitMs: number): Promise<void> {
    await this.until("the cluster to be whole", limitMs, async () => {
      for (const broker of this.brokers) if (!(await broker.isReady())) return `broker ${broker.nodeId} is not ready`;
      const { nodes } = await this.client.admin.raft.status({ timeout: 120_000 });
      const seated = nodes.filter(({ voter, lag }) => voter && lag === 0);
      if (seated.length < this.brokers.length) return `only ${seated.length} voters have the whole metadata log`;
      return this.#outOfSync(topics);
    });
  }

  /** Every partition of `topics` led, every replica of it in sync. @throws LivenessFailure */
  async untilInSync(topics: readonly string[], limitMs: number): Promise<void> {
    await this.until("all replicas to be in sync", limitMs, () => this.#outOfSync(topics));
  }

  async #outOfSync(topics: readonly string[]): Promise<string | null> {
    for (const topic of topics) {
      const { detail } = await this.describe(topic);
      for (const { partition, leader, replicas, isr } of detail) {
        if (leader === null || leader < 0) return `${topic}-${partition} has no leader`;
        if (isr.length < replicas.length)
          return `${topic}-${partition} has only [${isr.join(",")}] of [${replicas.join(",")}] in sync`;
      }
    }
    return null;
  }

  /** Asks again until the answer is null: nothing is missing. */
  async until(what: string, limitMs: number, missing: () => Promise<string | null>): Promise<void> {
    const limit = performance.now() + limitMs;
    for (;;) {
      const reason = await missing().catch((error: unknown) => String(error));
      if (reason === null) return;
      if (performance.now() > limit) throw new LivenessFailure(`waited ${limitMs} ms for ${what}: ${reason}`);
      await sleep(POLL_MS);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.client.close({ timeout: 0 }).catch(() => undefined);
    await Promise.all(this.brokers.map((broker) => broker.kill()));
    await this.network[Symbol.asyncDispose]();
  }

  #diskPath(nodeId: number): string {
    return this.#disks.get(nodeId)?.path ?? join(this.#folder, `broker-${nodeId}`);
  }
}

interface Ports {
  readonly grpc: number;
  readonly http: number;
  readonly peer: number;
}

/** Of servers that are about to close: a broker must come back to the same ones, and its peers must know them before it starts. */
function portsOf(servers: readonly Server[]): Ports {
  const [grpc = 0, http = 0, peer = 0] = servers.map((server) => {
    const address = server.address();
    return typeof address === "object" && address !== null ? address.port : 0;
  });
  return { grpc, http, peer };
}

function listen(): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => resolve(server));
  });
}
