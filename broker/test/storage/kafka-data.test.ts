import { expect } from "chai";
import { asPartitionId } from "../../src/base/index.ts";
import {
  createLogger,
  FileDisk,
  registerNativeCodecs,
  registerNativeCrc32c,
  SystemClock,
  SystemTimers,
} from "../../src/platform/index.ts";
import { openLogDirectory } from "../../src/storage/index.ts";
import { dumpFile, dumpSegment, surveyDirectory, verifyDirectory } from "../../src/tools.ts";
import type { LogDirectory, ReplicaSpec } from "../../src/storage/index.ts";
import type { PartitionVerdict } from "../../src/tools.ts";
import { CODEC_NAMES, RecordCursor } from "@tidemark/proto";
import { KAFKA_LOGS, KafkaData } from "./support/kafka-data.ts";
import { TINY } from "./support/storage-machine.ts";

describe("a data directory that Apache Kafka 4.3 stopped", () => {
  const disk = new FileDisk();
  const timers = new SystemTimers();
  let data: KafkaData;
  before(() => {
    registerNativeCodecs();
    registerNativeCrc32c();
  });
  beforeEach(() => {
    data = new KafkaData();
  });
  afterEach(() => data.remove());

  async function verdicts(): Promise<PartitionVerdict[]> {
    const survey = surveyDirectory(disk, data.path, { isLive: false });
    if (survey === null) throw new Error("no data directory");
    expect(survey.findings).to.deep.equal([]);
    expect(survey.isClean).to.equal(true);
    expect(survey.identity).to.deep.include({ nodeId: 1 });
    const found: PartitionVerdict[] = [];
    const host = { disk, timers, onBytes: () => undefined };
    for await (const verdict of verifyDirectory(host, survey, { isDeep: true, isLive: false })) found.push(verdict);
    return found;
  }

  it("is healthy to the last byte, by every check there is", async () => {
    const found = await verdicts();
    expect(found.flatMap(({ findings }) => findings)).to.deep.equal([]);
    expect(
      found.map(({ directory, segments, endOffset, latestEpoch }) => ({
        name: directory.slice(data.path.length + 1),
        segments,
        endOffset,
        latestEpoch,
      })),
    ).to.deep.equal(KAFKA_LOGS);
    const of = (name: string): PartitionVerdict | undefined => found.find(({ directory }) => directory.endsWith(name));
    expect(of("codecs-0")).to.include({ batches: 21, records: 205, indexEntries: 31, snapshots: 6 });
    expect(of("transactions-0")).to.include({ batches: 10, records: 21, snapshots: 3 });
    expect(of("compacted-0")).to.include({ batches: 4, records: 20, startOffset: 0 });
  });

  it("shows every record of each codec, with keys, headers, nulls and timestamps", () => {
    for (const [slot, codec] of ["none", "gzip", "snappy", "lz4", "zstd"].entries()) {
      const base = String(slot * 40).padStart(20, "0");
      const records = [...dumpSegment(disk, data.join(`codecs-0/${base}.log`))].flatMap((item) => {
        if (item.kind !== "batch") throw new Error(item.reason);
        expect(CODEC_NAMES[item.header.codec]).to.equal(codec);
        return item.records();
      });
      expect(records).to.have.lengthOf(40);
      for (const [i, record] of records.entries()) {
        const value = i % 10 === 8 ? null : `${codec} ${i} the tide comes in and the tide goes out`;
        expect(record.offset).to.equal(slot * 40 + i);
        expect(record.timestamp).to.equal(1_750_000_000_000 + slot * 120_000 + i);
        expect(record.key?.toString() ?? null).to.equal(i % 10 === 9 ? null : `key-${i % 7}`);
        expect(record.value?.toString() ?? null).to.equal(value);
        expect(record.headers.map(([name, bytes]) => [name, bytes?.toString() ?? null])).to.deep.equal([
          ["codec", codec],
          ["none", null],
        ]);
      }
    }
  });

  it("shows aborted transactions and the producers of a snapshot", () => {
    const base = data.join("transactions-0/00000000000000000005");
    expect(dumpFile(disk, `${base}.txnindex`)).to.deep.equal({
      kind: "transaction-index",
      entries: [
        { producerId: 5, firstOffset: 6, lastOffset: 10, lastStableOffset: 11 },
        { producerId: 1001, firstOffset: 15, lastOffset: 17, lastStableOffset: 18 },
      ],
    });
    const snapshot = dumpFile(disk, `${base}.snapshot`);
    expect(snapshot.entries).to.deep.equal([
      {
        producerId: 5,
        producerEpoch: 0,
        lastSequence: 4,
        lastOffset: 4,
        offsetDelta: 4,
        lastTimestamp: 1_750_000_000_004,
        coordinatorEpoch: -1,
        currentTxnFirstOffset: 0,
      },
    ]);
  });

  it("opens for reading and writing, at the offsets and epochs that Kafka left", async () => {
    const found = await verdicts();
    const replicas = found.map(({ directory, topicId }): ReplicaSpec => {
      const topic = directory.slice(data.path.length + 1, -2);
      const config = topic === "compacted" ? { ...TINY, cleanupPolicy: ["compact"] } : TINY;
      return { topic, partition: asPartitionId(0), topicId: topicId ?? "", config };
    });
    // The metadata log has no recovery point and is none of the logs that a broker opens.
    const known = replicas.filter(({ topic }) => topic !== "__cluster_metadata");
    const open = (): Promise<LogDirectory> =>
      openLogDirectory({
        path: data.path,
        disk,
        clock: new SystemClock(),
        timers,
        logger: createLogger({ level: "silent", nodeId: 1 }),
        replicas: known,
        recoveryCheckpointIntervalMs: 60_000,
        logStartCheckpointIntervalMs: 60_000,
        highWatermarkCheckpointIntervalMs: 60_000,
        onOffline: (fault) => {
          throw fault;
        },
      });
    // The first opening trusts the clean stop; the second has to look through everything.
    for (const isClean of [true, false]) {
      const directory = await open();
      expect(directory.report.clean).to.equal(isClean);
      for (const { name, endOffset, latestEpoch } of KAFKA_LOGS) {
        if (name === "__cluster_metadata-0") continue;
        const log = directory.log(name.slice(0, -2), asPartitionId(0));
        expect(log?.logEndOffset, name).to.equal(endOffset);
        expect(log?.latestEpoch, name).to.equal(latestEpoch);
        expect(log?.isDamaged, name).to.equal(false);
      }
      expect(directory.log("trimmed", asPartitionId(0))?.logStartOffset).to.equal(7);
      const log = directory.log("codecs", asPartitionId(0));
      if (log === undefined) throw new Error("the log is gone");
      const read = await log.read(log.logStartOffset, 1 << 20, log.logEndOffset);
      const cursor = new RecordCursor(read.records);
      let records = 0;
      while (cursor.next()) records += 1;
      expect(records).to.equal(40);
      await directory.close(7);
      if (!isClean) continue;
      disk.unlink(data.join(".kafka_cleanshutdown"));
      disk.unlink(data.join("recovery-point-offset-checkpoint"));
    }
    expect((await verdicts()).flatMap(({ findings }) => findings)).to.deep.equal([]);
  });
});
