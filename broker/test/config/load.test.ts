import { expect } from "chai";
import fc from "fast-check";
import {
  allowedRange,
  type BrokerConfig,
  configTable,
  environmentNameOf,
  loadConfig,
  reservedNames,
  testTiny,
} from "../../src/config/index.ts";
import type { LoadInput, LoadResult } from "../../src/config/index.ts";

function load(input: Partial<LoadInput> = {}): LoadResult {
  return loadConfig({ profile: "dev", env: {}, flags: {}, ...input });
}

function loaded(input: Partial<LoadInput> = {}): { config: BrokerConfig; warnings: string[] } {
  const result = load(input);
  if (!result.ok) throw new Error(JSON.stringify(result.problems));
  return result;
}

function problems(input: Partial<LoadInput>): { key: string; value: string; message: string }[] {
  const result = load(input);
  return result.ok ? [] : result.problems;
}

const file = (text: string): { path: string; text: string } => ({ path: "server.properties", text });

describe("loadConfig", () => {
  it("takes every default, frozen, without a warning", () => {
    for (const profile of ["dev", "server"] as const) {
      const { config, warnings } = loaded({ profile, hostName: "broker-3" });
      expect(warnings).to.deep.equal([]);
      expect(config.listeners).to.deep.equal([
        { name: "GRPC", host: "127.0.0.1", port: 9192 },
        { name: "HTTP", host: "127.0.0.1", port: 9292 },
      ]);
      expect(config.topicDefaults.flushMs).to.equal(Number.MAX_SAFE_INTEGER);
      expect(config.topicDefaults.maxMessageBytes).to.equal(1_048_588);
      expect(config.topicDefaults.minInsyncReplicas).to.equal(null);
      expect(Object.isFrozen(config) && Object.isFrozen(config.topicDefaults)).to.equal(true);
    }
  });

  it("differs by profile where the table says so", () => {
    const dev = loaded().config;
    const server = loaded({ profile: "server", hostName: "broker-3" }).config;
    expect([dev.nodeId, dev.topicDefaults.durability, dev.logLevel]).to.deep.equal([1, "page-cache", "warn"]);
    expect([server.nodeId, server.topicDefaults.durability, server.logLevel]).to.deep.equal([
      3,
      "group-commit",
      "info",
    ]);
  });

  it("takes the node id from the number that ends the host name, and refuses a server without one", () => {
    const nodeId = (hostName: string): number => loaded({ profile: "server", hostName }).config.nodeId;
    expect(["broker-0", "kafka07", "10"].map(nodeId)).to.deep.equal([0, 7, 10]);
    for (const hostName of [undefined, "broker", "broker-1-a"]) {
      expect(problems({ profile: "server", hostName })).to.deep.equal([
        { key: "node.id", value: "", message: "must be set: the host name does not end in a number" },
      ]);
    }
  });

  it("lets a flag win over the environment, that over the file, and that over the default", () => {
    const key = "num.partitions";
    const value = (input: Partial<LoadInput>): unknown => {
      const result = load(input);
      return result.ok ? [result.config.numPartitions, result.sources.get(key)?.source] : result.problems;
    };
    expect(value({})).to.deep.equal([1, "default"]);
    const inFile = { file: file(`${key}=2`) };
    expect(value(inFile)).to.deep.equal([2, "file"]);
    const inKafka = { ...inFile, env: { KAFKA_NUM_PARTITIONS: "3" } };
    expect(value(inKafka)).to.deep.equal([3, "environment"]);
    const inOwn = { ...inFile, env: { TIDEMARK_NUM_PARTITIONS: "4", KAFKA_NUM_PARTITIONS: "3" } };
    expect(value(inOwn)).to.deep.equal([4, "environment"]);
    expect(value({ ...inOwn, flags: { [key]: "5" } })).to.deep.equal([5, "flag"]);
  });

  it("reads units wherever a person writes, and keeps plain numbers", () => {
    const input = { flags: { "log.roll.ms": "10s" }, env: { TIDEMARK_LOG_SEGMENT_BYTES: "16MiB" } };
    const { config } = loaded({ ...input, file: file("log.retention.ms=7 d") });
    const { segmentMs, segmentBytes, retentionMs } = config.topicDefaults;
    expect([segmentMs, segmentBytes, retentionMs]).to.deep.equal([10_000, 16 * 1024 * 1024, 7 * 86_400_000]);
    expect(config.sources.get("log.segment.bytes")).to.deep.equal({ value: "16777216", source: "environment" });
  });

  it("refuses a unit of another kind and one that leaves a fraction", () => {
    expect(problems({ file: file("log.roll.ms=1MiB") })).to.have.length(1);
    expect(problems({ file: file("log.segment.bytes=10s") })).to.have.length(1);
    expect(problems({ file: file("quota.window.size.seconds=1500ms") })).to.have.length(1);
    expect(problems({ file: file("num.partitions=10s") })).to.have.length(1);
    expect(problems({ file: file("quota.window.size.seconds=2m") })).to.have.length(0);
  });

  it("reads Kafka's coarser spellings, the finest one first, the higher source before the finer spelling", () => {
    const retention = (input: Partial<LoadInput>): number => loaded(input).config.topicDefaults.retentionMs;
    expect(retention({ file: file("log.retention.hours=2") })).to.equal(7_200_000);
    expect(retention({ file: file("log.retention.hours=2\nlog.retention.minutes=5") })).to.equal(300_000);
    expect(retention({ file: file("log.retention.hours=-1") })).to.equal(-1);
    expect(retention({ file: file("log.retention.ms=7"), flags: { "log.retention.hours": "1" } })).to.equal(3_600_000);
    expect(loaded({ file: file("log.dir=/srv/data") }).config.dataDirectory).to.equal("/srv/data");
  });

  it("names the nearest key for an unknown one, wherever it stands", () => {
    const near = { message: "there is no such key; the nearest is num.partitions" };
    expect(problems({ file: file("num.partition=3") })).to.deep.equal([{ key: "num.partition", value: "3", ...near }]);
    expect(problems({ flags: { "num.partitons": "3" } })).to.deep.equal([
      { key: "num.partitons", value: "3", ...near },
    ]);
    expect(problems({ env: { TIDEMARK_NUM_PARTITONS: "3" } })).to.deep.equal([
      { key: "TIDEMARK_NUM_PARTITONS", value: "3", ...near },
    ]);
    expect(problems({ flags: { "quite.something.else": "3" } })[0]?.message).to.equal("there is no such key");
  });

  it("points from a topic's key to the broker's default of it", () => {
    expect(problems({ flags: { "segment.bytes": "1048576" } })[0]?.message).to.contain("log.segment.bytes");
  });

  it("refuses what it cannot promise, instead of ignoring it", () => {
    expect(problems({ flags: { "sasl.enabled.mechanisms": "PLAIN" } })[0]?.message).to.contain("not available");
  });

  it("never refuses reserved names nor Kafka's own variables, and names the ignored ones once", () => {
    const reserved = reservedNames.map((name) => [name.replace("*", "ANYTHING"), "x"] as const);
    const env = { ...Object.fromEntries(reserved), KAFKA_HEAP_OPTS: "-Xmx1G", KAFKA_OPTS: "", PATH: "/bin" };
    expect(loaded({ env }).warnings).to.deep.equal(["ignored in the environment: KAFKA_HEAP_OPTS, KAFKA_OPTS"]);
  });

  it("gives every key a name of its own in the environment, none of them reserved", () => {
    const names = configTable.map(({ brokerKey }) => environmentNameOf(brokerKey));
    expect(new Set(names).size).to.equal(names.length);
    expect(names).to.include.members(["TIDEMARK_DURABILITY", "TIDEMARK_LOG_DIRS", "TIDEMARK_LISTENERS"]);
    // A family such as TIDEMARK_SASL_* leaves room for a key; an exact name does not.
    expect(names.filter((name) => reservedNames.includes(name))).to.deep.equal([]);
  });

  it("warns once of each setting that has no effect yet", () => {
    expect(loaded({ file: file("log.cleaner.threads=2\nnum.partitions=2") }).warnings).to.deep.equal([
      "log.cleaner.threads is accepted and has no effect yet",
    ]);
    expect(loaded({ file: file("log.cleanup.policy=compact,delete") }).warnings).to.deep.equal([
      "log.cleanup.policy: compact is accepted and has no effect yet",
    ]);
    expect(loaded({ file: file("log.cleanup.policy=delete") }).warnings).to.deep.equal([]);
  });

  it("collects all problems of all sources before it gives up", () => {
    const found = problems({ file: file("num.partitions=0\nfoo=1"), env: { TIDEMARK_MAX_CONNECTIONS: "many" } });
    expect(found.map(({ key }) => key).sort()).to.deep.equal(["foo", "max.connections", "num.partitions"]);
    for (const { value, message } of found) expect(message).not.to.equal(value);
  });

  it("names key, value and what is allowed when a value is out of range or of another type", () => {
    expect(problems({ flags: { "log.segment.bytes": "1000" } })).to.deep.equal([
      {
        key: "log.segment.bytes",
        value: "1000",
        message: "expected a whole number from 1024 to 2147483647 (bytes)",
      },
    ]);
    expect(problems({ flags: { "auto.create.topics.enable": "yes" } })[0]?.message).to.equal("expected true or false");
    expect(problems({ flags: { "tidemark.durability": "fsync" } })[0]?.message).to.equal(
      "expected one of none, page-cache, group-commit, fsync-each",
    );
    expect(problems({ flags: { "log.cleanup.policy": "delete,shrink" } })[0]?.message).to.contain('"shrink"');
  });

  it("accepts exactly the numbers between the bounds of each row", () => {
    for (const row of configTable) {
      if (row.type !== "int" && row.type !== "long") continue;
      // Relations between keys are another test's; here each key is asked alone.
      const isRefused = (value: bigint): boolean =>
        problems({ flags: { [row.brokerKey]: String(value) } }).some(({ message }) => message.startsWith("expected a"));
      const min = BigInt(row.dev?.min ?? row.min ?? 0);
      const max = row.max === Number.MAX_SAFE_INTEGER ? 2n ** 63n - 1n : BigInt(row.max ?? 0);
      const verdicts = [min - 1n, min, max, max + 1n].map(isRefused);
      expect(verdicts, `${row.brokerKey}: ${allowedRange(row, "dev")}`).to.deep.equal([true, false, false, true]);
    }
  });

  it("never throws, whatever the texts are", () => {
    const keys = fc.oneof(fc.constantFrom(...configTable.map(({ brokerKey }) => brokerKey)), fc.string());
    const texts = fc.oneof(
      fc.string(),
      fc.integer().map(String),
      fc.constantFrom("", "true", "1e3", "0x10", "GRPC://:0"),
    );
    fc.assert(
      fc.property(fc.dictionary(keys, texts), fc.string(), (flags, text) => {
        const result = load({ flags, file: file(text) });
        if (!result.ok) expect(result.problems).to.not.have.length(0);
      }),
    );
  });

  it("reads back what it says is in force", () => {
    const result = load({ hostName: "b-2" });
    if (!result.ok) throw new Error("refused");
    const flags = Object.fromEntries([...result.sources].map(([key, { value }]) => [key, value]));
    const again = loaded({ flags });
    const effect = { sources: null };
    expect({ ...again.config, ...effect }).to.deep.equal({ ...result.config, ...effect });
  });

  it("accepts the tiny preset in the dev profile only", () => {
    expect(loaded({ flags: testTiny }).config.topicDefaults.segmentBytes).to.equal(4096);
    expect(problems({ profile: "server", hostName: "b1", flags: testTiny })[0]?.key).to.equal("log.segment.bytes");
  });
});

