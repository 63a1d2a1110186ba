/**
 * How a node without a cluster gets a seat in one (semantics 10.1(8)). Everybody tells who asks what his directory says ("empty", or a
 * cluster with its voters); an empty node asks the listed voters, round by round, until one of these holds:
 *
 *     somebody belongs to a cluster            its seat, if the voters name its directory; else it follows as a learner
 *     all listed have answered "empty",        it founds: cluster id and voters with their directories, fixed once. The others
 *       and it has the lowest id of them       find the founder in a cluster then
 *     else                                     it waits, and names whom it lacks
 *
 * A majority of emptied volumes never bears a second cluster: one that still belongs to the first, or is away, prevents it. Whoever
 * founds answers "empty" until the cluster is durable with it.
 *
 * Nothing is written here: the caller makes the store, and the directory the cluster's, before anybody hears of it.
 */
import { ProtoError } from "@tidemark/proto";
import type { Voter } from "../../config/index.ts";
import { type Logger, PeerError, type PeerTransport, type Timers } from "../../ports/index.ts";
import { includesReplica, type ReplicaId } from "../../raft/index.ts";
import { askPeer, type PeerCalls, peerInTrouble } from "./peer-calls.ts";

/** What a node says of its own directory. */
export interface Membership {
  /** Null: it belongs to no cluster. */
  readonly clusterId: string | null;
  /** Of the cluster, as far as this node knows; none without one. */
  readonly voters: readonly ReplicaId[];
}

export interface Seat {
  readonly clusterId: string;
  readonly voters: readonly ReplicaId[];
  readonly isFounder: boolean;
}

export interface SeatOptions {
  readonly replica: ReplicaId;
  /** Of the configuration, in any order; this node may be among them or not. */
  readonly listed: readonly Voter[];
  /** What `server format` chose for the cluster; null: nothing. */
  readonly wantedClusterId: string | null;
  readonly transport: PeerTransport;
  readonly timers: Timers;
  readonly logger: Logger;
  /** For a cluster that is born here. */
  makeClusterId(): string;
  /** Whom it waits for, in words, each time that this changes. */
  onWaiting(whom: readonly string[]): void;
}

const METHOD = "cluster/membership";
const ASK_TIMEOUT_MS = 1_000;
const ROUND_REST_MS = 200;

/** What one node answered, with the words for why it is not enough if it is not. */
interface Answer {
  readonly voter: Voter;
  readonly replica: ReplicaId;
  readonly membership: Membership;
  readonly listedIds: readonly number[];
}

/**
 * Answers those who look for a seat. What is said of this node is asked each time; a `membership` of null says that its directory belongs
 * to a cluster whose voters are not known here yet: then there is no answer, since "empty" would let others found a second one.
 */
export function serveMembership(
  calls: PeerCalls,
  own: { replica(): ReplicaId; readonly listed: readonly Voter[]; membership(): Membership | null },
): void {
  calls.handle(METHOD, async () => {
    const membership = own.membership();
    if (membership === null) throw new ProtoError("COORDINATOR_NOT_AVAILABLE", "its metadata is not open yet");
    return { replica: own.replica(), listedIds: idsOf(own.listed), ...membership };
  });
}

/** What the node at `to` knows of its cluster; null: it does not answer, or cannot say. */
export async function askMembership(transport: PeerTransport, to: Voter): Promise<Membership | null> {
  try {
    const call = { method: METHOD, request: {}, timeoutMs: ASK_TIMEOUT_MS };
    const { clusterId, voters } = (await askPeer(transport, to, call)) as Membership;
    return { clusterId, voters };
  } catch (thrown: unknown) {
    if (!(thrown instanceof PeerError) && !(thrown instanceof ProtoError)) throw thrown;
    return null;
  }
}

export class SeatSearch {
  readonly #options: SeatOptions;
  #waitingFor = "";
  #isEnded = false;
  #wake: (() => void) | null = null;

  constructor(options: SeatOptions) {
    this.#options = options;
  }

  /** A peer has made itself heard: the next round begins at once. */
  onPeerHeard(): void {
    this.#wake?.();
  }

  /** `find` rejects soon. */
  end(): void {
    this.#isEnded = true;
    this.#wake?.();
  }

