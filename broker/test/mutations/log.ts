/** Known mistakes of the log: promises of the disk that a rule rests on are broken, or lines of the compiled room. */
import type { SimDisk } from "../../src/sim/index.ts";
import type { Mutation } from "./mutation.ts";

const ALWAYS = Number.POSITIVE_INFINITY;

/** One line of the room. */
const broken = (
  id: string,
  what: string,
  file: string,
  from: string,
  to: string,
  seedsMax: number,
  seed: number,
): Mutation => ({ id, profile: "log", what, edits: [{ file: `storage/${file}`, from, to }], seedsMax, seed });

export const LOG_MUTATIONS: readonly Mutation[] = [
  {
    id: "log-sync-lies",
    profile: "log",
    what: "no sync of a log reaches the medium (3.4, 15.1)",
    edits: [],
    medium: {
      lies: [{ operation: "datasync", effect: "lie", path: /\.log$/, times: ALWAYS }],
    },
    seedsMax: 50,
    seed: 1,
  },
  {
    id: "log-sync-lies-at-times",
    profile: "log",
    what: "one sync of a log in five does not reach the medium (3.4, 15.1)",
    edits: [],
    medium: {
      lies: [{ operation: "datasync", effect: "lie", path: /\.log$/, probability: 0.2 }],
    },
    seedsMax: 100,
    seed: 2,
  },
  {
    id: "log-write-ends-early",
    profile: "log",
    what: "a write off the loop says that it has ended before it has (3.1(9), performance 1.9)",
    edits: [],
    medium: {
      lies: [{ operation: "write", effect: "lie", path: /\.log$/, times: ALWAYS }],
    },
    seedsMax: 100,
    seed: 4,
  },
  {
    id: "log-no-directory-sync",
    profile: "log",
    what: "no directory is synced (2.2)",
    edits: [],
    medium: {
      lies: [{ operation: "syncDirectory", effect: "lie", times: ALWAYS }],
    },
    seedsMax: 50,
    seed: 1,
  },
  {
    id: "log-replica-directory-unsynced",
    profile: "log",
    what: "the directory of a replica is not synced (2.2, 3.3(3))",
    edits: [],
    medium: {
      lies: [{ operation: "syncDirectory", effect: "lie", path: /-\d+$/, times: ALWAYS }],
    },
    seedsMax: 100,
    seed: 1,
  },
  {
    id: "log-directory-unsynced",
    profile: "log",
    what: "the log directory is not synced (4.2(1))",
    edits: [],
    medium: {
      lies: [{ operation: "syncDirectory", effect: "lie", path: /^\/data$/, times: ALWAYS }],
    },
    seedsMax: 200,
    seed: 1,
  },
  {
    id: "log-checkpoint-unsynced",
    profile: "log",
    what: "checkpoints are renamed unsynced (2.2 safe)",
    edits: [],
    medium: {
      lies: [{ operation: "datasync", effect: "lie", path: /checkpoint[^/]*tmp$/, times: ALWAYS }],
    },
    seedsMax: 100,
    seed: 1,
  },
  {
    id: "log-index-unsynced",
    profile: "log",
    what: "indexes of closed segments are not synced before the recovery point passes (3.3(3))",
    edits: [],
    medium: {
      lies: [{ operation: "datasync", effect: "lie", path: /index$/, times: ALWAYS }],
    },
    seedsMax: 200,
    seed: 1,
  },
  {
    id: "log-txnindex-unsynced",
    profile: "log",
    what: "transaction indexes are not synced before the recovery point passes (2.5(3), 3.3(3))",
    edits: [],
    medium: {
      lies: [{ operation: "datasync", effect: "lie", path: /\.txnindex$/, times: ALWAYS }],
    },
    seedsMax: 300,
    seed: 2,
  },
  {
    id: "log-clean-marker-stays",
    profile: "log",
    what: "the clean marker is never removed (4.2(1))",
    edits: [],
    medium: {
      lies: [{ operation: "unlink", effect: "lie", path: /cleanshutdown$/, times: ALWAYS }],
    },
    seedsMax: 50,
    seed: 1,
  },
  {
    id: "log-cut-segments-stay",
    profile: "log",
    what: "segments behind a cut are never removed (5.5(3))",
    edits: [],
    medium: {
      lies: [{ operation: "unlink", effect: "lie", path: /\.log$/, times: ALWAYS }],
    },
    seedsMax: 100,
    seed: 2,
  },
  {
    id: "log-cut-snapshots-stay",
    profile: "log",
    what: "producer snapshots behind a cut are never removed (4.2(9), 5.5(1))",
    edits: [],
    medium: {
      lies: [{ operation: "unlink", effect: "lie", path: /\.snapshot$/, times: ALWAYS }],
    },
    seedsMax: 300,
    seed: 1,
  },
  {
    id: "log-epoch-file-stays",
    profile: "log",
    what: "the epoch file is never replaced (5.1(2))",
    edits: [],
    medium: {
      lies: [{ operation: "rename", effect: "lie", path: /leader-epoch-checkpoint/, times: ALWAYS }],
    },
    seedsMax: 100,
    seed: 1,
  },
  {
    id: "log-recovery-point-stays",
    profile: "log",
    what: "recovery points are not lowered before a cut (5.5(3))",
    edits: [],
    medium: {
      lies: [
        { operation: "rename", effect: "lie", path: /recovery-point-offset-checkpoint/, skipCount: 3, times: ALWAYS },
      ],
    },
    seedsMax: 200,
    seed: 29,
  },
  {
    id: "log-start-unwritten",
    profile: "log",
    what: "raised log starts are not written (13(4))",
    edits: [],
    medium: {
      lies: [{ operation: "rename", effect: "lie", path: /log-start-offset-checkpoint/, times: ALWAYS }],
    },
    seedsMax: 200,
    seed: 1,
  },
  {
    id: "log-deleted-files-stay",
    profile: "log",
    what: "files of removed segments are never unlinked (3.6)",
    edits: [],
    medium: {
      lies: [{ operation: "unlink", effect: "lie", path: /\.deleted$/, times: ALWAYS }],
    },
    seedsMax: 100,
    seed: 8,
  },
  {
    id: "log-start-after-segments",
    profile: "log",
    what: "segments go before the log start that they leave is durable (3.5(4), 13(4))",
    edits: [],
    medium: {
      beforeRestart: (medium) => {
        removeEntry(medium, "log-start-offset-checkpoint");
      },
    },
    seedsMax: 300,
    seed: 1,
  },
  {
    id: "log-no-sync-failed",
    profile: "log",
    what: ".sync-failed is left out (3.4(3))",
    edits: [],
    medium: {
      beforeRestart: (medium) => {
        removeEntry(medium, ".sync-failed");
      },
    },
    from: 48,
    seedsMax: 3000,
    seed: 53,
  },
  {
    id: "log-no-cut-pending",
    profile: "log",
    what: "a cut that was not yet synced is forgotten by the next start (4.2(10))",
    edits: [],
    medium: {
      beforeRestart: (medium) => {
        removeEntry(medium, ".cut-pending");
      },
    },
    from: 2285,
    seedsMax: 3000,
    seed: 2722,
  },
  {
    id: "log-recovery-point-ahead",
    profile: "log",
    what: "recovery points run ahead of the syncs (3.4(2))",
    edits: [],
    medium: {
      beforeRestart: raiseRecoveryPoints,
    },
    seedsMax: 100,
    seed: 1,
  },
  broken(
    "log-producers-over-cut",
    "producer state outlives a truncation (P42)",
    "log-truncation.js",
    "this.#deps.producers.replaceBy(producers);",
    "",
    50,
    1,
  ),
  broken(
    "log-epochs-over-cut",
    "epochs outlive a truncation (5.5(1), P61)",
    "log-truncation.js",
    "this.#deps.epochs.truncateEnd(logEnd);",
    "",
    50,
    1,
  ),
  broken(
    "log-newer-sync-first",
    "the sync of a newer segment counts before that of an older one (15.1(6), P41)",
    "group-sync.js",
    "if (!segment.isSealed || segment.syncedEnd < segment.endOffset)\n                break;",
    "",
    50,
    2,
  ),
  broken(
    "log-entry-unsynced",
    "a segment counts before its directory entry is synced (3.3(3))",
    "group-sync.js",
    "if (segment === undefined || segment.entryVersion > this.#directorySynced)",
    "if (segment === undefined)",
    50,
    2,
  ),
  broken(
    "log-sync-before-cut",
    "a sync begun before a truncation counts for what came after (5.5(2), P41)",
    "group-sync.js",
    "if (isSynced && generation === this.#generation) {",
    "if (isSynced) {",
    50,
    1,
  ),
  broken(
    "log-recovery-point-at-end",
    "the recovery point reaches the end of a segment whose indexes are not synced (3.3(3), P12)",
    "group-sync.js",
    "Math.max(recoveryPoint, this.#belowEnd(segment.syncedEnd))",
    "Math.max(recoveryPoint, segment.syncedEnd)",
    50,
    2,
  ),
  broken(
    "log-pass-gap",
    "recovery passes over a gap between segments (4.2(5), P68)",
    "log-loader.js",
    "slot > firstSlot && previous !== undefined && !follows(segment, previous, target.end)",
    "false",
    100,
    5,
  ),
  broken(
    "log-snapshots-trusted",
    "recovery trusts producer snapshots that nobody synced (4.2(9), P69)",
    "log-loader.js",
    "this.#snapshots.distrustAll();",
    "",
    200,
    72,
  ),
  broken(
    "log-retention-past-hw",
    "retention passes the high watermark (3.5(2), P09)",
    "retention.js",
    "segment.endOffset <= highWatermark && ",
    "",
    100,
    8,
  ),
  broken(
    "log-producers-not-replayed",
    "sequences of recovered batches are forgotten (4.2(9), P62)",
    "recovery-scan.js",
    "replayBatch(this.#producers, bytes, at, this.#nowMs)",
    "null",
    50,
    1,
  ),
  broken(
    "log-crc-unchecked",
    "recovery takes batches without looking at their CRC (4.2(5), P21)",
    "recovery-scan.js",
    "at === 0 || spanCrc.value === crc32c(bytes, 0, at)",
    "true",
    200,
    10,
  ),
  broken(
    "log-cut-under-write",
    "a truncation does not wait for a queued write (5.5, P67)",
    "log-cuts.js",
    "writer.settled().then(cut)",
    "Promise.resolve().then(cut)",
    100,
    15,
  ),
  broken(
    "log-cut-unsynced",
    "a truncated file is not synced before it is appended to (5.5(3), P76)",
    "log-truncation.js",
    "await this.#untilThereIsRoom(() => sync.syncCut(active));",
    "",
    50,
    2,
  ),
  broken(
    "log-append-behind-cut",
    "appends go on behind a failed write whose cut is not synced (3.1(12), P40)",
    "log-writer.js",
    "return this.#isCutPending || this.#turnFault !== null;",
    "return this.#turnFault !== null;",
    500,
    467,
  ),
  broken(
    "log-hw-over-cut",
    "the checkpointed high watermark stays above a cut end (5.5(3))",
    "log-truncation.js",
    "if (isBelowHighWatermark)",
    "if (false)",
    1000,
    122,
  ),
  {
    id: "log-tail-over-cut",
    profile: "log",
    what: "the tail cache keeps batches that were cut (5.5(1), P42)",
    edits: [
      {
        file: "storage/log-truncation.js",
        from: "writer.tail?.clear();\n        this.#deps.epochs.truncateEnd",
        to: "this.#deps.epochs.truncateEnd",
      },
      {
        file: "storage/tail-cache.js",
        from: "if (this.#batches.at(-1)?.nextOffset !== baseOffset)\n            this.clear();",
        to: "",
      },
    ],
    seedsMax: 1000,
    seed: 199,
  },
  broken(
    "log-malformed-deletes",
    "deletes what follows a bad batch though the recovery points were malformed (4.2(6), P75)",
    "log-loader.js",
    "this.#options.keepsCut || this.#acceptsDamage",
    "this.#acceptsDamage",
    300,
    26,
  ),
  broken(
    "log-topic-id-ignored",
    "takes the log of another topic of the same name (2.1(4), P47)",
    "replica-directories.js",
    "if (found === null || found === topicId)",
    "if (true)",
    100,
    3,
  ),
];

function removeEntry(medium: SimDisk, name: string): void {
  const directory = medium.tree.find("/data");
  if (directory?.kind !== "directory" || !directory.written.has(name)) return;
  medium.tree.change([{ directory, name, node: null }]);
  medium.tree.commitAll(medium.tree.order);
}

/** Every recovery point of the checkpoint becomes one that only a sync of the whole log would justify. */
function raiseRecoveryPoints(medium: SimDisk): void {
  const file = medium.fileAt("/data/recovery-point-offset-checkpoint");
  if (file === undefined || file.sizeBytes === 0) return;
  const bytes = new Uint8Array(file.sizeBytes);
  file.read(bytes, 0);
  const text = Buffer.from(bytes)
    .toString("latin1")
    .replaceAll(/ (\d+)\n/g, (_, offset: string) => ` ${Number(offset) + 3}\n`);
  file.truncate(0);
  file.write(Buffer.from(text, "latin1"), 0);
  file.finishSync(file.beginSync());
}
