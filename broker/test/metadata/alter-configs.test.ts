/** Changes of settings against a naive model of the layers, and against what only a whole request can get wrong. */
import { expect } from "chai";
import fc from "fast-check";
import { configTable, describeConfigs, layeredConfig, layersOf, topicConfig } from "../../src/config/index.ts";
import {
  alterConfigs,
  type ClusterImage,
  type ConfigAlteration,
  type ConfigResource,
  createTopics,
  decodeRecords,
  encodeRecords,
} from "../../src/metadata/index.ts";
import { clusterOf, inForce, next, seededBytes, spec, testConfig } from "./fixtures.ts";

const base = testConfig({ "log.retention.ms": "11" });

function clusterWithTopic(): ClusterImage {
  const image = clusterOf(1);
  const context = { ...inForce(base), random: seededBytes(1), ifAbsent: false };
  return next(image, createTopics(image, [spec("t", { config: { "segment.ms": "7" } })], context).records);
}

const TOPIC: ConfigResource = { type: "topic", name: "t" };
const BROKER: ConfigResource = { type: "broker", id: 1 };
const CLUSTER: ConfigResource = { type: "cluster" };

/** Keys of the model: as a topic has them, as a broker has them, and what they may be set to, with the one text of it. */
const KEYS = [
  {
    key: "retention.ms",
    brokerKey: "log.retention.ms",
    values: [
      ["1s", "1000"],
      ["5", "5"],
      [" -1 ", "-1"],
    ],
  },
  {
    key: "segment.ms",
    brokerKey: "log.roll.ms",
    values: [
      ["1h", "3600000"],
      ["9", "9"],
    ],
  },
  {
    key: "max.message.bytes",
    brokerKey: "message.max.bytes",
    values: [
      ["1MiB", "1048576"],
      ["2kB", "2000"],
    ],
  },
  {
    key: "cleanup.policy",
    brokerKey: "log.cleanup.policy",
    values: [
      ["compact", "compact"],
      ["delete, compact", "delete,compact"],
    ],
  },
] as const;

const change = fc.constantFrom(...KEYS).chain((key) =>
  fc.record({
    key: fc.constant(key),
    layer: fc.constantFrom("topic" as const, "broker" as const, "cluster" as const),
    operation: fc.constantFrom("set" as const, "delete" as const, "append" as const, "subtract" as const),
    value: fc.constantFrom(...key.values, ["bad", null] as const),
  }),
);

type Layer = "topic" | "broker" | "cluster";
const RESOURCES: Record<Layer, ConfigResource> = { topic: TOPIC, broker: BROKER, cluster: CLUSTER };

/** What the layers would be if they were three objects. */
class Model {
  readonly layers: Record<Layer, Map<string, string>> = {
    topic: new Map([["segment.ms", "7"]]),
    broker: new Map(),
    cluster: new Map(),
  };

  valueOf(key: (typeof KEYS)[number], from: Layer): string {
    const order: Layer[] =
      from === "topic" ? ["topic", "broker", "cluster"] : from === "broker" ? ["broker", "cluster"] : ["cluster"];
    for (const layer of order) {
      const text = this.layers[layer].get(layer === "topic" ? key.key : key.brokerKey);
      if (text !== undefined) return text;
    }
    if (key.key === "retention.ms") return "11";
    return configTable.find((entry) => entry.key === key.key && entry.scope === "topic")?.default ?? "";
  }

  /** False: refused. */
  change({ key, layer, operation, value: [, text] }: typeof change extends fc.Arbitrary<infer T> ? T : never): boolean {
    const name = layer === "topic" ? key.key : key.brokerKey;
    const own = this.layers[layer];
    if (operation === "delete") {
      own.delete(name);
      return true;
    }
    if (operation !== "set" && key.key !== "cleanup.policy") return false;
    if (operation !== "set") {
      const before = this.valueOf(key, layer).split(",");
      const items = (text ?? "bad").split(",");
      const after =
        operation === "append" ? [...new Set([...before, ...items])] : before.filter((item) => !items.includes(item));
      if (after.length === 0 || after.includes("bad")) return false;
      own.set(name, after.join(","));
      return true;
    }
    if (text === null) return false;
    own.set(name, text);
    return true;
  }
}

function alter(image: ClusterImage, ...alterations: ConfigAlteration[]): ReturnType<typeof alterConfigs> {
  return alterConfigs(image, alterations, base);
}

function set(resource: ConfigResource, values: Record<string, string>): ConfigAlteration {
  return { resource, changes: Object.entries(values).map(([name, value]) => ({ name, operation: "set", value })) };
}

