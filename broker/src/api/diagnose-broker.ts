/**
 * What a running broker finds out about itself and the machine under it, one line a check (`tidemark doctor`): well, doubtful or bad,
 * with what to do. What all brokers judge alike, by the metadata, is describe-health.ts.
 */
import { effectiveMinIsr, replicationFactorOf } from "../metadata/index.ts";
import type { BrokerContext } from "./broker-context.ts";

export interface Diagnosis {
  readonly brokerId: number;
  readonly version: string;
  /** Unix ms, by this broker's clock. */
  readonly nowMs: number;
  readonly checks: readonly Check[];
}

export interface Check {
  /** Stable: "disk space", "fsync" and so on. */
  readonly name: string;
  readonly status: "OK" | "WARN" | "FAIL";
  readonly detail: string;
  /** Empty when all is well. */
  readonly fix: string;
}

/** What the process says of itself and its machine; the composition root knows. */
export interface Machine {
  /** Descriptors that the process may have; null: not known here. */
  readonly openFilesMax: number | null;
  /** Names of native parts whose work JavaScript does. */
  readonly missingNativeParts: readonly string[];
  /** 99th percentile of how late timers came since the start, in ms; null: not measured yet. */
  readonly loopDelayMs: number | null;
}

const FILES_NEEDED = 4_096;
const FILES_WANTED = 65_536;
const SLOW_SYNC_MS = 100;
const DEAD_SYNC_MS = 500;
const HELD_SYNC_MS = 1_000;
const SLOW_LOOP_MS = 200;
const LOW_SPACE_SHARE = 0.15;
/** Topics that one line names. */
const NAMED_MAX = 5;
const MIB = 2 ** 20;

const well = (name: string, detail: string): Check => ({ name, status: "OK", detail, fix: "" });
const warn = (name: string, detail: string, fix: string): Check => ({ name, status: "WARN", detail, fix });
const fail = (name: string, detail: string, fix: string): Check => ({ name, status: "FAIL", detail, fix });

export async function handleDiagnoseBroker(context: BrokerContext): Promise<Diagnosis> {
  const machine = await context.machine();
  return {
    brokerId: context.config.base.nodeId,
    version: context.version,
    nowMs: context.clock.wallNow(),
    checks: [
      checkSession(context),
      checkDirectory(context),
      checkSyncs(context),
      checkLastStop(context),
      checkDamage(context),
      checkOpenFiles(machine),
      checkNativeParts(machine),
      checkEventLoop(machine),
      checkMinIsr(context),
    ],
  };
}

/** Its own view of the cluster: one that is cut off knows no controller, and does not know that it is fenced. */
function checkSession(context: BrokerContext): Check {
  const { nodeId } = context.config.base;
  const own = context.image().brokers.get(nodeId);
  const quorum = context.quorum();
  if (quorum !== null && quorum.leaderId < 0) {
    const voters = quorum.nodes.filter(({ isVoter }) => isVoter).map(({ id }) => id);
    return fail(
      "controller",
      `it knows no controller: no majority of the voters ${voters.join(", ")} is heard from here`,
      "start the voters that are away, or mend the network between the brokers (PEER listeners)",
    );
  }
  if (own?.isFenced !== false)
    return fail("controller", "it runs and is fenced", "look whether the controller reaches its PEER listener");
  return well("controller", `in the cluster, led by broker ${quorum?.leaderId ?? nodeId}`);
}

function checkDirectory(context: BrokerContext): Check {
  const { replicas, disk } = context;
  const name = "disk space";
  if (replicas.isOffline)
    return fail("disk space", `the data directory ${replicas.path} is offline`, "mend the disk, then restart it");
  const fix = "delete topics, lower retention, or give it a larger disk";
  if (replicas.isFull) return fail(name, replicas.fullMessage, fix);
  if (context.quorum()?.isSuspended === true) return fail(name, "no room to store metadata", fix);
  try {
    const free = disk.freeBytes(replicas.path);
    const total = disk.totalBytes(replicas.path);
    const detail = `${Math.round(free / MIB)} of ${Math.round(total / MIB)} MiB free`;
    return free < total * LOW_SPACE_SHARE ? warn(name, detail, fix) : well(name, detail);
  } catch {
    return well(name, "the file system does not say how much is free");
  }
}

