/** EIO of every operation that a running broker needs (3.8(1)): the broker ends, with the operation and the file; no marker lies. */
import { expect } from "chai";
import type { FatalFault } from "../../src/index.ts";
import { FileDisk, LevelStore } from "../../src/platform/index.ts";
import { DiskFault } from "../../src/ports/index.ts";
import type { Disk, File, KeyValueStore } from "../../src/ports/index.ts";
import { batch } from "./support/batches.ts";
import { overriding } from "./support/held-syncs.ts";
import { RawClient } from "./support/raw-client.ts";
import { freshDirectory, removeDirectory, startBroker } from "./support/test-broker.ts";

/** Real files; from `break` on one operation on the files that match ends with EIO. */
class BreakableDisk {
  readonly disk: Disk;
  #operation = "";
  #path = /$/u;

  constructor() {
    const real = new FileDisk();
    const guard = (operation: string, path: string): void => {
      if (this.#isBroken(operation, path)) throw new DiskFault("EIO", operation, path);
    };
    this.disk = overriding<Disk>(real, {
      open: (path, mode) => {
        guard("open", path);
        return this.#wrap(real.open(path, mode), path);
      },
      rename: (from, to) => {
        guard("rename", to);
        real.rename(from, to);
      },
      mkdir: (path) => {
        guard("mkdir", path);
        real.mkdir(path);
      },
      syncDirectory: (path, done) => {
        if (this.#isBroken("syncDirectory", path)) setImmediate(done, new DiskFault("EIO", "syncDirectory", path));
        else real.syncDirectory(path, done);
      },
    });
  }

  break(operation: string, path: RegExp): void {
    this.#operation = operation;
    this.#path = path;
  }

  #isBroken(operation: string, path: string): boolean {
    return this.#operation === operation && this.#path.test(path);
  }

  #wrap(file: File, path: string): File {
    const faultOf = (operation: string): DiskFault | null =>
      this.#isBroken(operation, path) ? new DiskFault("EIO", operation, path) : null;
    return overriding<File>(file, {
      readSync: (into, at) => {
        const fault = faultOf("read");
        if (fault !== null) throw fault;
        return file.readSync(into, at);
      },
      read: (into, at, done) => {
        const fault = faultOf("read");
        if (fault === null) file.read(into, at, done);
        else setImmediate(done, fault, 0);
      },
      writevSync: (buffers, at) => {
        const fault = faultOf("write");
        if (fault !== null) throw fault;
        return file.writevSync(buffers, at);
      },
      writev: (buffers, at, done) => {
        const fault = faultOf("write");
        if (fault === null) file.writev(buffers, at, done);
        else setImmediate(done, fault, 0);
      },
      datasync: (done) => {
        const fault = faultOf("datasync");
        if (fault === null) file.datasync(done);
        else setImmediate(done, fault);
      },
    });
  }
}

/** By what a user does when it happens. */
const ACTS = {
  produce: (client: RawClient) => produce(client, 8),
  read: (client: RawClient) => client.listOffset("t", 1_600_000_000_000).then(() => fetchFirst(client)),
  "create a topic": (client: RawClient) => client.createTopic("other"),
  "delete a topic": (client: RawClient) => client.deleteTopics(["t"]),
} as const;

async function produce(client: RawClient, count: number): Promise<void> {
  const producer = client.produceStream();
  await producer.opened();
  for (let i = 0; i < count; i++) await producer.produce("t", batch({ values: ["x".repeat(40_000)] }));
}

async function fetchFirst(client: RawClient): Promise<void> {
  const reader = client.fetchStream();
  reader.send({ creditBytes: 1024 * 1024 });
  reader.subscribe(1, "t", 0);
  await reader.part();
}

describe("EIO under a running broker (3.8(1))", () => {
  let directory: string;

  beforeEach(() => {
    directory = freshDirectory();
  });

  afterEach(() => {
    removeDirectory(directory);
  });

  for (const [operation, path, act] of [
    ["write", /\.log$/u, "produce"],
    ["open", /0{10,}[1-9]\d*\.log$/u, "produce"],
    ["datasync", /\.log$/u, "produce"],
    ["read", /t-0\/.*\.(log|index|timeindex)$/u, "read"],
    ["mkdir", /other-0$/u, "create a topic"],
    ["write", /other-0\//u, "create a topic"],
    ["syncDirectory", /other-0$/u, "create a topic"],
    ["rename", /t-0\..*-delete$/u, "delete a topic"],
    ["syncDirectory", /tidemark-e2e-[^/]+$/u, "delete a topic"],
  ] as const) {
    it(`of ${operation} ${path.source}, when somebody wants to ${act}`, async () => {
      const flags = { "log.dirs": directory, "log.segment.bytes": "1048576", "tidemark.durability": "group-commit" };
      let broker = await startBroker(flags);
      let client = new RawClient(broker.grpcAddress);
      await client.createTopic("t");
      await produce(client, 40);
      client.close();
      await broker.stop();

      const faults: FatalFault[] = [];
      const breakable = new BreakableDisk();
      let tell: () => void = () => undefined;
      const told = new Promise<void>((resolve) => {
        tell = resolve;
      });
      broker = await startBroker(flags, {
        world: { disk: breakable.disk },
        onFatal: (fault) => {
          faults.push(fault);
          tell();
        },
      });
      client = new RawClient(broker.grpcAddress);
      breakable.break(operation, path);
      // Whether it is answered, and how, is another story.
      const acting = ACTS[act](client).catch(() => undefined);
      await told;
      expect(broker.isReady).to.equal(false);
      client.close();
      await broker.stop();
      await acting;
      expect(faults).to.have.length(1);
      expect(faults[0]).to.include({ code: "DISK_FAULT", exitCode: 74 });
      expect(faults[0]?.message).to.match(new RegExp(`failed: ${operation} .*: EIO$`, "u"));
      const disk = new FileDisk();
      expect(disk.sizeOf(`${directory}/.kafka_cleanshutdown`), "no clean marker").to.equal(null);
      const isSync = operation === "datasync" || operation === "syncDirectory";
      expect(disk.sizeOf(`${directory}/.sync-failed`) !== null, "a failed sync is marked").to.equal(isSync);
      await (await startBroker(flags)).stop();
    });
  }

  it("of the metadata store ends the broker as METADATA_FAULT, and the change is answered as not made (10.1(1))", async () => {
    let isBroken = false;
    const openStore = async (path: string, options: { readonly createIfMissing: boolean }): Promise<KeyValueStore> => {
      const store = await LevelStore.open(path, options);
      return overriding<KeyValueStore>(store, {
        batch: (operations, sync) =>
          isBroken ? Promise.reject(new DiskFault("EIO", "batch", path)) : store.batch(operations, sync),
      });
    };
    const told = new Promise<FatalFault>((resolve) => {
      void startBroker({ "log.dirs": directory }, { world: { openStore }, onFatal: resolve }).then(async (broker) => {
        isBroken = true;
        const client = new RawClient(broker.grpcAddress);
        await client.createTopic("t").catch(() => undefined);
        client.close();
        await told;
        await broker.stop();
      });
    });
    const { code, exitCode, message } = await told;
    expect([code, exitCode]).to.deep.equal(["METADATA_FAULT", 74]);
    expect(message).to.match(/metadata can no longer be stored: batch .*tidemark-metadata: EIO$/u);
  });
});
