/** Raft's store as it is opened, used and given up, on LevelDB itself and in memory (semantics 2.2, 10.1(8), 10.1(9), 10.2). */
import fs from "node:fs";
import path from "node:path";
import { crc32c } from "@tidemark/proto";
import { expect } from "chai";
import fc from "fast-check";
import { SeededRandom } from "../../../src/base/index.ts";
import { FileDirectoryLocks, FileDisk, LevelStore } from "../../../src/platform/index.ts";
import { DiskFault } from "../../../src/ports/index.ts";
import type { Entry, HardState, ReplicaId } from "../../../src/raft/index.ts";
import {
  claimDirectory,
  completeBirth,
  createRaftStore,
  openRaftStore,
  type OpenedRaftStore,
  type RaftStoreOptions,
  readIdentity,
  removeRaftStore,
  StorageError,
} from "../../../src/storage/index.ts";
import { decodeQuorumState, encodeQuorumState } from "../../../src/storage/raft-store/quorum-state.ts";
import { LEVEL_HEADER_BYTES, LEVEL_RECORD } from "../../../src/storage/raft-store/level-log.ts";
import { decodeEntry, encodeEntry } from "../../../src/storage/raft-store/entry-codec.ts";
import { makeTempDirectory, removeDirectory } from "../../platform/temp-directory.ts";

const VOTERS: readonly ReplicaId[] = [1, 2, 3].map((nodeId) => ({ nodeId, directoryId: `directory-${nodeId}` }));
const BIRTH = { point: { index: 0, term: 0, voters: VOTERS }, bytes: Buffer.from("the birth") };

function command(index: number, term = 1, text = `entry ${index}`): Entry {
  return { index, term, body: { kind: "command", bytes: Buffer.from(text) } };
}

const write = (hardState: HardState | null, ...entries: Entry[]) => ({
  hardState,
  chunk: null,
  snapshot: null,
  entries,
});

