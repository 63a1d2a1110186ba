import { expect } from "chai";
import { surveyDirectory, verifyDirectory } from "../../src/tools.ts";
import type { Finding, PartitionVerdict, SurveyedDirectory } from "../../src/tools.ts";
import { append, DATA, makeBatch, OTHER_ID, StorageMachine } from "./support/storage-machine.ts";

const T = `${DATA}/t-0`;
const name = (offset: number, suffix: string): string => `${T}/${String(offset).padStart(20, "0")}${suffix}`;

interface Verified {
  readonly survey: SurveyedDirectory;
  readonly logs: readonly PartitionVerdict[];
  readonly findings: readonly Finding[];
}

describe("verifying a data directory", () => {
  async function verify(machine: StorageMachine, options: { isLive?: boolean; path?: string } = {}): Promise<Verified> {
    const isLive = options.isLive ?? false;
    const before = machine.medium.openFilesCount;
    const survey = surveyDirectory(machine.disk, options.path ?? DATA, { isLive });
    if (survey === null) throw new Error("not a data directory");
    const logs: PartitionVerdict[] = [];
    const host = { disk: machine.disk, timers: machine.process, onBytes: () => undefined };
    const walk = verifyDirectory(host, survey, { isDeep: true, isLive });
    for (;;) {
      const next = await machine.run(walk.next());
      if (next.done === true) break;
      logs.push(next.value);
    }
    expect(machine.medium.openFilesCount).to.equal(before);
    return { survey, logs, findings: [...survey.findings, ...logs.flatMap(({ findings }) => findings)] };
  }

  function owned(): StorageMachine {
    const machine = new StorageMachine();
    machine.put(`${DATA}/meta.properties`, `version=1\nnode.id=1\ndirectory.id=${OTHER_ID}\n`);
    return machine;
  }

  /** Forty batches of an idempotent producer over several segments, with indexes, in two leader epochs; stopped cleanly. */
  async function stopped(): Promise<StorageMachine> {
    const machine = owned();
    const { directory, log } = await machine.fresh();
    for (let i = 0; i < 40; i += 1)
      append(
        log,
        makeBatch({ records: 2, producerId: 6, baseSequence: 2 * i, timestamps: [500 + i, 400] }),
        i < 20 ? 0 : 3,
      );
    await machine.run(directory.close(1));
    return machine;
  }

  async function crashed(): Promise<StorageMachine> {
    const machine = owned();
    const { log } = await machine.fresh();
    for (let i = 0; i < 40; i += 1) append(log, makeBatch({ records: 2, timestamps: [500 + i, 400] }));
    machine.restart("process");
    return machine;
  }

  const segmentsOf = (machine: StorageMachine): number[] =>
    machine.disk
      .list(T)
      .filter((file) => file.endsWith(".log"))
      .map((file) => Number(file.slice(0, 20)))
      .sort((left, right) => left - right);

  it("finds nothing in what a clean stop left", async () => {
    const machine = await stopped();
    const { survey, logs, findings } = await verify(machine);
    expect(findings).to.deep.equal([]);
    expect(survey.isClean).to.equal(true);
    expect(logs[0]).to.include({ batches: 40, records: 80, startOffset: 0, endOffset: 80, latestEpoch: 3 });
    expect(logs[0]?.segments).to.be.greaterThan(2);
    expect(logs[0]?.indexEntries).to.be.greaterThan(10);
    expect(logs[0]?.snapshots).to.be.greaterThan(1);
  });

  it("finds only that a crash was one in what a crash left", async () => {
    const machine = await crashed();
    const { survey, logs, findings } = await verify(machine);
    expect(survey.isClean).to.equal(false);
    expect(logs[0]).to.include({ batches: 40, endOffset: 80 });
    expect(findings.filter(({ severity }) => severity === "damage")).to.deep.equal([]);
    expect(findings.map(({ kind }) => kind)).to.include("unclean-stop");
  });

  it("changes nothing", async () => {
    const machine = await crashed();
    machine.put(name(0, ".log.deleted"), "x");
    const operations = machine.medium.operationsCount;
    await verify(machine);
    expect(machine.medium.operationsCount).to.equal(operations);
    expect(machine.bytes(name(0, ".log.deleted")).toString()).to.equal("x");
  });

  /** What is done to the files, and what has to be found: each of these was whole before. */
  const damages: readonly (readonly [string, (machine: StorageMachine) => void, Partial<Finding>])[] = [
    [
      "a flipped bit in a record",
      (machine) => {
        const bytes = machine.bytes(name(0, ".log"));
        bytes.writeUInt8(bytes.readUInt8(bytes.length - 5) ^ 1, bytes.length - 5);
        machine.put(name(0, ".log"), bytes);
      },
      { severity: "damage", kind: "bad-batch", path: name(0, ".log") },
    ],
    [
      "a segment that was cut short",
      (machine) => machine.put(name(0, ".log"), machine.bytes(name(0, ".log")).subarray(0, -7)),
      { severity: "damage", kind: "bad-batch", path: name(0, ".log") },
    ],
    [
      "zeros at the end",
      (machine) => machine.put(name(0, ".log"), Buffer.concat([machine.bytes(name(0, ".log")), Buffer.alloc(200)])),
      { severity: "damage", kind: "bad-batch", path: name(0, ".log") },
    ],
    [
      "a batch that is gone",
      (machine) => {
        const bytes = machine.bytes(name(0, ".log"));
        const size = bytes.readInt32BE(8) + 12;
        machine.put(name(0, ".log"), Buffer.concat([bytes.subarray(0, size), bytes.subarray(2 * size)]));
      },
      { severity: "damage", kind: "gap", path: name(0, ".log"), offset: 2 },
    ],
    [
      "a batch that stands twice",
      (machine) => {
        const bytes = machine.bytes(name(0, ".log"));
        const size = bytes.readInt32BE(8) + 12;
        machine.put(name(0, ".log"), Buffer.concat([bytes.subarray(0, size), bytes]));
      },
      { severity: "damage", kind: "offset", path: name(0, ".log") },
    ],
    [
      "a leader epoch that falls",
      (machine) => {
        const bytes = machine.bytes(name(0, ".log"));
        bytes.writeInt32BE(9, 12);
        machine.put(name(0, ".log"), bytes);
      },
      { severity: "damage", kind: "epoch", path: name(0, ".log") },
    ],
    [
      "a missing segment",
      (machine) => {
        const [, second = 0] = segmentsOf(machine);
        machine.disk.unlink(name(second, ".log"));
      },
      { severity: "damage", kind: "hole" },
    ],
    [
      "an index entry that points beside a batch",
      (machine) => {
        const bytes = machine.bytes(name(0, ".index"));
        bytes.writeInt32BE(bytes.readInt32BE(4) + 1, 4);
        machine.put(name(0, ".index"), bytes);
      },
      { severity: "damage", kind: "index", path: name(0, ".index") },
    ],
    [
      "an index entry with another batch's offset",
      (machine) => {
        const bytes = machine.bytes(name(0, ".index"));
        bytes.writeInt32BE(bytes.readInt32BE(0) + 2, 0);
        machine.put(name(0, ".index"), bytes);
      },
      { severity: "damage", kind: "index", path: name(0, ".index"), position: 0 },
    ],
    [
      "an index that is no whole number of entries",
      (machine) => machine.put(name(0, ".index"), machine.bytes(name(0, ".index")).subarray(0, -3)),
      { severity: "damage", kind: "index", path: name(0, ".index") },
    ],
    [
      "a time index with a timestamp that no batch has",
      (machine) => {
        const bytes = machine.bytes(name(0, ".timeindex"));
        bytes.writeInt32BE(bytes.readInt32BE(4) + 1, 4);
        machine.put(name(0, ".timeindex"), bytes);
      },
      { severity: "damage", kind: "time-index", path: name(0, ".timeindex") },
    ],
    [
      "a closed segment whose time index does not end with its newest timestamp",
      (machine) => machine.put(name(0, ".timeindex"), machine.bytes(name(0, ".timeindex")).subarray(0, -12)),
      { severity: "damage", kind: "time-index", path: name(0, ".timeindex") },
    ],
    [
      "a transaction index that names what was never aborted",
      (machine) => machine.put(name(0, ".txnindex"), Buffer.alloc(34)),
      { severity: "damage", kind: "txn-index", path: name(0, ".txnindex") },
    ],
    [
      "a snapshot with a wrong CRC",
      (machine) => {
        const bytes = machine.bytes(name(80, ".snapshot"));
        bytes.writeUInt8(bytes.readUInt8(20) ^ 1, 20);
        machine.put(name(80, ".snapshot"), bytes);
      },
      { severity: "damage", kind: "snapshot", path: name(80, ".snapshot") },
    ],
    [
      "a snapshot that is another offset's",
      (machine) => {
        const [, second = 0] = segmentsOf(machine);
        machine.put(name(80, ".snapshot"), machine.bytes(name(second, ".snapshot")));
      },
      { severity: "damage", kind: "snapshot", path: name(80, ".snapshot") },
    ],
    [
      "a snapshot above the end",
      (machine) => machine.put(name(99, ".snapshot"), machine.bytes(name(80, ".snapshot"))),
      { severity: "warning", kind: "snapshot", path: name(99, ".snapshot") },
    ],
    [
      "an epoch file that says another epoch",
      (machine) => machine.put(`${T}/leader-epoch-checkpoint`, "0\n2\n0 0\n3 44\n"),
      { severity: "damage", kind: "epoch-file" },
    ],
    [
      "an epoch file that does not parse",
      (machine) => machine.put(`${T}/leader-epoch-checkpoint`, "0\n9\n0 0\n"),
      { severity: "damage", kind: "epoch-file" },
    ],
    [
      "a partition.metadata without a topic id",
      (machine) => machine.put(`${T}/partition.metadata`, "version: 0\n"),
      { severity: "damage", kind: "partition-metadata" },
    ],
    [
      "a recovery point above the end",
      (machine) => machine.put(`${DATA}/recovery-point-offset-checkpoint`, "0\n1\nt 0 90\n"),
      { severity: "damage", kind: "lost-tail", path: T, offset: 80 },
    ],
    [
      "a checkpoint that does not parse",
      (machine) => machine.put(`${DATA}/log-start-offset-checkpoint`, "nonsense"),
      { severity: "damage", kind: "checkpoint" },
    ],
    [
      "a checkpoint entry without a log",
      (machine) => machine.put(`${DATA}/log-start-offset-checkpoint`, "0\n1\ngone 3 7\n"),
      { severity: "warning", kind: "checkpoint" },
    ],
    [
      "a directory that is no partition's",
      (machine) => machine.disk.mkdir(`${DATA}/backup of t`),
      { severity: "damage", kind: "foreign", path: `${DATA}/backup of t` },
    ],
    [
      "what a cleaning left",
      (machine) => machine.put(name(0, ".log.cleaned"), "x"),
      { severity: "warning", kind: "leftover" },
    ],
    [
      "an index without its log",
      (machine) => machine.put(name(7, ".index"), ""),
      { severity: "warning", kind: "leftover", path: name(7, ".index") },
    ],
    [
      "bytes that were set aside",
      (machine) => machine.put(name(7, ".log.damaged"), "x"),
      { severity: "warning", kind: "set-aside" },
    ],
  ];
  for (const [what, damage, expected] of damages) {
    it(`finds ${what}`, async () => {
      const machine = await stopped();
      damage(machine);
      const { findings } = await verify(machine);
      const match = findings.find(({ severity, kind }) => severity === expected.severity && kind === expected.kind);
      expect(match, JSON.stringify(findings, null, 1)).to.deep.include(expected);
    });
  }

  it("goes on behind a bad batch, and counts what is good", async () => {
    const machine = await stopped();
    const bytes = machine.bytes(name(0, ".log"));
    bytes.writeUInt8(bytes.readUInt8(70) ^ 1, 70);
    machine.put(name(0, ".log"), bytes);
    const { logs, findings } = await verify(machine);
    expect(logs[0]).to.include({ batches: 39, endOffset: 80 });
    expect(findings.filter(({ kind }) => kind === "bad-batch" || kind === "gap")).to.have.lengthOf(1);
  });

  it("calls a bad batch above the recovery point a torn tail, and one of a log that stands alone damage", async () => {
    const machine = await crashed();
    const last = segmentsOf(machine).at(-1) ?? 0;
    machine.put(name(last, ".log"), Buffer.concat([machine.bytes(name(last, ".log")), Buffer.alloc(9, 7)]));
    machine.put(`${DATA}/recovery-point-offset-checkpoint`, `0\n1\nt 0 ${last}\n`);
    machine.put(`${T}/leader-epoch-checkpoint`, "0\n1\n0 0\n");
    const torn = await verify(machine);
    expect(torn.findings.filter(({ severity }) => severity === "damage")).to.deep.equal([]);
    expect(torn.findings.find(({ kind }) => kind === "torn-tail")).to.deep.include({ severity: "note", offset: 80 });

    machine.disk.unlink(`${DATA}/meta.properties`);
    const alone = await verify(machine, { path: T });
    expect(alone.logs).to.have.lengthOf(1);
    expect(alone.findings.map(({ kind }) => kind)).to.include("bad-batch");
  });

  it("lists a few findings of a file of which everything is wrong, and says how many more there are", async () => {
    const machine = await stopped();
    const bytes = machine.bytes(name(0, ".index"));
    for (let at = 4; at < bytes.length; at += 8) bytes.writeInt32BE(bytes.readInt32BE(at) + 1, at);
    for (let i = 0; i < 40; i += 1) bytes.copy(bytes, 0);
    const many = Buffer.concat(Array.from({ length: 10 }, () => bytes));
    machine.put(name(0, ".index"), many);
    const { findings } = await verify(machine);
    expect(findings.filter(({ kind }) => kind === "index")).to.have.lengthOf(6);
    expect(findings.at(-1)?.message).to.match(/^\d+ more of this kind in this file$/);
  });

  it("knows a directory that is neither a data directory nor a partition's", () => {
    const machine = new StorageMachine();
    machine.disk.mkdir("/else");
    expect(surveyDirectory(machine.disk, "/else", { isLive: false })).to.equal(null);
  });
});
