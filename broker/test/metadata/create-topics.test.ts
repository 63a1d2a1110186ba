import { expect } from "chai";
import { type CreateTopicResult, type CreateTopicSpec, createTopics, deleteTopics } from "../../src/metadata/index.ts";
import type { ClusterImage } from "../../src/metadata/index.ts";
import { clusterOf, inForce, next, seededBytes, spec, testConfig } from "./fixtures.ts";

const config = testConfig();
let seed = 0;

function create(
  image: ClusterImage,
  specs: CreateTopicSpec[],
  over: { ifAbsent?: boolean; config?: typeof config } = {},
) {
  const { config: own = config, ifAbsent = false } = over;
  return createTopics(image, specs, { ...inForce(own), random: seededBytes(seed++), ifAbsent });
}

function errors(results: readonly CreateTopicResult[]): string[] {
  return results.map(({ error }) => error);
}

/** The one error of a request for one topic, with its message. */
function refusal(
  image: ClusterImage,
  topic: CreateTopicSpec,
  over: Parameters<typeof create>[2] = {},
): [string, string] {
  const { records, response } = create(image, [topic], over);
  const [result] = response;
  if (result?.error !== "NONE") expect([records, result?.topic]).to.deep.equal([[], null]);
  return [result?.error ?? "", result?.message ?? ""];
}

