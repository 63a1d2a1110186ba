/**
 * A network namespace per broker, all on one bridge, in the network namespace of the run: a cut is a route that leads
 * nowhere, for one direction at a time. When the process that made the outer namespace ends, the kernel takes them all.
 *
 * Without root there is one loopback for all, and nothing can be cut.
 */
import { execFileSync, spawnSync } from "node:child_process";

const PREFIX = "10.77.0";
const HARNESS = 254;

/** What a run is wrapped in, so that namespaces, bridges, mounts and processes vanish with it, however it ends. */
export const OUTER_NAMESPACE = [
  "unshare",
  "--net",
  "--mount",
  "--pid",
  "--fork",
  "--kill-child",
  "--mount-proc",
] as const;

/** Why this machine cannot give each broker a network of its own; null: it can. */
export function whyNoNamespaces(): string | null {
  if (process.platform !== "linux") return "only Linux has network namespaces";
  if (process.getuid?.() !== 0) return "network namespaces need root";
  const probe =
    "mount -t tmpfs none /run/netns 2>/dev/null || mkdir -p /run/netns && mount -t tmpfs none /run/netns; ip link add probe type bridge";
  const [file, ...flags] = OUTER_NAMESPACE;
  const { status } = spawnSync(file, [...flags, "sh", "-c", probe], { stdio: "ignore", timeout: 10_000 });
  return status === 0 ? null : "`ip` cannot make a bridge in a namespace here";
}

export interface Network {
  readonly canCut: boolean;
  hostOf(nodeId: number): string;
  /** What goes before a command so that it runs on the network of a broker. */
  commandPrefix(nodeId: number): readonly string[];
  /** Packets from one broker to the other are dropped from now on; the other way they go. */
  cut(from: number, to: number): void;
  heal(): void;
}

export class Loopback implements Network {
  readonly canCut = false;

  hostOf(): string {
    return "127.0.0.1";
  }

  commandPrefix(): readonly string[] {
    return [];
  }

  cut(): void {
    throw new Error("loopback cannot be cut");
  }

  heal(): void {
    // Nothing was cut.
  }
}

export class NamespacedNetwork implements Network {
  readonly canCut = true;
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
}

function ip(...args: readonly string[]): void {
  execFileSync("ip", args, { stdio: ["ignore", "ignore", "pipe"] });
}
