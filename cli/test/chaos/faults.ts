/**
 * What a chaos run does to its cluster. A fault begins on a cluster that is whole, and has healed what it broke when it
 * resolves; that the cluster becomes whole again is the runner's question. Producers and readers run all the while.
 */
import { spawn } from "node:child_process";
import { openSync, readdirSync, readSync, closeSync, statSync, writeSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { codecs, topic } from "@tidemark/client";
import type { SeededRandom } from "@tidemark/broker/base";
import type { ChaosCluster } from "./cluster.ts";

/** What a fault needs of the machine. */
export type Capability = "disks";

export interface FaultContext {
  readonly cluster: ChaosCluster;
  /** The topic that the workload runs on. */
  readonly topic: string;
  readonly partitionsCount: number;
  /** Nobody counts on what it holds; every broker is the preferred leader of one of its partitions. */
  readonly probeTopic: string;
  /** Drawn from the plan's seed, so that a replay does the same. */
  readonly random: SeededRandom;
  readonly sessionTimeoutMs: number;
  /** A promise that clients cannot see broken was broken. */
  readonly onTrouble: (message: string) => void;
  readonly say: (message: string) => void;
}

export interface Fault {
  readonly name: string;
  readonly needs: Capability | null;
  run(context: FaultContext): Promise<void>;
}

const DISK_FAULT_EXIT = 74;
/** Bounds of the time that something stays broken, ms. */
const SHORT_MS = [100, 3_000] as const;
/** The probe's word for it. */
const ACKNOWLEDGED = "NONE";
const ISR_CHANGE_LIMIT_MS = 300_000;
const END_LIMIT_MS = 300_000;
const PROBE_LIMIT_MS = 300_000;
const probe = join(import.meta.dirname, "probe.js");

const fault = (name: string, run: Fault["run"], needs: Capability | null = null): Fault => ({ name, needs, run });

export const FAULTS: readonly Fault[] = [
  fault("kill-leader", async (context) => killAndRestart(context, [await leader(context)])),
  fault("kill-controller", async (context) => killAndRestart(context, [await context.cluster.controller()])),
  fault("kill-leader-and-controller", async (context) => {
    const victims = new Set([await leader(context), await context.cluster.controller()]);
    // When they are one broker, a second one dies too.
    for (const { nodeId } of context.cluster.brokers) if (victims.size < 2) victims.add(nodeId);
    await killAndRestart(context, [...victims]);
  }),
  fault("pause-leader", async (context) => pause(context, await leader(context), 2 * context.sessionTimeoutMs)),
  fault("pause-controller", async (context) =>
    pause(context, await context.cluster.controller(), 2 * context.sessionTimeoutMs),
  ),
  fault("rolling-restart", async ({ cluster, topic: name, onTrouble }) => {
    for (const broker of cluster.brokers) {
      const code = await broker.terminate();
      if (code !== 143) onTrouble(`SIGTERM ended broker ${broker.nodeId} with ${code}, not 143`);
      broker.start();
      await broker.untilReady();
      await cluster.untilWhole([name], ISR_CHANGE_LIMIT_MS);
    }
  }),
  fault("wipe-one", async (context) => {
    const victim = context.random.pick(context.cluster.brokers);
    await victim.kill();
    context.cluster.wipe(victim.nodeId);
    await rest(context);
    victim.start();
  }),
  fault("kill-all", async (context) => {
    await killAll(context);
    await startInAnyOrder(context);
  }),
  fault("kill-all-wipe-one", async (context) => {
    await killAll(context);
    context.cluster.wipe(context.random.pick(context.cluster.brokers).nodeId);
    await startInAnyOrder(context);
  }),
  fault("terminate-all", async (context) => {
    const { cluster, onTrouble } = context;
    const startedAt = performance.now();
    const codes = await Promise.all(cluster.brokers.map((broker) => broker.terminate()));
    const tookMs = performance.now() - startedAt;
    if (codes.some((code) => code !== 143)) onTrouble(`SIGTERM of all ended with ${codes.join(", ")}, not 143`);
    if (tookMs > 20_000) onTrouble(`SIGTERM of all took ${Math.round(tookMs)} ms`);
    await startInAnyOrder(context);
  }),
  fault("hold-follower", async (context) => {
    const { cluster, topic: name } = context;
    const { detail } = await cluster.describe(name);
    const held = context.random.pick(detail[0]?.replicas.filter((id) => id !== detail[0]?.leader) ?? []);
    cluster.broker(held).pause();
    try {
      await cluster.until(`broker ${held} to leave the ISR`, ISR_CHANGE_LIMIT_MS, async () => {
        const topicNow = await cluster.describe(name);
        return topicNow.detail.some(({ isr }) => isr.includes(held)) ? "it is still in it" : null;
      });
    } finally {
      cluster.broker(held).resume();
    }
  }),
  fault("remake-topic", remakeTopic),
  fault("min-isr", async (context) => {
    const { cluster, topic: name, random } = context;
    const victim = random.pick(cluster.brokers);
    const set = (value: number): Promise<unknown> =>
      cluster.client.admin.configs.alter({ type: "topic", name }, { set: { "min.insync.replicas": String(value) } });
    await victim.kill();
    await set(1);
    await rest(context);
    await set(3);
    await rest(context);
    await set(2);
    await rest(context);
    victim.start();
  }),
  fault("flip-metadata-bit", async (context) => {
    const { cluster, random } = context;
    const victim = random.pick(cluster.brokers);
    await (random.chance(0.5) ? victim.kill() : victim.terminate());
    flipBit(join(cluster.dataDirectory(victim.nodeId), "tidemark-metadata"), context);
    victim.start();
  }),
  fault("isolate-leader", async (context) => cutOff(context, await leader(context), "both")),
  fault("isolate-controller", async (context) => cutOff(context, await context.cluster.controller(), "both")),
  fault("one-way-out", async (context) => cutOff(context, await leader(context), "out")),
  fault("one-way-in", async (context) => cutOff(context, await leader(context), "in")),
  fault(
    "disk-full",
    async (context) => {
      const victim = await leader(context);
      context.cluster.disk(victim).fill();
      await sleep(context.random.between(2_000, 8_000));
      context.cluster.disk(victim).unfill();
    },
    "disks",
  ),
  fault(
    "fsync-fails",
    async (context) => {
      const { cluster } = context;
      const victim = cluster.broker(await leader(context));
      const disk = cluster.disk(victim.nodeId);
      victim.toleratedExits.add(DISK_FAULT_EXIT);
      disk.refuseWriteBack();
      try {
        await victim.untilEnded(END_LIMIT_MS);
      } finally {
        disk.acceptWriteBack();
      }
      // The kernel has made the file system read-only; what it still shows from memory is kept only by luck.
      disk.remount();
      victim.start();
      victim.toleratedExits.delete(DISK_FAULT_EXIT);
    },
    "disks",
  ),
];

async function leader({ cluster, topic: name, partitionsCount, random }: FaultContext): Promise<number> {
  const partition = random.below(partitionsCount);
  const id = await cluster.leaderOf(name, partition);
  if (id < 0) throw new Error(`${name}-${partition} of a cluster that is whole has no leader`);
  return id;
}

async function rest({ random }: FaultContext): Promise<void> {
  await sleep(random.between(...SHORT_MS));
}

async function killAndRestart(context: FaultContext, victims: readonly number[]): Promise<void> {
  const { cluster } = context;
  await Promise.all(victims.map((id) => cluster.broker(id).kill()));
  await rest(context);
  for (const id of victims) cluster.broker(id).start();
}

async function killAll({ cluster }: FaultContext): Promise<void> {
  await Promise.all(cluster.brokers.map((broker) => broker.kill()));
}

/** Who comes first, and how much later the others, is left to chance. */
async function startInAnyOrder(context: FaultContext): Promise<void> {
  const left = [...context.cluster.brokers];
  while (left.length > 0) {
    const [next] = left.splice(context.random.below(left.length), 1);
    next?.start();
    if (context.random.chance(0.5)) await sleep(context.random.between(0, 1_500));
  }
}

async function pause({ cluster, say }: FaultContext, victim: number, forMs: number): Promise<void> {
  say(`broker ${victim} stands still for ${forMs} ms`);
  cluster.broker(victim).pause();
  await sleep(forMs);
  cluster.broker(victim).resume();
}

/**
 * The victim alone on one side. Its clients may be refused or left without an answer; told of success they may not be, not even
 * where one direction goes on: an acknowledgement needs a follower's word, and that the leader sent it something.
 */
async function cutOff(context: FaultContext, victim: number, direction: "both" | "in" | "out"): Promise<void> {
  const { cluster, probeTopic, random, sessionTimeoutMs, onTrouble, say } = context;
  const others = cluster.brokers.map(({ nodeId }) => nodeId).filter((id) => id !== victim);
  const probed = cluster.brokers.map((_, partition) => ({ topic: probeTopic, partition }));
  await cluster.client.admin.partitions.electLeader(probed, "preferred", { timeout: 120_000 });
  for (const other of others) {
    if (direction !== "in") cluster.network.cut(victim, other);
    if (direction !== "out") cluster.network.cut(other, victim);
  }
  try {
    const probing = startProbe(context, victim);
    await probing.untilAnswered();
    await sleep(random.between(500, 2 * sessionTimeoutMs));
    const answers = await probing.end();
    const told = [...answers].map(([code, count]) => `${count} ${code}`).join(", ");
    say(`broker ${victim}, cut off (${direction}), answered acks=all with ${told}`);
    if (answers.has(ACKNOWLEDGED))
      onTrouble(`broker ${victim}, cut off from the majority (${direction}), acknowledged records with acks=all`);
  } finally {
    cluster.network.heal();
  }
}

interface Probing {
  /** Of a batch that it sent. @throws Error when there was none within a bound */
  untilAnswered(): Promise<void>;
  /** How often it was told what. */
  end(): Promise<ReadonlyMap<string, number>>;
}

/** A client that reaches this broker alone. */
function startProbe({ cluster, probeTopic }: FaultContext, victim: number): Probing {
  const [file, ...prefix] = [...cluster.network.commandPrefix(victim), process.execPath];
  const address = cluster.bootstrap[victim - 1] ?? "";
  const child = spawn(file, [...prefix, probe, address, probeTopic, String(cluster.brokers.length)], {
    stdio: ["pipe", "pipe", "ignore"],
  });
  let told = "";
  const answered = new Promise<void>((resolve) =>
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      told += text;
      resolve();
    }),
  );
  const ended = new Promise<void>((resolve) => child.once("close", resolve));
  const limit = setTimeout(() => child.kill("SIGKILL"), PROBE_LIMIT_MS).unref();
  child.stdin.on("error", () => undefined);
  return {
    untilAnswered: async () => {
      await Promise.race([answered, ended]);
      clearTimeout(limit);
      if (told === "") throw new Error(`the probe beside broker ${victim} was never answered`);
    },
    end: async () => {
      child.stdin.end();
      await ended;
      return tally(told.split("\n").filter((line) => line !== ""));
    },
  };
}

