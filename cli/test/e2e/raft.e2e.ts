/** `raft` against three brokers: the log, the lead, snapshots, seats; and the log of one that has stopped. */
import { readdirSync } from "node:fs";
import { expect } from "chai";
import { runInProcess } from "../support/in-process.ts";
import { DevBroker, type Finished, ScratchDirectory } from "../support/tidemark.ts";

describe("tidemark raft", () => {
  let brokers: DevBroker;
  let scratch: ScratchDirectory;

  before(async () => {
    scratch = new ScratchDirectory();
    brokers = await DevBroker.start(["--brokers", "3", "--data-dir", scratch.join("data"), "--topic", "orders:3:3"]);
  });
  after(async () => {
    await brokers.stop();
    scratch.remove();
  });

  const tidemark = (...args: string[]): Promise<Finished> =>
    runInProcess([...args, "-b", brokers.address], { env: { XDG_CONFIG_HOME: scratch.path } });

  async function rows(...args: string[]): Promise<Record<string, unknown>[]> {
    const { code, stdout, stderr } = await tidemark(...args, "-o", "ndjson");
    expect(code, stderr).to.equal(0);
    const lines = stdout
      .toString()
      .split("\n")
      .filter((line) => line !== "");
    return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  }

  async function refusal(...args: string[]): Promise<Record<string, unknown>> {
    const { code, stderr } = await tidemark(...args, "-o", "json");
    const failure = JSON.parse(stderr.trim().split("\n").at(-1) ?? "") as Record<string, unknown>;
    expect(failure["exitCode"]).to.equal(code);
    return failure;
  }

  const leader = async (): Promise<number> => (await rows("raft", "status"))[0]?.["leader"] as number;
  const typesOf = (entries: readonly Record<string, unknown>[]): unknown[] =>
    entries.flatMap(({ records }) => (records as Record<string, unknown>[]).map(({ type }) => type));

  it("shows what the cluster has decided, from an index, so many, and of one node", async () => {
    const all = await rows("raft", "log", "--from", "0");
    expect(all.map(({ index }) => index)).to.deep.equal(Array.from(all, (_, slot) => slot + 1));
    expect(typesOf(all)).to.include.members(["termStarted", "brokerRegistered", "topicCreated"]);
    expect((await rows("raft", "log", "--from", "3", "-n", "2")).map(({ index }) => index)).to.deep.equal([3, 4]);
    const last = await rows("raft", "log", "-n", "1", "--node", "2");
    expect(last).to.have.length(1);
    expect(await rows("raft", "log", "--from", "-2")).to.have.length(2);
    expect((await tidemark("raft", "log", "--from", "99999")).stderr).to.match(/^the last entry is \d+\n$/u);
    const unknown = { code: "BROKER_ID_NOT_REGISTERED", exitCode: 3, hint: "there are 1, 2, 3" };
    expect(await refusal("raft", "log", "--node", "9")).to.include(unknown);
    const table = (await tidemark("raft", "log", "--from", "0")).stdout.toString();
    expect(table)
      .to.match(/^INDEX +TERM +KIND +TIME +WHAT\n/)
      .and.include("topic orders created, 3 partitions of orders created");
  });

  it("hands the lead to a voter, and says why it does not hand it to others", async () => {
    const target = (await leader()) === 2 ? 3 : 2;
    const [done] = await rows("raft", "transfer-leader", String(target));
    expect(done).to.include({ leader: target });
    expect(await leader()).to.equal(target);
    expect(await refusal("raft", "transfer-leader", "9")).to.include({
      code: "BROKER_ID_NOT_REGISTERED",
      exitCode: 3,
      message: "there is no broker 9; the voters are 1, 2, 3",
    });
  });

  it("has every broker, or one, write a snapshot now", async () => {
    const all = await rows("raft", "snapshot");
    expect(all.map(({ broker }) => broker)).to.deep.equal([1, 2, 3]);
    const [two] = await rows("raft", "snapshot", "2");
    expect(two?.["broker"]).to.equal(2);
    expect(two?.["bytes"]).to.be.greaterThan(100);
    const unknown = { code: "BROKER_ID_NOT_REGISTERED", exitCode: 3, message: "there is no broker 9" };
    expect(await refusal("raft", "snapshot", "2", "9")).to.include(unknown);
    const names = readdirSync(scratch.join("data/broker-2")).filter((name) => name.endsWith(".snapshot"));
    const index = String(two?.["index"]).padStart(20, "0");
    expect(names).to.deep.equal([`raft-${index}-${String(two?.["term"])}.snapshot`]);
  });

  it("takes a vote and gives it back, the leader's too, as often as it is asked", async () => {
    for (const node of [await leader(), 1]) {
      const left = [1, 2, 3].filter((id) => id !== node);
      for (let times = 0; times < 2; times += 1)
        expect((await rows("raft", "remove-voter", String(node)))[0]?.["voters"]).to.deep.equal(left);
      for (let times = 0; times < 2; times += 1)
        expect((await rows("raft", "add-voter", String(node)))[0]?.["voters"]).to.deep.equal([1, 2, 3]);
    }
    const { stderr } = await tidemark("raft", "remove-voter", "3");
    expect(stderr).to.equal("2 voters bear the loss of none, as 1 would: have an odd number\n");
    await rows("raft", "add-voter", "3");
    const kinds = (await rows("raft", "log", "-n", "40")).map(({ kind }) => kind);
    expect(kinds).to.include("voters");
    expect(await refusal("raft", "add-voter", "9")).to.include({ code: "BROKER_ID_NOT_REGISTERED", exitCode: 3 });
    expect(await refusal("raft", "remove-voter", "9")).to.include({ code: "VOTER_NOT_FOUND", exitCode: 3 });
  });

  it("reads the log of a stopped broker and changes nothing there; not that of one that runs", async () => {
    const directory = scratch.join("data/broker-1");
    const running = await tidemark("raft", "log", "--data-dir", directory);
    expect(running.stderr).to.match(/DIRECTORY_LOCKED: .*is in use by the broker with process id \d+/u);
    const told = await rows("raft", "log", "--from", "0", "--node", "1");
    await brokers.stop();
    const before = readdirSync(`${directory}/tidemark-metadata`);
    const stopped = await rows("raft", "log", "--from", "0", "--data-dir", directory);
    expect(readdirSync(`${directory}/tidemark-metadata`)).to.deep.equal(before);
    const contents = (entries: readonly Record<string, unknown>[]): unknown[] =>
      entries.map(({ index, term, kind, records }) => ({ index, term, kind, records }));
    expect(contents(stopped).slice(0, told.length)).to.deep.equal(contents(told));
  });
});
