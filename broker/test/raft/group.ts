/**
 * A group of replicas for stories told by hand: nothing moves but by a call. Messages wait in order until `deliver`, writes
 * end at once unless the disk is held, links can be cut, and everything that happens is a line of a transcript.
 */
import { RaftNode, replicaKey } from "../../src/raft/index.ts";
import type { Entry, Message, RaftRefusal, ReadConfirmed, ReplicaId, SoftState } from "../../src/raft/index.ts";
import { birthSnapshot, newDisk, ReplicaHost } from "../../src/sim/index.ts";
import type { HostOptions } from "../../src/sim/index.ts";

export const ELECTION_TICKS = 10;
export const GIVE_WAY_TICKS = 3;

const OPTIONS: HostOptions = {
  electionTicks: ELECTION_TICKS,
  campaignTicks: ELECTION_TICKS,
  backoffTicks: ELECTION_TICKS,
  backoffTicksMax: ELECTION_TICKS,
  giveWayTicks: GIVE_WAY_TICKS,
  heartbeatTicks: 2,
  checkQuorumTicks: 15,
  appendBytesMax: 1000,
  inflightMessagesMax: 8,
  inflightBytesMax: 8000,
  uncommittedBytesMax: 10_000,
  chunkBytes: 10,
};

export function replica(nodeId: number, directoryId = "a"): ReplicaId {
  return { nodeId, directoryId };
}

export class Group {
  readonly hosts = new Map<number, ReplicaHost>();
  readonly waiting: Message[] = [];
  readonly transcript: string[] = [];
  readonly applied = new Map<number, Entry[]>();
  readonly reads: ReadConfirmed[] = [];
  /** Fraction of the spread of election timeouts that the next draw gets. */
  draw = 0;
  readonly #options: HostOptions;
  readonly #birth: ReturnType<typeof birthSnapshot>;
  readonly #cut = new Set<string>();
  readonly #heldDisks = new Set<number>();

  constructor(votersCount: number, options: Partial<HostOptions> = {}) {
    this.#options = { ...OPTIONS, ...options };
    const voters = Array.from({ length: votersCount }, (_, slot) => replica(slot + 1));
    this.#birth = birthSnapshot(voters);
    for (const voter of voters) this.add(voter);
  }

  /** A replica on an empty disk: a voter at birth, else a learner that got the first snapshot. */
  add(id: ReplicaId): ReplicaHost {
    const host = new ReplicaHost(id, newDisk(this.#birth.snapshot, this.#birth.image), this.#options, {
      createNode: (options, deps) => new RaftNode(options, deps),
      random: () => this.draw,
      send: (_, message) => this.waiting.push(message),
      onWrite: (writer, write) => {
        const parts = [
          write.chunk === null ? "" : ` chunk at ${write.chunk.position}`,
          write.snapshot === null ? "" : ` snapshot ${write.snapshot.index}/${write.snapshot.term}`,
          write.hardState === null ? "" : ` term ${write.hardState.term} vote ${write.hardState.vote?.nodeId ?? "-"}`,
          write.entries.length === 0 ? "" : ` entries ${entriesText(write.entries)}`,
        ];
        this.#note(`${writer.replica.nodeId} writes${parts.join("")}`);
      },
      onApplied: (applier, entry) => {
        this.#note(`${applier.replica.nodeId} applies ${entriesText([entry])}`);
        this.applied.get(applier.replica.nodeId)?.push(entry);
      },
      onInstalled: (installer) => {
        this.#note(`${installer.replica.nodeId} installed ${installer.image.index}`);
      },
      onReadConfirmed: (_, confirmed) => {
        this.#note(`reads up to ticket ${confirmed.ticket} see ${confirmed.index}`);
        this.reads.push(confirmed);
      },
    });
    this.hosts.set(id.nodeId, host);
    this.applied.set(id.nodeId, []);
    host.start();
    return host;
  }

  host(nodeId: number): ReplicaHost {
    const host = this.hosts.get(nodeId);
    if (host === undefined) throw new Error(`no replica ${nodeId}`);
    return host;
  }

