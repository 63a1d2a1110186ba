/**
 * Whether this machine is fit for a broker, and its data directory. A probe file is written into the directory, synced and
 * removed; its name begins with a dot, which a broker passes over (semantics 2.1(4)).
 */
import { closeSync, fdatasyncSync, openSync, readFileSync, statfsSync, statSync, unlinkSync, writeSync } from "node:fs";
import { totalmem } from "node:os";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { dirname, join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import v8 from "node:v8";
import { toFailure } from "../failure.ts";
import { formatBytes, formatMs } from "../output/units.ts";
import { findBroker } from "../platform/data-directory.ts";
import { type DataLayout, memberDirectory } from "../platform/data-layout.ts";
import { type Say, reasonOf } from "./check.ts";

const OLDEST_NODE = [20, 19] as const;
/** The oldest that is still mended. */
const SAFE_NODE = 22;
const MIB = 2 ** 20;

/** The broker's own reserve (3.8(2)): below it nothing is appended. */
const RESERVE_BYTES_MAX = 256 * MIB;
const RESERVE_SHARE = 0.05;
const LOW_SPACE_SHARE = 0.15;

const SYNCS = 20;
const SYNC_BYTES = 4096;
const SLOW_SYNC_MS = 20;
const DEAD_SYNC_MS = 500;

const FILES_WANTED = 65_536;
const FILES_NEEDED = 4_096;

const LOOP_WATCH_MS = 300;
const SLOW_LOOP_MS = 20;

/** Memory that a broker takes beside its heap. */
const BESIDE_HEAP_BYTES = 256 * MIB;

/** File systems that a data directory should not lie on, and why. */
const DOUBTFUL_FILE_SYSTEMS: ReadonlyMap<string, string> = new Map([
  ["tmpfs", "it is memory, and gone after a restart of the machine"],
  ["ramfs", "it is memory, and gone after a restart of the machine"],
  ["overlay", "it belongs to the container and goes with it; mount a volume"],
  ["aufs", "it belongs to the container and goes with it; mount a volume"],
  ["nfs", "locks and fsync of network file systems are not to be relied upon"],
  ["nfs4", "locks and fsync of network file systems are not to be relied upon"],
  ["cifs", "locks and fsync of network file systems are not to be relied upon"],
  ["smb3", "locks and fsync of network file systems are not to be relied upon"],
  ["9p", "locks and fsync of shared folders are not to be relied upon"],
  ["virtiofs", "locks and fsync of shared folders are not to be relied upon"],
  ["vboxsf", "locks and fsync of shared folders are not to be relied upon"],
]);

export interface DirectoryToCheck {
  readonly path: string;
  /** What the configuration says; null: nobody said. */
  readonly nodeId: number | null;
  /** Hosts that the doors listen on; empty: nobody said. */
  readonly hosts: readonly string[];
}

export async function checkMachine(say: Say): Promise<void> {
  checkNode(say);
  await checkNativeParts(say);
  await checkOpenFiles(say);
  checkMemory(say);
  await checkEventLoop(say);
}

export async function checkDirectory(say: Say, { path, nodeId, hosts }: DirectoryToCheck): Promise<void> {
  await checkDoors(say, hosts);
  const directory = resolve(path);
  const stat = statSync(directory, { throwIfNoEntry: false });
  if (stat === undefined) {
    const parent = nearestExisting(dirname(directory));
    say("OK", "data directory", `${directory} is not there yet; a start makes it`);
    checkWritable(say, parent);
    checkSpace(say, parent);
    return;
  }
  if (!stat.isDirectory()) {
    say("FAIL", "data directory", `${directory} is a file`, "name a directory in log.dirs");
    return;
  }
  await checkIdentity(say, directory, nodeId);
  if (checkWritable(say, directory)) checkDisk(say, directory);
}

/** What `dev` keeps of several brokers: each directory by itself, and the one disk that they lie on. */
export async function checkGroup(say: Say, path: string, { isAlone, ids }: DataLayout): Promise<void> {
  const clusters = new Map<string, number>();
  let isWritable = true;
  if (isAlone) await checkIdentity(say, resolve(path), null);
  for (let id = 1; id <= (ids.at(-1) ?? 0); id += 1) {
    const sayOf: Say = (status, check, detail, fix) => say(status, `broker ${id} ${check}`, detail, fix);
    const directory = resolve(memberDirectory(path, id));
    if (!ids.includes(id)) {
      sayOf(
        "WARN",
        "data directory",
        `${directory} is gone`,
        "a start makes it anew, from what the other brokers have",
      );
      continue;
    }
    // One after the other, as they stand.
    // oxlint-disable-next-line no-await-in-loop
    const clusterId = await checkIdentity(sayOf, directory, id);
    if (clusterId !== null) clusters.set(clusterId, id);
    if (!checkWritable(sayOf, directory)) isWritable = false;
  }
  if (clusters.size > 1) {
    const named = [...clusters].map(([clusterId, id]) => `broker ${id} of ${clusterId}`).join(", ");
    say("FAIL", "cluster", `they are not of one cluster: ${named}`, "give each cluster a directory of its own");
  }
  if (isWritable) checkDisk(say, resolve(path));
}

function checkDisk(say: Say, directory: string): void {
  checkSpace(say, directory);
  checkFileSystem(say, directory);
  checkSyncs(say, directory);
}

// ---- the machine ----

function checkNode(say: Say): void {
  const { node } = process.versions;
  const [major = 0, minor = 0] = node.split(".").map(Number);
  const isNewEnough = major > OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor >= OLDEST_NODE[1]);
  if (isNewEnough) say("OK", "node", `${node} on ${process.platform}-${process.arch}`);
  else say("FAIL", "node", `${node} is too old`, `install Node ${OLDEST_NODE.join(".")} or newer`);
}

