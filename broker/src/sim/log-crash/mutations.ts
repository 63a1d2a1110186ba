/**
 * Known mistakes, for the proof that the runner can fail: each makes the disk break a promise that a rule of the log rests
 * on, or undoes a step the log has taken, as if the log had left it out. A mutation that survives its number of seeds is a
 * gap in the runner. Never on but in the tests of the runner.
 */
import type { SimDisk } from "../sim-disk.ts";
import type { FaultRule } from "../sim-faults.ts";

export interface Mutation {
  readonly name: string;
  /** The rule of semantics that it takes away. */
  readonly rule: string;
  /** Where the search begins; default 1. What shows itself rarely is found sooner behind a seed that is known to fail. */
  readonly firstSeed?: number;
  /** Seeds within which a run must fail. */
  readonly seedsMax: number;
  /** Faults of the whole run that report success and do nothing. */
  readonly lies?: readonly FaultRule[];
  /** Done to the medium when a life has ended, before the crash takes its share. */
  beforeRestart?(medium: SimDisk): void;
}

const ALWAYS = Number.POSITIVE_INFINITY;

export const MUTATIONS: readonly Mutation[] = [
  {
    name: "no sync of a log reaches the medium",
    rule: "3.4, 15.1",
    seedsMax: 50,
    lies: [{ operation: "datasync", effect: "lie", path: /\.log$/, times: ALWAYS }],
  },
  {
    name: "one sync of a log in five does not reach the medium",
    rule: "3.4, 15.1",
    seedsMax: 100,
    lies: [{ operation: "datasync", effect: "lie", path: /\.log$/, probability: 0.2 }],
  },
  {
    name: "a write off the loop says that it has ended before it has",
    rule: "3.1(9), performance 1.9",
    seedsMax: 100,
    lies: [{ operation: "write", effect: "lie", path: /\.log$/, times: ALWAYS }],
  },
  {
    name: "no directory is synced",
    rule: "2.2",
    seedsMax: 50,
    lies: [{ operation: "syncDirectory", effect: "lie", times: ALWAYS }],
  },
  {
    name: "the directory of a replica is not synced",
    rule: "2.2, 3.3(3)",
    seedsMax: 100,
    lies: [{ operation: "syncDirectory", effect: "lie", path: /-\d+$/, times: ALWAYS }],
  },
  {
    name: "the log directory is not synced",
    rule: "4.2(1)",
    seedsMax: 200,
    lies: [{ operation: "syncDirectory", effect: "lie", path: /^\/data$/, times: ALWAYS }],
  },
  {
    name: "checkpoints are renamed unsynced",
    rule: "2.2 safe",
    seedsMax: 100,
    lies: [{ operation: "datasync", effect: "lie", path: /checkpoint[^/]*tmp$/, times: ALWAYS }],
  },
  {
    name: "indexes of closed segments are not synced before the recovery point passes",
    rule: "3.3(3)",
    seedsMax: 200,
    lies: [{ operation: "datasync", effect: "lie", path: /index$/, times: ALWAYS }],
  },
  {
    name: "transaction indexes are not synced before the recovery point passes",
    rule: "2.5(3), 3.3(3)",
    seedsMax: 300,
    lies: [{ operation: "datasync", effect: "lie", path: /\.txnindex$/, times: ALWAYS }],
  },
  {
    name: "the clean marker is never removed",
    rule: "4.2(1)",
    seedsMax: 50,
    lies: [{ operation: "unlink", effect: "lie", path: /cleanshutdown$/, times: ALWAYS }],
  },
  {
    name: "segments behind a cut are never removed",
    rule: "5.5(3)",
    seedsMax: 100,
    lies: [{ operation: "unlink", effect: "lie", path: /\.log$/, times: ALWAYS }],
  },
  {
    name: "producer snapshots behind a cut are never removed",
    rule: "4.2(9), 5.5(1)",
    seedsMax: 300,
    lies: [{ operation: "unlink", effect: "lie", path: /\.snapshot$/, times: ALWAYS }],
  },
  {
    name: "the epoch file is never replaced",
    rule: "5.1(2)",
    seedsMax: 100,
    lies: [{ operation: "rename", effect: "lie", path: /leader-epoch-checkpoint/, times: ALWAYS }],
  },
  {
    name: "recovery points are not lowered before a cut",
    rule: "5.5(3)",
    seedsMax: 200,
    lies: [
      { operation: "rename", effect: "lie", path: /recovery-point-offset-checkpoint/, skipCount: 3, times: ALWAYS },
    ],
  },
  {
    name: "raised log starts are not written",
    rule: "13(4)",
    seedsMax: 200,
    lies: [{ operation: "rename", effect: "lie", path: /log-start-offset-checkpoint/, times: ALWAYS }],
  },
  {
    name: "files of removed segments are never unlinked",
    rule: "3.6",
    seedsMax: 100,
    lies: [{ operation: "unlink", effect: "lie", path: /\.deleted$/, times: ALWAYS }],
  },
  {
    name: "segments go before the log start that they leave is durable",
    rule: "3.5(4), 13(4)",
    seedsMax: 300,
    beforeRestart: (medium) => {
      removeEntry(medium, "log-start-offset-checkpoint");
    },
  },
  {
    name: ".sync-failed is left out",
    rule: "3.4(3)",
    firstSeed: 48,
    seedsMax: 3000,
    beforeRestart: (medium) => {
      removeEntry(medium, ".sync-failed");
    },
  },
  {
    name: "a cut that was not yet synced is forgotten by the next start",
    rule: "4.2(10)",
    firstSeed: 2285,
    seedsMax: 3000,
    beforeRestart: (medium) => {
      removeEntry(medium, ".cut-pending");
    },
  },
  {
    name: "recovery points run ahead of the syncs",
    rule: "3.4(2)",
    seedsMax: 100,
    beforeRestart: raiseRecoveryPoints,
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