  /** Rejects with ProtoError INCONSISTENT_CLUSTER_ID, and NOT_CONTROLLER after `end`. */
  async find(): Promise<Seat> {
    for (;;) {
      if (this.#isEnded) throw new ProtoError("NOT_CONTROLLER", "the broker stops before it has found its cluster");
      // Round by round: each begins with what the one before has found.
      // oxlint-disable-next-line no-await-in-loop
      const seat = await this.#round();
      if (seat !== null) return seat;
      // oxlint-disable-next-line no-await-in-loop
      await this.#rest();
    }
  }

  async #round(): Promise<Seat | null> {
    const { listed, replica } = this.#options;
    const others = listed.filter(({ nodeId }) => nodeId !== replica.nodeId);
    const outcomes = await Promise.all(others.map((voter) => this.#ask(voter)));
    const answers = outcomes.filter((outcome) => typeof outcome !== "string");
    const seat = this.#seatAmong(answers);
    if (seat !== null) return seat;
    const missing = outcomes.filter((outcome) => typeof outcome === "string");
    const [founder] = listed.map(({ nodeId }) => nodeId).toSorted((a, b) => a - b);
    if (missing.length === 0 && founder === replica.nodeId) return this.#found(answers);
    if (missing.length === 0) missing.push(`node ${founder} to found the cluster`);
    this.#tell(missing);
    return null;
  }

  /** The answer; or whom this node lacks, and why, in words. */
  async #ask(voter: Voter): Promise<Answer | string> {
    const { transport, listed } = this.#options;
    const name = `node ${voter.nodeId} at ${voter.host}:${voter.port}`;
    try {
      const call = { method: METHOD, request: {}, timeoutMs: ASK_TIMEOUT_MS };
      const answer = {
        ...((await askPeer(transport, voter, call)) as Omit<Answer, "voter" | "membership"> & Membership),
      };
      const { replica, listedIds, clusterId, voters } = answer;
      const isSameList = idsOf(listed).join() === listedIds.join();
      if (clusterId === null && !isSameList)
        return `${name} (its voters are ${listedIds.join(", ")}, here they are ${idsOf(listed).join(", ")})`;
      return { voter, replica, listedIds, membership: { clusterId, voters } };
    } catch (thrown: unknown) {
      if (!(thrown instanceof PeerError) && !(thrown instanceof ProtoError)) throw thrown;
      return peerInTrouble(voter, thrown);
    }
  }

  #seatAmong(answers: readonly Answer[]): Seat | null {
    const { replica, wantedClusterId, logger } = this.#options;
    const members = answers.filter(({ membership }) => membership.clusterId !== null);
    const [first] = members;
    if (first === undefined) return null;
    const clusterId = first.membership.clusterId as string;
    const stranger = members.find(({ membership }) => membership.clusterId !== clusterId);
    if (stranger !== undefined)
      throw inconsistent(
        `node ${first.replica.nodeId} belongs to cluster ${clusterId}, and node ${stranger.replica.nodeId} to ${stranger.membership.clusterId}`,
      );
    if (wantedClusterId !== null && wantedClusterId !== clusterId)
      throw inconsistent(
        `this directory was formatted for cluster ${wantedClusterId}, and node ${first.replica.nodeId} belongs to ${clusterId}`,
      );
    // Lists differ while one of them is old; whoever names this directory gave it the seat, at the birth or later.
    const { voters } = (members.find(({ membership }) => includesReplica(membership.voters, replica)) ?? first)
      .membership;
    const role = includesReplica(voters, replica) ? "voter" : "learner";
    logger.info("a cluster is found", { clusterId, role, brokerId: first.replica.nodeId });
    return { clusterId, voters, isFounder: false };
  }

  #found(answers: readonly Answer[]): Seat {
    const { replica, wantedClusterId, logger } = this.#options;
    const voters = [replica, ...answers.map((answer) => answer.replica)].toSorted((a, b) => a.nodeId - b.nodeId);
    const clusterId = wantedClusterId ?? this.#options.makeClusterId();
    logger.info("a cluster is born", { clusterId, voters: voters.map(({ nodeId }) => nodeId) });
    return { clusterId, voters, isFounder: true };
  }

  #tell(whom: readonly string[]): void {
    const text = whom.join(", ");
    if (text === this.#waitingFor) return;
    this.#waitingFor = text;
    this.#options.logger.info("waiting for the other voters, to found or join the cluster", { waitingFor: whom });
    this.#options.onWaiting(whom);
  }

  #rest(): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.#options.timers.after(ROUND_REST_MS, () => this.#wake?.());
      this.#wake = () => {
        this.#wake = null;
        timer.cancel();
        resolve();
      };
      if (this.#isEnded) this.#wake();
    });
  }
}

function idsOf(voters: readonly Voter[]): number[] {
  return voters.map(({ nodeId }) => nodeId).toSorted((a, b) => a - b);
}

function inconsistent(message: string): ProtoError {
  return new ProtoError("INCONSISTENT_CLUSTER_ID", message);
}