/** Node 20 got no release for what was found in its HTTP/2 since its support ended (security 8). */
export async function checkDoors(
  say: Say,
  hosts: readonly string[],
  nodeVersion = process.versions.node,
): Promise<void> {
  const { isLoopback } = await import("@tidemark/broker/config");
  const open = hosts.filter((host) => !isLoopback(host));
  if (open.length === 0 || Number.parseInt(nodeVersion, 10) >= SAFE_NODE) return;
  const detail = `other hosts reach ${[...new Set(open)].join(", ")}, and Node ${nodeVersion} gets no fixes of its HTTP/2`;
  say("WARN", "doors", detail, `run it on Node ${SAFE_NODE} or newer`);
}

async function checkNativeParts(say: Say): Promise<void> {
  const { probeNativeParts } = await import("@tidemark/broker/platform");
  for (const { name, package: packageName, isNative, reason } of probeNativeParts()) {
    if (isNative) say("OK", `native ${name}`, packageName);
    else
      say(
        "WARN",
        `native ${name}`,
        `${packageName} does not load (${reason}): JavaScript does its work, slower`,
        "install with optional dependencies, for the platform it runs on",
      );
  }
}

async function checkOpenFiles(say: Say): Promise<void> {
  const { openFilesLimit } = await import("@tidemark/broker/platform");
  const limit = openFilesLimit(readText("/proc/self/limits"));
  if (limit === null) {
    say("OK", "open files", "the limit cannot be read on this platform");
    return;
  }
  const detail = limit === Number.POSITIVE_INFINITY ? "unlimited" : `at most ${limit}`;
  const fix = `ulimit -n ${FILES_WANTED}, or LimitNOFILE=${FILES_WANTED} in the unit, or nofile in compose`;
  if (limit < FILES_NEEDED) say("FAIL", "open files", detail, fix);
  else if (limit < FILES_WANTED) say("WARN", "open files", `${detail}; enough for few partitions and clients`, fix);
  else say("OK", "open files", detail);
}

