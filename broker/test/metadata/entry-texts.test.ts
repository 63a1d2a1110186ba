import { expect } from "chai";
import { encodeRecords, entryTexts, type MetadataRecord, topicsMadeIn } from "../../src/metadata/index.ts";

const ID = "TTTTTTTTTTTTTTTTTTTTTT";
const records: readonly MetadataRecord[] = [
  { type: "topicCreated", topicId: ID, name: "orders", internal: false, overrides: {} },
  { type: "isrsChanged", isr: [1], isRecovering: false, partitions: [{ topicId: ID, partitions: [1] }] },
  { type: "configChanged", owner: { type: "topic", topicId: ID }, set: {}, unset: ["retention.ms"] },
];

describe("entryTexts", () => {
  it("puts the name of a topic beside its id, wherever that stands, and takes nothing away", () => {
    const texts = entryTexts(encodeRecords(records), new Map([[ID, { name: "orders" }]])).records;
    const [created, changed, configured] = texts.map((text) => JSON.parse(text) as unknown);
    expect(created).to.deep.include(records[0]);
    expect(created).to.not.have.property("topic");
    expect(changed).to.deep.equal({ ...records[1], partitions: [{ topicId: ID, partitions: [1], topic: "orders" }] });
    expect(configured).to.have.nested.property("owner.topic", "orders");
  });

  it("leaves the id alone of a topic that nobody knows", () => {
    const texts = entryTexts(encodeRecords(records.slice(1)), new Map()).records;
    expect(texts.join()).to.not.contain("orders");
  });
});

describe("topicsMadeIn", () => {
  it("finds those that were made, and passes over what it cannot read", () => {
    const commands = [Buffer.from("what a newer version wrote"), encodeRecords(records)];
    expect([...topicsMadeIn(commands)]).to.deep.equal([[ID, { name: "orders" }]]);
  });
});
