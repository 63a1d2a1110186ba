/** What `admin.explain` and `admin.diagnose` answer. Codes are stable; texts are for people. */
import type { Offset, TopicPartition } from "./types.ts";

/** Why a question is answered as it is. */
export type ExplanationCode =
  /** Below the high watermark: on every replica in sync. */
  | "ACKED"
  | "VISIBLE"
  | "ISR_FULL"
  /** Below the log start: retention or DeleteRecords removed it. */
  | "BELOW_LOG_START"
  /** No record has this offset yet, and nothing stands in the way of one. */
  | "NOT_WRITTEN"
  | "LEADERLESS"
  /** The metadata names a leader that did not answer. */
  | "LEADER_SILENT"
  /** It answered, and does not lead (yet): its log is being opened, or its metadata is behind. */
  | "LEADER_NOT_OPEN"
  /** Bytes of the leader's log are bad there. */
  | "DAMAGED"
  /** The leader's disk has no room. */
  | "DISK_FULL"
  /** Fewer replicas in sync than min.insync.replicas: acks=all is refused, the high watermark stands still. */
  | "UNDER_MIN_ISR"
  /** Members of the ISR do not have it yet. */
  | "WAITS_FOR_REPLICAS"
  /** The leader's own disk has not synced it yet. */
  | "WAITS_FOR_LEADER_DISK"
  /** Nothing holds it back: a moment later it is through. */
  | "ON_ITS_WAY"
  /** Replicas are not in sync; min.insync.replicas holds. */
  | "ISR_SHORT";

/** What is the matter with one replica. */
export type BlockerCode =
  | "NOT_REGISTERED"
  | "STOPPED"
  | "DOWN"
  | "FENCED"
  | "SHUTTING_DOWN"
  | "OFFLINE"
  | "DAMAGED"
  | "EMPTIED"
  | "DISK_FULL"
  | "SLOW_DISK"
  /** The metadata takes it for alive, and it did not answer. */
  | "SILENT"
  | "NOT_FOLLOWING"
  | "UNHEARD"
  | "BEHIND"
  | "LOG_START"
  | "JOINING"
  | "NOT_ANSWERED";

export interface Blocker {
  broker: number;
  code: BlockerCode;
  /** A sentence without its full stop. */
  text: string;
  /** Unix ms by the clock of this machine; null: not known. */
  since: number | null;
}

export interface Explanation extends TopicPartition {
  question: "acked" | "visible" | "isr";
  /** Null: the question was about none. */
  offset: Offset | null;
  /** Whether it is so: acknowledged, visible, everybody in sync. */
  holds: boolean;
  code: ExplanationCode;
  /** One sentence: whether, and why. */
  text: string;
  /** Since when it is so; Unix ms by the clock of this machine; null: not known. */
  since: number | null;
  /** Whom it waits for, the worst first. */
  blockers: Blocker[];
  /** What to do; empty where nothing is to be done. */
  advice: string[];
  state: PartitionState;
}

/** What is known of the partition, put together from the brokers that answered. */
export interface PartitionState {
  topicId: string;
  leader: number | null;
  leaderEpoch: number;
  isr: number[];
  elr: number[];
  /** Whose logs are compared when nobody is eligible. */
  lastIsr: number[];
  /** min.insync.replicas as it is in force. */
  minIsr: number;
  recovering: boolean;
  /** Only what is synced counts. */
  countsSynced: boolean;
  /** By the leader; null where it did not answer. */
  start: Offset | null;
  highWatermark: Offset | null;
  end: Offset | null;
  /** A change of the ISR that the controller has not decided yet. */
  proposal: { isr: number[]; ageMs: number } | null;
  replicas: ReplicaState[];
  /** Of ISR, leader and damage, oldest first, as far as a broker that answered has seen them. */
  changes: ExplainedChange[];
  controller: number | null;
  /** Brokers that were asked and did not answer. */
  silent: { broker: number; message: string }[];
}

export interface ReplicaState {
  broker: number;
  role: "leader" | "follower";
  /** alive, down, fenced, stopped, shutting down, offline, not registered. */
  state: string;
  inSync: boolean;
  /** What it has written, or vouches for where it did not answer itself. */
  end: Offset | null;
  synced: Offset | null;
  /** Records behind the leader. */
  lag: number | null;
  /** Since it stood at the leader's end; 0 = it does. */
  caughtUpMs: number | null;
  /** First offset that is lost on it. */
  damagedFrom: Offset | null;
}

export interface ExplainedChange {
  /** Unix ms by the controller's clock; null: not known. */
  at: number | null;
  metadataOffset: number;
  /** isr-shrunk, isr-expanded, leader-changed, unclean-election, replica-damaged, replica-repaired. */
  type: string;
  /** fenced, lagging, caught-up and so on; empty: none was given. */
  reason: string;
  /** Of a change of the ISR; else null. */
  isr: number[] | null;
  isrBefore: number[] | null;
  /** Of a change of the leader; null: nobody, or another change. */
  leader: number | null;
  leaderBefore: number | null;
  /** Whose replica was found damaged, or repaired; else null. */
  broker: number | null;
}

/** What a broker found out about itself and its machine. */
export interface BrokerDiagnosis {
  broker: number;
  /** Null: it did not answer. */
  version: string | null;
  /** Its clock minus this machine's, at least and at most, in ms; null: it did not answer. */
  clock: { least: number; most: number } | null;
  checks: { name: string; status: "OK" | "WARN" | "FAIL"; detail: string; fix: string }[];
  /** Why it did not answer; null: it did. */
  error: Error | null;
}
