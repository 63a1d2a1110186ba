/**
 * Known mistakes of replication: lines of the compiled rooms. Those of the formal model by
 * its names, those of semantics 16 by their numbers. One of `sim` breaks a rule that the model controller, the model log
 * or the model shell keeps in place of the real ones.
 */
import type { ClusterRunOptions } from "../../src/sim/index.ts";
import type { Edit, Mutation } from "./mutation.ts";

const known = (
  id: string,
  what: string,
  edits: readonly Edit[],
  seedsMax: number,
  seed: number,
  wanted: Partial<ClusterRunOptions> = {},
): Mutation => ({
  id,
  profile: "replication",
  what,
  edits,
  seedsMax,
  seed,
  wanted: { sparesCount: 0, reassignChance: 0, deleteAtEndChance: 0, ...wanted },
});

/** Of the model controller, under many reassignments. */
const ofMoves = (id: string, what: string, seed: number, from: string, to: string): Mutation =>
  known(id, what, [{ file: "sim/replication-cluster/model-controller.js", from, to }], 300, seed, {
    sparesCount: 2,
    reassignChance: 0.08,
  });

/** Records are deleted up to where an old leader's log ends, which comes back. */
const OLD_LEADERS: Partial<ClusterRunOptions> = {
  brokersCount: 3,
  minIsr: 1,
  minIsrChance: 0,
  deleteAtEndChance: 1,
  batchOffsetsMax: 1,
  uncleanChance: 0,
  wipeChance: 0,
};

