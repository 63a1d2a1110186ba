/**
 * replication: the state of one partition on the replica that leads it, as synchronous cores.
 *
 * Inputs: what was appended, written and synced, what followers vouch for, what the metadata says. Outputs: verdicts and
 * effects as values. Invariants: the high watermark never falls and never passes what an ISR member vouches for; nothing
 * here waits, reads a clock or touches a disk.
 *
 * Not here: the log (storage), queues and parked answers (runtime), the follower's side, changes of the ISR.
 */
export type { LeaderEffect, LeaderRefusal, Membership, PartitionLeaderOptions } from "./partition-leader.ts";
export { PartitionLeader } from "./partition-leader.ts";
export type { ArrivingBatch, KnownBatch, KnownProducer, ProducerRefusal, ProducerVerdict } from "./producer-check.ts";
export { checkProducer } from "./producer-check.ts";
