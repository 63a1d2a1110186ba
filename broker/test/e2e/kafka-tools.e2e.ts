/**
 * Apache Kafka's own code reads what the broker wrote: its dump tool every batch, record, index entry and snapshot, and its
 * log loader the whole data directory, as after a clean stop and as after a crash.
 *
 * Runs where TIDEMARK_TEST_KAFKA_TOOLS names a launcher of those tools (docs/testing.md); elsewhere it is reported as skipped.
 */
import { expect } from "chai";
import { execFile } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { promisify } from "node:util";
import { Client, codecs, topic } from "@tidemark/client";
import { CODEC_NAMES } from "@tidemark/proto";
import { FileDisk, registerNativeCodecs } from "../../src/platform/index.ts";
import { dumpFile } from "../../src/tools.ts";
import type { DumpedFile } from "../../src/tools.ts";
import { freshDirectory, removeDirectory, startBroker } from "./support/test-broker.ts";

const launcher = process.env["TIDEMARK_TEST_KAFKA_TOOLS"] ?? "";
const openData = path.resolve(import.meta.dirname, "../../../test/data/kafka-tools/OpenData.java");

const BATCHES = 30;
const RECORDS_PER_BATCH = 10;
/** Those, and one batch more under the next leader epoch. */
const RECORDS = (BATCHES + 1) * RECORDS_PER_BATCH;

const run = promisify(execFile);

