/** Known mistakes of the whole broker: lines of the compiled rooms that no smaller profile runs as they ship. */
import type { ClusterOptions } from "../../src/sim/index.ts";
import type { Edit, Mutation } from "./mutation.ts";

const known = (
  id: string,
  what: string,
  edits: readonly Edit[],
  seedsMax: number,
  seed: number,
  given: Partial<ClusterOptions> = {},
): Mutation => ({ id, profile: "cluster", what, edits, seedsMax, seed, given: { chaosMs: 4_000, ...given } });

/** One topic, of which every broker has a replica. */
const topic = (durability: string, partitions = 4, minIsr = 2): Pick<ClusterOptions, "brokersCount" | "topics"> => ({
  brokersCount: 3,
  topics: [
    {
      name: "topic-0",
      partitions,
      replicationFactor: 3,
      minIsr,
      minIsrLeast: 2,
      durability,
      retentionBytes: -1,
    },
  ],
});

/** Nothing is synced, and all die at once, one of them with its power. */
const DOMINOES: Partial<ClusterOptions> = {
  ...topic("page-cache"),
  chaosMs: 10_000,
  faults: { domino: 0.5 },
  changes: {},
};

/** Followers learn late of what is committed, and leaders die often. */
const SHORT_REIGNS: Partial<ClusterOptions> = {
  ...topic("page-cache"),
  recordIntervalMs: 20,
  network: {
    delayMs: { min: 5, max: 40 },
    raftLoss: 0,
    raftDuplication: 0,
    raftReordering: 0,
    bytesPerMs: 0,
    streamPieces: 0,
  },
  chaosMs: 8_000,
  faults: { kill: 0.6, reset: 0.6, oneWay: 0.25 },
  changes: { lead: 0.6 },
};

/** Small segments, several batches on their way, and answers that are lost while the broker that knows of them goes and comes again. */
const RESTARTS: Partial<ClusterOptions> = {
  ...topic("page-cache", 1),
  producers: [{ acks: "all", isIdempotent: true, codec: 0 }],
  recordIntervalMs: 50,
  valueBytesMax: 200,
  maxInFlight: 5,
  deliveryTimeoutMs: 120_000,
  healsCoreFirst: false,
  losesMost: false,
  isTiny: true,
  segmentBytes: 1_024,
  scrubIntervalMs: 0,
  chaosMs: 10_000,
  faults: { kill: 0.6, partClient: 0.3, reset: 0.6 },
  changes: { lead: 0.6 },
};

/** Closed segments rot, and are looked through. */
const ROT: Partial<ClusterOptions> = {
  ...topic("group-commit", 1),
  producers: [{ acks: "all", isIdempotent: true, codec: 0 }],
  recordIntervalMs: 50,
  healsCoreFirst: false,
  isTiny: true,
  segmentBytes: 1_024,
  scrubIntervalMs: 3_000,
  chaosMs: 8_000,
  faults: { rot: 0.6 },
  changes: { lead: 0.6 },
};

/** Two replicas, so that a damaged one that leaves the ISR stays in the last ISR; all die while that is known and not mended. */
const KNOWN_ROT: Partial<ClusterOptions> = {
  ...ROT,
  topics: topic("group-commit").topics.map((each) => ({ ...each, replicationFactor: 2 })),
  scrubIntervalMs: 1_000,
  sessionTimeoutMs: 1_500,
  racksCount: 1,
  losesMost: false,
  chaosMs: 20_000,
  faults: { foundRot: 2 },
  changes: {},
};

/** All die, also in the middle of what they do, and then one of three stays dead: what was on it is led by the others. */
const ONE_BURIED: Partial<ClusterOptions> = {
  ...topic("group-commit", 3),
  producers: [{ acks: "all", isIdempotent: true, codec: 0 }],
  moreReaders: 0,
  racksCount: 2,
  chaosMs: 8_000,
  healsCoreFirst: true,
  losesMost: false,
  faults: { blackout: 0.3, power: 0.6, dieInside: 0.4, kill: 0.4 },
  changes: {},
};

