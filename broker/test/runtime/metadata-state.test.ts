/** What a node knows of topics that were deleted: their logs may go, and no others. */
import { expect } from "chai";
import { applyEntry, emptyImage, encodeImage, type MetadataRecord } from "../../src/metadata/index.ts";
import { MetadataState } from "../../src/runtime/metadata-state.ts";

const created = (name: string): MetadataRecord => ({
  type: "topicCreated",
  topicId: `id-of-${name}`,
  name,
  internal: false,
  overrides: {},
});

/** Both topics by a snapshot, as a broker begins that was stopped. */
function begun(): MetadataState {
  const state = new MetadataState();
  const { image } = applyEntry(emptyImage, 1, [created("heard"), created("unheard")]);
  state.restore(1, encodeImage({ image, topicsDeleted: [] }), 0);
  return state;
}

describe("MetadataState", () => {
  it("takes no topic for deleted that a snapshot has not heard of: a recovered cluster's (decision 0028)", () => {
    const state = begun();
    const { image } = applyEntry(emptyImage, 1, [created("heard")]);
    state.restore(1_000_004, encodeImage({ image, topicsDeleted: ["id-of-old"] }), 0);
    expect([...state.image.topics.keys()]).to.deep.equal(["heard"]);
    expect([...state.topicsDeleted], "their directories may go").to.deep.equal(["id-of-old"]);
  });

  it("takes those for deleted that a snapshot says were", () => {
    const state = begun();
    const { image } = applyEntry(emptyImage, 1, [created("heard")]);
    state.restore(9, encodeImage({ image, topicsDeleted: ["id-of-unheard"] }), 0);
    expect([...state.topicsDeleted]).to.deep.equal(["id-of-unheard"]);
  });

  it("takes those for deleted that an entry deletes", () => {
    const state = begun();
    const records: MetadataRecord[] = [{ type: "topicDeleted", topicId: "id-of-heard" }];
    const { image, delta } = applyEntry(state.image, 2, records);
    state.applied(image, delta, { at: null, records });
    expect([...state.topicsDeleted]).to.deep.equal(["id-of-heard"]);
  });
});
