/**
 * Three real brokers under faults, with clients running the whole time (testing 6); `npm run chaos -- --help`.
 *
 * Prints its plan first, so that it can be replayed (--plan), then a line for each fault. At the end all is healed, every
 * partition is read to its end, all brokers are stopped, their logs are held against one another, and they are started and
 * read once more. Exit 0: no acknowledged record was lost, doubled or reordered, replicas are byte-identical up to the high
 * watermark, every producer and reader still ran, and each fault was followed by a cluster that was whole again. 1: not so;
 * the folder with data, logs and history stays.
 *
 * As root on Linux every broker has a network and a disk of its own. Elsewhere proxies stand between the brokers, which `--network
 * proxies` asks for as root too, and the faults that need disks are skipped, aloud.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { SeededRandom } from "@tidemark/broker/base";
import { checkHistory, type Verdict } from "@tidemark/broker/sim";
import { whyNot } from "../support/mounts.ts";
import { printEvent, writeSends } from "./account.ts";
import { ChaosCluster, LivenessFailure } from "./cluster.ts";
import { type Capability, type Fault, FAULTS, rotated } from "./faults.ts";
import { makeNetwork, NETWORKS, type NetworkKind, outerNamespace, whyNoNamespaces } from "./network.ts";
import { makePlan, type PlannedFault } from "./plan.ts";
import { compareReplicas } from "./replicas.ts";
import { Workload } from "./workload.ts";

const TOPIC = "chaos";
const PROBE_TOPIC = `${TOPIC}-probe`;
const BROKERS = 3;
const PARTITIONS = 6;
/** Of a session there are so many heartbeats, by default and here. */
const HEARTBEATS = 4.5;
/** After a fault all must be as before: a session, a recovery and the way back into the ISR. On a busy machine minutes; later it hangs. */
const HEAL_LIMIT_MS = 300_000;
const PLAN_MAX = 2_000;
const USAGE = `usage: npm run chaos -- [--minutes N | --faults-count N] [--seed S] [--faults a,b] [--plan FILE]
                           [--network auto|namespaces|proxies] [--session-timeout MS] [--records-per-second N] [--json] [--keep]

Three real brokers under faults, with clients that never stop. At the end nothing acknowledged may be lost, doubled or reordered, and
all replicas are the same. Exit code 0: so it was; 1: not so, and the folder with data, logs and history stays.

  --minutes N        for so long (5)
  --faults-count N   so many faults instead
  --seed S           the plan that this seed draws; without it one is drawn, and printed
  --faults a,b       these alone, of: ${FAULTS.map(({ name }) => name).join(", ")}
  --plan FILE        the plan that a run before has printed
  --network KIND     namespaces (root, Linux), proxies (everywhere), or auto
  --session-timeout MS      after which the controller fences a silent broker (9000)
  --records-per-second N    of all producers together (300)
  --json             one JSON object a line
  --keep             keep the folder in any case`;
/** Set to the kind of network once the run is wrapped. */
const INNER = "CHAOS_INNER";

interface Options {
  readonly minutes: number;
  readonly faultsMax: number;
  readonly seed: number;
  readonly faults: readonly string[];
  readonly plan: string | null;
  readonly network: NetworkKind;
  readonly sessionTimeoutMs: number;
  readonly recordsPerSecond: number;
  readonly isJson: boolean;
  readonly isKept: boolean;
}

const options = readOptions();
if (process.env[INNER] === undefined) process.exit(enterNamespace());
process.exit(await run());

/** Runs the same command again, wrapped where the machine can: for a network of its own, or for disks alone. */
function enterNamespace(): number {
  const { network } = options;
  const isWrapped = network === "namespaces" || whyNot("ext4") === null;
  const command = [process.execPath, "--enable-source-maps", ...process.argv.slice(1)];
  const [file = "", ...args] = isWrapped ? [...outerNamespace(network), ...command] : command;
  const { status } = spawnSync(file, args, { stdio: "inherit", env: { ...process.env, [INNER]: network } });
  return status ?? 1;
}

