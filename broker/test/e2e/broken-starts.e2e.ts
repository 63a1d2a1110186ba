/** Starts that fail half way, and starts that a fault overtakes: what they had taken is given back, and nothing is forgotten. */
import fs from "node:fs";
import net from "node:net";
import path from "node:path";
import { expect } from "chai";
import { createBroker } from "../../src/index.ts";
import { FileDisk } from "../../src/platform/index.ts";
import { DiskFault } from "../../src/ports/index.ts";
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
});
