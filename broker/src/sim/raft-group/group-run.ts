/**
 * One seed of a consensus group: a lossy network, disks that forget what was not synced, replicas that die, sleep, are cut
 * off and come back empty, voters that change, and clients that propose and read. First anything may happen, then all is
 * healed and everybody must come to one state.
 *
 * The result of a seed is a function of the seed and the code only.
 */
import { SeededRandom } from "../../base/index.ts";
import { isSameReplica, RaftNode, replicaKey } from "../../raft/index.ts";
import type { Message, ReplicaId } from "../../raft/index.ts";
import { type RunLimits, type SeedResult, type SeedRun, verdictOf } from "../seed-run.ts";
import { Timeline } from "../timeline.ts";
import { Trace } from "../trace.ts";
import { GroupChecks } from "./group-checks.ts";
import { birthSnapshot, newDisk, type NodeFactory, ReplicaHost } from "./replica-host.ts";
import { drawRunOptions, type GroupRunOptions } from "./run-options.ts";
import { ensure } from "../violation.ts";

const TICK_MS = 10;
const STEP_MS = 20;
/** Healed, a group is done long before. */
const REST_MS_MAX = 30_000;

export type GroupRunResult = SeedResult<GroupRunOptions>;

export function runRaftGroup(
  seed: number,
  createNode: NodeFactory = (options, deps) => new RaftNode(options, deps),
  limits: RunLimits = {},
): GroupRunResult {
  return verdictOf(seed, new GroupRun(seed, createNode), limits);
}

class GroupRun implements SeedRun<GroupRunOptions> {
  readonly options: GroupRunOptions;
  readonly trace = new Trace();
  readonly checks: GroupChecks;
  readonly #createNode: NodeFactory;
  readonly #network: SeededRandom;
  readonly #disks: SeededRandom;
  readonly #faults: SeededRandom;
  readonly #workload: SeededRandom;
  readonly #timers: SeededRandom;
  readonly #time: Timeline;
  /** By node id - 1. */
  readonly #hosts: ReplicaHost[] = [];
  /** Those whose disk was lost too: what they said before still counts. */
  readonly #everybody = new Map<string, ReplicaHost>();
  /** +1 at each start and crash: what was scheduled for a life ends with it. */
  readonly #lives: number[] = [];
  readonly #pausedUntilMs: number[] = [];
  #cutLinks = new Set<number>();
  /** Lists that may be in force, or come into force, somewhere. */
  #proposedVoters: (readonly ReplicaId[])[] = [];
  #isCalm = false;
  #commands = 0;