  node(nodeId: number): RaftNode {
    const { node } = this.host(nodeId);
    if (node === null) throw new Error(`replica ${nodeId} is down`);
    return node;
  }

  soft(nodeId: number): SoftState {
    return this.node(nodeId).softState;
  }

  say(text: string): void {
    this.transcript.push("", `# ${text}`);
  }

  tick(nodeId: number, count = 1): void {
    for (let i = 0; i < count; i++) this.host(nodeId).run((node) => node.tick());
    this.settle(nodeId);
  }

  tickAll(count: number): void {
    for (let i = 0; i < count; i++) {
      for (const [nodeId, host] of this.hosts) if (host.node !== null) this.tick(nodeId);
      this.deliver();
    }
  }

  /** Campaigns, and is elected if the others let it. */
  campaign(nodeId: number): void {
    this.startCampaign(nodeId);
    this.deliver();
  }

  /** Ticks until it asks for votes. */
  startCampaign(nodeId: number): void {
    for (let i = 0; i < 20 * ELECTION_TICKS && this.soft(nodeId).role === "follower"; i++) this.tick(nodeId);
  }

  /** Followers forget their leader: silence for an election time. */
  silence(...nodeIds: number[]): void {
    for (const nodeId of nodeIds) this.host(nodeId).run((node) => node.onLeaderGone(10 * ELECTION_TICKS));
  }

  propose(nodeId: number, ...words: string[]): RaftRefusal | null {
    let code: RaftRefusal | null = null;
    this.host(nodeId).run((node) => {
      const result = node.propose(words.map((word) => new TextEncoder().encode(word)));
      if (!result.ok) code = result.code;
    });
    this.settle(nodeId);
    return code;
  }

  change(nodeId: number, how: "addVoter" | "removeVoter", id: ReplicaId): RaftRefusal | null {
    let code: RaftRefusal | null = null;
    this.host(nodeId).run((node) => {
      const result = node[how](id);
      if (!result.ok) code = result.code;
    });
    this.settle(nodeId);
    return code;
  }

  /** Writes of this replica wait until `releaseDisk`. */
  holdDisk(nodeId: number): void {
    this.#heldDisks.add(nodeId);
  }

  releaseDisk(nodeId: number): void {
    this.#heldDisks.delete(nodeId);
    this.settle(nodeId);
  }

  /** One write of a held disk ends. */
  releaseOnce(nodeId: number): void {
    this.host(nodeId).finishWrite();
  }

  /** Writes end, unless the disk is held. */
  settle(nodeId: number): void {
    const host = this.host(nodeId);
    while (host.isWriting && !this.#heldDisks.has(nodeId)) host.finishWrite();
  }

  crash(nodeId: number): void {
    this.#note(`${nodeId} crashes`);
    this.host(nodeId).crash("nothing");
  }

  restart(nodeId: number): void {
    this.#note(`${nodeId} starts`);
    this.host(nodeId).start();
  }

  cut(from: number, to: number): void {
    this.#cut.add(`${from}>${to}`);
  }

  isolate(nodeId: number): void {
    for (const other of this.hosts.keys()) {
      this.cut(nodeId, other);
      this.cut(other, nodeId);
    }
  }

  heal(): void {
    this.#cut.clear();
  }

  /** Hands over what waits, oldest first, until nothing does; `isWanted` false = lost. */
  deliver(isWanted: (message: Message) => boolean = () => true): void {
    for (let rounds = 0; this.waiting.length > 0; rounds++) {
      if (rounds > 10_000) throw new Error("messages without end");
      const message = this.waiting.shift() as Message;
      const isLost = this.#cut.has(`${message.from.nodeId}>${message.to.nodeId}`) || !isWanted(message);
      this.#note(`${messageText(message)}${isLost ? "  (lost)" : ""}`);
      if (!isLost) this.give(message);
    }
  }

  give(message: Message): void {
    const { nodeId } = message.to;
    this.hosts.get(nodeId)?.run((node) => node.step(message));
    this.settle(nodeId);
  }

  /** Index:term of every entry of a replica's disk. */
  log(nodeId: number): string {
    return this.host(nodeId)
      .disk.entries.map((entry) => `${entry.index}:${entry.term}`)
      .join(" ");
  }

  words(nodeId: number): string[] {
    const words: string[] = [];
    for (const { body } of this.applied.get(nodeId) ?? []) {
      if (body.kind === "command") words.push(new TextDecoder().decode(body.bytes));
    }
    return words;
  }

  leaders(): number[] {
    return [...this.hosts].filter(([, host]) => host.node?.softState.role === "leader").map(([nodeId]) => nodeId);
  }

  #note(line: string): void {
    this.transcript.push(line);
  }
}

