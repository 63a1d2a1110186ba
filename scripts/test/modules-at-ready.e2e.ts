import { expect } from "chai";
import { loadedAtReady } from "./support/loaded.ts";

/** Each of these costs 14 to 40 ms of start and some MiB, and most brokers never need it. */
const lazy = [
  "@grpc/proto-loader",
  "protobufjs",
  "@grpc/reflection",
  "prom-client",
  "pino",
  "pino-pretty",
  "snappy",
  "lz4-napi",
  "@cloudpss/zstd",
  "cli-progress",
];

/** These belong to commands and pages that most brokers never see. */
const notForStart =
  /^client\/|\/storage\/(?:verify|dump|rehearsal|tools)|\/overlay-disk|\/metric|\/debug\.js|\/tools\.js|\/admin-calls|\/api\/admin|\/where/;
/** And these to brokers that have others beside them. */
const notForOneBroker =
  /\/broker-cluster|\/runtime\/(?:cluster\/|replication\.|replica-fetcher|replication-source|followed-partition|controller-duties|leader-inquiry)|\/listeners\/peer\//;
/**
 * Linked, a module costs no file of its own, but still its compiling: 0.1 ms, or 0.6 where nothing is linked. A file that was
 * split in two counts twice and costs next to nothing more; one that nobody needed at the start costs all of it.
 */
const OWN_MAX = 365;

describe("modules loaded at the ready line", () => {
  it("has grpc-js, and none of those that load at first use (dev --memory)", async () => {
    const { packages } = await loadedAtReady(["--memory"]);
    expect(packages).to.include("@grpc/grpc-js");
    expect(packages.filter((name) => [...lazy, "level", "classic-level"].includes(name))).to.deep.equal([]);
  });

  it("adds only the store when there is a data directory", async () => {
    const { packages, own } = await loadedAtReady(["--data-dir", "{dir}"]);
    expect(packages).to.include.members(["@grpc/grpc-js", "classic-level"]);
    expect(packages.filter((name) => lazy.includes(name))).to.deep.equal([]);
    expect(own.filter((path) => notForStart.test(path))).to.deep.equal([]);
    expect(own.filter((path) => notForOneBroker.test(path))).to.deep.equal([]);
    expect(own.length, "load what only some brokers need when they need it").to.be.within(100, OWN_MAX);
  });
});
