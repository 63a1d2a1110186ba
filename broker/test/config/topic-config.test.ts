import { expect } from "chai";
import {
  type BrokerConfig,
  checkChanges,
  configTable,
  type ConfigDescription,
  describeConfigs,
  layersOf,
  loadConfig,
  noDynamicConfigs,
  type Profile,
  topicConfig,
} from "../../src/config/index.ts";

function config(profile: Profile = "dev", flags: Record<string, string> = {}): BrokerConfig {
  const result = loadConfig({ profile, env: {}, flags, hostName: "broker-1" });
  if (!result.ok) throw new Error(JSON.stringify(result.problems));
  return result.config;
}

describe("topicConfig", () => {
  it("puts the topic's overrides over the broker's defaults, and both into the log's settings", () => {
    const broker = config("dev", {
      "log.roll.ms": "1000",
      "log.segment.bytes": "2048",
      "producer.id.expiration.ms": "5",
    });
    const topic = topicConfig(
      broker,
      new Map([
        ["segment.bytes", "4096"],
        ["tidemark.durability", "fsync-each"],
      ]),
    );
    expect([topic.segmentBytes, topic.segmentMs, topic.durability]).to.deep.equal([4096, 1000, "fsync-each"]);
    expect(topic.log).to.deep.equal({
      segmentBytes: 4096,
      segmentMs: 1000,
      segmentJitterMs: 0,
      segmentIndexBytes: 10_485_760,
      indexIntervalBytes: 4096,
      flushMessages: Number.MAX_SAFE_INTEGER,
      flushMs: Number.MAX_SAFE_INTEGER,
      flushWindowMs: 0,
      fileDeleteDelayMs: 60_000,
      cleanupPolicy: ["delete"],
      retentionMs: 604_800_000,
      retentionBytes: -1,
      producerIdExpirationMs: 5,
      durability: "fsync-each",
    });
  });

  it("ignores an override that is unknown or no longer allowed, so that one topic keeps no broker from starting", () => {
    const topic = topicConfig(
      config("server"),
      new Map([
        ["segment.bytes", "4096"],
        ["of.the.future", "1"],
      ]),
    );
    expect(topic.segmentBytes).to.equal(1_073_741_824);
  });
});

/** A topic made with these overrides. */
function made(broker: BrokerConfig, overrides: Record<string, string>): ReturnType<typeof checkChanges> {
  const changes = Object.entries(overrides).map(([name, value]) => ({ name, operation: "set" as const, value }));
  const none = new Map<string, string>();
  return checkChanges(layersOf(broker, noDynamicConfigs), { type: "topic", overrides: none, texts: none }, changes);
}

function described(broker: BrokerConfig, overrides: ReadonlyMap<string, string>): ConfigDescription[] {
  return describeConfigs(layersOf(broker, noDynamicConfigs), { type: "topic", overrides });
}

describe("the overrides that a topic is made with", () => {
  const refusal = (overrides: Record<string, string>, profile: Profile = "dev"): string => {
    const verdict = made(config(profile), overrides);
    return verdict.ok ? "" : verdict.message;
  };

  it("accepts what is in range", () => {
    expect(
      refusal({ "retention.ms": "-1", "cleanup.policy": "compact,delete", "flush.messages": "9223372036854775807" }),
    ).to.equal("");
  });

  it("names the nearest key, and the topic's spelling for a broker's key", () => {
    expect(refusal({ "retention.msec": "1" })).to.contain("the nearest is retention.ms");
    expect(refusal({ "log.segment.bytes": "1" })).to.contain("a topic sets segment.bytes");
  });

  it("names key, value and what is allowed", () => {
    expect(refusal({ "segment.bytes": "10" }, "server")).to.equal(
      "segment.bytes=10: expected a whole number from 1048576 to 2147483647 (bytes)",
    );
    expect(refusal({ "segment.bytes": "1ms" })).to.contain("segment.bytes=1ms");
    expect(refusal({ "max.message.bytes": "33554433" })).to.contain("33554432");
  });

  it("keeps durability none out of the server profile", () => {
    expect(refusal({ "tidemark.durability": "none" })).to.equal("");
    expect(refusal({ "tidemark.durability": "none" }, "server")).to.contain("dev profile");
  });
});

describe("the description of a topic's settings", () => {
  it("tells every key of a topic, with its value in force and where that comes from", () => {
    const broker = config("dev", { "log.retention.ms": "5" });
    const rows = described(broker, new Map([["segment.bytes", "4096"]]));
    const byName = new Map(rows.map(({ name, value, source }) => [name, [value, source]]));
    expect([...byName.keys()]).to.deep.equal(
      configTable.filter(({ scope }) => scope === "topic").map(({ key }) => key),
    );
    expect(byName.get("segment.bytes")).to.deep.equal(["4096", "topic"]);
    expect(byName.get("retention.ms")).to.deep.equal(["5", "static"]);
    expect(byName.get("flush.ms")).to.deep.equal(["9223372036854775807", "default"]);
    expect(byName.get("min.insync.replicas")).to.deep.equal([null, "default"]);
    expect(byName.get("cleanup.policy")).to.deep.equal(["delete", "default"]);
  });

  it("shows values that are themselves legal overrides", () => {
    const rows = described(config(), new Map());
    const overrides = Object.fromEntries(
      rows.flatMap(({ name, value }) => (value === null ? [] : [[name, value] as const])),
    );
    expect(made(config(), overrides)).to.deep.equal({ ok: true, change: { set: overrides, unset: [] } });
  });
});
