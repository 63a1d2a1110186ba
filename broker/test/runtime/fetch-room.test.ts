/** The memory of one fetch message: what it says is left is there. */
import { expect } from "chai";
import fc from "fast-check";
import { FetchRoom } from "../../src/runtime/fetch-room.ts";
import { SLAB_BYTES, SlabPool } from "../../src/runtime/index.ts";

/** Puts a batch in as a fetch session does; false: it waits for the next message. */
function put(room: FetchRoom, batchBytes: number): boolean {
  if (room.open(batchBytes).length - room.at >= batchBytes) {
    room.use(batchBytes);
    return true;
  }
  if (!room.makeRoomFor(batchBytes)) return false;
  expect(room.open(batchBytes).length - room.at).to.be.at.least(batchBytes);
  room.use(batchBytes);
  return true;
}

describe("FetchRoom", () => {
  it("grows to any batch while the message is empty", () => {
    const room = new FetchRoom(new SlabPool(), 0);
    expect(put(room, 3 * SLAB_BYTES)).to.equal(true);
    expect(room.slabs.map(({ length }) => length)).to.deep.equal([3 * SLAB_BYTES]);
    expect(put(room, 1)).to.equal(false);
  });

  it("lets a batch wait that does not fit behind what the message holds already", () => {
    const room = new FetchRoom(new SlabPool(), SLAB_BYTES - 1_000);
    expect(put(room, 1_001)).to.equal(false);
    expect(room.lend(1_001)).to.equal(false);
    expect(put(room, 1_000)).to.equal(true);
    expect(new FetchRoom(new SlabPool(), 2 * SLAB_BYTES).makeRoomFor(1)).to.equal(false);
  });

  it("has the room that it promises, whatever is put there and lent (P57)", () => {
    const size = fc.oneof(fc.integer({ min: 1, max: 2_000 }), fc.integer({ min: 1, max: 2 * SLAB_BYTES }));
    const step = fc.record({ isLent: fc.boolean(), size });
    fc.assert(
      fc.property(fc.nat(SLAB_BYTES + 10), fc.array(step, { maxLength: 20 }), (usedBytes, steps) => {
        const room = new FetchRoom(new SlabPool(), usedBytes);
        let isEmpty = usedBytes === 0;
        let bytes = usedBytes;
        for (const { isLent, size: batchBytes } of steps) {
          const isTaken = isLent ? room.lend(batchBytes) : put(room, batchBytes);
          expect(isTaken).to.equal(isEmpty || bytes + batchBytes <= SLAB_BYTES);
          if (!isTaken) continue;
          bytes += batchBytes;
          isEmpty = false;
        }
        expect(room.slabs.length).to.be.at.most(1);
      }),
    );
  });
});