function tally(words: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1);
  return counts;
}

/** A topic is deleted and made again under its name while a broker is down: nothing of the old one may come back (P47). */
async function remakeTopic(context: FaultContext): Promise<void> {
  const { cluster, random, onTrouble } = context;
  const name = "remade";
  const { topics } = cluster.client.admin;
  // By hand: brokers that are down are no targets of placement.
  const spec = {
    name,
    assignment: [0, 1].map((first) =>
      rotated(
        cluster.brokers.map(({ nodeId }) => nodeId),
        first,
      ),
    ),
  };
  const values = topic(name, { key: codecs.string, value: codecs.string });
  const write = async (text: string): Promise<void> => {
    await using producer = cluster.client.producer();
    await Promise.all([0, 1].map((partition) => producer.send(values, { partition, value: text })));
  };
  await topics.delete(name, { ifExists: true });
  await topics.create(spec);
  await write(`before ${random.uint32()}`);
  const victim = random.pick(cluster.brokers);
  await victim.kill();
  await topics.delete(name);
  await topics.create(spec, { wait: false });
  const text = `after ${random.uint32()}`;
  await write(text);
  victim.start();
  await cluster.untilWhole([name], ISR_CHANGE_LIMIT_MS);
  const seen = await cluster.client.reader(values).toArray();
  const wrong = seen.filter(({ value }) => value !== text);
  if (seen.length !== 2 || wrong.length > 0)
    onTrouble(
      `the topic that was made again holds ${JSON.stringify(seen.map(({ value }) => value))}, not twice "${text}"`,
    );
}

/** So that each id comes first for one `by`. */
export function rotated(ids: readonly number[], by: number): number[] {
  return [...ids.slice(by), ...ids.slice(0, by)];
}

/** One bit of one file of the store, its lock left alone. */
function flipBit(directory: string, { random, say }: FaultContext): void {
  const files = readdirSync(directory).filter(
    (name) => /\.(?:log|ldb)$/u.test(name) && statSync(join(directory, name)).size > 0,
  );
  const path = join(directory, random.pick(files));
  const at = random.below(statSync(path).size);
  const file = openSync(path, "r+");
  try {
    const byte = Buffer.alloc(1);
    readSync(file, byte, 0, 1, at);
    byte.writeUInt8(byte.readUInt8() ^ (1 << random.below(8)));
    writeSync(file, byte, 0, 1, at);
  } finally {
    closeSync(file);
  }
  say(`a bit of ${path} at ${at} is flipped`);
}