describe("Apache Kafka's own tools on what the broker wrote", () => {
  // A Java machine starts for each.
  if (launcher === "") {
    it("(not run: TIDEMARK_TEST_KAFKA_TOOLS names no launcher of Apache Kafka's tools)");
    return;
  }

  let directory = "";
  before(async () => {
    registerNativeCodecs();
    directory = freshDirectory();
    await write(directory, BATCHES);
    await write(directory, 1);
  });
  after(() => removeDirectory(directory));

  /** A life of a broker that takes `batches` of each codec from an idempotent producer each, and stops cleanly. */
  async function write(dataDirectory: string, batches: number): Promise<void> {
    const broker = await startBroker({
      "log.dirs": dataDirectory,
      "log.segment.bytes": "2048",
      "log.index.interval.bytes": "256",
    });
    const client = new Client({ brokers: broker.grpcAddress });
    for (const compression of CODEC_NAMES) {
      await client.admin.topics.create({ name: compression, partitions: 1 }, { ifNotExists: true });
      const words = topic(compression, { key: codecs.string, value: codecs.string });
      const producer = client.producer({ compression, linger: 5 });
      for (let batch = 0; batch < batches; batch += 1) {
        const sent = Array.from({ length: RECORDS_PER_BATCH }, (_, i) =>
          producer.send(words, {
            key: i === 9 ? null : `key ${i}`,
            value: `${batch} ${i} the tide comes in and goes out`,
            headers: { word: "tide" },
          }),
        );
        await Promise.all(sent);
      }
      await producer.close();
    }
    await client.close();
    await broker.stop();
  }

  function filesOf(codec: string, suffix: RegExp): string[] {
    const replica = path.join(directory, `${codec}-0`);
    return fs
      .readdirSync(replica)
      .filter((name) => suffix.test(name))
      .sort()
      .map((name) => path.join(replica, name));
  }

  async function dump(files: readonly string[], ...flags: string[]): Promise<string> {
    const { stdout, stderr } = await run(launcher, ["kafka-dump-log", ...flags, "--files", files.join(",")], {
      maxBuffer: 1 << 26,
    });
    expect(`${stdout}${stderr}`).to.not.match(/mismatch|corrupt|isvalid: false|exception|error/i);
    return `${stdout}${stderr}`;
  }

  for (const codec of CODEC_NAMES) {
    it(`dumps every record of every segment written with ${codec}`, async () => {
      const logs = filesOf(codec, /\.log$/);
      const output = await dump(logs, "--deep-iteration", "--print-data-log");
      expect(logs.length).to.be.greaterThan(2);
      const batches = [
        ...output.matchAll(/^baseOffset: (\d+) lastOffset: (\d+) count: (\d+).*partitionLeaderEpoch: (\d+).*$/gm),
      ];
      let next = 0;
      for (const [line, base, last, count, epoch] of batches) {
        expect(line).to.match(new RegExp(`magic: 2 compresscodec: ${codec} crc: \\d+ isvalid: true$`));
        expect(line).to.match(/producerId: \d+ producerEpoch: 0 .*isTransactional: false isControl: false/);
        expect([Number(base), Number(count)]).to.deep.equal([next, Number(last) - Number(base) + 1]);
        next = Number(last) + 1;
        expect(Number(epoch)).to.equal(next <= BATCHES * RECORDS_PER_BATCH ? 0 : 1);
      }
      expect(next).to.equal(RECORDS);
      const records = [...output.matchAll(/^\| offset: (\d+) .*headerKeys: \[word\](.*)$/gm)];
      expect(records.map(([, offset]) => Number(offset))).to.deep.equal(Array.from({ length: RECORDS }, (_, i) => i));
      expect(records.filter(([, , rest]) => rest?.includes("payload: ") === true)).to.have.lengthOf(RECORDS);
      // The tool says of any segment but the first that its first offset does not follow -1, and has nothing else to say.
      const jumps = [...output.matchAll(/^ {2}(-?\d+) is followed by (\d+)$/gm)].map(([, from, to]) => `${from} ${to}`);
      const bases = logs.map((file) => Number(path.basename(file, ".log"))).filter((base) => base > 0);
      expect(jumps).to.have.members(bases.map((base) => `-1 ${base}`));
    });
  }

  it("holds every index against its log and finds nothing", async () => {
    const indexes = CODEC_NAMES.flatMap((codec) => filesOf(codec, /\.(?:time)?index$/));
    const listed = await dump(indexes);
    const entriesOf = (kind: DumpedFile["kind"]): number =>
      indexes
        .map((file) => dumpFile(new FileDisk(), file))
        .reduce((sum, dumped) => sum + (dumped.kind === kind ? dumped.entries.length : 0), 0);
    expect([...listed.matchAll(/^offset: \d+ position: \d+$/gm)]).to.have.lengthOf(entriesOf("offset-index"));
    expect([...listed.matchAll(/^timestamp: \d+ offset: \d+$/gm)]).to.have.lengthOf(entriesOf("time-index"));
    expect(entriesOf("offset-index")).to.be.greaterThan(40);
    expect(entriesOf("time-index")).to.be.greaterThan(20);
    expect(await dump(indexes, "--verify-index-only")).to.not.match(/^offset: /m);
    const sane = await dump(indexes, "--index-sanity-check");
    // Of a file without entries it says that instead.
    const verdictOf = (index: string): string => (fs.statSync(index).size === 0 ? "is empty." : "passed sanity check.");
    const doubted = indexes.filter((index) => !sane.includes(`${index} ${verdictOf(index)}`));
    expect(doubted, sane).to.deep.equal([]);
  });

  it("reads the producers of every snapshot", async () => {
    const last = RECORDS - 1;
    for (const codec of CODEC_NAMES) {
      const snapshots = filesOf(codec, /\.snapshot$/);
      const output = await dump(snapshots);
      const sections = output.split(/^Dumping .*$/m).slice(1);
      expect(sections).to.have.lengthOf(snapshots.length);
      expect(sections.at(-1)).to.match(
        new RegExp(
          `producerId: \\d+ producerEpoch: 0 coordinatorEpoch: -1 .* lastSequence: ${RECORDS_PER_BATCH - 1} lastOffset: ${last} `,
        ),
      );
    }
  });

  it("opens the whole data directory with Kafka's log loader, clean and recovered", async () => {
    const copy = freshDirectory();
    try {
      fs.cpSync(directory, copy, { recursive: true });
      const { stdout: classpath } = await run(launcher, ["classpath"]);
      const java = process.env["KAFKA_JAVA"] ?? "java";
      const { stdout } = await run(java, ["-cp", classpath.trim(), openData, copy], { maxBuffer: 1 << 26 });
      const meta = fs.readFileSync(path.join(directory, "meta.properties"), "utf8");
      const property = (key: string): string => new RegExp(`^${key}=(.*)$`, "m").exec(meta)?.[1] ?? "";
      expect(stdout).to.include(`meta ${property("cluster.id")} ${property("node.id")} ${property("directory.id")}\n`);
      expect(stdout).to.match(/^clean \d+$/m);
      for (const codec of CODEC_NAMES) {
        const identity = fs.readFileSync(path.join(directory, `${codec}-0`, "partition.metadata"), "utf8");
        const segments = filesOf(codec, /\.log$/);
        const bytes = segments.reduce((sum, file) => sum + fs.statSync(file).size, 0);
        const state = `${codec}-0 start=0 end=${RECORDS} epoch=1 segments=${segments.length} producers=2 bytes=${bytes}\n`;
        expect(stdout).to.include(`recovery-point-offset-checkpoint ${codec}-0 ${RECORDS}\n`);
        expect(stdout).to.include(`replication-offset-checkpoint ${codec}-0 ${RECORDS}\n`);
        expect(stdout).to.include(`topic-id ${codec}-0 ${identity.split("topic_id: ")[1]}\n`);
        expect(stdout).to.include(`epoch ${codec}-0 0 0\nepoch ${codec}-0 1 ${BATCHES * RECORDS_PER_BATCH}\n`);
        expect(stdout).to.include(`clean ${state}`);
        expect(stdout).to.include(`recovered ${state}`);
      }
    } finally {
      removeDirectory(copy);
    }
  });
});
