import { AssertionError } from "node:assert";
import fs from "node:fs";
import path from "node:path";
import { expect } from "chai";
import fc from "fast-check";
import { FileDisk, LevelStore, MemoryDisk, MemoryStore } from "../../src/platform/index.ts";
import { DiskFault, type KeyValueStore, type StoreOperation } from "../../src/ports/index.ts";
import { type MetadataEntry, MetadataStore, openMetadataStore, StorageError } from "../../src/storage/index.ts";
import { makeTempDirectory, removeDirectory } from "../platform/temp-directory.ts";

const FROM = Buffer.alloc(0);
const TO = Buffer.alloc(16, 0xff);

/** A store that outlives its closing, counts its batches, and can fail the next one before or after it is kept. */
class LastingStore implements KeyValueStore {
  readonly memory = new MemoryStore();
  readonly batches: { count: number; sync: boolean }[] = [];
  failure: "before" | "after" | null = null;

  get(key: Uint8Array): Uint8Array | undefined {
    return this.memory.get(key);
  }

  range(from: Uint8Array, to: Uint8Array) {
    return this.memory.range(from, to);
  }

  async batch(operations: readonly StoreOperation[], options: { sync: boolean }): Promise<void> {
    const fault = new DiskFault("EIO", "batch", "store");
    if (this.failure === "before") throw fault;
    await this.memory.batch(operations);
    this.batches.push({ count: operations.length, sync: options.sync });
    if (this.failure === "after") throw fault;
  }

  async close(): Promise<void> {}
}

const open = (store: KeyValueStore, mayBeEmpty = false): Promise<MetadataStore> =>
  MetadataStore.open({ store, path: "data/tidemark-metadata", mayBeEmpty });

function entry(index: number, term = 1, text = `entry ${index}`): MetadataEntry {
  return { index, term, data: Buffer.from(text) };
}

async function storeOf(...entries: MetadataEntry[]): Promise<LastingStore> {
  const lasting = new LastingStore();
  const store = await open(lasting, true);
  for (const each of entries) await store.append([each]);
  return lasting;
}

/** What the refusal of an open says; null when it is not refused. */
async function refusal(store: KeyValueStore): Promise<string | null> {
  try {
    await open(store);
    return null;
  } catch (error: unknown) {
    if (!(error instanceof StorageError)) throw error;
    expect([error.code, error.path]).to.deep.equal(["METADATA_LOST", "data/tidemark-metadata"]);
    return error.message;
  }
}

async function contentOf(store: KeyValueStore): Promise<string[]> {
  const pairs = await store.range(FROM, TO);
  return pairs.map(([key, value]) => `${Buffer.from(key).toString("hex")} ${Buffer.from(value).toString("hex")}`);
}

function texts(entries: readonly MetadataEntry[]): string[] {
  return entries.map(({ index, term, data }) => `${index} ${term} ${Buffer.from(data).toString()}`);
}

describe("MetadataStore", () => {
  it("gives back what was appended, after it was opened again too", async () => {
    const lasting = await storeOf(entry(1), entry(2, 1), entry(3, 4));
    const store = await open(lasting);
    expect([store.lastIndex, store.lastTerm]).to.deep.equal([3, 4]);
    await store.append([entry(4, 4), entry(5, 6)]);
    const again = await open(lasting);
    expect(texts(await again.readFrom(1))).to.deep.equal([
      "1 1 entry 1",
      "2 1 entry 2",
      "3 4 entry 3",
      "4 4 entry 4",
      "5 6 entry 5",
    ]);
    expect(texts(await again.readFrom(5))).to.deep.equal(["5 6 entry 5"]);
    expect(await again.readFrom(6)).to.deep.equal([]);
  });

  it("writes one synced batch per append, entries and `last` together", async () => {
    const lasting = await storeOf();
    const store = await open(lasting, true);
    await store.append([entry(1), entry(2), entry(3)]);
    await store.append([]);
    await store.append([entry(4)]);
    expect(lasting.batches).to.deep.equal([
      { count: 4, sync: true },
      { count: 2, sync: true },
    ]);
  });

  it("takes an empty store for a new one only where it may be one", async () => {
    expect((await open(new LastingStore(), true)).lastIndex).to.equal(0);
    expect(await refusal(new LastingStore())).to.contain("it is empty");
  });

  it("refuses entries that do not follow the last one: an error of the caller", async () => {
    for (const wrong of [[entry(3)], [entry(1)], [entry(2), entry(4)], [entry(2, 0)]]) {
      const store = await open(await storeOf(entry(1)));
      const outcome = await store.append(wrong).catch((error: unknown) => error);
      expect(outcome).to.be.instanceOf(AssertionError);
    }
  });

  it("keeps all entries of an append or none (crash before or after the batch), and takes none after a failed one", async () => {
    for (const failure of ["before", "after"] as const) {
      const lasting = await storeOf(entry(1));
      const store = await open(lasting);
      lasting.failure = failure;
      const outcome = await store.append([entry(2), entry(3)]).catch((error: unknown) => error);
      expect(outcome).to.be.instanceOf(DiskFault);
      lasting.failure = null;
      const second = await store.append([entry(2)]).catch((error: unknown) => error);
      expect(second).to.be.instanceOf(AssertionError);
      expect((await open(lasting)).lastIndex).to.equal(failure === "before" ? 1 : 3);
    }
  });
});

