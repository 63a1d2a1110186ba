/** Messages of the admin service about the quorum that keeps the metadata. */
export type DescribeQuorumRequest = Record<never, never>;

export interface DescribeQuorumResponse {
  /** Who answers. */
  brokerId: number;
  /** leader, follower, candidate or learner. */
  role: string;
  term: number;
  /** -1: none known. */
  leaderId: number;
  commitIndex: number;
  appliedIndex: number;
  lastIndex: number;
  /** It has no room to store entries. */
  suspended: boolean;
  /** The voters; from the leader also the learners. */
  nodes: QuorumNode[];
}

export interface QuorumNode {
  id: number;
  directoryId: string;
  voter: boolean;
  /** -1: not known, as with all but the leader. */
  matchIndex: number;
  /** -1: not known. */
  lastContactMs: number;
}

export interface DescribeQuorumLogRequest {
  /** 0, or below what is kept: from the oldest entry that is. */
  fromIndex: number;
  /** 0: as many as fit into an answer, 1,000 at most. */
  maxEntries: number;
}

/** The metadata log as the broker that answers holds it. */
export interface DescribeQuorumLogResponse {
  brokerId: number;
  /** Of the oldest entry that is kept; what is below is in the snapshot. */
  firstIndex: number;
  lastIndex: number;
  /** Entries above it may still be replaced. */
  commitIndex: number;
  /** Last entry that the newest snapshot contains. */
  snapshotIndex: number;
  snapshotTerm: number;
  entries: QuorumLogEntry[];
}

export interface QuorumLogEntry {
  index: number;
  term: number;
  /** command, leaderStart or voters. */
  kind: string;
  /** Of a command. */
  bytes: number;
  /** Of a command, each as JSON. */
  records: string[];
  /** Further ones, which do not fit into an answer. */
  recordsLeftOut: number;
  /** Of an entry that changes them: all of them. */
  voters: QuorumVoter[];
  /** Of a command: its leader's clock when it was proposed, Unix ms; -1: not known. */
  atMs: number;
}

export interface QuorumVoter {
  id: number;
  directoryId: string;
}

export type WriteQuorumSnapshotRequest = Record<never, never>;

/** The newest snapshot of the broker that answers, of everything that it had applied when it was asked. */
export interface WriteQuorumSnapshotResponse {
  brokerId: number;
  index: number;
  term: number;
  bytes: number;
}

export interface TransferQuorumLeaderRequest {
  nodeId: number;
}

/** It has happened. */
export interface TransferQuorumLeaderResponse {
  leaderId: number;
  term: number;
  metadataOffset: number;
}

export interface ChangeQuorumVoterRequest {
  nodeId: number;
  /** Its seat is taken, and stays so, whatever the brokers' files say; else it is given one. */
  remove: boolean;
  /** 0: 30 s. */
  timeoutMs: number;
}

/** It has happened, or was so already. */
export interface ChangeQuorumVoterResponse {
  /** Ascending. */
  voters: number[];
  metadataOffset: number;
}
