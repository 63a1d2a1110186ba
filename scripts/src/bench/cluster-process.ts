/** Three shipped brokers as processes of their own on one machine, with the settings that nobody has to make. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { join, resolve } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { ask } from "./ask.ts";
import { type Inside, POOL } from "./broker-process.ts";
import { ownProcess } from "./left-behind.ts";
import { cpuSecondsOf, memoryMiBOf } from "./measure.ts";

const launcher = resolve(import.meta.dirname, "../../../../cli/bin/tidemark.js");
const HOST = "127.0.0.1";
const READY_WITHIN_MS = 180_000;
const POLL_MS = 20;

interface Ports {
  readonly grpc: number;
  readonly http: number;
  readonly peer: number;
}

export interface ClusterOptions {
  /** `inside` can be asked. */
  readonly isObserved?: boolean;
  /** Beside what a cluster on one machine has to be told. */
  readonly settings?: Readonly<Record<string, string>>;
}

export class ClusterProcess {
  readonly addresses: readonly string[];
  readonly #root: string;
  readonly #ports: readonly Ports[];
  readonly #options: ClusterOptions;
  readonly #children = new Map<number, ChildProcess>();

  private constructor(root: string, ports: readonly Ports[], options: ClusterOptions) {
    this.#root = root;
    this.#ports = ports;
    this.#options = options;
    this.addresses = ports.map(({ grpc }) => `${HOST}:${grpc}`);
  }

  /** Brokers 1 to `count`, ready. */
  static async start(root: string, count: number, options: ClusterOptions = {}): Promise<ClusterProcess> {
    const ports = await Promise.all(Array.from({ length: count }, freePorts));
    const cluster = new ClusterProcess(root, ports, options);
    await Promise.all(ports.map((_, slot) => cluster.start(slot + 1)));
    return cluster;
  }

  /** Starts a broker, the first time or again, and resolves when it is ready. */
  async start(nodeId: number): Promise<void> {
    const own = this.#portsOf(nodeId);
    const settings = {
      "node.id": String(nodeId),
      "controller.quorum.voters": this.#ports.map(({ peer }, slot) => `${slot + 1}@${HOST}:${peer}`).join(","),
      "log.dirs": this.dataDir(nodeId),
      listeners: `GRPC://${HOST}:${own.grpc},HTTP://${HOST}:${own.http},PEER://${HOST}:${own.peer}`,
      "log.level": "error",
      ...this.#options.settings,
    };
    const flags = Object.entries(settings).flatMap(([key, value]) => ["--set", `${key}=${value}`]);
    const isObserved = this.#options.isObserved ?? false;
    const hook = isObserved ? ["--import", new URL("inside.js", import.meta.url).href] : [];
    const child = ownProcess(
      spawn(process.execPath, [...hook, launcher, "server", "start", "-q", ...flags], {
        env: { ...POOL, ...process.env },
        stdio: ["ignore", "ignore", "inherit", ...(isObserved ? ["ipc" as const] : [])],
      }),
    );
    this.#children.set(nodeId, child);
    const limit = performance.now() + READY_WITHIN_MS;
    while (!(await isReady(own.http))) {
      if (child.exitCode !== null || performance.now() > limit)
        throw new Error(`broker ${nodeId} did not become ready`);
      await pause(POLL_MS);
    }
  }

  /** Resolves when the process is gone. */
  async kill(nodeId: number, signal: "SIGKILL" | "SIGTERM" = "SIGKILL"): Promise<void> {
    const child = this.#children.get(nodeId);
    if (child === undefined) return;
    this.#children.delete(nodeId);
    const ended = once(child, "exit");
    child.kill(signal);
    await ended;
  }

  async stop(signal: "SIGKILL" | "SIGTERM" = "SIGKILL"): Promise<void> {
    await Promise.all([...this.#children.keys()].map((nodeId) => this.kill(nodeId, signal)));
  }

  dataDir(nodeId: number): string {
    return join(this.#root, `broker-${nodeId}`);
  }

  cpuSeconds(nodeId: number): number {
    return cpuSecondsOf(this.#pidOf(nodeId));
  }

  peakMiB(): number {
    return Math.max(...[...this.#children.keys()].map((nodeId) => memoryMiBOf(this.#pidOf(nodeId), "VmHWM")));
  }

  /** Only when the cluster was started with `isObserved`. */
  async inside(nodeId: number): Promise<Inside> {
    const child = this.#children.get(nodeId);
    if (child === undefined) throw new RangeError(`broker ${nodeId} does not run`);
    return await ask<Inside>(child, "inside");
  }

  #pidOf(nodeId: number): number {
    return this.#children.get(nodeId)?.pid ?? 0;
  }

  #portsOf(nodeId: number): Ports {
    const ports = this.#ports[nodeId - 1];
    if (ports === undefined) throw new RangeError(`there is no broker ${nodeId}`);
    return ports;
  }
}

/** A broker that still waits for others counts as ready where they may wait for it: here it is one that serves clients. */
async function isReady(httpPort: number): Promise<boolean> {
  try {
    const response = await fetch(`http://${HOST}:${httpPort}/readyz?verbose`);
    const { ready, waitingFor } = (await response.json()) as { ready: boolean; waitingFor: readonly string[] };
    return ready && waitingFor.length === 0;
  } catch {
    return false;
  }
}

/** Free a moment ago: the brokers must know each other's before one of them starts. */
async function freePorts(): Promise<Ports> {
  const servers = await Promise.all(
    Array.from({ length: 3 }, async () => {
      const server = createServer().listen(0, HOST);
      await once(server, "listening");
      return server;
    }),
  );
  const [grpc = 0, http = 0, peer = 0] = servers.map((server) => {
    const address = server.address();
    return typeof address === "object" && address !== null ? address.port : 0;
  });
  await Promise.all(servers.map((server) => new Promise((resolveClosed) => server.close(resolveClosed))));
  return { grpc, http, peer };
}
