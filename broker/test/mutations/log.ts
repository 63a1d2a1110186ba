/** Known mistakes of the log: promises of the disk that a rule rests on are broken, or lines of the compiled room. */
import type { SimDisk } from "../../src/sim/index.ts";
import type { Mutation } from "./mutation.ts";

const ALWAYS = Number.POSITIVE_INFINITY;

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
    seed: 1,
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
    seed: 1,
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
    seed: 1,
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
    seed: 1,
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
    seed: 1,
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
    seed: 1,
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
    seed: 48,
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
    seed: 2285,
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