function checkMemory(say: Say): void {
  const cgroup = cgroupLimit();
  const machine = totalmem();
  const limit = Math.min(machine, cgroup ?? machine);
  const heap = v8.getHeapStatistics().heap_size_limit;
  const what = cgroup !== null && cgroup < machine ? "the container's limit" : "the machine has";
  const detail = `${what} ${formatBytes(limit)}, the heap may take ${formatBytes(heap)}`;
  if (limit < BESIDE_HEAP_BYTES)
    say("FAIL", "memory", detail, `give the broker at least ${formatBytes(2 * BESIDE_HEAP_BYTES)}`);
  else if (heap + BESIDE_HEAP_BYTES > limit) {
    const fitting = Math.max(64, Math.floor((limit - BESIDE_HEAP_BYTES) / MIB));
    say("WARN", "memory", `${detail}: under load it may be killed`, `NODE_OPTIONS=--max-old-space-size=${fitting}`);
  } else say("OK", "memory", detail);
}

/** Of cgroup v2 or v1; null = none. */
function cgroupLimit(): number | null {
  for (const path of ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"]) {
    const text = readText(path).trim();
    if (/^\d+$/.test(text) && Number(text) < Number.MAX_SAFE_INTEGER / 2) return Number(text);
  }
  return null;
}

async function checkEventLoop(say: Say): Promise<void> {
  const histogram = monitorEventLoopDelay({ resolution: 10 });
  histogram.enable();
  await sleep(LOOP_WATCH_MS);
  histogram.disable();
  // The histogram counts the whole span between two of its own timers.
  const worst = Math.max(0, histogram.percentile(99) / 1e6 - 10);
  const detail = `delayed by at most ${formatMs(worst)} in ${formatMs(LOOP_WATCH_MS)} of idleness`;
  if (worst > SLOW_LOOP_MS)
    say("WARN", "event loop", detail, "something else takes the processor: give the broker cores of its own");
  else say("OK", "event loop", detail);
}

// ---- the data directory ----

/** The cluster that it belongs to; null where it has none, or cannot be read. */
async function checkIdentity(say: Say, directory: string, nodeId: number | null): Promise<string | null> {
  const { readIdentity } = await import("@tidemark/broker/storage");
  const { surveyDirectory } = await import("@tidemark/broker/tools");
  const { FileDisk } = await import("@tidemark/broker/platform");
  const disk = new FileDisk();
  try {
    const identity = readIdentity(disk, directory);
    if (identity === null) {
      say("OK", "data directory", `${directory} is empty; the first start makes it its own`);
      return null;
    }
    const cluster = identity.clusterId === null ? "of no cluster yet" : `of cluster ${identity.clusterId}`;
    if (nodeId !== null && identity.nodeId !== nodeId) {
      const fix = `set node.id=${identity.nodeId}, or use another directory`;
      say("FAIL", "data directory", `${directory} belongs to node ${identity.nodeId}, this is node ${nodeId}`, fix);
    } else say("OK", "data directory", `${directory}: node ${identity.nodeId} ${cluster}`);
    const pid = findBroker(directory);
    const survey = surveyDirectory(disk, directory, { isLive: pid !== null });
    if (pid !== null) say("OK", "last stop", `a broker runs on it now (pid ${pid})`);
    else if (survey?.isClean === true) say("OK", "last stop", "clean");
    else if (identity.clusterId !== null)
      say(
        "WARN",
        "last stop",
        "not clean; the next start looks through all logs",
        "tidemark logs recover DIR --dry-run says what it would do",
      );
    for (const { severity, path, message } of survey?.findings ?? []) {
      if (severity === "damage") say("FAIL", "data directory", `${path}: ${message}`, "tidemark logs verify DIR");
    }
    return identity.clusterId;
  } catch (error: unknown) {
    const { code, message } = toFailure(error);
    say("FAIL", "data directory", `${code}: ${message}`, `tidemark explain ${code}`);
    return null;
  }
}

function checkWritable(say: Say, directory: string): boolean {
  try {
    withProbe(directory, () => undefined);
    say("OK", "writable", directory);
    return true;
  } catch (error: unknown) {
    say(
      "FAIL",
      "writable",
      reasonOf(error),
      `let user ${process.getuid?.() ?? "of the broker"} write there: chown, or mount it rw`,
    );
    return false;
  }
}