describe("MetadataStore on a damaged store", () => {
  const key = (index: number): Buffer =>
    Buffer.concat([Buffer.from("e"), Buffer.from(index.toString(16).padStart(16, "0"), "hex")]);

  it("refuses any flipped bit in any value, and changes nothing", async () => {
    const lasting = await storeOf(entry(1), entry(2), entry(3, 2));
    const pairs = await lasting.range(FROM, TO);
    await fc.assert(
      fc.asyncProperty(fc.nat(), fc.nat(), fc.nat({ max: 7 }), async (which, where, bit) => {
        const [damagedKey, value] = pairs[which % pairs.length] ?? [FROM, FROM];
        const damaged = Buffer.from(value);
        const at = where % damaged.length;
        damaged[at] = (damaged[at] ?? 0) ^ (1 << bit);
        await lasting.memory.batch([{ type: "put", key: damagedKey, value: damaged }]);
        const before = await contentOf(lasting);
        expect(await refusal(lasting)).to.contain("wrong checksum");
        expect(await contentOf(lasting)).to.deep.equal(before);
        await lasting.memory.batch([{ type: "put", key: damagedKey, value }]);
      }),
    );
    expect(await refusal(lasting)).to.equal(null);
  });

  it("refuses a value that is cut short, at any length", async () => {
    const lasting = await storeOf(entry(1));
    for (const [damagedKey, value] of await lasting.range(FROM, TO)) {
      for (let length = 0; length < value.length; length++) {
        await lasting.memory.batch([{ type: "put", key: damagedKey, value: value.subarray(0, length) }]);
        expect(await refusal(lasting)).to.contain("wrong checksum");
      }
      await lasting.memory.batch([{ type: "put", key: damagedKey, value }]);
    }
  });

  it("refuses a missing entry, first, middle or last, naming it", async () => {
    for (const missing of [1, 2, 3]) {
      const lasting = await storeOf(entry(1), entry(2), entry(3));
      await lasting.memory.batch([{ type: "del", key: key(missing) }]);
      expect(await refusal(lasting)).to.contain(`entry ${missing} is missing`);
    }
  });

  it("refuses a missing `last`, an older `last`, and entries that were all lost", async () => {
    const last = Buffer.from("last");
    const missing = await storeOf(entry(1));
    await missing.memory.batch([{ type: "del", key: last }]);
    expect(await refusal(missing)).to.contain("the key `last` is missing");

    const older = await storeOf(entry(1));
    const oldLast = older.get(last) ?? FROM;
    await (await open(older)).append([entry(2)]);
    await older.memory.batch([{ type: "put", key: last, value: oldLast }]);
    expect(await refusal(older)).to.contain("entry 2 stands behind the last one");

    const lost = await storeOf(entry(1));
    await lost.memory.batch([{ type: "del", key: key(1) }]);
    expect(await refusal(lost)).to.contain("entry 1 is missing; the last one is 1");
  });

  it("refuses a whole value that stands at another entry's key, and a term that falls", async () => {
    const swapped = await storeOf(entry(1), entry(2));
    await swapped.memory.batch([{ type: "put", key: key(1), value: swapped.get(key(2)) ?? FROM }]);
    expect(await refusal(swapped)).to.contain("entry 1 calls itself 2");

    const terms = await storeOf(entry(1), entry(2));
    const other = await storeOf(entry(1, 5));
    await terms.memory.batch([{ type: "put", key: key(1), value: other.get(key(1)) ?? FROM }]);
    expect(await refusal(terms)).to.contain("the term falls at entry 2");
  });
});

