/** The contract of the KeyValueStore port that holds on every store. What LevelDB does about damage is not part of it. */
import { expect } from "chai";
import fc from "fast-check";
import type { KeyValueStore, StoreOperation } from "../../src/ports/index.ts";

export interface StoreUnderTest {
  readonly store: KeyValueStore;
  /** Closes the store and opens it again as a later process would. */
  reopen(): Promise<KeyValueStore>;
  cleanUp(): Promise<void>;
}

const bytes = (text: string): Uint8Array => Buffer.from(text, "latin1");
const put = (key: string, value: string): StoreOperation => ({ type: "put", key: bytes(key), value: bytes(value) });
const del = (key: string): StoreOperation => ({ type: "del", key: bytes(key) });

function textOf(value: Uint8Array | undefined): string | undefined {
  return value === undefined ? undefined : Buffer.from(value).toString("latin1");
}

async function pairs(store: KeyValueStore, from: string, to: string): Promise<string[]> {
  const found = await store.range(bytes(from), bytes(to));
  return found.map(([key, value]) => `${textOf(key)}=${textOf(value)}`);
}

export interface StoreTraits {
  /** What is stored outlives the process. */
  readonly isDurable: boolean;
}

export function kvSuite(name: string, { isDurable }: StoreTraits, create: () => Promise<StoreUnderTest>): void {
  describe(`${name} keeps the contract of a key-value store`, () => {
    let under: StoreUnderTest;
    let store: KeyValueStore;

    beforeEach(async () => {
      under = await create();
      store = under.store;
    });
    afterEach(() => under.cleanUp());

    it("gives back what a batch put, and nothing for a key that was never put or is deleted", async () => {
      await store.batch([put("a", "1"), put("b", "")], { sync: true });
      await store.batch([del("a"), del("never")], { sync: false });
      expect([textOf(store.get(bytes("a"))), textOf(store.get(bytes("b"))), store.get(bytes("c"))]).to.deep.equal([
        undefined,
        "",
        undefined,
      ]);
    });

    it("lets the last operation on a key win within a batch", async () => {
      await store.batch([put("a", "1"), del("a"), put("a", "2"), put("b", "1"), del("b")], { sync: false });
      expect([textOf(store.get(bytes("a"))), store.get(bytes("b"))]).to.deep.equal(["2", undefined]);
    });

    it("keeps its own copy of the bytes", async () => {
      const value = bytes("before");
      await store.batch([{ type: "put", key: bytes("k"), value }], { sync: true });
      value.fill(0);
      expect(textOf(store.get(bytes("k")))).to.equal("before");
    });

    it("ranges over from <= key < to", async () => {
      await store.batch(
        ["a", "b", "ba", "c", "d"].map((key) => put(key, key)),
        { sync: false },
      );
      expect(await pairs(store, "b", "d")).to.deep.equal(["b=b", "ba=ba", "c=c"]);
      expect(await pairs(store, "x", "z")).to.deep.equal([]);
    });

    it("agrees with a sorted list for any batches of any bytes", async () => {
      const key = fc.uint8Array({ minLength: 1, maxLength: 3 });
      const operation: fc.Arbitrary<StoreOperation> = fc.oneof(
        fc.record({ type: fc.constant("put" as const), key, value: fc.uint8Array({ maxLength: 8 }) }),
        fc.record({ type: fc.constant("del" as const), key }),
      );
      const model = new Map<string, string>();
      await fc.assert(
        fc.asyncProperty(
          fc.array(operation, { minLength: 1, maxLength: 12 }),
          key,
          key,
          async (operations, from, to) => {
            await store.batch(operations, { sync: false });
            for (const change of operations) {
              const hex = Buffer.from(change.key).toString("hex");
              if (change.type === "put") model.set(hex, Buffer.from(change.value).toString("hex"));
              else model.delete(hex);
            }
            const [first, end] = [Buffer.from(from).toString("hex"), Buffer.from(to).toString("hex")];
            const expected = [...model]
              .filter(([hex]) => hex >= first && hex < end)
              .sort(([a], [b]) => (a < b ? -1 : 1));
            const found = await store.range(from, to);
            const hexes = found.map((pair) => pair.map((part) => Buffer.from(part).toString("hex")));
            expect(hexes).to.deep.equal(expected);
          },
        ),
        { numRuns: 60 },
      );
    });

    if (!isDurable) return;

    it("holds synced batches after it was opened again", async () => {
      await store.batch([put("a", "1")], { sync: false });
      await store.batch([put("b", "2")], { sync: true });
      const again = await under.reopen();
      expect(await pairs(again, "a", "z")).to.deep.equal(["a=1", "b=2"]);
    });
  });
}
