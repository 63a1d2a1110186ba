/** Every bug that is kept, by room, oldest first. */
import type { Exhibit, KeptSeed } from "./exhibit.ts";

/** As seeds were drawn before there were reassignments. */
const UNMOVED = { sparesCount: 0, reassignChance: 0 };

const raftSeed = (seed: number): KeptSeed => ({ profile: "raft", seed });
const logSeed = (seed: number): KeptSeed => ({ profile: "log", seed });

export const EXHIBITS: readonly Exhibit[] = [
  // ---- consensus ----
  {
    id: "raft-unnamed-leader",
    symptom: "a learner whose list names no leader was never sent the log",
    foundBy: "simulator",
    fix: "4dc8911",
    seed: raftSeed(140),
    failedBefore:
      "L1: a healed group does not come to one state: 1:d0 follower of {1:d0 3:d0} at 45, 2:d0 follower of {1:d0} at 3, 3:d0 \u2026",
  },
  {
    id: "raft-removed-asks-followers",
    symptom: "a removed voter asked only followers for votes, and learned nothing",
    foundBy: "simulator",
    fix: "4dc8911",
    seed: raftSeed(313),
    failedBefore:
      "L1: a healed group does not come to one state: 1:d0 follower of {2:d0 4:d0} at 166, 2:d0 leader of {2:d0 4:d0} at 166, \u2026",
  },
  {
    id: "raft-own-removal",
    symptom: "a leader whose own removal nobody else had could not lead again",
    foundBy: "simulator",
    fix: "4dc8911",
    seed: raftSeed(1969),
    failedBefore:
      "L1: a healed group does not come to one state: 1:d0 follower of {2:d0} at 159, 2:d0 follower of {2:d0 1:d0} at 159",
  },
  {
    id: "raft-list-of-one",
    symptom: "an emptied replica whose list named only itself never heard of a leader",
    foundBy: "simulator",
    fix: "7ed172d",
    seed: raftSeed(103782),
    test: {
      file: "broker/test/raft/raft-operations.test.ts",
      title: "follow a leader that somebody named, where nobody of their list is left",
    },
    failedBefore:
      "L1: a healed group does not come to one state: 1:d2 follower of {1:d0} at 0, 2:d2 follower of {3:d0} at 171, 3:d0 \u2026",
  },
  {
    id: "raft-late-piece",
    symptom: "a late repeat of a snapshot's piece took the place of one that was not on disk yet",
    cause: "a piece was taken while the one before it was being written",
    foundBy: "simulator",
    fix: "a6338ff",
    seed: raftSeed(209902),
    failedBefore: "assertion: a piece with a gap before it",
  },
  {
    id: "raft-oldest-list",
    symptom: "a replica whose addition and removal only it holds did not campaign after a restart",
    cause: "it looked for its seat in the oldest list of its log, not in any",
    foundBy: "simulator",
    fix: "8d2cbfc",
    seed: raftSeed(1871901549),
    failedBefore:
      "L1: a healed group does not come to one state: 1:d0 follower of {2:d0 1:d0} at 0, 2:d0 follower of {1:d0} at 0",
  },
  {
    id: "raft-learner-in-the-way",
    symptom:
      "nobody was elected without a learner that a candidate counted as a voter, though only a minority was lost",
    cause: "the learner's log was better, so that it refused its vote, and it never campaigned itself",
    foundBy: "simulator",
    fix: "0f75ad3",
    seed: raftSeed(80011874),
    test: {
      file: "broker/test/raft/called-learner.test.ts",
      title: "brings a group to a leader that lost a minority, with all that any majority could need",
    },
    failedBefore:
      "L1: a healed group does not come to one state: 1:d2 follower of {1:d0 2:d0 3:d0} at 6, 2:d0 preCandidate of {1:d0 \u2026",
  },

  // ---- replication ----
  {
    id: "replication-unsynced-by-the-role-before",
    symptom: "a synced end was never reported, and its record never committed",
    cause: "what one role of a replica had written and not synced, nobody asked to be synced in the next",
    foundBy: "simulator",
    fix: "7e9719f",
    test: {
      file: "broker/test/runtime/replication.test.ts",
      title: "has synced what the role before left unsynced, whoever leads: nobody else would ask (15.1(2))",
    },
    failedBefore: "test: it never came to this: it is committed",
  },
  {
    id: "replication-cut-below-start",
    symptom: "a follower was to cut its log below its log start",
    foundBy: "simulator",
    fix: "d80a190",
    test: {
      file: "broker/test/replication/replication-rules.test.ts",
      title: "5.3(6): an unclean cut below its log start begins the log anew there",
    },
    failedBefore: "test: expected [ 'truncate', 'ask' ] to deeply equal [ 'restart', 'ask' ]",
  },
  {
    id: "replication-forgotten-deletion",
    symptom: "a log that began anew inside a batch forgot a deletion that it had reported",
    cause: "it began at the batch's base, and ended there when the batch found no room",
    foundBy: "simulator",
    fix: "1bec942",
    test: {
      file: "broker/test/storage/follower-log.test.ts",
      title: "is cut to no less than what it keeps deleted, though it began below",
    },
    failedBefore: "test: expected [ 98, 98, 98 ] to deeply equal [ 100, 100, 100 ]",
  },
  {
    id: "replication-deletion-of-a-former-life",
    symptom: "a deletion was called done that a follower's crash had undone",
    cause: "what an earlier life of its process had told of its log start still counted",
    foundBy: "simulator",
    fix: "d80a190",
    test: {
      file: "broker/test/replication/replication-rules.test.ts",
      title: "13(4): what an earlier process life of a follower said does not count for this one",
    },
    failedBefore: "test: expected 30 to equal null",
  },
  {
    id: "replication-join-below-start",
    symptom: "committed records were lost: a follower with other batches below the leader's log start was chosen",
    cause: "it joined the ISR before its log start was durable",
    foundBy: "simulator",
    fix: "f936550",
    seed: { profile: "replication", seed: 71003940, wanted: UNMOVED },
    test: {
      file: "broker/test/replication/replication-rules.test.ts",
      title: "7(5), 5.1(3): not by one that durably begins before the leader: what it has there may have diverged",
    },
    failedBefore: "RE6: none of {3} has all that was committed",
  },
  {
    id: "replication-cut-at-start",
    symptom: "synced records were cut at a start: below them the file had a batch of a later epoch",
    cause: "a log that was cut to its own log start kept its file",
    foundBy: "simulator",
    fix: "71262a3",
    seed: {
      profile: "replication",
      seed: 84000704,
      wanted: {
        wipeChance: 0.15,
        deleteChance: 0.05,
        reassignChance: 0.08,
        sparesCount: 2,
        crashChance: 0.04,
        minIsr: 1,
      },
    },
    test: {
      file: "broker/test/replication/replication-rules.test.ts",
      title:
        "5.3(3): a cut to its log start begins the log anew there: what lies below may be of later epochs than what comes",
    },
    failedBefore: "RE15: healed, but the ISR is {1,2,3}",
  },
  {
    id: "replication-shown-unsynced",
    symptom: "records that consumers had read from an uncleanly chosen leader were on no disk after a power failure",
    cause: "a follower outside of the ISR was told of a high watermark above what it had synced, and led with that",
    foundBy: "review",
    fix: "c5107dc",
    seed: {
      profile: "replication",
      seed: 149,
      wanted: { ...UNMOVED, uncleanChance: 0.05, powerChance: 0.05, crashChance: 0.04, isSynced: true, minIsr: 1 },
    },
    test: {
      file: "broker/test/replication/replication-rules.test.ts",
      title:
        "6(4), 15.1(1): in a synced mode with no more of it than it has synced itself, and never below its log start",
    },
    failedBefore: "RE7: broker 1 shows 30, which it has not synced",
  },
  {
    id: "replication-below-what-was-deleted",
    symptom: "offsets that consumers had read were given out once more",
    cause:
      "a log that was left below its log start came back without an epoch, and lost against one that had lost its tail",
    foundBy: "simulator",
    fix: "22e300c",
    seed: {
      profile: "replication",
      seed: 550005390,
      wanted: {
        uncleanChance: 0.08,
        deleteChance: 0.1,
        wipeChance: 0.1,
        crashChance: 0.04,
        powerChance: 0.05,
        sparesCount: 2,
        reassignChance: 0.08,
      },
    },
    test: {
      file: "broker/test/metadata/partition-rules.test.ts",
      title:
        "of the last ISR is none that ends below what another one has deleted, which was committed (decision 0037)",
    },
    failedBefore: "RE6: broker 1 leads epoch 5 without the committed batch at 5",
  },
  {
    id: "replication-deletion-in-first-read",
    symptom: "a follower waited for a durable log start that it could never have",
    cause: "records were deleted while the leader read them for it, so that the log start lay beyond its log end",
    foundBy: "review",
    fix: "04f1644",
    test: {
      file: "broker/test/runtime/replication.test.ts",
      title: "begins anew where the leader deletes beyond the log end of a follower whose first read is under way",
    },
    failedBefore: "test: it never came to this: in sync",
  },
  {
    id: "replication-stands-on-uncompared",
    symptom: "a crash brought records of another history back, hidden under an epoch that all others have",
    cause: "a follower appended on top of what nobody compared before its log start was durable",
    foundBy: "formal model",
    fix: "ebd5a2d",
    test: {
      file: "broker/test/runtime/replication.test.ts",
      title: "appends nothing on what was not compared before the leader's log start is durable here (decision 0030)",
    },
    failedBefore: "test: expected [ +0, 9 ] to deeply equal [ +0, 6 ]",
  },
  {
    id: "metadata-damaged-chosen",
    symptom: "a replica was chosen for a log that it then cut",
    cause: "asked for its log, it had not found again the damage that an earlier life had reported",
    foundBy: "formal model",
    fix: "508e225",
    test: {
      file: "broker/test/metadata/partition-rules.test.ts",
      title:
        "is not that of a replica whose damage an earlier life reported, though this one has not found it again (15.7(3))",
    },
    failedBefore: "test: expected 3 to equal 1",
  },
  {
    id: "metadata-damaged-only-copy",
    symptom: "records that a damaged replica had all along were lost in page-cache mode",
    cause: "a member of lastIsr was taken for another copy, and may have lost its tail to a power failure",
    foundBy: "formal model",
    fix: "ebae73b",
    test: {
      file: "broker/test/metadata/broker-states.test.ts",
      title: "leaves it in page-cache mode, until the other is in sync: that one may have lost its tail",
    },
    failedBefore: "test: expected 'NONE' to equal 'ELIGIBLE_LEADERS_NOT_AVAILABLE'",
  },

  {
    id: "replication-batch-around-the-start",
    symptom: "a follower refused the same batch for ever",
    cause: "it ended where its leader's log starts, inside of that batch",
    foundBy: "simulator",
    fix: "dd19c8d",
    seed: {
      profile: "replication",
      seed: 550006495,
      wanted: {
        minIsr: 1,
        uncleanChance: 0.05,
        deleteChance: 0.15,
        crashChance: 0.05,
        resetChance: 0.1,
        delayMinMs: 5,
        delayMeanMs: 20,
        produceChance: 0.3,
        batchOffsetsMax: 3,
        writeFaultChance: 0.05,
      },
    },
    test: {
      file: "broker/test/replication/replication-rules.test.ts",
      title:
        "5.3(8): nor one whose end the leader's log starts at, inside of that batch: nothing of it is left, and it begins anew there",
    },
    failedBefore: "RE15: healed, but the ISR is {2}",
  },
  {
    id: "metadata-chosen-on-a-lost-log",
    symptom: "all replicas cut their logs to nothing after an unclean choice",
    cause: "the chosen one answered for a log that had been taken away from it and given back since",
    foundBy: "simulator",
    fix: "ba758bf",
    seed: {
      profile: "replication",
      seed: 550001822,
      wanted: {
        wipeChance: 0.1,
        deleteChance: 0.1,
        reassignChance: 0.08,
        sparesCount: 2,
        crashChance: 0.04,
        minIsr: 2,
        uncleanChance: 0.08,
        powerChance: 0.05,
      },
    },
    test: {
      file: "broker/test/broker-cluster.test.ts",
      title: "says how far its logs go when it has seen what the controller goes by, and not before (9(3))",
    },
    failedBefore: "RE6: none of {2} has all that was committed",
  },

  // ---- the log ----
  {
    id: "log-cut-by-a-kill",
    symptom: "the old tail of a cut came back under new batches",
    cause: "a cut that a kill interrupted looked done in the page cache, and the next start did not sync it",
    foundBy: "crash runner",
    fix: "eff8245",
    seed: logSeed(562),
    test: {
      file: "broker/test/storage/pitfalls.test.ts",
      title: "P76: a cut that a kill interrupted is synced by the next start, before it is appended to",
    },
    failedBefore: "ST7: the clean marker is made while /data/t-1/00000000000000000013.log is not synced",
  },
  {
    id: "log-epochs-of-a-cut",
    symptom: "after a crash the log lacked epochs below its recovery point",
    cause:
      "a recovery point that was being written while the log was cut wrote the epoch file without entries that the one on disk had passed",
    foundBy: "crash runner",
    fix: "1a783a0",
    seed: logSeed(102971),
    test: {
      file: "broker/test/storage/crash-findings.test.ts",
      title: "a truncation lowers the recovery point before the epoch file loses what that has passed",
    },
    failedBefore:
      "ST4: /data/t-0: below recovery point 136 the file says [[2,14],[3,15],[4,17]], the batches [[2,14],[3,15],[4,17],[6,35]]",
  },
  {
    id: "log-torn-marker",
    symptom: "a start took a wrong broker epoch for that of its last clean stop",
    cause: "the first digits of a longer one were read as the whole",
    foundBy: "crash runner",
    fix: "e1ebb8d",
    seed: logSeed(200203),
    test: {
      file: "broker/test/storage/crash-findings.test.ts",
      title: "a marker that a power failure cut short names no broker epoch",
    },
    failedBefore: '9(4): the marker is {"version":0,"brokerEpoch":86, the report says 86',
  },
  {
    id: "log-open-behind-damage",
    symptom: "a start that found damage left a file open",
    cause: "a start after a clean stop had opened the active segment before it found the damage",
    foundBy: "crash runner",
    fix: "355a64f",
    seed: logSeed(556),
    failedBefore: "BO3: 1 files are open after the stop",
  },
  {
    id: "log-epochs-behind-recovery-point",
    symptom: "a directory that went offline left recovery points that its epoch files did not reach",
    cause: "recovery points were written without the epoch files",
    foundBy: "crash runner",
    fix: "785fd53",
    seed: logSeed(40448),
    failedBefore: "ST4: /data/t-0: below recovery point 128 the file says [[3,37]], the batches [[3,37],[5,42]]",
  },
  {
    id: "log-offline-checkpoint",
    symptom: "a checkpoint named what a broken truncation had left",
    cause: "an offline directory went on writing beside its logs",
    foundBy: "crash runner",
    fix: "785fd53",
    test: {
      file: "broker/test/storage/crash-findings.test.ts",
      title:
        "a directory that is offline checkpoints nothing more: a broken truncation may have left a log half changed",
    },
    failedBefore: "test: expected '0\\n1\\nt 0 6\\n' to equal '0\\n1\\nt 0 5\\n'",
  },
  {
    id: "log-clean-with-a-tail",
    symptom: "a stop said clean, and bytes of a failed write lay behind the log's end",
    cause: "the cut of the failed write had found no descriptor for its mark, and was put off",
    foundBy: "crash runner",
    fix: "c975639",
    seed: logSeed(507218),
    test: {
      file: "broker/test/storage/crash-findings.test.ts",
      title: "a stop does not call a log clean whose failed write is not cut off yet",
    },
    failedBefore: "clean stop keeps all: u-0 ends at 18, 18 before the stop",
  },
  {
    id: "log-marker-beside-failed-sync",
    symptom: "a clean marker beside the mark of a failed sync named a broker epoch",
    foundBy: "crash runner",
    fix: "2625db1",
    seed: logSeed(1013977),
    failedBefore: "9(4): the marker is null, the report says 605",
  },
  {
    id: "log-flush-of-a-cut-end",
    symptom: "a flush, and a stop with it, waited for ever",
    cause: "it waited for an end that a truncation had taken away",
    foundBy: "crash runner",
    fix: "d2d2ebc",
    seed: logSeed(4000146),
    test: {
      file: "broker/test/storage/retention.test.ts",
      title: "does not wait for an end that a truncation takes away, nor does a stop (seed 4000146)",
    },
    failedBefore: "RE15: nothing moves after 1285 ms",
  },
  {
    id: "log-look-up-below-start",
    symptom: "a retry of a batch that is in the log would have been refused with OUT_OF_ORDER_SEQUENCE_NUMBER",
    cause: "a snapshot that knew of sequences below the log start was taken for a later state",
    foundBy: "crash runner",
    fix: "29a0965",
    seed: logSeed(972387),
    test: {
      file: "broker/test/storage/pitfalls.test.ts",
      title: "P62: the look-up is not misled by what a snapshot knows from below the log start",
    },
    failedBefore: "duplicates are recognised: t-0: producer 1000, sequences 0/1-3, stands at 14; looked up: null",
  },
  {
    id: "log-repair-loses-epochs",
    symptom: "divergence below a repaired place would not have been noticed",
    cause: "a repair lost leader epochs that no epoch file had yet",
    foundBy: "review",
    fix: "dab300a",
    test: {
      file: "broker/test/storage/log-repair.test.ts",
      title: "leaves the leader epochs below it as they were, also those that no file knows yet (5.1(2), (5))",
    },
    failedBefore:
      "test: expected [ { epoch: +0, endOffset: 13 }, \u2026(2) ] to deeply equal [ { epoch: +0, endOffset: 10 }, \u2026(2) ]",
  },

  {
    id: "log-topic-made-anew",
    symptom:
      "a new, empty replica passed for a damaged one, and as the only one of its partition would have taken no records",
    cause:
      "its topic was made anew while nobody had the directory, and a crash between the rename and the checkpoints left the entries of the old one",
    foundBy: "crash runner",
    fix: "fa5c7eb",
    test: {
      file: "broker/test/storage/pitfalls.test.ts",
      title:
        "P47: nor do they when its topic was made anew while nobody had the directory, wherever a crash of the start comes",
    },
    failedBefore: "test: expected [ +0, +0, false, true ] to deeply equal [ +0, +0, false, false ]",
  },
  {
    id: "log-age-of-what-is-not-written",
    symptom: "a broker died of an assertion when its active segment grew while retention asked the log for its age",
    cause: "the search began where the index ends, which knows batches that are not written yet",
    foundBy: "crash runner",
    fix: "268f126",
    seed: logSeed(187723853),
    test: {
      file: "broker/test/storage/retention.test.ts",
      title:
        "asks the log for its age while batches arrive that are not written yet, before it is read or meanwhile, and in time it goes",
    },
    failedBefore: "assertion: AssertionError: scan from 4122 to 4050",
  },
  {
    id: "log-cut-by-a-rotten-index",
    symptom: "a follower cut its log with more left than its leader has, or with bytes and no end",
    cause: "an entry of the offset index, which no checksum protects, named the start of a later batch",
    foundBy: "review",
    fix: "a1c645c",
    test: {
      file: "broker/test/storage/log-repair.test.ts",
      title: "may be the index alone: a cut that it leads astray is refused, and goes well with one made anew",
    },
    failedBefore:
      "test: StorageError: the bytes at offset 13 are no batch, and the log is to be cut behind them: /data/t-0/00000000000000000013.log",
  },
  {
    id: "log-age-of-a-readable-prefix",
    symptom: "retention deleted a segment with newer records in it, which other replicas could still have given",
    cause: "the segment broke off, and the age of what can be read of it was taken for that of the whole",
    foundBy: "review",
    fix: "db41268",
    test: {
      file: "broker/test/storage/retention.test.ts",
      title: "lets no segment go by the age of what can be read of it, when the log breaks off, but in time it goes",
    },
    failedBefore: "test: its newest has exactly the limit's age: expected 13 to equal +0",
  },
  {
    id: "log-begins-where-a-name-is-left",
    symptom: "a follower whose log was to begin anew stopped there for good",
    cause: "a segment that the log had let go lay there under its name still, since its rename had to wait",
    foundBy: "review",
    fix: "1a87e7a",
    test: {
      file: "broker/test/storage/retention.test.ts",
      title:
        "lets the log begin anew where segments lay whose files could not be renamed yet, and keep what is deleted then",
    },
    failedBefore: "assertion: /data/t-0/00000000000000000000.log is new and has bytes",
  },
  {
    id: "log-deletion-behind-a-late-rename",
    symptom: "records that had been deleted came back with a crash",
    cause:
      "the log had begun anew further down than segments whose rename had to wait; when it came, the checkpoint named no log start any more",
    foundBy: "review",
    fix: "1a87e7a",
    test: {
      file: "broker/test/storage/retention.test.ts",
      title:
        "lets the log begin anew between where segments lay whose files could not be renamed yet, and keep what is deleted then",
    },
    failedBefore: "test: expected [ 5, 12 ] to deeply equal [ 7, 12 ]",
  },
  {
    id: "log-half-made-directory",
    symptom: "an empty replica directory stayed for ever",
    cause:
      "its broker died before partition.metadata was written, and the replica was moved away meanwhile: no metadata named it",
    foundBy: "simulator",
    fix: "794c255",
    test: {
      file: "broker/test/storage/data-directory.test.ts",
      title: "removes what a crash left of a replica in the making that metadata does not place here any more",
    },
    failedBefore: "test: expected [ 'half-1' ] to deeply equal []",
  },
  {
    id: "log-entry-behind-the-end",
    symptom: "a replica was stopped for good by a cut, though its log was whole",
    cause:
      "an entry in the middle of the offset index had rotted and led behind the file; the cut met an assertion by it, and counted as a half one",
    foundBy: "review",
    fix: "5d94e3f",
    test: {
      file: "broker/test/storage/log-repair.test.ts",
      title: "may be an index that leads behind the log: it is made anew, and the cut goes well",
    },
    failedBefore: "assertion: scan from 1048576 to 1144",
  },
  {
    id: "log-nobody-syncs-the-mark",
    symptom: "acknowledgements and the high watermark stood still until the next append",
    cause:
      "the topic became compacted while a file was being synced: the mark for its gaps came behind that sync, and nobody asked for the directory",
    foundBy: "review",
    fix: "93fb5e2",
    test: {
      file: "broker/test/storage/follower-log.test.ts",
      title: "counts what is synced, though the mark for its gaps came while that was synced, behind a cut or not",
    },
    failedBefore: "test: nobody asks again: expected 1 to equal 3",
  },
  {
    id: "log-hole-behind-a-late-rename",
    symptom: "a log lost committed records with a kill, and began with deleted ones",
    cause:
      "younger segments were renamed where an older one could not be, and the checkpoint named no log start any more: the start found a hole, and ended the log there",
    foundBy: "review",
    fix: "66abbe1",
    test: {
      file: "broker/test/storage/retention.test.ts",
      title: "keeps what is deleted, though the oldest segment cannot be renamed and younger ones are due",
    },
    failedBefore: "test: expected [ +0, 13 ] to deeply equal [ 39, 40 ]",
  },
  {
    id: "log-begins-where-one-is-read",
    symptom: "a log that was to begin anew died of the file of a segment that it had let go",
    cause:
      "the segment had to go for want of room and was being read, and nobody knew of it that its file was there still",
    foundBy: "review",
    fix: "66abbe1",
    test: {
      file: "broker/test/storage/retention.test.ts",
      title: "lets the log begin anew where a segment lay that goes for want of room, and is still read",
    },
    failedBefore: "assertion: /data/t-0/00000000000000000000.log is new and has bytes",
  },
  {
    id: "log-cut-over-too-early",
    symptom: "what went on behind a cut was refused, and a follower waited as if for a fault of the disk",
    cause: "the promise that the cut is waited for by was settled a step before the log was at rest again",
    foundBy: "review",
    fix: "57d77dc",
    test: {
      file: "broker/test/storage/follower-log.test.ts",
      title: "takes appends as soon as whoever waited for a cut goes on",
    },
    failedBefore: "test: Error: KAFKA_STORAGE_ERROR",
  },
  {
    id: "log-a-timer-for-each-pass",
    symptom: "a file that could not be renamed was tried, and told of, more often every second the longer it lasted",
    cause: "each later pass of retention began a timer of its own that tried it again",
    foundBy: "review",
    fix: "b3e19b6",
    test: {
      file: "broker/test/storage/retention.test.ts",
      title: "keeps what is deleted, though the oldest segment cannot be renamed and younger ones are due",
    },
    failedBefore: "test: one tries for all: expected 20 to be within 9..13",
  },

  // ---- brokers and clients ----
  {
    id: "controller-names-uncommitted",
    symptom: "an answer named an entry of the metadata that was not committed, and might never be",
    cause: "a controller with nothing of its own on its way took the end of the log for what it had decided on",
    foundBy: "simulator",
    fix: "7c2a21a",
    test: {
      file: "broker/test/runtime/proposals.test.ts",
      title: "names what it was decided on, and no entry of others that is not committed (10.3(3), CO2)",
    },
    failedBefore: "test: expected 5 to equal 3",
  },
  {
    id: "deletion-promised-too-much",
    symptom: "records that an answer to DeleteRecords called gone were there again at the next leader",
    cause: "it told the leader's log start, which another deletion under way had raised and others had not heard of",
    foundBy: "simulator",
    fix: "c921ec8",
    test: {
      file: "broker/test/runtime/replication.test.ts",
      title: "promises no more than every live replica keeps, though a deletion that goes further is under way (13(4))",
    },
    failedBefore:
      "ST5: topic-1-0 at broker 1 begins at 5, deleted were records below 6 (profile cluster, seed 60000327)",
  },
  {
    id: "broker-second-cluster",
    symptom: "two emptied brokers could found a second cluster over a third that was starting (P54)",
    cause: "it passed for empty between the opening of its door and that of its metadata",
    foundBy: "review",
    fix: "998d685",
    test: {
      file: "broker/test/broker-cluster.test.ts",
      title: "does not pass for empty while its metadata is not open: nobody may found a second cluster (P54)",
    },
    failedBefore: "test: expected { replica: { nodeId: 1, \u2026(1) }, \u2026(3) } to have property 'code'",
  },
  {
    id: "broker-start-hangs",
    symptom: "a start that waited for other brokers hung for ever",
    cause: "its own metadata store failed meanwhile, and nothing ended the waiting",
    foundBy: "simulator",
    fix: "c1bbfc6",
    test: {
      file: "broker/test/sim/cluster.test.ts",
      title: "ends its start when its metadata can be stored no longer (R=3, two are away)",
    },
    failedBefore: "test: expected 'starting' to equal 'down'",
  },
  {
    id: "broker-slow-stop",
    symptom: "a clean stop without a controller took fifteen seconds",
    cause:
      "it waited for a hanging sign of life, and for producers and partitions that waited for replicas that were gone",
    foundBy: "review",
    fix: "639508b",
    test: {
      file: "broker/test/sim/cluster.test.ts",
      title: "ends cleanly within three seconds and a half, though a producer waits for the others (10.5)",
    },
    failedBefore: "test: expected 13190.057128482913 to be within 2000..3500",
  },
  {
    id: "start-outlives-its-disk",
    symptom: "a broker whose disk failed while it started was starting for ever, neither serving nor gone",
    cause: "the fault ended what the start waited for at that moment; what it waited for later, nothing ended",
    foundBy: "simulator",
    fix: "c48d952",
    test: {
      file: "broker/test/sim/cluster.test.ts",
      title: "serves or goes, wherever in its start a sync fails, and waits for nobody then",
    },
    failedBefore: "test: the sync number 4 of its start: expected 'starting' to not equal 'starting'",
  },
  {
    id: "start-registers-for-a-minute",
    symptom:
      "a broker whose metadata failed while it opened its logs was starting for a minute more, and so did one that was stopped then",
    cause:
      "what had ended the start was told to all that waited at that moment; the registration began later, and asked for its whole time",
    foundBy: "simulator",
    fix: "feb1734",
    test: {
      file: "broker/test/sim/cluster.test.ts",
      title:
        "goes at once when its metadata can be stored no longer while its logs are opened, though others would register it",
    },
    failedBefore: "test: expected 'starting' to equal 'down'",
  },
  {
    id: "offset-that-leaps",
    symptom: "a replica led with a hole in its log",
    cause:
      "recovery believed a base offset in which a bit had turned over: the log ended far behind its batches, and was cut back to where the leader ended",
    foundBy: "simulator",
    fix: "00eeb95",
    test: {
      file: "broker/test/storage/recovery.test.ts",
      title:
        "is not taken in by a batch whose offset leaps over those behind it, wherever it lies in what is read at once",
    },
    failedBefore: "test: batch 0: expected 4194305 to equal +0",
  },
  {
    id: "idle-log-start",
    symptom: "a replica that had everything stayed out of the in-sync replicas of an idle partition for ever",
    cause:
      "a log start that retention raised was told with the next report and the next record alone, and who has not told it is let in by nobody",
    foundBy: "simulator",
    fix: "f0c02d5",
    test: {
      file: "broker/test/runtime/replication.test.ts",
      title:
        "joins an idle partition of which retention has raised log starts, its own or the leader's, in any order (7(5))",
    },
    failedBefore: "test: it never came to this: in sync (1)",
  },
  {
    id: "wait-for-the-log-start",
    symptom: "a follower took nothing more of a partition, and stayed out of the in-sync replicas for ever",
    cause: "its records waited for a raise of its own of the log start, which retention had begun and ended",
    foundBy: "simulator",
    fix: "97c4b67",
    test: {
      file: "broker/test/runtime/replication.test.ts",
      title:
        "goes on with what waits for the log start when it is retention that makes that durable (7(5), decision 0030)",
    },
    failedBefore: "test: it never came to this: in sync",
  },
  {
    id: "seat-for-the-unheard",
    symptom: "no controller ever again, after a voter was removed while another one had lost its disk",
    cause:
      "a new leader counted the silence of others from its election, so that who was gone for good counted as there",
    foundBy: "simulator",
    fix: "2510a1f",
    test: {
      file: "broker/test/runtime/quorum-operations.test.ts",
      title: "are not taken by a new leader that counts on one it has never heard of",
    },
    failedBefore:
      "test: expected 'REQUEST_TIMED_OUT: node 1 still has i\u2026' to match /^INCONSISTENT_VOTER_SET: \u2026/",
  },
  {
    id: "repair-blocks-the-start",
    symptom: "topics made while a damaged log was read back ran into their timeouts",
    cause: "the reading was a step of the replica, which the end of the start waited for",
    foundBy: "review",
    fix: "906e78f",
    test: {
      file: "broker/test/runtime/damaged-replicas.test.ts",
      title: "keep nobody waiting while a log is read back, and are not cut where it has come to lead meanwhile",
    },
    failedBefore: "test: expected 5 to equal 6",
  },
  {
    id: "producer-doubled-batch",
    symptom: "a record of an idempotent producer stood in the log twice",
    cause:
      "more than five batches behind it were written while its answer was lost; refused with 45, the client sent it again in a new epoch",
    foundBy: "chaos",
    fix: "4e7cd0b",
    test: {
      file: "client/test/core/partition-queue.test.ts",
      title: "never doubles a batch that the broker has forgotten because many have passed it",
    },
    failedBefore: "test: nothing is double: expected 9 to equal 10",
  },
  {
    id: "commit-index-falls-at-the-end",
    symptom: "a broker that failed showed a lower commit index of the metadata than before while it went down",
    cause: "without its Raft node the driver told what had been applied",
    foundBy: "simulator",
    fix: "ae26a9b",
    test: {
      file: "broker/test/runtime/raft-driver-faults.test.ts",
      title: "knows what was committed when it is over, applied or not",
    },
    failedBefore: "test: expected 2 to equal 4",
  },
  {
    id: "follower-stopped-by-its-cut",
    symptom: "a replica stayed stopped, out of the in-sync replicas, though its log was whole",
    cause:
      "its cut ran into bad bytes that were in the index alone; that was made anew, and nobody tried the cut again",
    foundBy: "review",
    fix: "501b505",
    test: {
      file: "broker/test/runtime/damaged-replicas.test.ts",
      title:
        "and that nobody else finds are told of again and again, ever more seldom, until it goes well or the role ends",
    },
    failedBefore: "test: expected 1 to be within 12..16",
  },
  {
    id: "client-stays-with-a-lost-leader",
    symptom: "a producer was still at a leader that was cut off when the others had long chosen another",
    cause: "that one hears of no new leader and names itself; nobody asked another broker, nor watched one",
    foundBy: "review",
    fix: "4f84b80",
    test: {
      file: "client/test/leader-changes.test.ts",
      title: "asks others than a leader that is cut off and answers REQUEST_TIMED_OUT, and watches",
    },
    failedBefore: "test: Timeout of 8000ms exceeded",
  },
  {
    id: "client-older-metadata",
    symptom: "a client went back to a leader of an earlier epoch",
    cause:
      "what it knew of the topic was dropped as wrong, and the answer of a broker that is behind was taken for newer",
    foundBy: "review",
    fix: "4f84b80",
    test: {
      file: "client/test/transport/cluster.test.ts",
      title: "goes back to no older metadata when what is known is asked for again",
    },
    failedBefore: "test: expected { name: 't', \u2026(3) } to have deep property 'leaders' of [ 1 ], but got [ 2 ]",
  },
  {
    id: "ready-wait-after-the-end",
    symptom: "a broker that had stopped held a timer for as long as a CreateTopics had asked for",
    cause: "the command was with the controller when all waits were ended, and began to wait afterwards",
    foundBy: "simulator",
    fix: "480b686",
    test: {
      file: "broker/test/runtime/ready-wait.test.ts",
      title: "keep nobody once all have been ended, whenever they come",
    },
    failedBefore: "test: expected 1 to equal +0",
  },
  {
    id: "log-start-without-room",
    symptom: "a follower whose disk had been full took nothing more of a partition that retention deletes from",
    cause: "its records waited for a log start that its own retention had raised and could not write down",
    foundBy: "simulator",
    fix: "f204636",
    test: {
      file: "broker/test/runtime/replication.test.ts",
      title:
        "goes on with what waits for the log start when retention raised it and found no room to make that durable",
    },
    failedBefore: "test: it never came to this: in sync",
  },
  {
    id: "question-handed-on",
    symptom: "a broker that was away while it lost its vote knew no leader ever again",
    cause: "its question for the log, handed on by a follower to the leader, was dropped as one under a false name",
    foundBy: "simulator",
    fix: "9837eb0",
    test: {
      file: "broker/test/testing/test-cluster.e2e.ts",
      title: "is handed on to the leader by the one that it knows",
    },
    failedBefore: "test: waited 10000 ms for the cluster to settle: the cluster does not know that broker 1 is up",
  },
  {
    id: "two-suspicions-at-once",
    symptom: "a broker ended because two readers had met bad bytes of one log at the same time",
    cause:
      "both wrote the suspicion through one temp file; the second found it renamed away, which was taken for a broken disk",
    foundBy: "simulator",
    fix: "8abadbf",
    test: {
      file: "broker/test/storage/log-repair.test.ts",
      title: "is suspected at one place, and the disk goes on, when two that look find something bad at once",
    },
    failedBefore: "test: DiskFault: rename /data/t-0/.suspect.tmp: ENOENT",
  },
  {
    id: "damage-and-a-failed-sync",
    symptom: "a replica that was repaired lost records with the next loss of power, all of which it had synced",
    cause:
      "the start that heals a failed sync by a copy passed over a damaged log, whose repair wrote on in pages that no sync takes any more",
    foundBy: "simulator",
    fix: "2986ac9",
    test: {
      file: "broker/test/storage/log-repair.test.ts",
      title: "is filled again in a file that no failed sync has spoiled (3.4(3))",
    },
    failedBefore: "test: expected [ null, 3 ] to deeply equal [ null, 10 ]",
  },
];
