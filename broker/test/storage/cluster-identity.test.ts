import { expect } from "chai";
import { SeededRandom } from "../../src/base/index.ts";
import { MemoryDirectoryLocks, MemoryDisk } from "../../src/platform/index.ts";
import type { DirectoryLocks, Disk } from "../../src/ports/index.ts";
import { SimDisk, SimulatedCrash, SimWorld } from "../../src/sim/index.ts";
import {
  type ClaimedDirectory,
  type ClaimOptions,
  claimDirectory,
  completeBirth,
  readIdentity,
  StorageError,
} from "../../src/storage/index.ts";
import { overriding } from "../e2e/support/held-syncs.ts";

const PATH = "/data";
const META = `${PATH}/meta.properties`;

function options(disk: Disk, over: Partial<ClaimOptions> = {}): ClaimOptions {
  const random = new SeededRandom(5);
  return {
    path: PATH,
    disk,
    locks: new MemoryDirectoryLocks(),
    random: (count) => random.bytes(new Uint8Array(count)),
    nodeId: 1,
    ...over,
  };
}

function put(disk: Disk, path: string, text: string): void {
  const file = disk.open(path, "create");
  file.truncateSync(0);
  file.writevSync([Buffer.from(text)], 0);
  file.closeSync();
}

function textOf(disk: Disk, path: string): string {
  const file = disk.open(path, "read");
  const bytes = Buffer.alloc(file.size);
  file.readSync(bytes, 0);
  file.closeSync();
  return bytes.toString();
}

/** Name and content of every file of the data directory. */
function contentOf(disk: Disk): string[] {
  return disk
    .list(PATH)
    .map((name) => `${name}: ${disk.isDirectory(`${PATH}/${name}`) ? "" : textOf(disk, `${PATH}/${name}`)}`);
}

async function refusalOf(claim: Promise<ClaimedDirectory>): Promise<StorageError> {
  try {
    await claim;
  } catch (error: unknown) {
    if (error instanceof StorageError) return error;
    throw error;
  }
  throw new Error("not refused");
}

/** A memory disk with a directory that belongs to node 1 of cluster `c1`. */
async function bornDisk(): Promise<MemoryDisk> {
  const disk = new MemoryDisk();
  const { identity, lock } = await claimDirectory(options(disk));
  await completeBirth(disk, PATH, identity, "c1");
  await lock.release();
  return disk;
}

const DIRECTORY_ID = "AAAAAAAAAAAAAAAAAAAAAA";

