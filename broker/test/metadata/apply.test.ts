import { AssertionError } from "node:assert";
import { expect } from "chai";
import fc from "fast-check";
import {
  allocateProducerIds,
  alterConfigs,
  applyEntry,
  type ClusterImage,
  type ConfigAlteration,
  createPartitions,
  createTopics,
  decodeRecords,
  deleteTopics,
  emptyImage,
  encodeRecords,
  type MetadataRecord,
  registerBroker,
  Replay,
} from "../../src/metadata/index.ts";
import { AT_ONCE, clusterOf, inForce, next, registration, seededBytes, spec, testConfig } from "./fixtures.ts";

const config = testConfig();

/** A command of a random history; numbers are names and counts. */
const command = fc.oneof(
  fc.record({
    kind: fc.constant("create" as const),
    names: fc.array(fc.constantFrom("a", "b", "c.d", "c_d", "!"), { maxLength: 3 }),
  }),
  fc.record({
    kind: fc.constant("delete" as const),
    names: fc.array(fc.constantFrom("a", "b", "c.d"), { maxLength: 2 }),
  }),
  fc.record({
    kind: fc.constant("register" as const),
    broker: fc.integer({ min: 1, max: 3 }),
    incarnation: fc.integer({ max: 5 }),
  }),
  fc.record({ kind: fc.constant("allocate" as const) }),
  fc.record({
    kind: fc.constant("grow" as const),
    name: fc.constantFrom("a", "b", "c.d"),
    total: fc.integer({ min: 1, max: 6 }),
  }),
  fc.record({
    kind: fc.constant("alter" as const),
    owners: fc.uniqueArray(fc.constantFrom("a", "b", "c.d", 1, 2, "cluster"), { maxLength: 4 }),
    operation: fc.constantFrom("set" as const, "delete" as const),
    value: fc.constantFrom("1", "2", "1s", "x"),
  }),
);

type Command = typeof command extends fc.Arbitrary<infer T> ? T : never;

function decide(image: ClusterImage, request: Command, seed: number): readonly MetadataRecord[] {
  switch (request.kind) {
    case "create":
      return createTopics(
        image,
        request.names.map((name) => spec(name, { partitions: 2 })),
        { ...inForce(config), random: seededBytes(seed), ifAbsent: false },
      ).records;
    case "delete":
      return deleteTopics(
        image,
        request.names.map((name) => ({ name })),
        config,
      ).records;
    case "register":
      return registerBroker(image, registration(request.broker, { incarnationId: `${request.incarnation}` }), AT_ONCE)
        .records;
    case "grow":
      return createPartitions(image, [{ name: request.name, total: request.total, assignment: [] }], {
        ...inForce(config),
        random: seededBytes(seed),
      }).records;
    case "alter": {
      const { operation, value } = request;
      const alterations = request.owners.map((owner): ConfigAlteration => {
        const change = (name: string): ConfigAlteration["changes"] => [{ name, operation, value }];
        if (typeof owner === "number")
          return { resource: { type: "broker", id: owner }, changes: change("log.roll.ms") };
        if (owner === "cluster") return { resource: { type: "cluster" }, changes: change("log.roll.ms") };
        return { resource: { type: "topic", name: owner }, changes: change("segment.ms") };
      });
      return alterConfigs(image, alterations, config).records;
    }
    case "allocate":
      return allocateProducerIds(image, 1).records;
  }
}

/** The entries of a history, each decided on the image so far. */
function historyOf(commands: readonly Command[]): (readonly MetadataRecord[])[] {
  let image = clusterOf(1);
  const entries: (readonly MetadataRecord[])[] = [];
  for (const [slot, request] of commands.entries()) {
    const records = decide(image, request, slot);
    if (records.length === 0) continue;
    entries.push(records);
    image = next(image, records);
  }
  return entries;
}

function replay(entries: readonly (readonly MetadataRecord[])[]): ClusterImage {
  return entries.reduce(next, clusterOf(1));
}