async function run(): Promise<number> {
  const startedAt = performance.now();
  const troubles: string[] = [];
  const onTrouble = (message: string): void => {
    troubles.push(message);
    say(`TROUBLE ${message}`);
  };
  const absent = new Map<Capability, string>();
  const noDisks = whyNot("ext4");
  if (noDisks !== null) absent.set("disks", noDisks);
  const plan = options.plan === null ? drawPlan(absent) : readPlan(options.plan);
  const { seed, minutes, network, sessionTimeoutMs, recordsPerSecond } = options;
  print({ event: "plan", seed, minutes, network, plan: plan.slice(0, shownOf(plan)) });

  const folder = mkdtempSync(join(tmpdir(), "tidemark-chaos-"));
  mkdirSync(folder, { recursive: true });
  const ids = Array.from({ length: BROKERS }, (_, slot) => slot + 1);
  const cluster = await ChaosCluster.make({
    folder,
    brokersCount: BROKERS,
    network: makeNetwork(network, ids),
    hasOwnDisks: !absent.has("disks"),
    settings: {
      "log.segment.bytes": String(4 * 1024 * 1024),
      "broker.session.timeout.ms": String(sessionTimeoutMs),
      "broker.heartbeat.interval.ms": String(Math.floor(sessionTimeoutMs / HEARTBEATS)),
    },
    onUnexpectedEnd: onTrouble,
  });
  await using _stopped = cluster;
  await cluster.startAll();
  const config = { "min.insync.replicas": "2" };
  const { topics } = cluster.client.admin;
  await topics.create({ name: TOPIC, partitions: PARTITIONS, replicas: BROKERS, config });
  await topics.create({ name: PROBE_TOPIC, assignment: ids.map((_, first) => rotated(ids, first)), config });
  const workload = new Workload({
    bootstrap: cluster.bootstrap,
    topic: TOPIC,
    partitionsCount: PARTITIONS,
    producersCount: 3,
    readersCount: 2,
    recordsPerSecond,
    onTrouble,
  });
  workload.start();
  await workload.untilAllMoved(HEAL_LIMIT_MS);

  const counts = new Map<string, number>();
  for (const [slot, planned] of plan.entries()) {
    const minutes = (performance.now() - startedAt) / 60_000;
    if (slot >= options.faultsMax || (options.faultsMax === Number.POSITIVE_INFINITY && minutes >= options.minutes))
      break;
    if (troubles.length > 0) break;
    await sleep(planned.restMs);
    const begunAt = performance.now();
    try {
      await faultOf(planned.fault).run({
        cluster,
        topic: TOPIC,
        partitionsCount: PARTITIONS,
        probeTopic: PROBE_TOPIC,
        random: new SeededRandom(planned.seed),
        sessionTimeoutMs,
        onTrouble,
        say,
      });
      const brokenMs = performance.now() - begunAt;
      await cluster.untilWhole([TOPIC, PROBE_TOPIC], HEAL_LIMIT_MS);
      await workload.untilAllMoved(HEAL_LIMIT_MS);
      counts.set(planned.fault, (counts.get(planned.fault) ?? 0) + 1);
      print({
        event: "fault",
        slot,
        ...planned,
        brokenMs: Math.round(brokenMs),
        healedMs: Math.round(performance.now() - begunAt - brokenMs),
        acknowledged: workload.acknowledgedCount,
        delivered: workload.deliveredCount,
      });
    } catch (error: unknown) {
      onTrouble(
        `fault ${slot} (${planned.fault}): ${error instanceof LivenessFailure ? error.message : String(error)}`,
      );
    }
  }

  if (troubles.length === 0) await finish(cluster, workload, onTrouble);
  const verdict = checkHistory(workload.history, { isIdempotent: true });
  const isGood = troubles.length === 0 && verdict.isValid;
  report(verdict, { isGood, troubles, counts, absent, workload, seconds: (performance.now() - startedAt) / 1_000 });
  if (!isGood) {
    writeFileSync(join(folder, "verdict.json"), JSON.stringify({ options, plan, troubles, verdict }, null, 2));
    writeSends(join(folder, "sends.csv"), workload.history);
  }
  if (isGood && !options.isKept) rmSync(folder, { recursive: true, force: true });
  else say(`kept ${folder}`);
  return isGood ? 0 : 1;
}

/** Drain, stop, compare, start, drain again. */
async function finish(cluster: ChaosCluster, workload: Workload, onTrouble: (message: string) => void): Promise<void> {
  try {
    await workload.stopProducing();
    await cluster.untilWhole([TOPIC], HEAL_LIMIT_MS);
    await workload.drain();
    await workload.stopReading();
    const codes = await Promise.all(cluster.brokers.map((broker) => broker.terminate()));
    if (codes.some((code) => code !== 143)) onTrouble(`SIGTERM of all ended with ${codes.join(", ")}, not 143`);
    const directories = cluster.brokers.map(({ nodeId }) => cluster.dataDirectory(nodeId));
    const compared = compareReplicas(directories, TOPIC, PARTITIONS);
    print({
      event: "compared",
      replicas: compared.replicas,
      batches: compared.batches,
      differences: compared.differences.length,
    });
    for (const difference of compared.differences.slice(0, 20)) onTrouble(difference);
    await cluster.startAll();
    await cluster.untilWhole([TOPIC], HEAL_LIMIT_MS);
    await workload.drain();
  } catch (error: unknown) {
    onTrouble(`at the end: ${String(error)}`);
  }
}