describe("RaftStore on LevelDB", () => {
  let directory: string;
  let options: RaftStoreOptions;
  const disk = new FileDisk();

  beforeEach(() => {
    directory = makeTempDirectory();
    options = { directory, disk, openStore: (at, mode) => LevelStore.open(at, mode) };
  });
  afterEach(() => removeDirectory(directory));

  const at = (name: string): string => path.join(directory, name);
  const levelFiles = (suffix: string): string[] =>
    fs.readdirSync(at("tidemark-metadata")).filter((name) => name.endsWith(suffix));

  async function withEntries(count: number): Promise<OpenedRaftStore> {
    const opened = await createRaftStore(options, BIRTH);
    await opened.store.write(write({ term: 1, vote: VOTERS[0] ?? null }));
    for (let index = 1; index <= count; index += 1) await opened.store.write(write(null, command(index)));
    return opened;
  }

  /** What the refusal of an open says. Nothing of Raft's own files may have changed with it. */
  async function refusal(): Promise<string> {
    const own = (): string[] =>
      fs
        .readdirSync(directory)
        .filter((name) => fs.statSync(at(name)).isFile())
        .map((name) => `${name} ${crc32c(fs.readFileSync(at(name)))}`);
    const before = own();
    try {
      await (await openRaftStore(options)).store.close();
    } catch (error: unknown) {
      if (!(error instanceof StorageError)) throw error;
      expect(error.code).to.equal("METADATA_LOST");
      expect(own()).to.deep.equal(before);
      return error.message;
    }
    return "opened";
  }

  it("gives back what was written: term, vote, entries of every kind, snapshot", async () => {
    const { store } = await createRaftStore(options, BIRTH);
    const entries: Entry[] = [
      { index: 1, term: 1, body: { kind: "leaderStart" } },
      command(2),
      { index: 3, term: 1, body: { kind: "voters", voters: VOTERS.slice(1) } },
      command(4, 1, ""),
    ];
    const hardState = { term: 7, vote: VOTERS[2] ?? null };
    await store.write(write(hardState, ...entries));
    await store.close();
    const { stored, snapshotBytes, store: again } = await openRaftStore(options);
    expect(stored.hardState).to.deep.equal(hardState);
    expect(stored.entries.map((entry) => encodeEntry(entry))).to.deep.equal(entries.map((entry) => encodeEntry(entry)));
    expect(stored.snapshot).to.deep.equal({ ...BIRTH.point, sizeBytes: 9, crc: crc32c(BIRTH.bytes) });
    expect(Buffer.from(snapshotBytes).toString()).to.equal("the birth");
    await again.close();
  });

  it("replaces a suffix that contradicts, and cuts behind a snapshot that is durable", async () => {
    const { store } = await withEntries(10);
    await store.write(write({ term: 2, vote: null }, command(8, 2), command(9, 2)));
    expect(store.lastIndex).to.equal(9);
    const snapshot = await store.writeSnapshot({ index: 6, term: 1, voters: VOTERS }, Buffer.from("six"));
    expect(snapshot?.index).to.equal(6);
    await store.cutTo(5);
    expect(fs.readdirSync(directory).filter((name) => name.endsWith(".snapshot"))).to.deep.equal([
      "raft-00000000000000000006-1.snapshot",
    ]);
    await store.close();
    const opened = await openRaftStore(options);
    expect(opened.stored.entries.map(({ index, term }) => `${index}/${term}`)).to.deep.equal([
      "5/1",
      "6/1",
      "7/1",
      "8/2",
      "9/2",
    ]);
    await opened.store.close();
  });

  it("refuses a flipped bit in its log after a clean stop and after a kill, in every batch, the last too (P43, P65)", async () => {
    const { store } = await withEntries(5);
    await store.close();
    const name = levelFiles(".log")[0] ?? "";
    const log = fs.readFileSync(at(`tidemark-metadata/${name}`));
    const cleanStop = fs.readFileSync(at(".raft-clean-stop"));
    const random = new SeededRandom(5);
    for (let run = 0; run < 40; run += 1) {
      const where = run < 10 ? log.length - 1 - run : random.below(log.length);
      const damaged = Buffer.from(log);
      damaged[where] = (damaged[where] ?? 0) ^ (1 << random.below(8));
      fs.writeFileSync(at(`tidemark-metadata/${name}`), damaged);
      if (run % 2 === 0) fs.rmSync(at(".raft-clean-stop"), { force: true });
      else fs.writeFileSync(at(".raft-clean-stop"), cleanStop);
      expect(await refusal(), `byte ${where} of ${log.length}`).to.contain(name);
      // Nothing was changed, so that the damage is still there to be seen.
      expect(fs.readFileSync(at(`tidemark-metadata/${name}`)).equals(damaged)).to.equal(true);
    }
    fs.writeFileSync(at(`tidemark-metadata/${name}`), log);
    expect(await refusal()).to.equal("opened");
  });

  it("drops a torn last batch after a kill, and refuses it after a clean stop", async () => {
    const { store } = await withEntries(3);
    await store.close();
    const name = levelFiles(".log")[0] ?? "";
    fs.truncateSync(at(`tidemark-metadata/${name}`), fs.statSync(at(`tidemark-metadata/${name}`)).size - 5);
    expect(await refusal()).to.contain("closed cleanly");
    fs.rmSync(at(".raft-clean-stop"));
    const { stored, store: again } = await openRaftStore(options);
    expect(stored.entries.map(({ index }) => index)).to.deep.equal([1, 2]);
    await again.close();
  });

  it("notices a whole batch that is gone after a clean stop", async () => {
    const { store } = await withEntries(2);
    const size = (): number => fs.statSync(at(`tidemark-metadata/${levelFiles(".log")[0]}`)).size;
    const before = size();
    await store.write(write(null, command(3)));
    await store.close();
    fs.truncateSync(at(`tidemark-metadata/${levelFiles(".log")[0]}`), before);
    expect(await refusal()).to.contain("ends at entry 2, and ended at 3");
  });

  it("refuses what is missing or altered beside the store: quorum-state, snapshot, CURRENT, a manifest (10.1(9))", async () => {
    const { store } = await withEntries(2);
    await store.close();
    // Opened once, so that the entries are in a table.
    await (await openRaftStore(options)).store.close();
    const kept = makeTempDirectory();
    fs.cpSync(directory, kept, { recursive: true });
    const restore = (): void => {
      fs.rmSync(directory, { recursive: true });
      fs.cpSync(kept, directory, { recursive: true });
    };
    const flip = (file: string, where: number): void => {
      const bytes = fs.readFileSync(at(file));
      bytes[where] = (bytes[where] ?? 0) ^ 1;
      fs.writeFileSync(at(file), bytes);
    };
    const snapshot = "raft-00000000000000000000-0.snapshot";
    const manifest = `tidemark-metadata/${fs.readdirSync(at("tidemark-metadata")).find((name) => name.startsWith("MANIFEST"))}`;
    const cases: readonly (readonly [what: string, harm: () => void, says: RegExp])[] = [
      ["no quorum-state", () => fs.rmSync(at("quorum-state")), /quorum-state is missing/u],
      ["quorum-state flipped", () => flip("quorum-state", 12), /quorum-state is damaged/u],
      ["quorum-state cut", () => fs.truncateSync(at("quorum-state"), 20), /quorum-state is damaged/u],
      ["no snapshot", () => fs.rmSync(at(snapshot)), /no snapshot/u],
      ["snapshot header flipped", () => flip(snapshot, 8), /is damaged/u],
      ["snapshot content flipped", () => flip(snapshot, fs.statSync(at(snapshot)).size - 1), /is damaged/u],
      [
        "snapshot of another name",
        () => fs.renameSync(at(snapshot), at("raft-00000000000000000001-0.snapshot")),
        /damaged/u,
      ],
      ["no CURRENT", () => fs.rmSync(at("tidemark-metadata/CURRENT")), /missing/u],
      ["no store at all", () => fs.rmSync(at("tidemark-metadata"), { recursive: true }), /missing/u],
      ["manifest flipped", () => flip(manifest, 20), /cannot be opened/u],
      [
        "term and vote of the past",
        () => fs.writeFileSync(at("quorum-state"), encodeQuorumState({ term: 0, vote: null })),
        /of term 0/u,
      ],
    ];
    for (const [what, harm, says] of cases) {
      harm();
      expect(await refusal(), what).to.match(says);
      restore();
    }
    expect(await refusal()).to.equal("opened");
    removeDirectory(kept);
  });

  describe("with a manifest whose last edit is torn", () => {
    let dead: string;

    /** The directory as a power failure leaves it in the middle of an edit: its head is on disk, the sectors behind are not. */
    async function die(): Promise<RaftStoreOptions> {
      const { store } = await withEntries(3);
      fs.cpSync(directory, dead, { recursive: true });
      await store.close();
      return { ...options, directory: dead };
    }

    function tear(where: string): string {
      const name = fs.readFileSync(path.join(where, "tidemark-metadata/CURRENT"), "latin1").trimEnd();
      const manifest = path.join(where, "tidemark-metadata", name);
      const at = fs.statSync(manifest).size;
      const edit = Buffer.alloc(LEVEL_HEADER_BYTES + 600);
      edit.writeUInt32LE(0xdeadbeef, 0);
      edit.writeUInt16LE(600, 4);
      edit[6] = LEVEL_RECORD.full;
      edit.fill(7, LEVEL_HEADER_BYTES, 512 - at);
      fs.appendFileSync(manifest, edit);
      return name;
    }

    const refusalOf = (store: RaftStoreOptions): Promise<unknown> =>
      openRaftStore(store).then(
        async (opened) => {
          await opened.store.close();
          return "opened";
        },
        (error: unknown) => error,
      );

    beforeEach(() => {
      dead = makeTempDirectory();
    });
    afterEach(() => removeDirectory(dead));

    it("opens without it, says so once, and has all that was stored", async () => {
      const store = await die();
      const name = tear(dead);
      const alone = await LevelStore.open(path.join(dead, "tidemark-metadata"), { createIfMissing: false }).catch(
        (error: unknown) => error,
      );
      expect(alone, "LevelDB by itself refuses it").to.be.instanceOf(DiskFault);
      const opened = await openRaftStore(store);
      expect(opened.mended).to.match(
        new RegExp(`^the last edit of ${name}, at byte \\d+, was torn; \\d{6}\\.log holds`, "u"),
      );
      expect(opened.stored.entries.map(({ index }) => index)).to.deep.equal([1, 2, 3]);
      await opened.store.write(write(null, command(4)));
      await opened.store.close();
      const again = await openRaftStore(store);
      expect([again.mended, again.stored.entries.length]).to.deep.equal([null, 4]);
      await again.store.close();
    });

    it("refuses it where the log is gone that it made superfluous: the edit was synced, and has rotted", async () => {
      const store = await die();
      tear(dead);
      const level = path.join(dead, "tidemark-metadata");
      for (const name of fs.readdirSync(level)) if (name.endsWith(".log")) fs.rmSync(path.join(level, name));
      expect(await refusalOf(store)).to.include({ code: "METADATA_LOST" });
    });

    it("refuses it after a clean stop: no crash can have torn it", async () => {
      await (await withEntries(3)).store.close();
      tear(directory);
      expect(await refusal()).to.match(/MANIFEST-\d+: the edit at byte \d+ was altered/u);
    });
  });

  it("loses or alters no value in a table unseen: any flipped byte is refused or changes nothing (property)", async () => {
    const { store } = await withEntries(30);
    await store.close();
    await (await openRaftStore(options)).store.close();
    const name = levelFiles(".ldb")[0] ?? "";
    const kept = makeTempDirectory();
    fs.cpSync(directory, kept, { recursive: true });
    const size = fs.statSync(at(`tidemark-metadata/${name}`)).size;
    let refused = 0;
    await fc.assert(
      fc.asyncProperty(fc.nat({ max: size - 1 }), fc.nat({ max: 7 }), async (where, bit) => {
        fs.rmSync(directory, { recursive: true });
        fs.cpSync(kept, directory, { recursive: true });
        const bytes = fs.readFileSync(at(`tidemark-metadata/${name}`));
        bytes[where] = (bytes[where] ?? 0) ^ (1 << bit);
        fs.writeFileSync(at(`tidemark-metadata/${name}`), bytes);
        try {
          const { stored, store: opened } = await openRaftStore(options);
          await opened.close();
          expect(stored.entries.map(({ index }) => index)).to.deep.equal(
            Array.from({ length: 30 }, (_, slot) => slot + 1),
          );
        } catch (error: unknown) {
          if (!(error instanceof StorageError)) throw error;
          refused += 1;
        }
      }),
      { numRuns: 40 },
    );
    expect(refused).to.be.greaterThan(10);
    removeDirectory(kept);
  });

  it("takes a crash before the birth was complete for nothing, and bears anew", async () => {
    const { store } = await withEntries(4);
    await store.close();
    fs.writeFileSync(at("raft-00000000000000000009-1.snapshot.part"), "half");
    fs.rmSync(at("quorum-state"));
    const { store: again, stored } = await createRaftStore(options, { ...BIRTH, bytes: Buffer.from("another") });
    expect([stored.entries, stored.hardState]).to.deep.equal([[], { term: 0, vote: null }]);
    await again.close();
    const opened = await openRaftStore(options);
    expect(Buffer.from(opened.snapshotBytes).toString()).to.equal("another");
    expect(fs.readdirSync(directory).filter((name) => name.endsWith(".part"))).to.deep.equal([]);
    await opened.store.close();
  });

  it("gives up a lost store: all of it goes, the directory becomes another one of no cluster (10.1(9))", async () => {
    const locks = new FileDirectoryLocks();
    const random = (count: number): Uint8Array => new SeededRandom(9).bytes(new Uint8Array(count));
    const { identity, lock } = await claimDirectory({ path: directory, disk, locks, random, nodeId: 2 });
    const { store } = await withEntries(2);
    await store.close();
    const born = await completeBirth(disk, directory, { ...identity, directoryId: "AAAAAAAAAAAAAAAAAAAAAA" }, "c");
    fs.rmSync(at("quorum-state"));
    expect(await refusal()).to.contain("quorum-state");
    const renewed = await removeRaftStore(options, born, random);
    expect(renewed).to.deep.include({ clusterId: null, nodeId: 2 });
    expect(renewed.directoryId).not.to.equal(born.directoryId);
    expect(readIdentity(disk, directory)).to.deep.equal(renewed);
    expect(fs.readdirSync(directory).filter((name) => /^raft|^quorum|clean-stop/u.test(name))).to.deep.equal([]);
    expect(fs.readdirSync(at("tidemark-metadata"))).to.deep.equal([]);
    await lock.release();
  });

  it("serves a snapshot in pieces, and not one that was altered on disk", async () => {
    const { store, stored } = await withEntries(1);
    const pieces: string[] = [];
    for (let position = 0; position < 9; position += 4) {
      const piece = await store.readSnapshotPiece(stored.snapshot, position, 4);
      pieces.push(Buffer.from(piece ?? []).toString());
    }
    expect(pieces.join("")).to.equal("the birth");
    expect(await store.readSnapshotPiece({ ...stored.snapshot, crc: 1 }, 0, 4), "another one").to.equal(null);
    const file = at("raft-00000000000000000000-0.snapshot");
    const bytes = fs.readFileSync(file);
    bytes[bytes.length - 1] = 0;
    fs.writeFileSync(file, bytes);
    const failure: unknown = await store.readSnapshotPiece(stored.snapshot, 0, 4).catch((error: unknown) => error);
    expect(failure).to.include({ code: "METADATA_LOST" });
    await store.close();
  });

  it("does not install what arrived altered, and is whole after it", async () => {
    const { store } = await withEntries(1);
    const bytes = Buffer.from("a newer state");
    const snapshot = { index: 50, term: 1, voters: VOTERS, sizeBytes: bytes.length, crc: crc32c(bytes) };
    const altered = Buffer.from(bytes);
    altered[3] = 0;
    const chunk = { snapshot, position: 0, bytes: altered };
    const failure: unknown = await store
      .write({ hardState: null, chunk, snapshot, entries: [] })
      .catch((error: unknown) => error);
    expect(failure).to.include({ code: "SNAPSHOT_DAMAGED" });
    await store.close();
    const { stored, store: again } = await openRaftStore(options);
    expect([stored.snapshot.index, stored.entries.length]).to.deep.equal([0, 1]);
    await again.close();
  });
});

