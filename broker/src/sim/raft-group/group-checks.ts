/**
 * The Raft rows of testing.md section 4, checked after each event on the replica that it touched. RA12 belongs to the birth
 * of a cluster, which is not the core's. BO1: what is on its way to a peer is within its window. SAID: nothing leaves that the disk could forget (semantics 10.1(2)). L1: a group
 * that is whole again comes to an end.
 */
import type { Entry, LogIndex, Message, ReadConfirmed, ReadyWrite, ReplicaId, Term } from "../../raft/index.ts";
import { replicaKey } from "../../raft/index.ts";
import { entryHash, type ReplicaHost, storedTerm } from "./replica-host.ts";
import { ensureInflightBounded, type InflightBounds } from "../inflight-bounds.ts";
import { ensure } from "../violation.ts";

/** What a replica looked like after the last event that touched it, in this life. */
interface Seen {
  readonly term: Term;
  readonly commitIndex: LogIndex;
  readonly isLeader: boolean;
  /** A leader's commit index has moved in its term, which only an entry of that term can do. */
  readonly hasOwnTermCommit: boolean;
}

interface AppliedEntry {
  readonly term: Term;
  readonly hash: number;
  readonly state: number;
  /** It committed in this term or an earlier one. */
  readonly committedTerm: Term;
}

interface AskedRead {
  readonly host: ReplicaHost;
  readonly term: Term;
  readonly ticket: number;
  /** Answered to anybody before this read came. */
  readonly floor: LogIndex;
}

export class GroupChecks {
  readonly counts = new Map<string, number>();
  readonly #hostOf: (replica: ReplicaId) => ReplicaHost | undefined;
  readonly #inflight: InflightBounds;
  readonly #seen = new Map<ReplicaHost, Seen>();
  readonly #leaders = new Map<Term, string>();
  readonly #votes = new Map<string, string>();
  readonly #entries = new Map<string, { readonly hash: number; readonly previousTerm: Term | null }>();
  /** By index: what was applied there first, and the state after it. */
  readonly #applied: AppliedEntry[] = [];
  #answeredIndex: LogIndex = 0;
  #reads: AskedRead[] = [];

  constructor(hostOf: (replica: ReplicaId) => ReplicaHost | undefined, inflight: InflightBounds) {
    this.#hostOf = hostOf;
    this.#inflight = inflight;
  }

