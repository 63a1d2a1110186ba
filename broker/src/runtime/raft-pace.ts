/**
 * The times of a Raft group, counted in ticks of its core. A tick is short enough for campaigns, which take milliseconds; where nothing
 * is near, several pass in one go.
 */
import type { RaftOptions } from "../raft/index.ts";

export interface RaftTimes {
  /** A leader silent for this long is campaigned against (`controller.quorum.fetch.timeout.ms`). */
  readonly fetchTimeoutMs: number;
  /** A campaign without a result is repeated after this long (`controller.quorum.election.timeout.ms`). */
  readonly electionTimeoutMs: number;
  /** Longest rest after a lost one (`controller.quorum.election.backoff.max.ms`). */
  readonly electionBackoffMaxMs: number;
}

type TickOptions = Extract<keyof RaftOptions, `${string}Ticks` | "backoffTicksMax">;

export interface RaftPace {
  readonly tickMs: number;
  /** At most so many in one go. */
  readonly idleTicks: number;
  /** Voters that notice together that the leader is gone do not all campaign at once: up to so many ticks apart (10.4(6)). */
  readonly leaderGoneTicks: number;
  readonly options: Pick<RaftOptions, TickOptions>;
}

const TICKS_PER_TIMEOUT = 200;
const LEADER_GONE_SPREAD_MS = 50;
/** The first rest after a lost campaign, at most. */
const FIRST_BACKOFF_MS = 50;
/** From a pre-vote to a leader's first word: two messages each way and two writes of `quorum-state`, on a slow disk. */
const GIVE_WAY_MS = 150;

export function raftPace({ fetchTimeoutMs, electionTimeoutMs, electionBackoffMaxMs }: RaftTimes): RaftPace {
  const tickMs = fetchTimeoutMs / TICKS_PER_TIMEOUT;
  const ticks = (durationMs: number): number => Math.max(1, Math.round(durationMs / tickMs));
  return {
    tickMs,
    idleTicks: TICKS_PER_TIMEOUT / 20,
    leaderGoneTicks: ticks(LEADER_GONE_SPREAD_MS),
    options: {
      electionTicks: TICKS_PER_TIMEOUT,
      heartbeatTicks: TICKS_PER_TIMEOUT / 5,
      // 10.1(4): 1.5 x the election time.
      checkQuorumTicks: 1.5 * TICKS_PER_TIMEOUT,
      campaignTicks: ticks(electionTimeoutMs),
      backoffTicks: ticks(Math.min(FIRST_BACKOFF_MS, electionBackoffMaxMs)),
      backoffTicksMax: ticks(electionBackoffMaxMs),
      // Others campaign between two questions of one that cannot win.
      giveWayTicks: ticks(Math.min(GIVE_WAY_MS, electionTimeoutMs / 2)),
    },
  };
}
