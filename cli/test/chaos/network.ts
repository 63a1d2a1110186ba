/**
 * The networks between the brokers of a chaos run, where each way from one broker to another can be cut.
 *
 * Namespaces, as root on Linux: one per broker, all on one bridge, in the network namespace of the run; a cut is a route that leads
 * nowhere. When the process that made the outer namespace ends, the kernel takes them all.
 *
 * Proxies, anywhere: all brokers stand on one loopback, and each dials the peer doors of the others through proxies of its own,
 * which its `controller.quorum.voters` names in their place.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { CuttableProxy } from "./cuttable-proxy.ts";

const PREFIX = "10.77.0";
const HARNESS = 254;

export const NETWORKS = ["namespaces", "proxies"] as const;
export type NetworkKind = (typeof NETWORKS)[number];

/** What a run is wrapped in, so that mounts and processes vanish with it, however it ends. */
const OUTER_NAMESPACE = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"] as const;
/** The same, and the bridge and the namespaces on it. */
const OUTER_NETWORK = [...OUTER_NAMESPACE, "--net"] as const;

/** Why this machine cannot give each broker a network of its own; null: it can. */
export function whyNoNamespaces(): string | null {
  if (process.platform !== "linux") return "only Linux has network namespaces";
  if (process.getuid?.() !== 0) return "network namespaces need root";
  const probe =
    "mount -t tmpfs none /run/netns 2>/dev/null || mkdir -p /run/netns && mount -t tmpfs none /run/netns; ip link add probe type bridge";
  const [file, ...flags] = OUTER_NETWORK;
  const { status } = spawnSync(file, [...flags, "sh", "-c", probe], { stdio: "ignore", timeout: 10_000 });
  return status === 0 ? null : "`ip` cannot make a bridge in a namespace here";
}

/** How a run with that network is wrapped. */
export function outerNamespace(kind: NetworkKind): readonly string[] {
  return kind === "namespaces" ? OUTER_NETWORK : OUTER_NAMESPACE;
}

export function makeNetwork(kind: NetworkKind, nodeIds: readonly number[]): Network {
  return kind === "namespaces" ? new NamespacedNetwork(nodeIds) : new ProxiedLoopback();
}

export interface Network extends AsyncDisposable {
  hostOf(nodeId: number): string;
  /** The peer doors that will stand there, by node id; before any broker starts. */
  connect(peerPorts: ReadonlyMap<number, number>): Promise<void>;
  /** host:port where a broker dials the peer door of another, or finds its own. */
  peerAddress(from: number, to: number): string;
  /** What goes before a command so that it runs on the network of a broker. */
  commandPrefix(nodeId: number): readonly string[];
  /** Nothing comes from one broker to the other from now on; the other way it does. */
  cut(from: number, to: number): void;
  heal(): void;
}

/** One loopback for all, and nothing between the brokers: for runs that cut nobody off. */
export class PlainLoopback implements Network {
  readonly #ports = new Map<number, number>();

  hostOf(): string {
    return "127.0.0.1";
  }

  async connect(peerPorts: ReadonlyMap<number, number>): Promise<void> {
    for (const [nodeId, port] of peerPorts) this.#ports.set(nodeId, port);
  }

  peerAddress(_from: number, to: number): string {
    return `${this.hostOf()}:${this.#ports.get(to)}`;
  }

  commandPrefix(): readonly string[] {
    return [];
  }

  cut(): void {
    throw new Error("there is nothing to cut on a plain loopback");
  }

  heal(): void {
    // Nothing was cut.
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // It has nothing of its own.
  }
}

export class ProxiedLoopback implements Network {
  readonly #ports = new Map<number, number>();
  /** Who dials, whom, and through what. */
  readonly #ways: { readonly from: number; readonly to: number; readonly proxy: CuttableProxy }[] = [];

  hostOf(): string {
    return "127.0.0.1";
  }

  async connect(peerPorts: ReadonlyMap<number, number>): Promise<void> {
    for (const [to, port] of peerPorts) {
      this.#ports.set(to, port);
      const diallers = [...peerPorts.keys()].filter((from) => from !== to);
      const proxies = await Promise.all(diallers.map(() => CuttableProxy.open(port)));
      for (const [slot, proxy] of proxies.entries()) this.#ways.push({ from: diallers[slot] ?? -1, to, proxy });
    }
  }

  peerAddress(from: number, to: number): string {
    const way = this.#ways.find((one) => one.from === from && one.to === to);
    return `${this.hostOf()}:${way?.proxy.port ?? this.#ports.get(to)}`;
  }

  commandPrefix(): readonly string[] {
    return [];
  }

  cut(from: number, to: number): void {
    for (const way of this.#ways) {
      if (way.from === from && way.to === to) way.proxy.cut("there");
      if (way.from === to && way.to === from) way.proxy.cut("back");
    }
  }

  heal(): void {
    for (const { proxy } of this.#ways) proxy.heal();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#ways.splice(0).map(({ proxy }) => proxy[Symbol.asyncDispose]()));
  }
}

export class NamespacedNetwork implements Network {
  readonly #ports = new Map<number, number>();
  readonly #cuts: { readonly from: number; readonly to: number }[] = [];

  constructor(nodeIds: readonly number[]) {
    execFileSync("mkdir", ["-p", "/run/netns"]);
    execFileSync("mount", ["-t", "tmpfs", "none", "/run/netns"]);
    ip("link", "add", "chaos", "type", "bridge");
    ip("address", "add", `${PREFIX}.${HARNESS}/24`, "dev", "chaos");
    ip("link", "set", "chaos", "up");
    ip("link", "set", "lo", "up");
    for (const id of nodeIds) {
      ip("netns", "add", `b${id}`);
      ip("link", "add", `v${id}`, "type", "veth", "peer", "name", "eth0", "netns", `b${id}`);
      ip("link", "set", `v${id}`, "master", "chaos", "up");
      ip("-n", `b${id}`, "address", "add", `${PREFIX}.${id}/24`, "dev", "eth0");
      ip("-n", `b${id}`, "link", "set", "eth0", "up");
      ip("-n", `b${id}`, "link", "set", "lo", "up");
    }
  }

  hostOf(nodeId: number): string {
    return `${PREFIX}.${nodeId}`;
  }

  async connect(peerPorts: ReadonlyMap<number, number>): Promise<void> {
    for (const [nodeId, port] of peerPorts) this.#ports.set(nodeId, port);
  }

  peerAddress(_from: number, to: number): string {
    return `${this.hostOf(to)}:${this.#ports.get(to)}`;
  }

  commandPrefix(nodeId: number): readonly string[] {
    return ["ip", "netns", "exec", `b${nodeId}`];
  }

  cut(from: number, to: number): void {
    ip("-n", `b${from}`, "route", "add", "blackhole", `${PREFIX}.${to}/32`);
    this.#cuts.push({ from, to });
  }

  heal(): void {
    for (const { from, to } of this.#cuts.splice(0))
      ip("-n", `b${from}`, "route", "del", "blackhole", `${PREFIX}.${to}/32`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Ends with the process.
  }
}

function ip(...args: readonly string[]): void {
  execFileSync("ip", args, { stdio: ["ignore", "ignore", "pipe"] });
}