describe("applyEntry", () => {
  it("gives the same image for the same records, also when they come back from their bytes", () => {
    fc.assert(
      fc.property(fc.array(command, { maxLength: 20 }), (commands) => {
        const entries = historyOf(commands);
        const fromBytes = entries.map((records) => decodeRecords(encodeRecords(records)));
        expect(replay(fromBytes)).to.deep.equal(replay(entries));
      }),
    );
  });

  it("gives entry by entry what a replay gives at once, in the same order", () => {
    const birth: readonly MetadataRecord[] = [{ type: "clusterCreated", clusterId: "test" }];
    const first = registerBroker(next(emptyImage, birth), registration(1), AT_ONCE).records;
    fc.assert(
      fc.property(fc.array(command, { maxLength: 30 }), (commands) => {
        let image = next(next(emptyImage, birth), first);
        const atOnce = new Replay();
        atOnce.apply(1, birth);
        atOnce.apply(2, first);
        const deleted = new Set<string>();
        for (const [slot, request] of commands.entries()) {
          const records = decide(image, request, slot);
          const { image: after, delta } = applyEntry(image, image.metadataOffset + 1, records);
          atOnce.apply(after.metadataOffset, records);
          for (const { topicId } of delta.topicsDeleted) deleted.add(topicId);
          image = after;
        }
        const replayed = atOnce.finish();
        expect(replayed.image).to.deep.equal(image);
        expect([...replayed.image.topics.keys()]).to.deep.equal([...image.topics.keys()]);
        expect(replayed.topicsDeleted).to.deep.equal(deleted);
      }),
    );
  });

  it("gives the same of the restarts of a broker alone, one by one and all at once", () => {
    const restart = fc.record({ how: fc.constantFrom("clean", "unclean", "emptied"), isLast: fc.boolean() });
    fc.assert(
      fc.property(fc.array(restart, { maxLength: 12 }), (restarts) => {
        let image = clusterOf(1);
        const entries: (readonly MetadataRecord[])[] = [];
        const put = (records: readonly MetadataRecord[]): void => {
          entries.push(records);
          image = next(image, records);
        };
        const context = { ...inForce(config), random: seededBytes(5), ifAbsent: false };
        put(createTopics(image, [spec("a", { partitions: 2 })], context).records);
        for (const [slot, { how, isLast }] of restarts.entries()) {
          const { directoryId = "", brokerEpoch = -1 } = image.brokers.get(1) ?? {};
          const request = registration(1, {
            incarnationId: `${slot}`,
            directoryId: how === "emptied" ? `emptied-${slot}` : directoryId,
            previousBrokerEpoch: how === "clean" ? brokerEpoch : -1,
          });
          put(registerBroker(image, request, AT_ONCE).records);
          if (isLast) put([{ type: "brokerChanged", brokerId: 1, isFull: slot % 2 === 0 }]);
        }
        const atOnce = new Replay(clusterOf(1));
        for (const [slot, records] of entries.entries()) atOnce.apply(clusterOf(1).metadataOffset + slot + 1, records);
        expect(atOnce.finish().image).to.deep.equal(image);
      }),
    );
  });

  it("leaves the image before it untouched", () => {
    fc.assert(
      fc.property(fc.array(command, { maxLength: 12 }), (commands) => {
        let image = clusterOf(1);
        for (const records of historyOf(commands)) {
          const copy = structuredClone(image);
          const after = next(image, records);
          expect(image).to.deep.equal(copy);
          image = after;
        }
      }),
    );
  });

  it("keeps topics by name and by id the same topics", () => {
    fc.assert(
      fc.property(fc.array(command, { maxLength: 20 }), (commands) => {
        const { topics, topicsById } = replay(historyOf(commands));
        expect([...topics.values()].map(({ topicId }) => topicId).sort()).to.deep.equal([...topicsById.keys()].sort());
        for (const [name, topic] of topics)
          expect([topic.name, topicsById.get(topic.topicId)]).to.deep.equal([name, topic]);
      }),
    );
  });

  it("names in the delta exactly what differs between the images", () => {
    fc.assert(
      fc.property(fc.array(command, { maxLength: 20 }), (commands) => {
        let image = clusterOf(1);
        for (const records of historyOf(commands)) {
          const { image: after, delta } = applyEntry(image, image.metadataOffset + 1, records);
          const before = image;
          const ids = (topics: readonly { topicId: string }[]): string[] => topics.map(({ topicId }) => topicId).sort();
          const created = [...after.topicsById.values()].filter(({ topicId }) => !before.topicsById.has(topicId));
          const deleted = [...before.topicsById.values()].filter(({ topicId }) => !after.topicsById.has(topicId));
          const changed = [...after.topicsById.values()].flatMap(({ name, topicId, partitions }) =>
            partitions
              .filter((partition, slot) => {
                const topic = before.topicsById.get(topicId);
                return topic !== undefined && topic.partitions[slot] !== partition;
              })
              .map(({ partition }) => `${name} ${partition}`),
          );
          expect(ids(delta.topicsCreated)).to.deep.equal(ids(created));
          expect(ids(delta.topicsDeleted)).to.deep.equal(ids(deleted));
          const altered = [...after.topicsById.values()].filter(({ topicId, overrides }) => {
            const topic = before.topicsById.get(topicId);
            return topic !== undefined && topic.overrides !== overrides;
          });
          expect([...delta.topicConfigsChanged].sort()).to.deep.equal(altered.map(({ name }) => name).sort());
          expect(delta.partitionsChanged.map(({ topic, partition }) => `${topic} ${partition}`).sort()).to.deep.equal(
            changed.sort(),
          );
          image = after;
        }
      }),
    );
  });

  it("shares what an entry did not touch", () => {
    const image = historyOf([{ kind: "create", names: ["a", "b"] }]).reduce(next, clusterOf(1));
    const after = next(image, deleteTopics(image, [{ name: "a" }], config).records);
    expect(after.topics.get("b")).to.equal(image.topics.get("b"));
    expect(after.brokers).to.equal(image.brokers);
  });

  it("lets a name be deleted and made again in one entry, as another topic", () => {
    const image = replay(historyOf([{ kind: "create", names: ["a"] }]));
    const free = next(image, deleteTopics(image, [{ name: "a" }], config).records);
    const records = [
      ...deleteTopics(image, [{ name: "a" }], config).records,
      ...createTopics(free, [spec("a")], { ...inForce(config), random: seededBytes(99), ifAbsent: false }).records,
    ];
    const { image: after, delta } = applyEntry(image, image.metadataOffset + 1, records);
    expect(after.topics.get("a")?.topicId).not.to.equal(image.topics.get("a")?.topicId);
    expect([delta.topicsCreated.length, delta.topicsDeleted.length, after.topicsById.size]).to.deep.equal([1, 1, 1]);
  });

  it("stops the process at a record that does not fit", () => {
    const image = replay(historyOf([{ kind: "create", names: ["a"] }]));
    const topicId = image.topics.get("a")?.topicId ?? "";
    const isrsChanged = (isr: number[], partition = 0): MetadataRecord => {
      const partitions = [{ topicId, partitions: [partition] }];
      return { type: "isrsChanged", isr, isRecovering: false, partitions };
    };
    const misfits: MetadataRecord[] = [
      { type: "clusterCreated", clusterId: "again" },
      { type: "topicDeleted", topicId: "nobody's" },
      { type: "producerIdsAllocated", brokerId: 1, brokerEpoch: 1, firstId: 5, count: 1000 },
      { type: "topicCreated", topicId, name: "b", internal: false, overrides: {} },
      { type: "topicCreated", topicId: "another", name: "a", internal: false, overrides: {} },
      { type: "partitionCreated", topicId, partition: 9, replicas: [1], isr: [1], leaderId: 1 },
      isrsChanged([1, 2]),
      isrsChanged([1], 9),
      { type: "leadersChosen", leaderId: 2, choice: "inSync", partitions: [{ topicId, partitions: [0] }] },
      { type: "leadersChosen", leaderId: 1, choice: "inSync", partitions: [{ topicId, partitions: [9] }] },
    ];
    for (const record of misfits) expect(() => next(image, [record]), JSON.stringify(record)).to.throw(AssertionError);
    expect(() => applyEntry(image, image.metadataOffset + 2, [])).to.throw(AssertionError);
    expect(() => applyEntry(emptyImage, 0, [])).to.throw(AssertionError);
  });
});

describe("decodeRecords", () => {
  it("refuses entries of another version and records of an unknown type", () => {
    const bytes = (value: unknown): Uint8Array => Buffer.from(JSON.stringify(value));
    expect(() => decodeRecords(bytes({ version: 1, records: [] }))).to.throw(SyntaxError, "version 1");
    expect(() => decodeRecords(bytes({ version: 0, records: [{ type: "later" }] }))).to.throw(SyntaxError, "later");
  });

  it("keeps the layout of stored records", () => {
    const records: MetadataRecord[] = [
      { type: "clusterCreated", clusterId: "c" },
      { type: "topicDeleted", topicId: "t" },
    ];
    expect(Buffer.from(encodeRecords(records)).toString()).to.equal(
      '{"version":0,"records":[{"type":"clusterCreated","clusterId":"c"},{"type":"topicDeleted","topicId":"t"}]}',
    );
  });
});