/**
 * Three voters and a learner; 1 is gone for good with all that only 4 has from it, and the voters that are left can elect nobody: 2 is
 * behind 3, and 3 alone holds a list by which it needs the vote of 4, which by its own has no seat.
 */
export function standstill(): Group {
  const group = new Group(3);
  group.add(replica(4));
  group.campaign(3);
  group.say("4 follows as a learner");
  group.tick(4, ELECTION_TICKS);
  group.deliver();
  group.tick(3, 2);
  group.deliver();
  group.say("3 is cut off with the addition of 4, which nobody else gets");
  group.isolate(3);
  group.change(3, "addVoter", replica(4));
  group.deliver();
  group.say("1 leads, and is heard by 4 alone; then it dies");
  group.silence(1, 2);
  group.startCampaign(1);
  group.deliver(({ kind }) => kind !== "appendRequest");
  group.cut(1, 2);
  group.propose(1, "kept");
  group.tick(4, ELECTION_TICKS);
  group.deliver();
  group.crash(1);
  group.say("3 is back, and nobody leads");
  group.heal();
  while (group.leaders().length > 0) group.tick(3);
  group.deliver();
  return group;
}

/** The first directory of a node goes without saying. */
function shortName({ nodeId, directoryId }: ReplicaId): string {
  return directoryId === "a" ? `${nodeId}` : `${nodeId}:${directoryId}`;
}

function entriesText(entries: readonly Entry[]): string {
  return entries
    .map(({ index, term, body }) => {
      if (body.kind === "leaderStart") return `${index}/${term} start`;
      if (body.kind === "voters") return `${index}/${term} voters {${body.voters.map(replicaKey).join(" ")}}`;
      return `${index}/${term} "${new TextDecoder().decode(body.bytes)}"`;
    })
    .join(", ");
}

function messageText(message: Message): string {
  const head = `${shortName(message.from)}->${shortName(message.to)} ${message.kind} t${message.term}`;
  switch (message.kind) {
    case "voteRequest": {
      const how = `${message.isPreVote ? " pre" : ""}${message.isTransfer ? " transfer" : ""}`;
      return `${head}${how} last ${message.lastIndex}/${message.lastTerm}`;
    }
    case "voteResponse":
      return `${head}${message.isPreVote ? " pre" : ""} ${message.isGranted ? "granted" : "refused"}`;
    case "appendRequest":
      return `${head} after ${message.previousIndex}/${message.previousTerm} [${entriesText(message.entries)}] commit ${message.commitIndex}`;
    case "appendAccepted":
      return `${head} match ${message.matchIndex}`;
    case "appendRejected":
      return `${head} not ${message.previousIndex}, try ${message.hintIndex}/${message.hintTerm}`;
    case "heartbeatRequest":
      return `${head} commit ${message.commitIndex} round ${message.readRound}`;
    case "heartbeatResponse":
      return `${head} round ${message.readRound}`;
    case "snapshotOffer":
      return `${head} ${message.snapshot.index}/${message.snapshot.term}`;
    case "snapshotFetch":
    case "snapshotChunk":
      return `${head} ${message.snapshot.index}/${message.snapshot.term} at ${message.position}`;
    case "timeoutNow":
    case "followRequest":
      return head;
  }
}