describe("Raft's store, value by value", () => {
  it("decodes what it encoded, and nothing that differs in one bit (property)", () => {
    const body = fc.oneof(
      fc.record({ kind: fc.constant("command" as const), bytes: fc.uint8Array({ maxLength: 200 }) }),
      fc.record({ kind: fc.constant("leaderStart" as const) }),
      fc.record({
        kind: fc.constant("voters" as const),
        voters: fc.array(fc.record({ nodeId: fc.nat(), directoryId: fc.string({ maxLength: 20 }) }), { maxLength: 5 }),
      }),
    );
    const entry = fc.record({ index: fc.maxSafeNat(), term: fc.maxSafeNat(), body });
    fc.assert(
      fc.property(entry, fc.nat(), fc.nat({ max: 7 }), (one, where, bit) => {
        const value = encodeEntry(one);
        const decoded = decodeEntry(value);
        expect(decoded === null ? null : encodeEntry(decoded)).to.deep.equal(value);
        const altered = Uint8Array.from(value);
        altered[where % altered.length] = (altered[where % altered.length] ?? 0) ^ (1 << bit);
        expect(decodeEntry(altered)).to.equal(null);
      }),
    );
  });

  it("takes any bytes for an entry or for none, and throws nothing (property)", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        expect(decodeEntry(bytes)).to.equal(null);
      }),
    );
  });

  it("keeps term and vote as text, and refuses it with one bit flipped, cut or lengthened (property)", () => {
    const states: HardState[] = [
      { term: 0, vote: null },
      { term: 12, vote: { nodeId: 3, directoryId: "q-_A000000000000000000" } },
      { term: Number.MAX_SAFE_INTEGER, vote: null },
    ];
    for (const state of states) {
      const text = Buffer.from(encodeQuorumState(state), "latin1");
      expect(decodeQuorumState(text)).to.deep.equal(state);
      for (let at = 0; at < text.length * 8; at += 1) {
        const altered = Buffer.from(text);
        altered[at >> 3] = (altered[at >> 3] ?? 0) ^ (1 << (at & 7));
        expect(decodeQuorumState(altered), `bit ${at}`).to.equal(null);
      }
      for (let length = 0; length < text.length; length += 1) {
        expect(decodeQuorumState(text.subarray(0, length))).to.equal(null);
      }
      expect(decodeQuorumState(Buffer.concat([text, Buffer.from("\n")]))).to.equal(null);
    }
  });
});