describe("alterConfigs", () => {
  it("does to the layers what the model does, and what is replayed is what was worked on", () => {
    fc.assert(
      fc.property(fc.array(change, { maxLength: 25 }), (changes) => {
        const model = new Model();
        let image = clusterWithTopic();
        let replayed = image;
        for (const one of changes) {
          const { key, layer, operation, value } = one;
          const name = layer === "topic" ? key.key : key.brokerKey;
          const request = { resource: RESOURCES[layer], changes: [{ name, operation, value: value[0] }] };
          const { records, response } = alter(image, request);
          expect(response[0]?.error).to.equal(model.change(one) ? "NONE" : "INVALID_CONFIG");
          // The same message once more changes nothing and is no error.
          if (records.length > 0) {
            image = next(image, records);
            replayed = next(replayed, decodeRecords(encodeRecords(records)));
            expect(alter(image, request)).to.deep.equal({ records: [], response });
          }
        }
        expect(replayed).to.deep.equal(image);
        const layers = layersOf(base, image.configs);
        const overrides = image.topics.get("t")?.overrides ?? new Map<string, string>();
        const described = new Map(
          describeConfigs(layers, { type: "topic", overrides }).map(({ name, value }) => [name, value]),
        );
        for (const key of KEYS) expect(described.get(key.key), key.key).to.equal(model.valueOf(key, "topic"));
        const typed = topicConfig(layeredConfig(layers), overrides);
        expect([
          String(typed.retentionMs),
          String(typed.segmentMs),
          String(typed.maxMessageBytes),
          typed.cleanupPolicy.join(","),
        ]).to.deep.equal(KEYS.map((key) => model.valueOf(key, "topic")));
      }),
    );
  });

  it("makes one record for a resource, however many of its keys change", () => {
    const { records } = alter(
      clusterWithTopic(),
      {
        resource: TOPIC,
        changes: [
          { name: "segment.ms", operation: "delete", value: "" },
          { name: "retention.ms", operation: "set", value: "1d" },
        ],
      },
      set(CLUSTER, { "log.flush.interval.ms": "5s" }),
    );
    expect(
      records.map((record) => (record.type === "configChanged" ? [record.owner.type, record.set, record.unset] : [])),
    ).to.deep.equal([
      ["topic", { "retention.ms": "86400000" }, ["segment.ms"]],
      ["cluster", { "log.flush.interval.ms": "5000" }, []],
    ]);
  });

  it("decides each resource by itself, and all of one or nothing", () => {
    const { records, response } = alter(
      clusterWithTopic(),
      set(TOPIC, { "retention.ms": "5", "segment.bytes": "x" }),
      set(BROKER, { "log.retention.ms": "6" }),
    );
    expect(response.map(({ error }) => error)).to.deep.equal(["INVALID_CONFIG", "NONE"]);
    expect(records).to.have.length(1);
  });

  it("refuses both of two that name one resource, and takes the others", () => {
    const twice = set(TOPIC, { "retention.ms": "5" });
    const { records, response } = alter(clusterWithTopic(), twice, set(CLUSTER, { "log.level": "info" }), twice);
    expect(response.map(({ error }) => error)).to.deep.equal(["INVALID_REQUEST", "NONE", "INVALID_REQUEST"]);
    expect(records).to.have.length(1);
  });

  it("judges a contradiction by what the alterations before it have left", () => {
    const tight = testConfig({ "queued.max.request.bytes": "3000000" });
    const two = [set(CLUSTER, { "message.max.bytes": "4000000" }), set(BROKER, { "message.max.bytes": "1000" })];
    const errors = (alterations: ConfigAlteration[]): string[] =>
      alterConfigs(clusterWithTopic(), alterations, tight).response.map(({ error }) => error);
    expect(errors(two)).to.deep.equal(["INVALID_CONFIG", "NONE"]);
    expect(errors(two.toReversed())).to.deep.equal(["NONE", "NONE"]);
  });

  it("takes away what another version has set, and adds nothing to it", () => {
    const image = next(clusterWithTopic(), [
      { type: "configChanged", owner: { type: "cluster" }, set: { "of.the.future": "1" }, unset: [] },
    ]);
    expect(alter(image, set(CLUSTER, { "of.the.future": "2" })).response[0]?.error).to.equal("INVALID_CONFIG");
    const { records } = alter(image, {
      resource: CLUSTER,
      changes: [{ name: "of.the.future", operation: "delete", value: "" }],
    });
    expect([...next(image, records).configs.cluster]).to.deep.equal([]);
  });

  it("refuses a value of many characters before it makes anything of it", () => {
    for (const value of ["9".repeat(4_000_000), "delete,".repeat(500_000)]) {
      for (const operation of ["set", "append", "subtract"] as const) {
        const changes = [{ name: "cleanup.policy", operation, value }];
        const [result] = alter(clusterWithTopic(), { resource: TOPIC, changes }).response;
        expect([result?.error, (result?.message ?? "").length < 300]).to.deep.equal(["INVALID_CONFIG", true]);
      }
    }
    const long = alter(clusterWithTopic(), set(TOPIC, { ["retention.ms".repeat(100_000)]: "1" })).response[0];
    expect([long?.error, (long?.message ?? "").length < 300]).to.deep.equal(["INVALID_CONFIG", true]);
  });

  it("offers no key that names a file, an address, a class or a command (security 1.6)", () => {
    const free = configTable.filter(
      ({ updateMode, type, values }) =>
        updateMode !== "read-only" &&
        (type === "listeners" || ((type === "string" || type === "list") && values === undefined)),
    );
    // Component=level pairs, checked as such before they are taken.
    expect(free.map(({ key }) => key)).to.deep.equal(["tidemark.log.levels"]);
    const levels = alter(clusterWithTopic(), set(CLUSTER, { "tidemark.log.levels": "grpc=/etc/passwd" }));
    expect(levels.response[0]?.error).to.equal("INVALID_CONFIG");
  });

  it("takes a log level for components that there are, and names the one that was meant", () => {
    const answerTo = (value: string): { error: unknown; message: unknown } | undefined =>
      alter(clusterWithTopic(), set(CLUSTER, { "tidemark.log.levels": value })).response[0];
    expect(answerTo("grpc=debug,storage=warn")?.error).to.equal("NONE");
    const misspelt = answerTo("grpc=debug,storge=warn");
    expect(misspelt?.error).to.equal("INVALID_CONFIG");
    expect(misspelt?.message).to.include("there is no such component; the nearest is storage");
    expect(answerTo("kafka.server.ReplicaManager=debug")?.message).to.include("known are broker, api");
  });
});