function report(
  verdict: Verdict,
  context: {
    isGood: boolean;
    troubles: readonly string[];
    counts: ReadonlyMap<string, number>;
    absent: ReadonlyMap<Capability, string>;
    workload: Workload;
    seconds: number;
  },
): void {
  const { isGood, troubles, counts, absent, workload, seconds } = context;
  for (const [capability, reason] of absent) {
    const skipped = FAULTS.filter(({ needs }) => needs === capability).map(({ name }) => name);
    print({ event: "skipped", faults: skipped, reason });
  }
  for (const anomaly of verdict.anomalies) print({ event: "anomaly", ...anomaly });
  print({
    event: isGood ? "held" : "failed",
    seconds: Math.round(seconds),
    faults: Object.fromEntries(counts),
    sends: verdict.sends,
    reads: verdict.reads,
    longestSilenceMs: Math.round(workload.longestSilenceMs),
    troubles,
  });
}

function drawPlan(absent: ReadonlyMap<Capability, string>): readonly PlannedFault[] {
  const possible = FAULTS.filter(({ name, needs }) => {
    if (options.faults.length > 0 && !options.faults.includes(name)) return false;
    return needs === null || !absent.has(needs);
  });
  return makePlan(
    options.seed,
    possible.map(({ name }) => name),
    PLAN_MAX,
  );
}

/** A plan as this program prints it: the line of the event "plan", or the list alone. */
function readPlan(path: string): readonly PlannedFault[] {
  const read: { plan?: PlannedFault[] } | PlannedFault[] = JSON.parse(readFileSync(path, "utf8"));
  return Array.isArray(read) ? read : (read.plan ?? []);
}

/** Minutes hold far fewer faults than a plan has. */
function shownOf(plan: readonly PlannedFault[]): number {
  const perMinute = 12;
  return Math.min(plan.length, options.faultsMax, Math.ceil(options.minutes * perMinute));
}

function faultOf(name: string): Fault {
  const found = FAULTS.find((fault) => fault.name === name);
  if (found === undefined)
    throw new RangeError(`there is no fault ${name}; there are ${FAULTS.map((one) => one.name).join(", ")}`);
  return found;
}

function parsedArguments() {
  return parseArgs({
    options: {
      minutes: { type: "string", default: "5" },
      "faults-count": { type: "string" },
      seed: { type: "string" },
      faults: { type: "string", default: "" },
      plan: { type: "string" },
      network: { type: "string", default: "auto" },
      "session-timeout": { type: "string", default: "9000" },
      "records-per-second": { type: "string", default: "300" },
      json: { type: "boolean", default: false },
      keep: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  }).values;
}

/** Ends the process: 0 behind --help, 2 behind what cannot be meant. */
function readOptions(): Options {
  try {
    const values = parsedArguments();
    if (!values.help) return optionsOf(values);
    process.stdout.write(`${USAGE}\n`);
  } catch (error: unknown) {
    process.stderr.write(`error: ${error instanceof Error ? error.message : String(error)}\n${USAGE}\n`);
    process.exit(2);
  }
  process.exit(0);
}

function optionsOf(values: ReturnType<typeof parsedArguments>): Options {
  const faults = values.faults.split(",").filter((name) => name !== "");
  for (const name of faults) faultOf(name);
  // A seed that nobody chose is chosen before the run is wrapped, or the plan that is printed would not be the one.
  const seed = Number(values.seed ?? process.env["CHAOS_SEED"] ?? Math.floor(Math.random() * 2 ** 31));
  process.env["CHAOS_SEED"] = String(seed);
  const minutes = Number(values.minutes);
  const faultsMax = values["faults-count"] === undefined ? Number.POSITIVE_INFINITY : Number(values["faults-count"]);
  const sessionTimeoutMs = Number(values["session-timeout"]);
  const recordsPerSecond = Number(values["records-per-second"]);
  if (!(sessionTimeoutMs >= 1_000) || !(recordsPerSecond > 0))
    throw new RangeError("--session-timeout is 1000 at least, --records-per-second above 0");
  if (!(minutes > 0) || !(faultsMax >= 1) || !Number.isSafeInteger(seed))
    throw new RangeError("--minutes, --faults-count and --seed are numbers; the first two are above 0");
  // Wrapped, the question has been answered.
  const network = (process.env[INNER] as NetworkKind | undefined) ?? networkOf(values.network);
  const plan = values.plan ?? null;
  return {
    minutes,
    faultsMax,
    seed,
    faults,
    plan,
    network,
    sessionTimeoutMs,
    recordsPerSecond,
    isJson: values.json,
    isKept: values.keep,
  };
}

function networkOf(asked: string): NetworkKind {
  const kind = NETWORKS.find((one) => one === asked);
  if (kind === undefined && asked !== "auto")
    throw new RangeError(`there is no network ${asked}; there are auto, ${NETWORKS.join(", ")}`);
  if (kind === "proxies") return kind;
  const reason = whyNoNamespaces();
  if (kind === "namespaces" && reason !== null) throw new RangeError(`--network namespaces: ${reason}`);
  return reason === null ? "namespaces" : "proxies";
}

function print(fields: Readonly<Record<string, unknown>>): void {
  printEvent(fields, options);
}

function say(text: string): void {
  process.stderr.write(`chaos: ${text}\n`);
}