  count(what: string): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + 1);
  }

  onStarted(host: ReplicaHost): void {
    this.#seen.delete(host);
    this.afterEvent(host);
  }

  onSent(host: ReplicaHost, message: Message): void {
    const { hardState } = host.disk;
    const isPreVote = (message.kind === "voteRequest" || message.kind === "voteResponse") && message.isPreVote;
    if (isPreVote) return;
    ensure(message.term <= hardState.term, "SAID", () => `${name(host)} speaks of a term that its disk does not have`);
    // One of an earlier term speaks of a log that this term's leader may have cut since, before either was written.
    if (message.kind === "appendAccepted" && message.term === hardState.term) {
      const end = host.disk.entries.at(-1)?.index ?? host.disk.snapshot.index;
      ensure(message.matchIndex <= end, "SAID", () => `${name(host)} acknowledges what its disk does not have`);
    }
    if (message.kind !== "voteResponse" || !message.isGranted || message.term < hardState.term) return;
    const candidate = replicaKey(message.to);
    const { vote } = hardState;
    ensure(
      vote !== null && replicaKey(vote) === candidate,
      "SAID",
      () => `${name(host)} grants a vote it could forget`,
    );
    const key = `${message.term} ${replicaKey(host.replica)}`;
    const known = this.#votes.get(key) ?? candidate;
    ensure(
      known === candidate,
      "RA4",
      () => `${name(host)} votes for ${known} and ${candidate} in term ${message.term}`,
    );
    this.#votes.set(key, candidate);
  }

  onWrite(host: ReplicaHost, write: ReadyWrite): void {
    const isLeader = host.node?.softState.role === "leader";
    if (write.snapshot !== null) {
      ensure(!isLeader, "RA7", () => `${name(host)} installs a snapshot as leader`);
      this.count("snapshot installed");
    }
    let before = storedTerm(host.disk, (write.entries[0]?.index ?? 0) - 1);
    if ((host.disk.entries.at(-1)?.index ?? 0) >= (write.entries[0]?.index ?? Number.POSITIVE_INFINITY)) {
      this.count("truncation");
    }
    for (const entry of write.entries) {
      const key = `${entry.index}/${entry.term}`;
      const known = this.#entries.get(key);
      const hash = entryHash(entry);
      const previousTerm = before ?? known?.previousTerm ?? null;
      const isSame =
        known === undefined || (known.hash === hash && (known.previousTerm ?? previousTerm) === previousTerm);
      ensure(isSame, "RA5", () => `${name(host)} has another entry ${key}, or another one before it`);
      this.#entries.set(key, { hash, previousTerm });
      before = entry.term;
    }
  }

  onApplied(host: ReplicaHost, entry: Entry): void {
    const { image } = host;
    ensure(image.index === entry.index, "RA8", () => `${name(host)} applies ${entry.index} out of order`);
    const isOnDisk = storedTerm(host.disk, entry.index) === entry.term;
    ensure(isOnDisk, "RA3", () => `${name(host)} applies ${entry.index}, which its disk does not have`);
    const known = this.#applied[entry.index];
    if (known === undefined) {
      this.#applied[entry.index] = {
        term: entry.term,
        hash: entryHash(entry),
        state: image.hash,
        committedTerm: host.node?.term ?? entry.term,
      };
    } else {
      const isSame = known.hash === entryHash(entry) && known.state === image.hash;
      ensure(isSame, "RA8", () => `${name(host)} applies another ${entry.index}`);
    }
    const soft = host.node?.softState;
    // Its client is answered by the leader that proposed it.
    if (soft?.role === "leader" && soft.term === entry.term) {
      this.#answeredIndex = Math.max(this.#answeredIndex, entry.index);
      this.count("entry committed");
    }
  }

  onInstalled(host: ReplicaHost): void {
    const { index, hash } = host.image;
    ensure(this.#applied[index]?.state === hash, "RA8", () => `${name(host)} installed a state nobody was in`);
  }

  onReadAsked(host: ReplicaHost, term: Term, ticket: number): void {
    this.#reads.push({ host, term, ticket, floor: this.#answeredIndex });
  }

  onReadConfirmed(host: ReplicaHost, { term, ticket, index }: ReadConfirmed): void {
    const isMeant = (read: AskedRead): boolean => read.host === host && read.term === term && read.ticket <= ticket;
    for (const read of this.#reads) {
      if (!isMeant(read)) continue;
      this.count("read confirmed");
      ensure(index >= read.floor, "RA11", () => `${name(host)} reads at ${index}, ${read.floor} was answered before`);
      this.#answeredIndex = Math.max(this.#answeredIndex, index);
    }
    this.#reads = this.#reads.filter((read) => !isMeant(read));
  }

  /** Before a change is asked for: may it be made? Judged by what was seen from outside. */
  mayChange(host: ReplicaHost): boolean {
    const seen = this.#seen.get(host);
    const last = host.disk.entries.findLast((entry) => entry.body.kind === "voters")?.index ?? 0;
    return seen?.hasOwnTermCommit === true && last <= seen.commitIndex;
  }

  onChanged(host: ReplicaHost, before: readonly ReplicaId[], wasAllowed: boolean): void {
    this.count("voters changed");
    const after = host.node?.voters ?? [];
    ensure(wasAllowed, "RA10", () => `${name(host)} changes voters too early`);
    ensure(Math.abs(after.length - before.length) <= 1, "RA10", () => `${name(host)} changes two voters at once`);
  }

  afterEvent(host: ReplicaHost): void {
    const { node, disk } = host;
    if (node === null) return;
    const { term, commitIndex } = node;
    const seen = this.#seen.get(host);
    ensure(term >= disk.hardState.term && term >= (seen?.term ?? 0), "RA2", () => `the term of ${name(host)} fell`);
    ensure(commitIndex >= (seen?.commitIndex ?? 0), "RA2", () => `the commit index of ${name(host)} fell`);
    const first = disk.entries[0]?.index ?? 1;
    ensure(first <= disk.snapshot.index + 1, "RA6", () => `the log of ${name(host)} begins at ${first}`);
    ensureInflightBounded(name(host), node.inflight, this.#inflight);
    const isLeader = node.softState.role === "leader";
    const wasLeader = seen?.isLeader === true && seen.term === term;
    if (isLeader && !wasLeader) this.#onElected(host, term);
    const hasMoved = isLeader && seen !== undefined && commitIndex > seen.commitIndex;
    if (hasMoved) this.#onLeaderCommitted(host, term, commitIndex);
    const hasOwnTermCommit = isLeader && (hasMoved || (wasLeader && seen.hasOwnTermCommit));
    this.#seen.set(host, { term, commitIndex, isLeader, hasOwnTermCommit });
  }

  /** At the end, with everybody up and all links whole: one state. */
  atRest(hosts: readonly ReplicaHost[]): boolean {
    const [first] = hosts;
    return hosts.every((host) => host.image.index === first?.image.index && host.image.hash === first.image.hash);
  }

  #onElected(host: ReplicaHost, term: Term): void {
    this.count("election");
    const key = replicaKey(host.replica);
    const known = this.#leaders.get(term) ?? key;
    ensure(known === key, "RA1", () => `${known} and ${key} lead term ${term}`);
    this.#leaders.set(term, key);
    const { disk } = host;
    for (let index = disk.snapshot.index + 1; index < this.#applied.length; index++) {
      const committed = this.#applied[index];
      // Votes may be counted late, when a later term has a leader and entries already.
      const isConcerned = committed !== undefined && committed.committedTerm < term;
      const isHeld = !isConcerned || storedTerm(disk, index) === committed.term;
      ensure(isHeld, "RA5", () => `${name(host)} leads term ${term} without the committed entry ${index}`);
    }
  }

  /** RA3 and RA9: what committed by counting is an entry of this term, and on the disks of a majority of the voters. */
  #onLeaderCommitted(host: ReplicaHost, term: Term, index: LogIndex): void {
    const voters = host.node?.voters ?? [];
    let holders = 0;
    for (const voter of voters) {
      const disk = this.#hostOf(voter)?.disk;
      if (disk === undefined) continue;
      if (storedTerm(disk, index) === term || disk.snapshot.index >= index) holders += 1;
    }
    ensure(
      2 * holders > voters.length,
      "RA3",
      () => `${name(host)} commits ${index} with ${holders} of ${voters.length}`,
    );
  }
}

function name(host: ReplicaHost): string {
  return replicaKey(host.replica);
}