describe("createTopics", () => {
  const one = clusterOf(1);
  const three = clusterOf(3);

  it("makes a topic with the defaults, led by its first replica in epoch 0", () => {
    const { records, response } = create(one, [spec("orders")]);
    const topic = next(one, records).topics.get("orders");
    expect(response[0]?.topic).to.deep.equal(topic);
    expect(topic?.topicId).to.match(/^[A-Za-z0-9_-]{22}$/);
    expect(topic?.partitions).to.deep.equal([
      {
        partition: 0,
        replicas: [1],
        addingReplicas: [],
        removingReplicas: [],
        isr: [1],
        elr: [],
        lastIsr: [{ brokerId: 1, directoryId: "directory-1" }],
        leaderId: 1,
        leaderEpoch: 0,
        uncleanEpoch: -1,
        isRecovering: false,
        partitionEpoch: 0,
      },
    ]);
  });

  it("writes the durability in force into the topic, so that a later default does not change it", () => {
    const overridesOf = (over: Partial<CreateTopicSpec>, brokerConfig: typeof config) =>
      create(one, [spec("t", over)], { config: brokerConfig }).response[0]?.topic?.overrides.get("tidemark.durability");
    expect(overridesOf({}, testConfig())).to.equal("page-cache");
    expect(overridesOf({}, testConfig({ "tidemark.durability": "fsync-each" }))).to.equal("fsync-each");
    expect(overridesOf({ config: { "tidemark.durability": "group-commit" } }, testConfig())).to.equal("group-commit");
    const weakServer = testConfig({ "tidemark.durability": "page-cache" }, "server");
    expect(overridesOf({}, weakServer)).to.equal("page-cache");
    expect(overridesOf({ internal: true }, weakServer)).to.equal("group-commit");
  });

  it("takes the default replication factor from the number of brokers, up to three", () => {
    for (const [count, factor] of [
      [1, 1],
      [2, 2],
      [3, 3],
      [5, 3],
    ] as const) {
      const [result] = create(clusterOf(count), [spec("t")]).response;
      expect(result?.topic?.partitions[0]?.replicas).to.have.length(factor);
    }
  });

  it("refuses illegal names", () => {
    for (const name of ["", ".", "..", "a/b", "a b", "ä", "x".repeat(250), "../etc"]) {
      expect(refusal(one, spec(name))[0], name).to.equal("INVALID_TOPIC_EXCEPTION");
    }
    expect(refusal(one, spec("x".repeat(249)))[0]).to.equal("NONE");
  });

  it("refuses a name that is taken, and one that only differs by . and _", () => {
    const image = next(one, create(one, [spec("a.b_c")]).records);
    expect(refusal(image, spec("a.b_c"))[0]).to.equal("TOPIC_ALREADY_EXISTS");
    expect(refusal(image, spec("a_b.c"))).to.deep.equal([
      "INVALID_TOPIC_EXCEPTION",
      'the topic name a_b.c collides with a.b_c: "." and "_" count as one',
    ]);
    const freed = next(image, deleteTopics(image, [{ name: "a.b_c" }], config).records);
    expect(refusal(freed, spec("a_b.c"))[0]).to.equal("NONE");
  });

  it("decides the topics of one request against each other, and leaves no trace of the refused ones", () => {
    const { records, response } = create(one, [
      spec("a"),
      spec("b", { partitions: 0 }),
      spec("a"),
      spec("a.x"),
      spec("a_x"),
    ]);
    expect(errors(response)).to.deep.equal([
      "NONE",
      "INVALID_PARTITIONS",
      "TOPIC_ALREADY_EXISTS",
      "NONE",
      "INVALID_TOPIC_EXCEPTION",
    ]);
    expect([...next(one, records).topics.keys()]).to.deep.equal(["a", "a.x"]);
  });

  it("answers with the topic that is there, and no records, where absence was asked for", () => {
    const image = next(one, create(one, [spec("a", { partitions: 2 })]).records);
    const { records, response } = create(image, [spec("a", { partitions: 9 }), spec("b"), spec("b")], {
      ifAbsent: true,
    });
    expect(errors(response)).to.deep.equal(["NONE", "NONE", "NONE"]);
    expect(response[0]?.topic).to.equal(image.topics.get("a"));
    expect(response[1]?.topic).to.equal(response[2]?.topic);
    expect(records.filter(({ type }) => type === "topicCreated")).to.have.length(1);
    // Another topic of nearly that name is not this one.
    expect(
      errors(create(next(one, create(one, [spec("a.b")]).records), [spec("a_b")], { ifAbsent: true }).response),
    ).to.deep.equal(["INVALID_TOPIC_EXCEPTION"]);
  });

  it("answers a request that is asked again with the topic that it has made, and nobody else's", () => {
    const asked = { ...spec("t"), creationId: "a" };
    const image = next(three, create(three, [asked]).records);
    const { records, response } = create(image, [asked]);
    expect(records).to.deep.equal([]);
    expect(response).to.deep.equal([{ name: "t", error: "NONE", message: "", topic: image.topics.get("t") }]);
    expect(refusal(image, { ...asked, creationId: "b" })[0]).to.equal("TOPIC_ALREADY_EXISTS");
    expect(refusal(image, { ...asked, creationId: "" })[0]).to.equal("TOPIC_ALREADY_EXISTS");
    const unnamed = next(three, create(three, [spec("t")]).records);
    expect(refusal(unnamed, { ...spec("t"), creationId: "" })[0]).to.equal("TOPIC_ALREADY_EXISTS");
  });

  it("refuses counts that are no counts, and more replicas than brokers", () => {
    for (const partitions of [0, -2, 1.5, Number.NaN]) {
      expect(refusal(three, spec("t", { partitions }))[0]).to.equal("INVALID_PARTITIONS");
    }
    for (const replicationFactor of [0, -2, 1.5, 4]) {
      expect(refusal(three, spec("t", { replicationFactor }))[0]).to.equal("INVALID_REPLICATION_FACTOR");
    }
    expect(refusal(three, spec("t", { replicationFactor: 4 }))[1]).to.contain("there are 3");
    expect(refusal(clusterOf(0), spec("t"))[0]).to.equal("INVALID_REPLICATION_FACTOR");
  });

  it("takes a manual assignment as it stands", () => {
    const assignment = [
      [2, 1],
      [1, 3],
      [3, 2],
    ];
    const [result] = create(three, [spec("t", { assignment })]).response;
    expect(result?.topic?.partitions.map(({ replicas }) => replicas)).to.deep.equal(assignment);
    expect(result?.topic?.partitions.map(({ leaderId }) => leaderId)).to.deep.equal([2, 1, 3]);
  });

  it("refuses an assignment with counts beside it, uneven, with a doubled, unknown or no broker", () => {
    expect(refusal(three, spec("t", { assignment: [[1]], partitions: 1 }))[0]).to.equal("INVALID_REQUEST");
    expect(refusal(three, spec("t", { assignment: [[1]], replicationFactor: 1 }))[0]).to.equal("INVALID_REQUEST");
    for (const assignment of [[[1], [1, 2]], [[1, 1]], [[1, 9]], [[]], [[1], []]]) {
      expect(refusal(three, spec("t", { assignment }))[0], JSON.stringify(assignment)).to.equal(
        "INVALID_REPLICA_ASSIGNMENT",
      );
    }
  });

  it("refuses settings that topics do not have, naming key and value", () => {
    expect(refusal(one, spec("t", { config: { "segment.bytes": "7" } }))).to.deep.equal([
      "INVALID_CONFIG",
      "segment.bytes=7: expected a whole number from 1024 to 2147483647 (bytes)",
    ]);
    expect(refusal(one, spec("t", { config: { "retention.mss": "7" } }))[1]).to.contain("retention.ms");
  });

  it("limits the partitions of a request, and the replicas of a broker, also over several topics", () => {
    expect(refusal(one, spec("t", { partitions: 10_001 }))[0]).to.equal("INVALID_PARTITIONS");
    expect(refusal(one, spec("t", { partitions: 2 ** 31 }))[0]).to.equal("INVALID_PARTITIONS");
    const both = create(one, [spec("a", { partitions: 6000 }), spec("b", { partitions: 6000 })]);
    expect(errors(both.response)).to.deep.equal(["NONE", "INVALID_PARTITIONS"]);
    const small = testConfig({ "max.partitions.per.broker": "5" });
    const { response, records } = create(one, [spec("a", { partitions: 3 }), spec("b", { partitions: 3 })], {
      config: small,
    });
    expect(errors(response)).to.deep.equal(["NONE", "POLICY_VIOLATION"]);
    const image = next(one, records);
    expect(refusal(image, spec("c", { partitions: 3 }), { config: small })[1]).to.contain("room for 2");
    expect(refusal(image, spec("c", { partitions: 2 }), { config: small })[0]).to.equal("NONE");
  });

  it("places nothing that the limits refuse, however often a request asks for it", () => {
    const wide = Array.from({ length: 100 }, (_, i) => spec(`wide-${i}`, { partitions: 10_000 }));
    for (const [own, code] of [
      [config, "INVALID_PARTITIONS"],
      [testConfig({ "max.partitions.per.broker": "9999" }), "POLICY_VIOLATION"],
    ] as const) {
      let placements = 0;
      const bytes = seededBytes(seed++);
      const random = (count: number): Uint8Array => {
        // Where the placement of a topic begins; ids take 16.
        if (count === 4) placements++;
        return bytes(count);
      };
      const specs = code === "POLICY_VIOLATION" ? wide : [spec("one"), ...wide];
      const { response } = createTopics(one, specs, { ...inForce(own), random, ifAbsent: false });
      expect(new Set(errors(response).slice(-100))).to.deep.equal(new Set([code]));
      expect(placements).to.equal(specs.length - 100);
    }
  });
});