  constructor(seed: number, createNode: NodeFactory) {
    const random = new SeededRandom(seed);
    this.options = drawRunOptions(random.fork("options"));
    this.#createNode = createNode;
    this.#network = random.fork("network");
    this.#disks = random.fork("disks");
    this.#faults = random.fork("faults");
    this.#workload = random.fork("workload");
    this.#timers = random.fork("timers");
    this.#time = new Timeline(this.#timers, this.trace);
    this.checks = new GroupChecks((replica) => this.#everybody.get(replicaKey(replica)), this.options.host);
  }

  run(): void {
    const { votersCount, learnersCount, chaosMs } = this.options;
    const voters = Array.from({ length: votersCount }, (_, slot) => ({ nodeId: slot + 1, directoryId: "d0" }));
    const { snapshot, image } = birthSnapshot(voters);
    for (let slot = 0; slot < votersCount + learnersCount; slot++) {
      const replica = voters[slot] ?? { nodeId: slot + 1, directoryId: "d0" };
      this.#hosts.push(this.#newHost(replica, newDisk(snapshot, image)));
      this.#start(slot);
    }
    while (this.#time.nowMs < chaosMs) {
      this.#time.runFor(STEP_MS);
      this.#doHarm();
      this.#work();
    }
    this.#heal();
    this.#comeToRest();
  }

  #newHost(replica: ReplicaId, disk: ReplicaHost["disk"]): ReplicaHost {
    const slot = replica.nodeId - 1;
    const host = new ReplicaHost(replica, disk, this.options.host, {
      createNode: this.#createNode,
      random: () => this.#timers.float(),
      send: (_, message) => {
        this.#send(host, message);
      },
      onWrite: (_, write) => {
        this.checks.onWrite(host, write);
        this.#schedule(this.#exponential(this.#disks, this.options.diskMeanMs), slot, () => {
          host.finishWrite();
        });
      },
      onApplied: (_, entry) => {
        this.trace.note(this.#time.nowMs, "applied", `${slot + 1}`, entry.index, entry.term);
        this.checks.onApplied(host, entry);
      },
      onInstalled: () => {
        this.checks.onInstalled(host);
      },
      onReadConfirmed: (_, confirmed) => {
        this.checks.onReadConfirmed(host, confirmed);
      },
    });
    this.#everybody.set(replicaKey(replica), host);
    return host;
  }

  #start(slot: number): void {
    const host = this.#hosts[slot] as ReplicaHost;
    this.#lives[slot] = (this.#lives[slot] ?? 0) + 1;
    this.#pausedUntilMs[slot] = 0;
    this.trace.note(this.#time.nowMs, "starts", `${slot + 1}`);
    host.start();
    this.checks.onStarted(host);
    this.#tick(slot, host);
  }

  #tick(slot: number, host: ReplicaHost): void {
    this.#schedule(TICK_MS * (0.9 + 0.2 * this.#timers.float()), slot, () => {
      host.run((node) => {
        node.tick();
      });
      this.#tick(slot, host);
    });
  }

  #send(sender: ReplicaHost, message: Message): void {
    this.checks.onSent(sender, message);
    const { nodeId } = sender.replica;
    this.trace.note(this.#time.nowMs, message.kind, `${nodeId}>${message.to.nodeId}`, message.term);
    if (this.#cutLinks.has(linkOf(nodeId, message.to.nodeId))) return;
    const { lossChance, repeatChance } = this.options;
    if (!this.#isCalm && this.#network.chance(lossChance)) return;
    this.#deliverLater(message);
    if (!this.#isCalm && this.#network.chance(repeatChance)) this.#deliverLater(message);
  }

  #deliverLater(message: Message): void {
    const { delayMinMs, delayMeanMs } = this.options;
    const slot = message.to.nodeId - 1;
    const delayMs = delayMinMs + this.#exponential(this.#network, delayMeanMs);
    const life = this.#lives[slot];
    this.#time.push(delayMs, () => {
      const host = this.#hosts[slot];
      // A message may outlive the process that it was sent to; the next one gets it if it is the same directory.
      if (host === undefined || (life !== this.#lives[slot] && this.#network.chance(0.5))) return;
      const wakesInMs = (this.#pausedUntilMs[slot] ?? 0) - this.#time.nowMs;
      const hand = (): void => {
        const receiver = this.#hosts[slot];
        if (receiver === undefined) return;
        receiver.run((node) => {
          node.step(message);
        });
        this.checks.afterEvent(receiver);
      };
      if (wakesInMs > 0) this.#time.push(wakesInMs, hand);
      else hand();
    });
  }

  /** An event of one life of one replica; it waits while the replica is paused. */
  #schedule(delayMs: number, slot: number, task: () => void): void {
    const life = this.#lives[slot];
    this.#time.push(delayMs, () => {
      if (life !== this.#lives[slot]) return;
      const wakesInMs = (this.#pausedUntilMs[slot] ?? 0) - this.#time.nowMs;
      if (wakesInMs > 0) {
        this.#schedule(wakesInMs, slot, task);
        return;
      }
      task();
      this.checks.afterEvent(this.#hosts[slot] as ReplicaHost);
    });
  }

  #doHarm(): void {
    const { options } = this;
    const faults = this.#faults;
    const slot = faults.below(this.#hosts.length);
    const host = this.#hosts[slot] as ReplicaHost;
    if (host.node === null) {
      if (faults.chance(0.1)) this.#start(slot);
      return;
    }
    if (faults.chance(options.crashChance)) this.#crash(slot);
    else if (faults.chance(options.wipeChance)) this.#wipe(slot);
    else if (faults.chance(options.pauseChance)) {
      this.checks.count("pause");
      this.#pausedUntilMs[slot] = this.#time.nowMs + faults.between(10, 500);
    }
    if (faults.chance(options.partitionChance)) this.#cut();
    else if (this.#cutLinks.size > 0 && faults.chance(0.08)) this.#cutLinks.clear();
  }

  #crash(slot: number): void {
    this.checks.count("crash");
    this.trace.note(this.#time.nowMs, "crashes", `${slot + 1}`);
    this.#lives[slot] = (this.#lives[slot] ?? 0) + 1;
    this.#hosts[slot]?.crash(this.#faults.pick(["nothing", "hardState", "snapshot", "all"]));
  }

  /** The disk is lost; the node comes back as somebody else, on a copy of the snapshot of one that lives. */
  #wipe(slot: number): void {
    const gone = (this.#hosts[slot] as ReplicaHost).replica;
    const source = this.#hosts.find((host, other) => other !== slot && host.node !== null);
    const lists = [...this.#proposedVoters, ...this.#hosts.map((host) => host.disk.snapshot.voters)];
    // Any list that was ever proposed may still come into force. More empty seats, and there would never be a majority again.
    const isBearable = lists.every((voters) => {
      const kept = voters.filter((voter) => !isSameReplica(voter, gone) && this.#isThere(voter)).length;
      return 2 * kept > voters.length;
    });
    if (source === undefined || !isBearable) return;
    this.checks.count("wipe");
    this.#crash(slot);
    const directoryId = `d${this.#lives[slot]}`;
    const { snapshot, image } = source.disk;
    this.#hosts[slot] = this.#newHost({ nodeId: slot + 1, directoryId }, newDisk(snapshot, image));
    this.#start(slot);
  }

  #isSettled(): boolean {
    const [first] = this.#hosts;
    return this.#hosts.every(
      ({ node }) =>
        node !== null &&
        node.term === first?.node?.term &&
        node.voters.map(replicaKey).join() === first.node.voters.map(replicaKey).join(),
    );
  }

  #isThere(voter: ReplicaId): boolean {
    const host = this.#hosts[voter.nodeId - 1];
    return host !== undefined && isSameReplica(host.replica, voter);
  }

  #cut(): void {
    const faults = this.#faults;
    this.#cutLinks = new Set();
    this.checks.count("partition");
    const isOneWay = faults.chance(0.3);
    const side = this.#hosts.map(() => faults.chance(0.5));
    for (let from = 0; from < side.length; from++) {
      for (let to = 0; to < side.length; to++) {
        if (side[from] === side[to] || (isOneWay && side[from] === true)) continue;
        this.#cutLinks.add(linkOf(from + 1, to + 1));
      }
    }
  }

  #work(): void {
    const { options } = this;
    const workload = this.#workload;
    for (const [slot, host] of this.#hosts.entries()) {
      const { node } = host;
      if (node === null || this.#time.nowMs < (this.#pausedUntilMs[slot] ?? 0)) continue;
      if (workload.chance(options.snapshotChance)) host.writeSnapshot(workload.below(options.trailingMax + 1));
      if (node.softState.role === "leader") {
        this.#propose(host, workload.between(0, 3));
        if (workload.chance(0.3)) this.#read(host);
        if (workload.chance(options.transferChance)) this.#transfer(host);
        this.#changeVoters(host);
      } else if (workload.chance(0.01)) {
        host.run((follower) => {
          follower.onLeaderGone(workload.between(0, 5));
        });
      }
      this.checks.afterEvent(host);
    }
  }

  #propose(host: ReplicaHost, count: number): void {
    const commands = Array.from({ length: count }, () => {
      this.#commands += 1;
      return Uint8Array.of(this.#commands >>> 16, this.#commands >>> 8, this.#commands);
    });
    host.run((node) => {
      if (count > 0) node.propose(commands);
    });
  }

  #read(host: ReplicaHost): void {
    host.run((node) => {
      const begun = node.readBarrier();
      if (begun.ok) this.checks.onReadAsked(host, begun.term, begun.ticket);
    });
  }

  #transfer(host: ReplicaHost): void {
    const target = this.#workload.pick(host.node?.voters ?? [host.replica]);
    host.run((node) => {
      if (node.transferTo(target).ok) this.checks.count("transfer asked");
    });
  }

  /** A lost seat is emptied and filled again, as a controller does; now and then voters change for no reason. */
  #changeVoters(host: ReplicaHost): void {
    const workload = this.#workload;
    const voters = host.node?.voters ?? [];
    const lost = voters.find((voter) => !this.#isThere(voter));
    const isRandom = workload.chance(this.options.changeChance);
    const outside = this.#hosts.filter(({ replica }) => !voters.some((voter) => voter.nodeId === replica.nodeId));
    const newcomer = outside.length > 0 ? workload.pick(outside).replica : null;
    const wantsMore = newcomer !== null && (voters.length < this.options.votersCount || workload.chance(0.5));
    // All that was proposed before has come to its end where everybody is up and agrees.
    if (this.#isSettled()) this.#proposedVoters = [voters];
    const wasAllowed = this.checks.mayChange(host);
    host.run((node) => {
      const isBlind = workload.chance(0.3);
      let changed = false;
      if (lost !== undefined) changed = node.removeVoter(lost).ok;
      else if (wantsMore && (isRandom || voters.length < this.options.votersCount))
        changed = node.addVoter(newcomer).ok;
      else if (isRandom && voters.length > 1 && (isBlind || voters.length > 2)) {
        changed = node.removeVoter(workload.pick(voters)).ok;
      }
      if (!changed) return;
      this.#proposedVoters.push(node.voters);
      this.checks.onChanged(host, voters, wasAllowed);
    });
  }

  #heal(): void {
    this.trace.note(this.#time.nowMs, "healed");
    this.#isCalm = true;
    this.#cutLinks.clear();
    for (const [slot, host] of this.#hosts.entries()) {
      this.#pausedUntilMs[slot] = 0;
      if (host.node === null) this.#start(slot);
    }
  }

  #comeToRest(): void {
    const untilMs = this.#time.nowMs + REST_MS_MAX;
    let lastTerm = -1;
    let lastIndex = 0;
    while (this.#time.nowMs < untilMs) {
      this.#time.runFor(5 * STEP_MS);
      const leader = this.#hosts.find((host) => host.node?.softState.role === "leader");
      if (leader === undefined) continue;
      this.#nameLeader(leader.replica);
      if (lastTerm !== leader.node?.term) {
        leader.run((node) => {
          const proposed = node.propose([Uint8Array.of(1)]);
          if (!proposed.ok) return;
          lastTerm = proposed.term;
          lastIndex = proposed.lastIndex;
        });
        this.checks.afterEvent(leader);
      } else if (leader.image.index >= lastIndex && this.checks.atRest(this.#hosts)) return;
    }
    const states = this.#hosts.map(({ replica, node, image }) => {
      const voters = node?.voters.map(replicaKey).join(" ");
      return `${replicaKey(replica)} ${node?.softState.role} of {${voters}} at ${image.index}`;
    });
    ensure(false, "L1", () => `a healed group does not come to one state: ${states.join(", ")}`);
  }

  /** Whose list names only its own node has nobody to ask; a driver would ask the nodes it was configured with. */
  #nameLeader(leader: ReplicaId): void {
    for (const host of this.#hosts) {
      const isAlone = host.node?.voters.every((voter) => voter.nodeId === host.replica.nodeId) === true;
      if (!isAlone || isSameReplica(host.replica, leader)) continue;
      host.run((node) => {
        node.onLeaderFound(leader);
      });
      this.checks.afterEvent(host);
    }
  }

  #exponential(random: SeededRandom, meanMs: number): number {
    return -Math.log(1 - random.float()) * meanMs;
  }
}

function linkOf(from: number, to: number): number {
  return from * 100 + to;
}