function checkSyncs({ replicas }: BrokerContext): Check {
  const pace = replicas.syncPace;
  const fix = "find what else writes to that disk, or use a local SSD; `page-cache` topics do not wait for it";
  if (pace === null) return well("fsync", "no log is open");
  const { count, meanMs, worstMs, runningMs } = pace;
  const last =
    count === 0 ? "none in the last minute" : `${ms(meanMs)} in the mean, ${ms(worstMs)} at worst, of ${count}`;
  if (runningMs >= HELD_SYNC_MS) return fail("fsync", `the disk is slow: a sync runs for ${ms(runningMs)}`, fix);
  if (count > 0 && meanMs >= DEAD_SYNC_MS) return fail("fsync", `the disk is slow: ${last}`, fix);
  if (count > 0 && meanMs >= SLOW_SYNC_MS) return warn("fsync", `the disk is slow: ${last}`, fix);
  return well("fsync", last);
}

function checkLastStop(context: BrokerContext): Check {
  const { nodeId } = context.config.base;
  const name = "last stop";
  if (context.image().brokers.get(nodeId)?.isUnclean !== true) return well(name, "clean");
  return warn(
    name,
    "it was not stopped cleanly before it started: killed, crashed, or its machine lost power",
    "look why in its log and the kernel's (dmesg); stop brokers with SIGTERM and give them time",
  );
}

function checkDamage({ replicas }: BrokerContext): Check {
  const { replicas: count } = replicas.damage;
  if (count === 0) return well("damage", "none is known");
  const fix = "tidemark partitions list --unhealthy; from peers it is repaired by itself";
  return fail("damage", `${count} of its replicas ${count === 1 ? "is" : "are"} damaged`, fix);
}

function checkOpenFiles({ openFilesMax: max }: Machine): Check {
  if (max === null) return well("open files", "the limit is not known on this platform");
  const fix = `ulimit -n ${FILES_WANTED}, LimitNOFILE=${FILES_WANTED} in the unit, or nofile in compose`;
  const detail = max === Number.POSITIVE_INFINITY ? "unlimited" : `at most ${max}`;
  if (max < FILES_NEEDED) return fail("open files", detail, fix);
  return max < FILES_WANTED ? warn("open files", detail, fix) : well("open files", detail);
}

function checkNativeParts({ missingNativeParts: missing }: Machine): Check {
  if (missing.length === 0) return well("native parts", "all are loaded");
  const detail = `${missing.join(", ")}: JavaScript does their work, slower`;
  return warn("native parts", detail, "install with optional dependencies, for the platform it runs on");
}

function checkEventLoop({ loopDelayMs: delay }: Machine): Check {
  if (delay === null) return well("event loop", "not measured yet");
  const detail = `timers come up to ${ms(delay)} late (99 of 100)`;
  const fix = "give the broker cores of its own, or spread its partitions over more brokers";
  return delay > SLOW_LOOP_MS ? warn("event loop", detail, fix) : well("event loop", detail);
}

/** Topics that the loss of any one broker stops. */
function checkMinIsr(context: BrokerContext): Check {
  const image = context.image();
  const strict: string[] = [];
  for (const topic of image.topics.values()) {
    const [first] = topic.partitions;
    const count = first === undefined ? 0 : replicationFactorOf(first);
    if (count > 1 && effectiveMinIsr(image, topic, count) === count) strict.push(topic.name);
  }
  const name = "min.insync.replicas";
  if (strict.length === 0) return well(name, "every topic of several replicas bears the loss of one");
  const named = strict.slice(0, NAMED_MAX).join(", ");
  const rest = strict.length > NAMED_MAX ? ` and ${strict.length - NAMED_MAX} more` : "";
  return warn(
    name,
    `${named}${rest}: as many as there are replicas, so that the loss of any one stops acks=all`,
    "tidemark configs set topic/NAME min.insync.replicas=N, below the number of replicas",
  );
}

function ms(value: number): string {
  return value < 10 ? `${value.toFixed(1)} ms` : `${Math.round(value)} ms`;
}