function checkSpace(say: Say, directory: string): void {
  const { bavail, blocks, bsize } = statfsSync(directory);
  const free = bavail * bsize;
  const total = blocks * bsize;
  const reserve = Math.min(RESERVE_BYTES_MAX, total * RESERVE_SHARE);
  const detail = `${formatBytes(free)} of ${formatBytes(total)} free`;
  const fix = "delete topics, lower retention, or give it a larger disk";
  if (free < reserve)
    say("FAIL", "free space", `${detail}: below the reserve of ${formatBytes(reserve)} nothing is appended`, fix);
  else if (free < 2 * reserve || free < total * LOW_SPACE_SHARE) say("WARN", "free space", detail, fix);
  else say("OK", "free space", detail);
}

function checkFileSystem(say: Say, directory: string): void {
  const kind = fileSystemOf(readText("/proc/mounts"), directory);
  if (kind === null) return;
  const doubt = kind.startsWith("fuse")
    ? "fsync of file systems in user space is not to be relied upon"
    : DOUBTFUL_FILE_SYSTEMS.get(kind);
  if (doubt === undefined) say("OK", "file system", kind);
  else say("WARN", "file system", `${kind}: ${doubt}`, "use a local disk with ext4 or xfs");
}

/** Kind of the file system that `path` lies on, from the text of /proc/mounts; null when that does not say. */
export function fileSystemOf(mounts: string, path: string): string | null {
  let best: { readonly at: string; readonly kind: string } | null = null;
  for (const line of mounts.split("\n")) {
    const [, atEscaped, kind] = line.split(" ");
    if (atEscaped === undefined || kind === undefined) continue;
    const at = atEscaped.replace(/\\(\d{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
    const isAbove = at === "/" || path === at || path.startsWith(`${at}/`);
    // Of two mounts on one place the later one counts.
    if (isAbove && (best === null || at.length >= best.at.length)) best = { at, kind };
  }
  return best?.kind ?? null;
}

function checkSyncs(say: Say, directory: string): void {
  const tookMs: number[] = [];
  try {
    withProbe(directory, (descriptor) => {
      const bytes = Buffer.alloc(SYNC_BYTES, 1);
      for (let slot = 0; slot < SYNCS; slot += 1) {
        writeSync(descriptor, bytes, 0, bytes.length, slot * SYNC_BYTES);
        const from = performance.now();
        fdatasyncSync(descriptor);
        tookMs.push(performance.now() - from);
        if (tookMs.reduce((sum, ms) => sum + ms, 0) > 10 * DEAD_SYNC_MS) break;
      }
    });
  } catch (error: unknown) {
    say("FAIL", "fsync", reasonOf(error), "look at the disk: what cannot be synced cannot be kept");
    return;
  }
  tookMs.sort((left, right) => left - right);
  const median = tookMs[tookMs.length >> 1] ?? 0;
  const detail = `${median.toFixed(2)} ms in the middle, ${(tookMs.at(-1) ?? 0).toFixed(2)} ms at worst, of ${tookMs.length}`;
  const fix =
    "every acknowledged write waits for one: use a local SSD, or tidemark.durability=page-cache where that will do";
  if (median > DEAD_SYNC_MS) say("FAIL", "fsync", detail, fix);
  else if (median > SLOW_SYNC_MS) say("WARN", "fsync", detail, fix);
  else say("OK", "fsync", detail);
}

/** Opens a file of our own in the directory, and leaves nothing behind. */
function withProbe(directory: string, use: (descriptor: number) => void): void {
  const path = join(directory, `.tidemark-doctor-${process.pid}`);
  // Exclusive: a file that stands there is not ours.
  const descriptor = openSync(path, "wx", 0o600);
  try {
    use(descriptor);
  } finally {
    closeSync(descriptor);
    unlinkSync(path);
  }
}

function nearestExisting(path: string): string {
  return statSync(path, { throwIfNoEntry: false }) === undefined ? nearestExisting(dirname(path)) : path;
}

/** Empty where there is none: not every platform has the file. */
function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