describe("loadConfig on contradictions", () => {
  const listeners = (value: string, more: Record<string, string> = {}): ReturnType<typeof problems> =>
    problems({ flags: { listeners: value, ...more } });

  it("refuses a listener that is open to the network, unless it is named, and then warns at every start", () => {
    for (const host of ["0.0.0.0", "", "10.0.0.1", "[::]", "broker-1", "127.0.0.1.example.org"]) {
      const [problem] = listeners(`GRPC://${host}:9192`);
      expect(problem?.message, host).to.contain("security.allow.insecure.listeners");
      const open = { listeners: `GRPC://${host}:9192`, "security.allow.insecure.listeners": "GRPC" };
      expect(loaded({ flags: open }).warnings.join(), host).to.contain("open to the network");
    }
    for (const host of ["127.0.0.1", "127.1.2.3", "localhost", "[::1]"]) {
      expect(listeners(`GRPC://${host}:9192`), host).to.deep.equal([]);
    }
  });

  it("takes the permission for the named listener only, and refuses one for a listener that is not there", () => {
    const open = "GRPC://0.0.0.0:9192,HTTP://0.0.0.0:9292";
    const found = listeners(open, { "security.allow.insecure.listeners": "GRPC" });
    expect(found.map(({ value }) => value)).to.deep.equal(["HTTP://0.0.0.0:9292"]);
    const stray = listeners("GRPC://127.0.0.1:0", { "security.allow.insecure.listeners": "HTTP" });
    expect(stray[0]?.key).to.equal("security.allow.insecure.listeners");
  });

  it("refuses listeners that are malformed, doubled, unknown, on one port, or without a door for clients", () => {
    for (const text of [
      "9192",
      "GRPC://127.0.0.1",
      "GRPC://127.0.0.1:70000",
      "grpc://127.0.0.1:1",
      "KAFKA://127.0.0.1:9092",
      "",
      ",",
    ]) {
      expect(listeners(text), text).to.have.length(1);
    }
    expect(listeners("GRPC://127.0.0.1:1,GRPC://127.0.0.1:2")[0]?.message).to.contain("twice");
    expect(listeners("GRPC://127.0.0.1:7,HTTP://127.0.0.1:7")[0]?.message).to.contain("one port");
    expect(listeners("GRPC://127.0.0.1:0,HTTP://127.0.0.1:0")).to.deep.equal([]);
    expect(listeners("HTTP://127.0.0.1:7")[0]?.message).to.contain("GRPC");
  });

  it("refuses to advertise a listener that is not there, or an address that nobody can dial", () => {
    const advertise = (value: string): string | undefined =>
      problems({ flags: { "advertised.listeners": value } })[0]?.message;
    expect(advertise("GRPC://broker-1.example.org:19192")).to.equal(undefined);
    expect(advertise("GRPC://0.0.0.0:9192")).to.contain("nobody");
    expect(
      problems({ flags: { listeners: "GRPC://127.0.0.1:0", "advertised.listeners": "HTTP://h:1" } }),
    ).to.have.length(1);
  });

  it("refuses several data directories, half a process, and a request budget below one batch", () => {
    expect(problems({ flags: { "log.dirs": "a,b" } })[0]?.message).to.contain("exactly one");
    expect(problems({ flags: { "process.roles": "broker" } })[0]?.message).to.contain("both");
    expect(problems({ flags: { "queued.max.request.bytes": "1000000" } })[0]?.message).to.contain("1048588");
  });

  it("refuses durability none outside the dev profile", () => {
    const flags = { "tidemark.durability": "none" };
    expect(loaded({ flags }).config.topicDefaults.durability).to.equal("none");
    expect(problems({ profile: "server", hostName: "b1", flags })[0]?.key).to.equal("tidemark.durability");
  });
});
