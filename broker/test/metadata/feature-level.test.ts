/** Which metadata brokers understand (decision 0039). */
import { expect } from "chai";
import {
  brokersBelow,
  decodeImage,
  decodeRecords,
  encodeImage,
  encodeRecords,
  levelOf,
  METADATA_LEVEL,
  type MetadataRecord,
  NewerMetadata,
  registerBroker,
} from "../../src/metadata/index.ts";
import { applyEntry } from "../../src/metadata/apply.ts";
import { type ClusterImage, emptyImage } from "../../src/metadata/image.ts";

const CONTEXT = { isAlive: false, isAppliedAtOnce: false };

function registered(image: ClusterImage, brokerId: number, told: { readonly metadataLevel?: number }): ClusterImage {
  const request = {
    brokerId,
    incarnationId: `incarnation-${brokerId}-${image.metadataOffset}`,
    directoryId: `directory-${brokerId}`,
    listeners: [],
    rack: null,
    previousBrokerEpoch: -1,
    ...told,
  };
  const { records } = registerBroker(image, request, CONTEXT);
  return applyEntry(image, image.metadataOffset + 1, decodeRecords(encodeRecords(records))).image;
}

describe("the feature level of the metadata", () => {
  it("is what each broker last registered with, 0 where it told none, through log and snapshot", () => {
    const old = registered(emptyImage, 1, {});
    const mixed = registered(old, 2, { metadataLevel: METADATA_LEVEL });
    for (const image of [mixed, decodeImage(encodeImage({ image: mixed, topicsDeleted: [] })).image]) {
      expect([...image.brokers.values()].map(({ metadataLevel }) => metadataLevel)).to.deep.equal([0, METADATA_LEVEL]);
      expect(brokersBelow(image, 0)).to.deep.equal([]);
      expect(brokersBelow(image, METADATA_LEVEL), "fenced as they are: they may come back").to.deep.equal([1]);
    }
    expect(brokersBelow(registered(mixed, 1, { metadataLevel: METADATA_LEVEL }), METADATA_LEVEL)).to.deep.equal([]);
  });

  it("of a snapshot that a build before has written is 0", () => {
    const image = registered(emptyImage, 1, { metadataLevel: METADATA_LEVEL });
    const text = Buffer.from(encodeImage({ image, topicsDeleted: [] })).toString();
    const before = Buffer.from(text.replace(`,"metadataLevel":${METADATA_LEVEL}`, ""));
    expect(before.length).to.be.lessThan(text.length);
    expect(decodeImage(before).image.brokers.get(1)?.metadataLevel).to.equal(0);
  });

  it("of a record is never beyond that of this build", () => {
    const records: MetadataRecord[] = [
      { type: "clusterCreated", clusterId: "c" },
      { type: "voterChosen", nodeId: 1, isVoter: true },
    ];
    expect(levelOf(records)).to.be.within(0, METADATA_LEVEL);
    expect(levelOf([])).to.equal(0);
  });

  it("that is beyond this build's stops it by a code of its own, and nothing is skipped", () => {
    const bytes = (entry: object): Uint8Array => new TextEncoder().encode(JSON.stringify(entry));
    const known = { type: "clusterCreated", clusterId: "c" };
    for (const entry of [
      { version: 1, records: [known] },
      { version: 0, records: [known, { type: "invented" }] },
      { version: 0, records: [{ type: "toString" }] },
    ]) {
      expect(() => decodeRecords(bytes(entry)))
        .to.throw(NewerMetadata, "later version")
        .with.property("code", "METADATA_TOO_NEW");
    }
    expect(() => decodeImage(bytes({ version: 99 }))).to.throw(NewerMetadata, "99");
  });
});