describe("deleteTopics", () => {
  const image = next(clusterOf(1), create(clusterOf(1), [spec("a"), spec("b")]).records);

  it("deletes what is there, refuses what is not, and what stands twice", () => {
    const { records, response } = deleteTopics(image, [{ name: "a" }, { name: "x" }, { name: "a" }], config);
    expect(response.map(({ error }) => error)).to.deep.equal(["NONE", "UNKNOWN_TOPIC_OR_PARTITION", "INVALID_REQUEST"]);
    expect([...next(image, records).topics.keys()]).to.deep.equal(["b"]);
  });

  it("deletes by id the topic of that id alone, and no internal one (13(3))", () => {
    const a = image.topics.get("a")?.topicId ?? "";
    const gone = next(image, deleteTopics(image, [{ topicId: a }], config).records);
    const anew = next(gone, create(gone, [spec("a"), { ...spec("own"), internal: true }]).records);
    const own = anew.topics.get("own")?.topicId ?? "";
    const { records, response } = deleteTopics(anew, [{ topicId: a }, { topicId: own }, { name: "own" }], config);
    expect(records).to.deep.equal([]);
    expect(response.map(({ name, error }) => [name, error])).to.deep.equal([
      ["", "UNKNOWN_TOPIC_ID"],
      ["own", "INVALID_TOPIC_EXCEPTION"],
      ["own", "INVALID_TOPIC_EXCEPTION"],
    ]);
    const twice = deleteTopics(image, [{ name: "a" }, { topicId: a }], config);
    expect(twice.response.map(({ topicId, error }) => [topicId, error])).to.deep.equal([
      [a, "NONE"],
      ["", "INVALID_REQUEST"],
    ]);
  });

  it("deletes nothing where deleting is disabled", () => {
    const { records, response } = deleteTopics(image, [{ name: "a" }], testConfig({ "delete.topic.enable": "false" }));
    expect([records, response[0]?.error]).to.deep.equal([[], "TOPIC_DELETION_DISABLED"]);
  });
});
