/** The layers that stand above a broker's file, as one view that changes while it runs. */
import { expect } from "chai";
import {
  configTable,
  describeConfigKeys,
  describeConfigs,
  type DynamicConfigs,
  layeredConfig,
  layersOf,
  LiveConfig,
  loadConfig,
  noDynamicConfigs,
} from "../../src/config/index.ts";

function base(flags: Record<string, string> = {}) {
  const loaded = loadConfig({ profile: "dev", env: {}, flags: { "node.id": "1", ...flags } });
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
  return loaded.config;
}

function dynamic(cluster: Record<string, string>, broker: Record<string, string> = {}): DynamicConfigs {
  return { cluster: new Map(Object.entries(cluster)), brokers: new Map([[1, new Map(Object.entries(broker))]]) };
}

describe("LiveConfig", () => {
  it("is the file's until something is set, and again when it is gone", () => {
    const file = base();
    const live = new LiveConfig(file);
    const seen: number[] = [];
    live.onChange(({ maxConnections }) => seen.push(maxConnections));
    live.update(noDynamicConfigs);
    const set = dynamic({ "max.connections": "5" }, { "max.connections": "3" });
    live.update(set);
    live.update(set);
    expect(live.current.maxConnections).to.equal(3);
    live.update({ ...set, brokers: new Map() });
    expect(live.current.maxConnections).to.equal(5);
    live.update(noDynamicConfigs);
    expect(live.current).to.equal(file);
    expect(seen).to.deep.equal([3, 5, file.maxConnections]);
  });

  it("is blind for what was set for another broker", () => {
    const live = new LiveConfig(base());
    live.update({ cluster: new Map(), brokers: new Map([[2, new Map([["max.connections", "5"]])]]) });
    expect(live.current).to.equal(live.base);
  });
});

describe("layeredConfig", () => {
  it("puts defaults of topics under their broker's keys", () => {
    const { topicDefaults } = layeredConfig(
      layersOf(base(), dynamic({ "log.retention.ms": "7", "log.cleanup.policy": "compact" })),
    );
    expect([topicDefaults.retentionMs, topicDefaults.cleanupPolicy]).to.deep.equal([7, ["compact"]]);
  });

  it("takes what it does not know, or may not, for absent: no text of another version keeps a broker from starting", () => {
    const odd = dynamic(
      {
        "of.the.future": "1",
        "node.id": "9",
        listeners: "GRPC://0.0.0.0:1",
        "max.connections": "none",
        "log.retention.ms": "-9",
      },
      { "min.insync.replicas": "2", "max.partitions.per.broker": "1" },
    );
    const file = base();
    expect(layeredConfig(layersOf(file, odd))).to.deep.equal(file);
  });

  it("takes every number that it says may be set, and none that it says may not", () => {
    const file = base();
    const taken = configTable.filter(({ brokerKey, type }) => {
      if (type !== "int" && type !== "long") return false;
      const layers = layersOf(file, dynamic({ [brokerKey]: "1048577" }));
      const described = describeConfigKeys(layers, { type: "cluster" }, [brokerKey]);
      const [entry] = described.ok ? described.described : [];
      // In range, 1048577 is in force where the key is not read-only, and nowhere else.
      if (entry?.source === "cluster")
        expect([entry.value, entry.readOnly], brokerKey).to.deep.equal(["1048577", false]);
      return entry?.source === "cluster";
    });
    expect(taken.map(({ brokerKey }) => brokerKey)).to.include.members([
      "log.retention.ms",
      "message.max.bytes",
      "max.connections",
      "producer.id.expiration.ms",
      "log.cleaner.threads",
    ]);
  });
});

describe("describeConfigs", () => {
  it("gives values that the key's own row takes back, with defaults in their one text", () => {
    for (const { name, value, synonyms, source } of describeConfigs(layersOf(base(), noDynamicConfigs), {
      type: "broker",
    })) {
      expect(synonyms[0]?.value ?? null, name).to.equal(value);
      expect(synonyms[0]?.source ?? "default", name).to.equal(source);
    }
  });

  it("notes what was set and has no effect yet, and nothing on defaults", () => {
    const notes = (overrides: Record<string, string>): (string | null)[] =>
      describeConfigs(layersOf(base(), noDynamicConfigs), {
        type: "topic",
        overrides: new Map(Object.entries(overrides)),
      })
        .map(({ note }) => note)
        .filter((note) => note !== null);
    expect(notes({})).to.deep.equal([]);
    expect(notes({ "retention.ms": "5", "cleanup.policy": "delete" })).to.deep.equal([]);
    expect(notes({ "cleanup.policy": "compact,delete", "compression.type": "lz4" })).to.deep.equal([
      "cleanup.policy: compact is accepted and has no effect yet",
      "compression.type is accepted and has no effect yet",
    ]);
  });
});
