/** Starts that fail half way, and starts that a fault overtakes: what they had taken is given back, and nothing is forgotten. */
import fs from "node:fs";
import net from "node:net";
import path from "node:path";
import { expect } from "chai";
import { Broker, createBroker } from "../../src/index.ts";
import type { FatalFault } from "../../src/index.ts";
import { FileDisk, LevelStore } from "../../src/platform/index.ts";
import { DiskFault } from "../../src/ports/index.ts";
import type { Disk, DiskFaultKind } from "../../src/ports/index.ts";
import type { ReplicaId } from "../../src/raft/index.ts";
import { openRaftStore, readIdentity } from "../../src/storage/index.ts";
import { RawClient } from "./support/raw-client.ts";
import { steadyPort } from "./support/steady-port.ts";
import { freshDirectory, removeDirectory, startBroker, testConfig } from "./support/test-broker.ts";

/** Real files; directories of that name cannot be synced. */
class UnsyncableDisk extends FileDisk {
  readonly #path: RegExp;

  constructor(path: RegExp) {
    super();
    this.#path = path;
  }

  override syncDirectory(directory: string, done: (fault: DiskFault | null) => void): void {
    if (!this.#path.test(directory)) super.syncDirectory(directory, done);
    else setImmediate(() => done(new DiskFault("EIO", "syncDirectory", directory)));
  }
}

/** A change of voters at the end of a stopped broker's metadata log. */
async function appendVoters(directory: string, voters: readonly ReplicaId[]): Promise<void> {
  const disk = new FileDisk();
  const { store, stored } = await openRaftStore({
    directory,
    disk,
    openStore: (at, options) => LevelStore.open(at, options),
  });
  const last = stored.entries.at(-1) ?? stored.snapshot;
  const entry = { index: last.index + 1, term: last.term, body: { kind: "voters" as const, voters } };
  await store.write({ hardState: null, chunk: null, snapshot: null, entries: [entry] });
  await store.close();
}

describe("a start that fails", () => {
  let directory: string;

  beforeEach(() => {
    directory = freshDirectory();
  });

  afterEach(() => {
    removeDirectory(directory);
  });

  const markerOf = (): string => fs.readFileSync(path.join(directory, ".kafka_cleanshutdown"), "utf8");

  it("leaves the clean marker as it found it when the broker had not registered anew (9(4))", async () => {
    await (await startBroker({ "log.dirs": directory })).stop();
    const marker = markerOf();
    expect(marker).to.match(/"brokerEpoch":\d+/u);
    const occupant = net.createServer();
    await new Promise<void>((resolve) => occupant.listen(0, "127.0.0.1", resolve));
    const { port } = occupant.address() as net.AddressInfo;
    const refused = await createBroker({
      config: testConfig({ "log.dirs": directory, listeners: `GRPC://127.0.0.1:${port},HTTP://127.0.0.1:0` }),
    });
    const code = await refused.start().then(
      () => "started",
      (error: Error & { code: string }) => error.code,
    );
    await new Promise((resolve) => occupant.close(resolve));
    expect(code).to.equal("EADDRINUSE");
    expect(markerOf()).to.equal(marker);
  });

  it("is not ready when the disk failed meanwhile, and its directory is free again", async () => {
    const faults: string[] = [];
    const broker = await createBroker({
      config: testConfig({ "log.dirs": directory }),
      world: { disk: new UnsyncableDisk(/__tidemark_ready-0$/u) },
      onFatal: ({ code }) => faults.push(code),
    });
    const code = await broker.start().then(
      () => "started",
      (error: Error & { code: string }) => error.code,
    );
    expect(broker.isReady).to.equal(false);
    expect(code).to.equal("DISK_FAULT");
    await broker.stop();
    expect(faults).to.deep.equal([]);
    await (await startBroker({ "log.dirs": directory })).stop();
  });

  const refusalOf = async (broker: Broker): Promise<[string, string]> => {
    try {
      await broker.start();
    } catch (error: unknown) {
      const { code, message } = error as Error & { code: string };
      return [code, message];
    }
    await broker.stop();
    return ["started", ""];
  };
  const at = async (dataDirectory: string, disk: Disk = new FileDisk()): Promise<[string, string]> =>
    refusalOf(new Broker({ config: testConfig({ "log.dirs": dataDirectory }), world: { disk } }));

  it("says that a file stands where the data directory should be, or on the way to it", async () => {
    const file = path.join(directory, "file");
    fs.writeFileSync(file, "");
    expect(await at(file)).to.deep.equal(["NOT_A_DIRECTORY", `${file} is a file, and a directory is needed there`]);
    const [code, message] = await at(path.join(file, "below"));
    expect([code, message.includes(file)]).to.deep.equal(["NOT_A_DIRECTORY", true]);
  });

  it("says that a path is too long", async () => {
    const long = path.join(directory, "x".repeat(300));
    const [code, message] = await at(long);
    expect(code).to.equal("PATH_TOO_LONG");
    expect(message).to.include("longer than the file system takes").and.to.include(long);
  });

  for (const [errno, code, words] of [
    ["EACCES", "PERMISSION_DENIED", "no permission to mkdir"],
    ["EPERM", "PERMISSION_DENIED", "forbids this user to mkdir"],
    ["EROFS", "READ_ONLY_DISK", "is mounted read-only"],
    ["ENOSPC", "DISK_FULL", "is full: no room to start"],
    ["EMFILE", "TOO_MANY_OPEN_FILES", "ulimit -n"],
    ["EIO", "DISK_FAULT", "failed: mkdir"],
    ["ESTALE", "DISK_FAULT", "stale file handle"],
  ] as const) {
    it(`says what ${errno} means, as ${code}`, async () => {
      const below = path.join(directory, "data");
      const cause = Object.assign(new Error("stale file handle"), { code: errno });
      const kind: DiskFaultKind = errno === "EPERM" || errno === "ESTALE" ? "other" : errno;
      const disk = new FileDisk();
      disk.mkdir = (): never => {
        throw new DiskFault(kind, "mkdir", below, { cause });
      };
      const [found, message] = await at(below, disk);
      expect(found).to.equal(code);
      expect(message).to.include(words).and.to.include(below);
    });
  }

  it("calls a metadata store whose CURRENT is garbage damaged, not missing", async () => {
    await (await startBroker({ "log.dirs": directory })).stop();
    const current = path.join(directory, "tidemark-metadata/CURRENT");
    for (const garbage of ["garbage", "MANIFEST-999999\n"]) {
      fs.writeFileSync(current, garbage);
      const [code, message] = await at(directory);
      expect(code).to.equal("METADATA_LOST");
      expect(message).to.include("cannot be opened").and.to.include("nothing was changed");
    }
    fs.rmSync(current);
    expect((await at(directory))[1]).to.include("is missing");
  });

  it("names the voters of the directory's cluster where the configuration names none, and starts once it is alone", async () => {
    await (await startBroker({ "log.dirs": directory })).stop();
    const { directoryId } = readIdentity(new FileDisk(), directory) ?? { directoryId: "" };
    const own = { nodeId: testConfig().nodeId, directoryId };
    const others = [2, 3].map((nodeId) => ({ nodeId, directoryId: `directory-${nodeId}` }));
    await appendVoters(directory, [own, ...others]);
    const [code, message] = await at(directory);
    expect(code).to.equal("INVALID_CONFIG");
    expect(message).to.include("voters are 1, 2, 3").and.to.include("controller.quorum.voters");
    // What a quorum that shrank to one leaves behind.
    await appendVoters(directory, [own]);
    await (await startBroker({ "log.dirs": directory })).stop();
  });

  it("names each voter that it waits for, with its address and what became of the dial", async () => {
    await (await startBroker({ "log.dirs": directory })).stop();
    const { directoryId } = readIdentity(new FileDisk(), directory) ?? { directoryId: "" };
    const own = { nodeId: testConfig().nodeId, directoryId };
    await appendVoters(directory, [own, ...[2, 3].map((nodeId) => ({ nodeId, directoryId: `directory-${nodeId}` }))]);
    const peerPort = await steadyPort();
    let broker: Broker | null = null;
    const waiting = new Promise<string>((resolve) => {
      const config = testConfig({
        "log.dirs": directory,
        listeners: `GRPC://127.0.0.1:0,HTTP://127.0.0.1:0,PEER://127.0.0.1:${peerPort}`,
        "controller.quorum.voters": `${own.nodeId}@127.0.0.1:${peerPort},2@127.0.0.1:1,3@no-such-host.invalid:9392`,
      });
      const onWaiting = (whom: readonly string[]): void => {
        if (whom.length >= 3) resolve(whom.join("; "));
      };
      void createBroker({ config, onWaiting }).then(async (made) => {
        broker = made;
        await made.start().catch(() => undefined);
      });
    });
    const whom = await waiting;
    expect(whom).to.include("a controller; ");
    expect(whom).to.include("node 2 at 127.0.0.1:1 (connect ECONNREFUSED 127.0.0.1:1)");
    expect(whom).to.match(/node 3 at no-such-host\.invalid:9392 \(getaddrinfo \w+ no-such-host\.invalid\)/u);
    await (broker as Broker | null)?.stop();
  });

  it("is refused in words after a stop: a broker starts once", async () => {
    const broker = await startBroker({ "log.dirs": directory });
    await broker.stop();
    const [code, message] = await refusalOf(broker);
    expect(code).to.equal("BROKER_STOPPED");
    expect(message).to.include("createBroker()");
    const never = new Broker({ config: testConfig({ "log.dirs": directory }) });
    await never.stop();
    expect((await refusalOf(never))[0]).to.equal("BROKER_STOPPED");
  });
});

describe("a data directory that is removed under a running broker", () => {
  it("ends the broker with a reason that says so", async () => {
    const directory = freshDirectory();
    const told = new Promise<FatalFault>((resolve) => {
      void startBroker({ "log.dirs": directory }, { onFatal: resolve }).then(async (broker) => {
        removeDirectory(directory);
        const client = new RawClient(broker.grpcAddress);
        await client
          .admin("createTopics", {
            topics: [{ name: "t", partitions: 1, replicationFactor: 1, assignment: [], config: {}, creationId: "" }],
            timeoutMs: 1,
            validateOnly: false,
          })
          .catch(() => null);
        client.close();
        await told;
        await broker.stop().catch(() => undefined);
      });
    });
    const { code, exitCode, message } = await told;
    expect([code, exitCode]).to.deep.equal(["DISK_FAULT", 74]);
    expect(message).to.equal(`the data directory ${directory} is gone: somebody removed it under the running broker`);
  });
});