describe("claimDirectory", () => {
  it("makes the directory above it together with others that start at the same time", async () => {
    const disk = new MemoryDisk();
    const racing = overriding<Disk>(disk, {
      mkdir: (path) => {
        // Another was faster.
        if (path === "/shared") disk.mkdir(path);
        disk.mkdir(path);
      },
    });
    const { identity } = await claimDirectory(options(racing, { path: "/shared/b1" }));
    expect(identity.nodeId).to.equal(1);
  });

  it("makes the directory on a first start, with a directory id and without a cluster", async () => {
    const disk = new MemoryDisk();
    const { identity } = await claimDirectory(options(disk, { path: "/srv/tidemark/data" }));
    expect(identity).to.include({ clusterId: null, nodeId: 1 });
    expect(identity.directoryId).to.match(/^[A-Za-z0-9_-]{22}$/);
    expect(readIdentity(disk, "/srv/tidemark/data")).to.deep.equal(identity);
  });

  it("writes Java properties with Kafka's keys", async () => {
    const disk = await bornDisk();
    const [comment, ...lines] = textOf(disk, META).split("\n");
    expect(comment).to.match(/^#/);
    expect(lines.slice(0, 3)).to.deep.equal(["version=1", "cluster.id=c1", "node.id=1"]);
    expect(lines[3]).to.match(/^directory\.id=[A-Za-z0-9_-]{22}$/);
  });

  it("keeps the directory id over starts, and keys that it does not know", async () => {
    const disk = new MemoryDisk();
    disk.mkdir(PATH);
    put(
      disk,
      META,
      `#Kafka wrote this\n#Mon Jan 01\nnode.id=1\nother\\ key=x\\=y\nversion=1\ndirectory.id=${DIRECTORY_ID}\n`,
    );
    const { identity } = await claimDirectory(options(disk));
    expect(identity).to.deep.equal({
      clusterId: null,
      nodeId: 1,
      directoryId: DIRECTORY_ID,
      newClusterId: null,
      otherKeys: [["other key", "x=y"]],
    });
    const born = await completeBirth(disk, PATH, identity, "c1");
    expect(readIdentity(disk, PATH)).to.deep.equal(born);
    expect(born.otherKeys).to.deep.equal(identity.otherKeys);
  });

  it("keeps the name that was chosen for a cluster until it is born, and refuses one that is no id", async () => {
    const disk = new MemoryDisk();
    await claimDirectory(options(disk, { newClusterId: DIRECTORY_ID })).then(({ lock }) => lock.release());
    const identity = readIdentity(disk, PATH);
    if (identity === null) throw new Error("nothing was written");
    expect(identity).to.include({ clusterId: null, newClusterId: DIRECTORY_ID });
    await completeBirth(disk, PATH, identity, DIRECTORY_ID);
    expect(readIdentity(disk, PATH)).to.include({ clusterId: DIRECTORY_ID, newClusterId: null });
    put(disk, META, `version=1\nnode.id=1\ndirectory.id=${DIRECTORY_ID}\nnew.cluster.id=short\n`);
    expect(() => readIdentity(disk, PATH)).to.throw("new.cluster.id is short");
  });

  it("refuses a directory of another cluster or node, names both, and has written and locked nothing", async () => {
    const locks: DirectoryLocks = { acquire: () => Promise.reject(new Error("the lock was asked for")) };
    const disk = await bornDisk();
    const before = contentOf(disk);
    const cluster = await refusalOf(claimDirectory(options(disk, { locks, clusterId: "c2" })));
    expect([cluster.code, cluster.path]).to.deep.equal(["INCONSISTENT_CLUSTER_ID", PATH]);
    expect(cluster.message).to.contain("c1").and.to.contain("c2");
    const node = await refusalOf(claimDirectory(options(disk, { locks, nodeId: 2 })));
    expect(node.code).to.equal("INCONSISTENT_NODE_ID");
    expect(node.message).to.contain("node 1").and.to.contain("node 2");
    expect(contentOf(disk)).to.deep.equal(before);
  });

  it("reads again behind the lock: what another process wrote meanwhile is refused, and the lock given back", async () => {
    const disk = new MemoryDisk();
    const inner = new MemoryDirectoryLocks();
    const locks: DirectoryLocks = {
      async acquire(directory) {
        put(disk, META, `version=1\ncluster.id=c9\nnode.id=9\ndirectory.id=${DIRECTORY_ID}\n`);
        return inner.acquire(directory);
      },
    };
    expect((await refusalOf(claimDirectory(options(disk, { locks })))).code).to.equal("INCONSISTENT_NODE_ID");
    expect((await inner.acquire(PATH)).ok).to.equal(true);
  });

  it("refuses a directory that is in use, naming the owner's process", async () => {
    const disk = await bornDisk();
    const refused = (ownerPid: number | null) =>
      refusalOf(claimDirectory(options(disk, { locks: { acquire: async () => ({ ok: false, ownerPid }) } })));
    expect((await refused(4711)).code).to.equal("DIRECTORY_LOCKED");
    expect((await refused(4711)).message).to.contain("4711");
    expect((await refused(null)).message).to.contain("another broker");
    const locks = new MemoryDirectoryLocks();
    await claimDirectory(options(disk, { locks }));
    expect((await refusalOf(claimDirectory(options(disk, { locks })))).code).to.equal("DIRECTORY_LOCKED");
  });

  it("refuses a directory that holds anything and no meta.properties, but for names that are nobody's", async () => {
    const disk = new MemoryDisk();
    disk.mkdir(PATH);
    for (const name of [".pid", ".hidden", "meta.properties.tmp"]) put(disk, `${PATH}/${name}`, "x");
    for (const name of ["lost+found", "tidemark-lock"]) disk.mkdir(`${PATH}/${name}`);
    expect(readIdentity(disk, PATH)).to.equal(null);
    for (const name of ["tidemark-metadata", "orders-0", "thesis.doc"]) {
      put(disk, `${PATH}/${name}`, "x");
      const refused = await refusalOf(claimDirectory(options(disk)));
      expect([refused.code, refused.message.includes(name)]).to.deep.equal(["DIRECTORY_NOT_EMPTY", true]);
      disk.unlink(`${PATH}/${name}`);
    }
  });

  it("refuses a malformed meta.properties, naming the file and what is wrong", async () => {
    const good = { version: "1", "cluster.id": "c1", "node.id": "1", "directory.id": DIRECTORY_ID };
    const malformed: [text: string, what: string][] = [
      ["", "version is missing"],
      ["\u0000\u0000\u0000", "version is missing"],
      [textWith(good, { version: "2" }), "version is 2"],
      [textWith(good, { "node.id": "one" }), "node.id is one"],
      [textWith(good, { "node.id": "-1" }), "node.id is -1"],
      [textWith(good, { "directory.id": "short" }), "directory.id is short"],
      [textWith(good, { "cluster.id": "" }), "cluster.id is empty"],
      [`${textWith(good, {})}node.id=2\n`, "node.id stands twice"],
      ["version=1\nnode.id=1\n", "directory.id is missing"],
      ["version=\\u00", "line 1"],
    ];
    for (const [text, what] of malformed) {
      const disk = new MemoryDisk();
      disk.mkdir(PATH);
      put(disk, META, text);
      const refused = await refusalOf(claimDirectory(options(disk)));
      expect([refused.code, refused.path], what).to.deep.equal(["MALFORMED_META_PROPERTIES", META]);
      expect(refused.message).to.contain(what);
      expect(textOf(disk, META)).to.equal(text);
    }
  });

  function textWith(good: Record<string, string>, over: Record<string, string>): string {
    return Object.entries({ ...good, ...over })
      .map(([key, value]) => `${key}=${value}\n`)
      .join("");
  }
});

describe("the birth of a directory (power failure at any operation)", () => {
  /** The whole birth; answers both ids, or null when the machine died in the middle. */
  async function bear(world: SimWorld, disk: Disk): Promise<string | null> {
    let outcome: string | null = null;
    const birth = async (): Promise<void> => {
      const { identity } = await claimDirectory(options(disk));
      const { directoryId, clusterId } = await completeBirth(disk, PATH, identity, "c1");
      outcome = `${directoryId} ${clusterId}`;
    };
    birth().catch((error: unknown) => {
      if (!(error instanceof SimulatedCrash)) throw error;
    });
    await world.runUntilIdle();
    return outcome;
  }

  it("leaves nothing, a directory id, or all of it: never half a file, and never a second id", async () => {
    const left = new Set<string>();
    for (let seed = 1; seed <= 150; seed++) {
      const random = new SeededRandom(seed);
      const world = new SimWorld(random);
      const medium = new SimDisk({ random, mode: random.pick(["strict", "journal"]) });
      const disk = medium.mount(world.startProcess());
      medium.crashAfterOperations(random.between(1, 24));
      const answered = await bear(world, disk);
      medium.restart("power");

      const next = medium.mount(world.startProcess());
      const found = next.isDirectory(PATH) ? readIdentity(next, PATH) : null;
      left.add(found === null ? "nothing" : found.clusterId === null ? "directory id" : "all");
      if (answered !== null) expect(`${found?.directoryId} ${found?.clusterId}`, `seed ${seed}`).to.equal(answered);
      const completed = await bear(world, next);
      expect(completed, `seed ${seed}`).to.match(/ c1$/);
      if (found !== null) expect(completed, `seed ${seed}`).to.equal(`${found.directoryId} c1`);
    }
    expect([...left].sort()).to.deep.equal(["all", "directory id", "nothing"]);
  });
});