export const REPLICATION_MUTATIONS: readonly Mutation[] = [
  known(
    "repl-mTruncHw",
    "truncates to the high watermark (P01)",
    [{ file: "replication/truncation.js", from: "Math.min(...ends)", to: "Math.min(...ends, log.highWatermark)" }],
    100,
    4,
  ),
  known(
    "repl-mExpandHw",
    "joins at the high watermark, before the start of the epoch (P03)",
    [
      {
        file: "replication/partition-leader.js",
        from: "endOffset >= this.#highWatermark && endOffset >= this.epochStartOffset",
        to: "endOffset >= this.#highWatermark",
      },
    ],
    2000,
    610,
  ),
  known(
    "repl-mHwDiverge",
    "takes a mark from a diverging answer (P04)",
    [
      {
        file: "replication/partition-follower.js",
        from: "return this.#part(truncationPoint(answer.end, this.#log));",
        to: 'return [{ kind: "advance", highWatermark: this.#log.logEndOffset, logStartOffset: this.#log.logStartOffset }, ...this.#part(truncationPoint(answer.end, this.#log))];',
      },
    ],
    100,
    4,
  ),
  known(
    "repl-mAppended",
    "counts an end that nobody compared (P36)",
    [
      { file: "replication/follower-progress.js", from: "Math.min(appendedTo, this.#validatedTo)", to: "appendedTo" },
      { file: "replication/follower-progress.js", from: " && this.#validatedTo !== UNKNOWN", to: "" },
      {
        file: "replication/partition-leader.js",
        from: 'if (verdict.kind !== "serve")',
        to: 'if (verdict.kind !== "serve" && verdict.kind !== "diverging")',
      },
    ],
    100,
    4,
  ),
  known(
    "repl-mCommitted",
    "moves the leader on a state that has something in flight (P35)",
    [
      {
        file: "sim/replication-cluster/model-controller.js",
        from: "if (!this.isr.includes(brokerId) || !this.isAcceptable(brokerId))",
        to: "if (!this.records.at(-2)?.isr.includes(brokerId) || !this.isAcceptable(brokerId))",
      },
    ],
    100,
    1,
  ),
  known(
    "repl-mAckEpoch",
    "answers a wait of another leadership (P48)",
    [{ file: "sim/replication-cluster/replica-host.js", from: "if (!isSameLeadership && !leadsOn)", to: "if (false)" }],
    100,
    17,
  ),
  known(
    "repl-mPendRemoval",
    "a removal counts before it is committed (7(6))",
    [
      {
        file: "replication/partition-leader.js",
        from: "if (follower.isInIsr || follower.isProposed)",
        to: "if (this.#proposals.inFlight === null ? follower.isInIsr : follower.isProposed)",
      },
    ],
    100,
    4,
  ),
  known(
    "repl-mWritten",
    "counts written ends in a synced mode (15.1(2))",
    [
      {
        file: "sim/replication-cluster/replica-host.js",
        from: "this.countsSynced && syncedEnd < writtenEnd ? syncedEnd : writtenEnd",
        to: "writtenEnd",
      },
    ],
    100,
    1,
  ),
  known(
    "repl-mNoGate",
    "the high watermark moves below min ISR (6(3))",
    [{ file: "replication/partition-leader.js", from: "if (!this.#hasMinIsr())\n            return NOTHING;", to: "" }],
    100,
    11,
  ),
  known(
    "repl-mLastKeep",
    "lastIsr is not brought up to date (9(5))",
    [
      {
        file: "sim/replication-cluster/model-controller.js",
        from: "this.elr = [];\n            this.lastIsr = this.#withDirectories(isr);",
        to: "this.elr = [];",
      },
    ],
    10000,
    1817,
  ),
  known(
    "repl-mBadRestart",
    "an unclean restart keeps its seats (P19)",
    [
      {
        file: "sim/replication-cluster/model-controller.js",
        from: "this.#setIsr(without(this.isr, brokerId), isClean ? [] : [brokerId]);",
        to: "",
      },
      {
        file: "sim/replication-cluster/model-controller.js",
        from: "if (!isClean)\n            this.elr = without(this.elr, brokerId);",
        to: "",
      },
    ],
    100,
    14,
  ),
  known(
    "repl-mBadRestartElr",
    "an unclean restart stays in the ELR (9(4))",
    [
      {
        file: "sim/replication-cluster/model-controller.js",
        from: "const isClean = previousBrokerEpoch === known?.brokerEpoch;",
        to: "const isClean = true;",
      },
    ],
    100,
    15,
  ),
  known(
    "repl-mStreamBe",
    "an earlier life of a follower joins for the present one (P05)",
    [
      {
        file: "replication/partition-leader.js",
        from: "return broker.brokerEpoch === endBrokerEpoch;",
        to: "return true;",
      },
      {
        file: "replication/partition-leader.js",
        from: "brokerEpoch: endBrokerEpoch });",
        to: "brokerEpoch: deps.broker(brokerId)?.brokerEpoch ?? -1 });",
      },
    ],
    100,
    14,
  ),
  known(
    "repl-mElrKeep",
    "ELR and lastIsr stay when min ISR is changed (P38)",
    [{ file: "sim/replication-cluster/model-controller.js", from: "this.#setIsr(this.isr, []);", to: "" }],
    10000,
    1731,
  ),
  known(
    "repl-mDirect",
    "the answer is taken for metadata (P52)",
    [
      {
        file: "sim/replication-cluster/leader-side.js",
        from: "const appliedOffset = this.#host.state?.offset ?? 0;",
        to: 'const appliedOffset = this.#host.state?.offset ?? 0; if (code === "NONE") this.#perform(this.core.onMetadata({ ...membershipOf(this.#state), isr: proposal.isr.map(({ brokerId }) => brokerId), partitionEpoch: proposal.partitionEpoch + 1 }, this.#host.now));',
      },
      {
        file: "replication/partition-leader.js",
        from: "if (membership.partitionEpoch < partitionEpoch)",
        to: "if (false)",
      },
    ],
    100,
    1,
  ),
  known(
    "repl-mLastLeader",
    "any member of lastIsr leads, not the one with the longest log (P37)",
    [{ file: "sim/replication-cluster/model-controller.js", from: "if (isGreater)", to: "if (greatest === null)" }],
    100,
    15,
  ),
  known(
    "repl-mLastIsrAny",
    "lastIsr is the last ISR, however small (9(5))",
    [
      {
        file: "sim/replication-cluster/model-controller.js",
        from: "[...kept, ...this.#withDirectories(isr)]",
        to: "isr.length > 0 ? this.#withDirectories(isr) : this.lastIsr",
      },
    ],
    500,
    58,
  ),
  known(
    "repl-mKeepEnds",
    "members of the ISR are taken to have all when an epoch begins (7(3))",
    [
      {
        file: "replication/follower-progress.js",
        from: "this.#sampleMs = now;\n        this.#sampleEnd = logEndOffset;\n    }\n    /** What it vouches",
        to: "this.#sampleMs = now;\n        this.#sampleEnd = logEndOffset;\n        if (isInIsr) this.#endOffset = logEndOffset;\n    }\n    /** What it vouches",
      },
    ],
    100,
    2,
  ),
  known(
    "repl-mSticky",
    "a refused proposal with an attempt on its way is forgotten (7(7))",
    [{ file: "replication/isr-proposals.js", from: "if (inFlight.attempts > 1)", to: "if (false)" }],
    10000,
    842,
  ),
  known(
    "repl-mAnsAny",
    "a refusal ends whatever is in flight (P80)",
    [
      {
        file: "replication/isr-proposals.js",
        from: "this.#inFlight?.proposal.proposalId === proposalId ? this.#inFlight : null",
        to: "this.#inFlight",
      },
    ],
    2000,
    174,
  ),
  known(
    "repl-mGen",
    "a sync begun before a cut counts for what came after (P41)",
    [
      {
        file: "sim/replication-cluster/model-log.js",
        from: "if (generation !== this.generation)\n            return;",
        to: "",
      },
    ],
    500,
    32,
  ),
  known(
    "repl-cut-at-leader-end",
    "cuts at the leader's end of an epoch that it does not have (P02)",
    [
      {
        file: "replication/truncation.js",
        from: "else\n        ends.push(own.endOffset);",
        to: "else\n        ends.push(leaderEnd.endOffset);",
      },
    ],
    2000,
    127,
  ),
  known(
    "repl-compare-offsets",
    "the leader compares offsets only, not epochs (P02)",
    [
      {
        file: "replication/partition-leader.js",
        from: "end.epoch < epochBefore || end.endOffset",
        to: "end.endOffset",
      },
    ],
    500,
    50,
  ),
  known(
    "repl-raised-mode-written",
    "a written end counts after the mode was raised (P72)",
    [
      {
        file: "replication/partition-leader.js",
        from: "if (this.#countsSynced && !report.isSynced)",
        to: "if (false)",
      },
      { file: "replication/follower-progress.js", from: "if (!this.#isEndSynced)", to: "if (false)" },
    ],
    500,
    45,
  ),
  known(
    "repl-serve-unwritten",
    "serves what is not written yet (P40)",
    [
      {
        file: "sim/replication-cluster/model-log.js",
        from: ".filter((batch) => batch.lastOffset < this.writtenEnd);\n    }\n    at(",
        to: ";\n    }\n    at(",
      },
    ],
    500,
    91,
  ),
  known(
    "repl-proposal-over-early",
    "a proposal is over before the metadata it was decided on is applied (P39)",
    [{ file: "replication/isr-proposals.js", from: "|| metadataOffset < inFlight.endsAt", to: "" }],
    100,
    18,
  ),
  known(
    "repl-proposal-once",
    "a proposal without an answer is never sent again (7(7), RE15)",
    [{ file: "replication/isr-proposals.js", from: "inFlight.attempts += 1;", to: "return null;" }],
    100,
    7,
  ),
  known(
    "repl-out-of-range-waits",
    "a follower out of range waits for ever (P11)",
    [
      {
        file: "replication/partition-follower.js",
        from: '? this.#waitFor("OFFSET_OUT_OF_RANGE") : this.#restartAt(answer.logStartOffset)',
        to: '? this.#waitFor("OFFSET_OUT_OF_RANGE") : []',
      },
    ],
    100,
    6,
  ),
  known(
    "repl-pending-addition",
    "the pending addition does not hold the high watermark (6(2))",
    [
      {
        file: "replication/partition-leader.js",
        from: "if (follower.isInIsr || follower.isProposed)",
        to: "if (follower.isInIsr)",
      },
      {
        file: "replication/partition-leader.js",
        from: "return follower.isCaughtUp(this.#logEndOffset, withinMs, now) && this.#isEligible(follower);",
        to: "return false;",
      },
    ],
    100,
    10,
  ),
  known(
    "repl-mAlterBe",
    "AlterPartition goes by names, not by process lives (P05)",
    [
      {
        file: "sim/replication-cluster/model-controller.js",
        from: "if (this.brokers.get(brokerId)?.brokerEpoch !== brokerEpoch)",
        to: "if (false)",
      },
      {
        file: "sim/replication-cluster/model-controller.js",
        from: "if (request.brokerEpoch !== this.brokers.get(request.brokerId)?.brokerEpoch)",
        to: "if (false)",
      },
    ],
    200,
    16,
    {
      isSynced: false,
      raisesMode: false,
      brokersCount: 3,
      minIsr: 1,
      minIsrChance: 0,
      uncleanChance: 0,
      deleteChance: 0,
      clogChance: 0.9,
      lossChance: 0,
      startChance: 1,
      powerChance: 0.1,
      blackoutChance: 0,
      crashChance: 0,
      wipeChance: 0,
      stopChance: 0,
      dialMeanMs: 300,
      chaosMs: 2500,
      sessionMs: 60,
      produceChance: 0.8,
      syncMeanMs: 60,
      writeMeanMs: 0,
      writeFaultChance: 0,
      metadataMeanMs: 0.5,
      delayMinMs: 0,
      delayMeanMs: 1,
      cutOffChance: 0,
      pauseChance: 0,
      fenceChance: 0.04,
    },
  ),
  known(
    "repl-mDirId",
    "an emptied disk is taken for the one it replaced (9(6))",
    [
      {
        file: "sim/replication-cluster/model-controller.js",
        from: "return this.lastIsr\n            .filter(({ brokerId, directoryId }) => this.#directoryOf(brokerId) === directoryId)",
        to: "return this.lastIsr",
      },
    ],
    100,
    9,
    {
      isSynced: true,
      raisesMode: false,
      brokersCount: 3,
      minIsr: 2,
      chaosMs: 2500,
      sessionMs: 60,
      startChance: 0.03,
      crashChance: 0.05,
      wipeChance: 0.02,
      minIsrChance: 0,
      uncleanChance: 0,
      deleteChance: 0,
    },
  ),
  ofMoves(
    "repl-move-over-early",
    "a reassignment is over before every target is in sync (13(6))",
    1,
    "!target.every((brokerId) => this.isr.includes(brokerId))",
    "!target.some((brokerId) => this.isr.includes(brokerId))",
  ),
  ofMoves(
    "repl-removed-leads",
    "a removed replica leads on (13(6))",
    1,
    "if (this.isr.includes(this.leaderId) && this.isAcceptable(this.leaderId))",
    "if (this.isAcceptable(this.leaderId))",
  ),
  ofMoves(
    "repl-move-back-lacking",
    "a reassignment goes back to replicas that lack what was committed (13(6))",
    1,
    "if (!this.#mayBeLeftTo(origin))",
    "if (false)",
  ),
  ofMoves(
    "repl-move-drops-filled",
    "a new target drops at once what an older one has filled (13(6))",
    3,
    "const isKept = (brokerId) => origin.includes(brokerId) || this.#counts(brokerId);",
    "const isKept = (brokerId) => origin.includes(brokerId);",
  ),
  known(
    "repl-mStartMem",
    "a follower reports a log start that is not durable (5.4, P63)",
    [
      {
        file: "sim/replication-cluster/follower-side.js",
        from: "durableLogStart: log.durableLogStartOffset",
        to: "durableLogStart: log.logStartOffset",
      },
    ],
    100,
    8,
    { deleteChance: 0.05 },
  ),
  known(
    "repl-lower-log-start",
    "a follower takes a lower log start from its leader (3.2, P71)",
    [
      {
        file: "replication/partition-follower.js",
        from: "const start = Math.max(logStartOffset, Math.min(answer.logStartOffset, mark));",
        to: "const start = Math.min(answer.logStartOffset, mark);",
      },
      {
        file: "sim/replication-cluster/follower-side.js",
        from: "if (effect.logStartOffset > host.log.logStartOffset)",
        to: "if (effect.logStartOffset !== host.log.logStartOffset)",
      },
    ],
    300,
    3,
    { deleteChance: 0.05 },
  ),
  known(
    "repl-acks-own-log",
    "acks=all is answered before followers have it (8.2)",
    [
      {
        file: "sim/replication-cluster/leader-side.js",
        from: "this.#host.waits = waits.filter(({ batch }) => batch.lastOffset >= log.highWatermark);",
        to: "this.#host.waits = [];",
      },
      {
        file: "sim/replication-cluster/leader-side.js",
        from: "if (batch.lastOffset < log.highWatermark && this.core.committed() === null)",
        to: "",
      },
    ],
    100,
    2,
  ),
  {
    ...known(
      "repl-mStart",
      "a follower joins from before the leader's log start (7(5), decision 0024)",
      [
        {
          file: "replication/partition-leader.js",
          from: "return follower.durableLogStart(follower.endBrokerEpoch) >= this.#log.logStartOffset;",
          to: "return true;",
        },
      ],
      1000,
      71_003_940,
    ),
    from: 71_003_900,
  },
  {
    ...known(
      "repl-restart-cut",
      "a log that is cut at its start keeps its file (5.3(5))",
      [{ file: "replication/partition-follower.js", from: "to <= logStartOffset ?", to: "to < logStartOffset ?" }],
      1000,
      84_000_704,
      { wipeChance: 0.15, deleteChance: 0.05, reassignChance: 0.08, sparesCount: 2, crashChance: 0.04, minIsr: 1 },
    ),
    from: 84_000_700,
  },
  known(
    "repl-shown",
    "a leader shows what it was told of and has not synced (decision 0036)",
    [
      {
        file: "replication/partition-leader.js",
        from: "countsSynced ? asOffset(Math.max(logStartOffset, Math.min(highWatermark, endOffset))) : highWatermark",
        to: "highWatermark",
      },
    ],
    600,
    149,
    { uncleanChance: 0.05, powerChance: 0.05, crashChance: 0.04, isSynced: true, minIsr: 1 },
  ),
  {
    ...known(
      "repl-deleted-to",
      "of lastIsr somebody leads who ends below what another has deleted (decision 0037)",
      [
        {
          file: "sim/replication-cluster/model-controller.js",
          from: "?.logEnd ?? 0) >= deletedTo",
          to: "?.logEnd ?? 0) >= 0",
        },
      ],
      100,
      550_005_390,
      {
        uncleanChance: 0.08,
        deleteChance: 0.1,
        wipeChance: 0.1,
        crashChance: 0.04,
        powerChance: 0.05,
        sparesCount: 2,
        reassignChance: 0.08,
      },
    ),
    from: 550_005_300,
  },
  known(
    "repl-mReEpoch",
    "a replica that goes begins no leader epoch (7(8))",
    [
      {
        file: "sim/replication-cluster/model-controller.js",
        from: "if (isShrunk && this.leaderEpoch === leaderEpoch)",
        to: "if (false)",
      },
    ],
    100,
    7,
    { sparesCount: 2, reassignChance: 0.08 },
  ),
  known(
    "repl-fixHold",
    "a follower appends on what nobody compared, before the log start is durable (decision 0030)",
    [
      {
        file: "replication/partition-follower.js",
        from: "if (startAt === null || startAt <= this.#log.durableLogStartOffset)",
        to: "if (true)",
      },
    ],
    200,
    9,
    {
      ...OLD_LEADERS,
      deleteChance: 0.02,
      crashChance: 0.04,
      startChance: 0.2,
      moveChance: 0.04,
      checkpointChance: 0.005,
      produceChance: 0.3,
      syncMeanMs: 60,
      metadataMeanMs: 4,
    },
  ),
  known(
    "repl-fixStop",
    "a follower that parts below its log start stops, though all of that is deleted (5.3(6), decision 0030)",
    [
      {
        file: "replication/partition-follower.js",
        from: "if (to >= logStartOffset || highWatermark > logStartOffset || this.#isUncleanlyLed)",
        to: "if (true)",
      },
    ],
    1000,
    33,
    {
      ...OLD_LEADERS,
      minIsr: 2,
      deleteChance: 0.05,
      pauseChance: 0,
      cutOffChance: 0,
      moveChance: 0.2,
      fenceChance: 0,
      crashChance: 0.03,
      powerChance: 0,
      stopChance: 0,
      resetChance: 0,
      lossChance: 0,
      clogChance: 0,
      dialMeanMs: 0,
      lagTimeMaxMs: 400,
      sessionMs: 200,
      delayMinMs: 5,
      delayMeanMs: 4,
      syncMeanMs: 3,
      produceChance: 0.02,
      metadataMeanMs: 40,
      markMeanMs: 5,
      chaosMs: 2500,
    },
  ),
];