export const CLUSTER_MUTATIONS: readonly Mutation[] = [
  known(
    "cluster-acks-own-log",
    "acks=all is answered before followers have it (8.2)",
    [
      {
        file: "runtime/partition-appends.js",
        from: "if (task.lastOffset < this.#leader.highWatermark)",
        to: "if (true)",
      },
    ],
    20,
    2,
  ),
  known(
    "cluster-counts-written",
    "a follower tells written ends in a synced mode (15.1(2))",
    [
      {
        file: "runtime/followed-partition.js",
        from: "return this.#countsSynced ? asOffset(Math.min(syncedEndOffset, writtenEndOffset)) : writtenEndOffset;",
        to: "return writtenEndOffset;",
      },
    ],
    20,
    2,
  ),
  known(
    "cluster-shows-uncommitted",
    "records are shown beyond the high watermark (12.3, RE8)",
    [
      {
        file: "runtime/partition.js",
        from: "get readEnd() {\n        return this.#leader.highWatermark;",
        to: "get readEnd() {\n        return this.#log.writtenEndOffset;",
      },
      {
        file: "runtime/partition.js",
        from: "readTailInto(into, at, offset) {\n        return this.#log.readTailInto(into, at, offset, this.#leader.highWatermark);",
        to: "readTailInto(into, at, offset) {\n        return this.#log.readTailInto(into, at, offset, this.#log.writtenEndOffset);",
      },
      {
        file: "runtime/partition.js",
        from: "return this.#log.readInto(into, at, offset, this.#leader.highWatermark);",
        to: "return this.#log.readInto(into, at, offset, this.#log.writtenEndOffset);",
      },
    ],
    20,
    1,
  ),
  known(
    "cluster-sequence-unchecked",
    "sequences are not looked at (11.1)",
    [{ file: "runtime/partition-appends.js", from: "if (header.hasProducerId) {", to: "if (false) {" }],
    20,
    12,
  ),
  known(
    "cluster-vote-unwritten",
    "a vote is not written down (10.1(1), P18)",
    [
      {
        file: "storage/raft-store/raft-store.js",
        from: "await safeWrite(this.#host, this.directory, QUORUM_STATE, encodeQuorumState(hardState));",
        to: "",
      },
    ],
    20,
    10,
  ),
  known(
    "cluster-answer-uncommitted",
    "the controller answers before what it decided on is committed (10.3(3), P52)",
    [
      {
        file: "runtime/proposals.js",
        from: "newest.waiters.push({ commit,",
        to: "commit();\n            newest.waiters.push({ commit,",
      },
    ],
    20,
    1,
  ),
  known(
    "cluster-duplicate-at-once",
    "a duplicate is answered before its original is written, or replicated (8.2, P73)",
    [
      {
        file: "runtime/partition-appends.js",
        from: "task.logAppendTime = original.timestamp;\n        this.#handedOver.push(task);\n        return true;",
        to: "task.logAppendTime = original.timestamp;\n        this.#letGo(task);\n        this.#answer(task);\n        return true;",
      },
    ],
    100,
    12,
  ),
  known(
    "cluster-any-lower-duplicate",
    "any lower sequence is taken for a duplicate (11.1(2), P62)",
    [
      {
        file: "replication/producer-check.js",
        from: "return LOOK_UP;",
        to: 'return { kind: "duplicate", batch: known.batches.at(-1) ?? known.batches[0] };',
      },
    ],
    40,
    3,
    RESTARTS,
  ),
  known(
    "cluster-cut-at-mark",
    "a follower cuts at its high watermark (5.3(1), P01)",
    [
      {
        file: "replication/partition-follower.js",
        from: "this.#part(truncationPoint(answer.end, this.#log))",
        to: "this.#part(Math.min(truncationPoint(answer.end, this.#log), this.#log.highWatermark))",
      },
    ],
    40,
    9,
    SHORT_REIGNS,
  ),
  known(
    "cluster-unclean-passes",
    "an unclean restart passes for a clean one (9(4), P19)",
    [
      {
        file: "metadata/register-broker.js",
        from: "isUnclean: isUncleanRestart(before, request),",
        to: "isUnclean: false,",
      },
    ],
    40,
    2,
    DOMINOES,
  ),
  known(
    "cluster-mDmgFirst",
    "cuts what is damaged before it has left the ISR (15.7(2), P45)",
    [
      {
        file: "runtime/damaged-replicas.js",
        from: "if (leaderId < 0 || leaderId === brokerId || isr.includes(brokerId) || elr.includes(brokerId))",
        to: "if (leaderId < 0 || leaderId === brokerId)",
      },
      {
        file: "runtime/damaged-replicas.js",
        from: "return false;\n        return this.#isKnown(log);",
        to: "return false;\n        return true;",
      },
      {
        file: "runtime/damaged-replicas.js",
        from: 'state: "due", decidedAt: -1 });\n        this.#report();',
        to: 'state: "due", decidedAt: -1 });',
      },
    ],
    20,
    2,
    ROT,
  ),
  known(
    "cluster-mDmgEpoch",
    "reported damage begins no leader epoch (decision 0031)",
    [
      {
        file: "metadata/broker-sweep.js",
        from: "around, { isNewLeader: true });\n}\nfunction isKnownDamaged",
        to: "around);\n}\nfunction isKnownDamaged",
      },
    ],
    20,
    4,
    {
      ...ROT,
      recordIntervalMs: 150,
      scrubIntervalMs: 1_000,
      sessionTimeoutMs: 9_000,
      racksCount: 1,
      chaosMs: 3_000,
      faults: { rot: 2 },
      changes: {},
    },
  ),
  {
    ...known(
      "cluster-mDmgElr",
      "a damaged replica stays eligible (15.7(2))",
      [{ file: "metadata/broker-sweep.js", from: "mayHaveLost ? brokerId : null", to: "null" }],
      5,
      1,
      {
        ...ROT,
        ...topic("group-commit", 1, 3),
        recordIntervalMs: 150,
        scrubIntervalMs: 1_000,
        sessionTimeoutMs: 9_000,
        racksCount: 1,
        chaosMs: 3_000,
        faults: { rot: 2 },
        changes: {},
      },
    ),
    isDear: true,
  },
  known(
    "cluster-mDmgPick",
    "known damage is nothing against being chosen for the log (9(3), 15.7(3))",
    [
      {
        file: "metadata/longest-log.js",
        from: "isDamaged: answer.isDamaged || isKnown }",
        to: "isDamaged: false }",
      },
    ],
    40,
    1,
    KNOWN_ROT,
  ),
  known(
    "cluster-fixDmgRow",
    "damage that an earlier life has reported is nothing against being chosen for the log (15.7(3), decision 0031)",
    [
      {
        file: "metadata/longest-log.js",
        from: "isDamaged: answer.isDamaged || isKnown }",
        to: "isDamaged: answer.isDamaged }",
      },
    ],
    40,
    2,
    KNOWN_ROT,
  ),
  known(
    "cluster-born-by-majority",
    "a majority of emptied brokers bears a cluster (10.1(8), P54)",
    [
      {
        file: "runtime/cluster/birth.js",
        from: "if (missing.length === 0 && founder === replica.nodeId)",
        to: "if (missing.length < listed.length / 2 && answers.every((answer) => answer.replica.nodeId > replica.nodeId))",
      },
    ],
    20,
    3,
    { ...topic("group-commit", 1), faults: {}, changes: {}, chaosMs: 500, healsCoreFirst: false, losesMost: true },
  ),
  known(
    "cluster-last-isr-awaited",
    "whoever of the last ISR does not answer is waited for, for ever (9(3))",
    [
      {
        file: "runtime/leader-inquiry.js",
        from: "firstAnswerAt !== null && now - firstAnswerAt >= ANSWER_WAIT_MS",
        to: "false",
      },
    ],
    20,
    1,
    ONE_BURIED,
  ),
  known(
    "cluster-elr-awaited",
    "a dead member of the ELR is waited for in a synced mode (9(1), P79)",
    [
      {
        file: "metadata/partition-rules.js",
        from: "elr.length === 0 || (isSynced && acceptable(elr, brokers).length === 0)",
        to: "elr.length === 0",
      },
    ],
    20,
    1,
    ONE_BURIED,
  ),
  known(
    "cluster-fetch-memory-unasked",
    "fetch streams read whatever memory all of them hold (BO1)",
    [
      {
        file: "runtime/fetch-memory.js",
        from: "if (this.#turn === share)\n            return true;",
        to: "return true;",
      },
    ],
    10,
    1,
    { ...topic("group-commit"), moreReaders: 12, isTiny: true, segmentBytes: 4_096, faults: {}, changes: {} },
  ),
  known(
    "cluster-slabs-kept",
    "whatever was lent comes to lie in the pool for good (BO1)",
    [{ file: "runtime/slab-pool.js", from: "if (this.#keptBytes + size > KEPT_BYTES)", to: "if (false)" }],
    10,
    1,
    { ...topic("group-commit"), moreReaders: 40, valueBytesMax: 60_000, faults: { slowReader: 0.6 }, changes: {} },
  ),
  known(
    "cluster-full-stream-sent",
    "a leader sends on when enough is on its way to a follower (BO1)",
    [
      {
        file: "runtime/replication-source.js",
        from: "get isWritable() {\n        return this.#isWritable;",
        to: "get isWritable() {\n        return true;",
      },
    ],
    10,
    1,
    { ...topic("group-commit"), streamAheadBytes: 512, faults: { streamStall: 0.6 }, changes: {} },
  ),
  known(
    "cluster-frames-kept",
    "a broker that has not opened its logs keeps what comes on replication streams (BO2)",
    [{ file: "broker-cluster.js", from: "release?.()", to: "undefined" }],
    10,
    1,
    { ...topic("group-commit"), faults: { blackout: 1 }, changes: {}, healsCoreFirst: false },
  ),
  known(
    "cluster-timers-outlive",
    "timers of a broker run when it has stopped (BO3)",
    [{ file: "broker-timers.js", from: "for (const pending of this.#pending)\n            pending.cancel();", to: "" }],
    5,
    1,
    { ...topic("group-commit", 1), faults: {}, changes: {}, chaosMs: 500 },
  ),
];
