/** A store that goes on in a new quorum, wherever the one who did it was interrupted. */
import { expect } from "chai";
import { MemoryDisk, MemoryDirectoryLocks, MemoryStore } from "../../../src/platform/index.ts";
import { type Disk, DiskFault, type KeyValueStore } from "../../../src/ports/index.ts";
import {
  claimDirectory,
  completeBirth,
  createRaftStore,
  openRaftStore,
  type RaftStoreOptions,
  readIdentity,
} from "../../../src/storage/index.ts";
import { recoverRaftStore } from "../../../src/storage/tools.ts";

const DIRECTORY = "/data";
const VOTERS = [1, 2, 3].map((nodeId) => ({ nodeId, directoryId: `directory-${nodeId}` }));
const RECOVERED = {
  point: { index: 1_000_002, term: 6, voters: [{ nodeId: 3, directoryId: "AAAAAAAAAAAAAAAAAAAAAA" }] },
  bytes: Buffer.from("all that is known"),
  directoryId: "AAAAAAAAAAAAAAAAAAAAAA",
};

/** A voter that has stopped cleanly with two entries. */
async function stopped(): Promise<RaftStoreOptions & { readonly disk: MemoryDisk }> {
  const disk = new MemoryDisk();
  const pairs = new MemoryStore();
  // What it holds outlives who opened it.
  const openStore = async (): Promise<KeyValueStore> => ({
    get: (key) => pairs.get(key),
    range: (from, to) => pairs.range(from, to),
    batch: (operations) => pairs.batch(operations),
    close: async () => undefined,
  });
  const options = { directory: DIRECTORY, disk, openStore };
  const locks = new MemoryDirectoryLocks();
  const random = (count: number): Uint8Array => new Uint8Array(count).fill(7);
  const { identity, lock } = await claimDirectory({ path: DIRECTORY, disk, locks, random, nodeId: 3 });
  const opened = await createRaftStore(options, {
    point: { index: 0, term: 0, voters: VOTERS },
    bytes: Buffer.from("the birth"),
  });
  await completeBirth(disk, DIRECTORY, identity, "the-cluster");
  const entries = [1, 2].map((index) => ({ index, term: 5, body: { kind: "leaderStart" as const } }));
  await opened.store.write({ hardState: { term: 5, vote: VOTERS[0] ?? null }, chunk: null, snapshot: null, entries });
  await opened.store.close();
  await lock.release();
  return options;
}

/** The `count`-th rename fails, and every one behind it. */
function failingAt(disk: Disk, count: number): Disk {
  let left = count;
  return new Proxy(disk, {
    get: (target, name) => {
      const value: unknown = Reflect.get(target, name);
      if (typeof value !== "function") return value;
      return (...args: unknown[]): unknown => {
        if (name === "rename" && --left <= 0) throw new DiskFault("EIO", "rename", DIRECTORY);
        return Reflect.apply(value, target, args);
      };
    },
  });
}

describe("recoverRaftStore", () => {
  const identityOf = (disk: Disk) => {
    const identity = readIdentity(disk, DIRECTORY);
    if (identity === null) throw new Error("the directory is nobody's");
    return identity;
  };

  it("makes the store that of another replica, the only voter, above all that it held", async () => {
    const options = await stopped();
    await recoverRaftStore(options, identityOf(options.disk), RECOVERED);
    const { stored, snapshotBytes } = await openRaftStore(options);
    expect(stored.hardState, "it has promised nobody anything").to.deep.equal({ term: 6, vote: null });
    expect(stored.snapshot).to.deep.include(RECOVERED.point);
    expect(stored.entries).to.deep.equal([]);
    expect(Buffer.from(snapshotBytes).toString()).to.equal("all that is known");
    expect(identityOf(options.disk)).to.include({ clusterId: "the-cluster", directoryId: RECOVERED.directoryId });
  });

  for (const [count, what] of [
    [1, "before anything changed"],
    [2, "behind the directory id"],
    [3, "behind the term"],
  ] as const) {
    it(`leaves a store that opens, and can be done again, where it ended ${what}`, async () => {
      const options = await stopped();
      const failing = { ...options, disk: failingAt(options.disk, count) };
      const failed = await recoverRaftStore(failing, identityOf(options.disk), RECOVERED).catch(
        (error: unknown) => error,
      );
      expect(failed).to.be.instanceOf(DiskFault);
      const { stored, store } = await openRaftStore(options);
      expect(stored.hardState.term).to.equal(count === 3 ? 6 : 5);
      // To the old quorum, the new one's snapshot would vouch for entries that it never had.
      expect(stored.snapshot.index, "not before it is another replica").to.equal(0);
      expect(stored.entries.map(({ index }) => index)).to.deep.equal([1, 2]);
      expect(identityOf(options.disk).directoryId === RECOVERED.directoryId).to.equal(count > 1);
      await store.close();
      const later = { ...RECOVERED, point: { ...RECOVERED.point, index: 2_000_002, term: 7 } };
      await recoverRaftStore(options, identityOf(options.disk), later);
      expect((await openRaftStore(options)).stored.snapshot).to.deep.include(later.point);
    });
  }
});
