/**
 * What a consensus core is built from. Time is a count of ticks; the shell decides how long one is.
 */
import { assert } from "../base/index.ts";
import type { ReplicaId, StoredState } from "./types.ts";

export interface RaftOptions {
  readonly replica: ReplicaId;
  readonly stored: StoredState;
  /** A follower that hears no leader for this long, plus up to as much again by chance, campaigns. */
  readonly electionTicks: number;
  /** A campaign without a result is repeated after this long, plus up to as much again by chance. */
  readonly campaignTicks: number;
  /**
   * Who lost a campaign rests by chance, and not for a whole election time, since nobody leads: at first for up to `backoffTicks`, after
   * each further one for up to twice as long as before, and never longer than `backoffTicksMax`.
   */
  readonly backoffTicks: number;
  readonly backoffTicksMax: number;
  /** Who gave way to another's pre-vote lets that long pass before it asks itself: time for a vote to be stored and counted. */
  readonly giveWayTicks: number;
  readonly heartbeatTicks: number;
  /** A leader that heard no majority for this long resigns: 1.5 x the election time (semantics 10.1(4)). */
  readonly checkQuorumTicks: number;
  /** Largest append message, in bytes of entries; a single larger entry goes alone. */
  readonly appendBytesMax: number;
  /** Append messages to one peer that are not answered yet, by count and by bytes. */
  readonly inflightMessagesMax: number;
  readonly inflightBytesMax: number;
  /** Bytes of proposals that have not committed; beyond, proposals are refused. */
  readonly uncommittedBytesMax: number;
}

export interface RaftDeps {
  /** A number in [0, 1): spreads election timeouts. */
  readonly random: () => number;
}

export function assertOptions(options: RaftOptions): void {
  assert(options.heartbeatTicks >= 1, "heartbeats less than a tick apart");
  assert(options.electionTicks > options.heartbeatTicks, "an election must take longer than a heartbeat");
  assert(options.checkQuorumTicks >= options.electionTicks, "a leader would resign before its followers miss it");
  assert(options.campaignTicks >= 1 && options.backoffTicks >= 1, "campaigns less than a tick apart");
  assert(options.backoffTicksMax >= options.backoffTicks, "the first rest is the longest");
  assert(options.giveWayTicks >= 1, "gives way for less than a tick");
  assert(options.inflightMessagesMax >= 1, "a window of no message");
}
