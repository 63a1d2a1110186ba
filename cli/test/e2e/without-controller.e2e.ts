/** A cluster whose brokers run, and do not reach each other: what an operator is told, and how soon. */
import { Client } from "@tidemark/client";
import { expect } from "chai";
import { once } from "node:events";
import { runInProcess } from "../support/in-process.ts";
import { MemoryCluster } from "../support/memory-cluster.ts";
import { finished, start } from "../support/tidemark.ts";

const WAITING = /no controller: 1 of 3 voters answers; waiting for brokers \d, \d/u;

describe("a cluster without a controller", () => {
  let cluster: MemoryCluster;

  before(async () => {
    cluster = await MemoryCluster.start();
    await using client = new Client({ brokers: cluster.bootstrap });
    await client.admin.topics.create({ name: "before", partitions: 1, replicas: 3 });
    for (const from of [1, 2, 3]) for (const to of [1, 2, 3]) if (from !== to) cluster.network.cut(from, to);
    // Until each of them, the leader last, knows nobody who leads, and has for the second that may be an election.
    for (let since: number | null = null; since === null || performance.now() - since < 1_000; ) {
      const { nodes } = await client.admin.raft.status();
      if (nodes.every(({ role }) => role === "candidate")) since ??= performance.now();
      await new Promise((resolve) => void setTimeout(resolve, 100));
    }
  });
  after(() => cluster[Symbol.asyncDispose]());

  const run = (...args: string[]) => runInProcess([...args, "-b", cluster.bootstrap]);

  it("refuses a change with the cause, at the end of --timeout", async () => {
    const { code, stderr } = await run("topics", "create", "soon", "--timeout", "10s");
    expect(code, stderr).to.equal(1);
    expect(stderr).to.match(new RegExp(`^error: NOT_CONTROLLER: ${WAITING.source}$`, "mu"));
    expect(stderr).to.match(/^hint: .*`tidemark raft status`/mu);
  });

  it("shows what is known, and says how old it is", async () => {
    for (const args of [
      ["cluster", "info"],
      ["partitions", "list"],
      ["topics", "list"],
      ["topics", "describe", "before"],
    ]) {
      const { code, stdout, stderr } = await run(...args);
      expect(code, stderr).to.equal(0);
      expect(stdout.toString(), args.join(" ")).to.not.equal("");
      expect(stderr, args.join(" ")).to.match(
        /warning: this may be out of date: as of metadata offset \d+, \d+ s old; no controller\n/u,
      );
    }
    const { stdout } = await run("cluster", "info", "-o", "json");
    const [info] = [JSON.parse(stdout.toString())].flat() as { staleMs: number; controller: null }[];
    expect(info?.controller).to.equal(null);
    expect(info?.staleMs).to.be.above(999);
  });

  it("makes the change once there is one again", async () => {
    // A process of its own, whose warning is seen when it comes: then it has asked at least once.
    const child = start(["topics", "create", "after", "-r", "1", "--timeout", "10m", "-b", cluster.bootstrap]);
    const ended = finished(child);
    for (let told = ""; !told.includes("nothing can be changed yet"); )
      // oxlint-disable-next-line no-await-in-loop
      told += String((await once(child.stderr, "data"))[0]);
    cluster.network.heal();
    const { code, stderr } = await ended;
    expect(stderr).to.match(/^warning: nothing can be changed yet: no controller: .*; trying again$/mu);
    expect(code, stderr).to.equal(0);
    const { stderr: said } = await run("cluster", "info");
    expect(said).to.equal("");
  });
});
