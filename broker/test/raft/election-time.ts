/**
 * How long a group of voters is without a leader after its death, in simulated milliseconds: replicas of the core at the pace of a default
 * configuration, links that keep their order, disks that take their time, loops that hang now and then. One seed, one time.
 */
import { SeededRandom } from "../../src/base/index.ts";
import { RaftNode, type Message } from "../../src/raft/index.ts";
import { raftPace, type RaftPace } from "../../src/runtime/index.ts";
import { EventHeap } from "../../src/sim/event-heap.ts";
import { birthSnapshot, newDisk, ReplicaHost } from "../../src/sim/index.ts";
import type { NodeFactory } from "../../src/sim/raft-group/replica-host.ts";

export interface ElectionOptions {
  readonly votersCount: number;
  /** Followers that die with the leader. */
  readonly alsoDead?: number;
  /** Between the first and the last that sees it, at most. */
  readonly noticedWithinMs: number;
  readonly diskMeanMs: number;
  /** Chance that a loop hangs as a message comes, and for how long at most. */
  readonly hangChance: number;
  readonly hangMsMax: number;
}

export interface ElectionTime {
  /** From when the first one sees that the leader is gone until another leads. */
  readonly ms: number;
  /** Terms beyond the one that an election takes. */
  readonly splitVotes: number;
}

export const DEFAULT_PACE = raftPace({ fetchTimeoutMs: 2000, electionTimeoutMs: 1000, electionBackoffMaxMs: 1000 });

const LINK_MIN_MS = 0.1;
const LINK_MEAN_MS = 0.5;
const LIMIT_MS = 60_000;

export function electionTime(
  seed: number,
  options: ElectionOptions,
  {
    pace = DEFAULT_PACE,
    createNode = (raft, deps) => new RaftNode(raft, deps),
  }: Readonly<{
    pace?: RaftPace;
    createNode?: NodeFactory;
  }> = {},
): ElectionTime {
  const bench = new ElectionBench(seed, options, pace, createNode);
  bench.runUntil(() => bench.leader !== undefined && bench.isCalm);
  const termBefore = bench.leader?.node?.term ?? 0;
  bench.killLeader();
  const goneAtMs = bench.nowMs;
  bench.runUntil(() => bench.leader !== undefined);
  const terms = (bench.leader?.node?.term ?? 0) - termBefore;
  return { ms: bench.nowMs - goneAtMs, splitVotes: terms - 1 };
}

class ElectionBench {
  nowMs = 0;
  readonly #options: ElectionOptions;
  readonly #pace: RaftPace;
  readonly #random: SeededRandom;
  readonly #events = new EventHeap();
  readonly #hosts: ReplicaHost[] = [];
  /** When the loop of a node is free, and when the last message of a link arrives. */
  readonly #freeAtMs = new Map<ReplicaHost, number>();
  readonly #arrivedAtMs = new Map<string, number>();
  #sequence = 0;

  constructor(seed: number, options: ElectionOptions, pace: RaftPace, createNode: NodeFactory) {
    this.#options = options;
    this.#pace = pace;
    this.#random = new SeededRandom(seed);
    const voters = Array.from({ length: options.votersCount }, (_, slot) => ({ nodeId: slot + 1, directoryId: "a" }));
    const { snapshot, image } = birthSnapshot(voters);
    const raft = {
      ...pace.options,
      appendBytesMax: 1 << 20,
      inflightMessagesMax: 64,
      inflightBytesMax: 1 << 23,
      uncommittedBytesMax: 1 << 24,
      chunkBytes: 1 << 18,
    };
    for (const voter of voters) {
      const host = new ReplicaHost(voter, newDisk(snapshot, image), raft, {
        createNode,
        random: () => this.#random.float(),
        send: (_, message) => this.#send(message),
        onWrite: () => this.#at(this.#exponential(options.diskMeanMs), host, () => host.finishWrite()),
        onApplied: () => undefined,
        onInstalled: () => undefined,
        onReadConfirmed: () => undefined,
      });
      this.#hosts.push(host);
      host.start();
      this.#tick(host, this.#random.float());
    }
  }

  get leader(): ReplicaHost | undefined {
    return this.#hosts.find(({ node }) => node?.softState.role === "leader");
  }

  /** Everybody follows, and has all there is. */
  get isCalm(): boolean {
    const { leader } = this;
    return this.#hosts.every(
      ({ node, disk }) =>
        node?.softState.leader?.nodeId === leader?.replica.nodeId &&
        disk.entries.length === leader?.disk.entries.length,
    );
  }

  killLeader(): void {
    const dead = [this.leader as ReplicaHost];
    const others = this.#hosts.filter((host) => host !== dead[0]);
    dead.push(...others.splice(0, this.#options.alsoDead ?? 0));
    for (const host of dead) host.crash("nothing");
    const { noticedWithinMs } = this.#options;
    for (const host of others) {
      this.#at(this.#random.float() * noticedWithinMs, host, () => {
        const delayTicks = Math.round(this.#random.float() * this.#pace.leaderGoneTicks);
        host.run((node) => node.onLeaderGone(delayTicks));
      });
    }
  }

  runUntil(isDone: () => boolean): void {
    while (!isDone()) {
      const next = this.#events.pop();
      if (next === undefined || next.atMs > LIMIT_MS) throw new Error(`nothing comes of it within ${LIMIT_MS} ms`);
      this.nowMs = next.atMs;
      next.task();
    }
  }

  #tick(host: ReplicaHost, ticks: number): void {
    this.#at(ticks * this.#pace.tickMs, host, () => {
      host.run((node) => node.tick());
      this.#tick(host, 1);
    });
  }

  #send(message: Message): void {
    const { from, to } = message;
    const host = this.#hosts[to.nodeId - 1] as ReplicaHost;
    const link = `${from.nodeId}>${to.nodeId}`;
    const arrivesAtMs = this.nowMs + LINK_MIN_MS + this.#exponential(LINK_MEAN_MS);
    const atMs = Math.max(arrivesAtMs, (this.#arrivedAtMs.get(link) ?? 0) + 0.001);
    this.#arrivedAtMs.set(link, atMs);
    const { hangChance, hangMsMax } = this.#options;
    if (this.#random.chance(hangChance)) this.#freeAtMs.set(host, atMs + this.#random.float() * hangMsMax);
    this.#at(atMs - this.nowMs, host, () => {
      // What the dead have sent comes before anybody sees that they are.
      if (this.#hosts[from.nodeId - 1]?.node !== null) host.run((node) => node.step(message));
    });
  }

  /** In the loop of a node, once that is free. */
  #at(delayMs: number, host: ReplicaHost, task: () => void): void {
    const sequence = this.#sequence++;
    const atMs = Math.max(this.nowMs + delayMs, this.#freeAtMs.get(host) ?? 0);
    this.#events.push({
      atMs,
      tieKey: 0,
      sequence,
      isDue: () => true,
      task: () => {
        const freeAtMs = this.#freeAtMs.get(host) ?? 0;
        if (freeAtMs > this.nowMs) this.#events.push({ atMs: freeAtMs, tieKey: 0, sequence, isDue: () => true, task });
        else task();
      },
    });
  }

  #exponential(meanMs: number): number {
    return -Math.log(1 - this.#random.float()) * meanMs;
  }
}