describe("openMetadataStore", () => {
  const outcomeOf = (opened: Promise<MetadataStore>): Promise<string> =>
    opened.then(
      (store) => `${store.lastIndex} entries`,
      (error: unknown) =>
        error instanceof StorageError ? error.code : error instanceof DiskFault ? error.kind : String(error),
    );

  it("calls a store that is missing or does not open lost, but not one whose disk is full or fails", async () => {
    for (const [kind, outcome] of [
      ["ENOENT", "METADATA_LOST"],
      ["other", "METADATA_LOST"],
      ["ENOSPC", "ENOSPC"],
      ["EIO", "EIO"],
      ["EMFILE", "EMFILE"],
    ] as const) {
      const openStore = () => Promise.reject(new DiskFault(kind, "open", "store"));
      const opened = openMetadataStore({ path: "/store", disk: new MemoryDisk(), openStore, isUnborn: false });
      expect(await outcomeOf(opened), kind).to.equal(outcome);
    }
  });

  it("closes the store that it refuses", async () => {
    const lasting = await storeOf(entry(1), entry(2));
    let isClosed = false;
    lasting.close = async () => {
      isClosed = true;
    };
    await lasting.memory.batch([{ type: "del", key: Buffer.from("last") }]);
    const opened = openMetadataStore({
      path: "/store",
      disk: new MemoryDisk(),
      openStore: async () => lasting,
      isUnborn: false,
    });
    expect([await outcomeOf(opened), isClosed]).to.deep.equal(["METADATA_LOST", true]);
  });

  describe("on LevelDB", () => {
    let directory: string;
    const storePath = (): string => path.join(directory, "tidemark-metadata");
    const openHere = (isUnborn: boolean): Promise<MetadataStore> =>
      openMetadataStore({
        path: storePath(),
        disk: new FileDisk(),
        openStore: (place, options) => LevelStore.open(place, options),
        isUnborn,
      });

    beforeEach(() => {
      directory = makeTempDirectory();
    });
    afterEach(() => removeDirectory(directory));

    async function fill(count: number): Promise<void> {
      const store = await openHere(true);
      for (let index = 1; index <= count; index++) await store.append([entry(index, 1, `entry ${index} `.repeat(5))]);
      await store.close();
    }

    const snapshot = (): Map<string, Buffer> =>
      new Map(fs.readdirSync(storePath()).map((name) => [name, fs.readFileSync(path.join(storePath(), name))]));

    it("refuses a store whose CURRENT, manifest or directory is gone once a cluster is born, and makes none", async () => {
      await fill(3);
      const whole = snapshot();
      const isGone: ((name: string) => boolean)[] = [
        (name) => name === "CURRENT",
        (name) => name.startsWith("MANIFEST"),
        () => true,
      ];
      for (const isLost of isGone) {
        for (const name of whole.keys()) if (isLost(name)) fs.rmSync(path.join(storePath(), name));
        expect(await outcomeOf(openHere(false))).to.equal("METADATA_LOST");
        for (const [name, content] of whole) fs.writeFileSync(path.join(storePath(), name), content);
      }
      const again = await openHere(false);
      expect(again.lastIndex).to.equal(3);
      await again.close();
      removeDirectory(storePath());
      expect(await outcomeOf(openHere(false))).to.equal("METADATA_LOST");
    });

    it("makes half a store anew before a cluster is born", async () => {
      await fill(1);
      fs.writeFileSync(path.join(storePath(), "CURRENT"), "half");
      const store = await openHere(true);
      expect(store.lastIndex).to.equal(0);
      await store.append([entry(1)]);
      await store.close();
    });

    it("never gives back an altered entry or a hole, whichever byte of its files is flipped", async () => {
      await fill(6);
      const whole = snapshot();
      const expected = Array.from({ length: 6 }, (_, slot) => `${slot + 1} 1 ${`entry ${slot + 1} `.repeat(5)}`);
      const files = [...whole].filter(
        ([name, content]) => content.length > 0 && !["LOG", "LOG.old", "LOCK"].includes(name),
      );
      const outcomes = new Set<string>();
      await fc.assert(
        fc.asyncProperty(fc.nat(), fc.nat(), fc.nat({ max: 7 }), async (which, where, bit) => {
          for (const name of fs.readdirSync(storePath())) if (name !== "LOCK") fs.rmSync(path.join(storePath(), name));
          for (const [name, content] of whole)
            if (name !== "LOCK") fs.writeFileSync(path.join(storePath(), name), content);
          const [name, content] = files[which % files.length] ?? ["", Buffer.alloc(0)];
          const damaged = Buffer.from(content);
          damaged[where % damaged.length] = (damaged[where % damaged.length] ?? 0) ^ (1 << bit);
          fs.writeFileSync(path.join(storePath(), name), damaged);
          try {
            const store = await openHere(false);
            const found = texts(await store.readFrom(1));
            await store.close();
            // LevelDB drops the tail behind a bad record in silence; seeing that needs its log read before it is opened.
            expect(found).to.deep.equal(expected.slice(0, found.length));
            outcomes.add(found.length === expected.length ? "whole" : "shorter");
          } catch (error: unknown) {
            if (!(error instanceof StorageError)) throw error;
            outcomes.add(error.code);
          }
        }),
        { numRuns: 60 },
      );
      expect([...outcomes]).to.include("METADATA_LOST");
    });
  });
});
