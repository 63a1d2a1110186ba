/** The commands that move partitions, against four real brokers in one process. */
import { Client } from "@tidemark/client";
import { expect } from "chai";
import { readFileSync, writeFileSync } from "node:fs";
import { type InProcessOptions, runInProcess } from "../support/in-process.ts";
import { DevBroker, type Finished, ScratchDirectory } from "../support/tidemark.ts";

interface Failure {
  readonly code: string;
  readonly message: string;
  readonly hint: string | null;
}

interface PlanFile {
  readonly version: number;
  readonly partitions: readonly { readonly topic: string; readonly partition: number; readonly replicas: number[] }[];
}

describe("tidemark moving partitions", () => {
  let dev: DevBroker;
  let client: Client;
  let scratch: ScratchDirectory;
  let count = 0;

  before(async () => {
    scratch = new ScratchDirectory();
    dev = await DevBroker.start(["--memory", "--brokers", "4", "--peer-port", "0"]);
    client = new Client({ brokers: dev.ready.brokers.map(({ grpc }) => grpc) });
  });
  after(async () => {
    await client.close();
    await dev.stop();
    scratch.remove();
  });

  const tidemark = (args: readonly string[], options: InProcessOptions = {}): Promise<Finished> =>
    runInProcess([...args, "-b", dev.address], { ...options, env: { XDG_CONFIG_HOME: scratch.path } });
  async function done(...args: string[]): Promise<Finished> {
    const finished = await tidemark(args);
    expect(finished.code, `${args.join(" ")}: ${finished.stderr}`).to.equal(0);
    return finished;
  }
  async function plan(...args: string[]): Promise<PlanFile> {
    return JSON.parse((await done(...args, "-o", "json")).stdout.toString());
  }
  async function failure(code: number, ...args: string[]): Promise<Failure> {
    const finished = await tidemark([...args, "-o", "json"]);
    expect(finished.code, finished.stderr).to.equal(code);
    expect(finished.stdout.toString()).to.equal("");
    return JSON.parse(finished.stderr.trim().split("\n").at(-1) ?? "");
  }
  async function newTopic(assignment: readonly (readonly number[])[]): Promise<string> {
    const name = `moved-${count++}`;
    await client.admin.topics.create({ name, assignment });
    await using producer = client.producer();
    for (const [partition] of assignment.entries())
      await producer.send(name, { partition, value: `record ${partition}` });
    return name;
  }
  async function replicasOf(name: string): Promise<number[][]> {
    const { detail } = await client.admin.topics.describe(name);
    return detail.sort((a, b) => a.partition - b.partition).map(({ replicas }) => replicas);
  }

  it("shows a plan and changes nothing, applies the very same file, and goes back by the one it wrote", async () => {
    const name = await newTopic([
      [1, 2],
      [2, 1],
    ]);
    const planned = await plan("partitions", "reassign", "--topics", name, "--brokers", "3,4", "--dry-run");
    expect(planned.version).to.equal(1);
    expect(planned.partitions.map(({ topic, partition }) => [topic, partition])).to.deep.equal([
      [name, 0],
      [name, 1],
    ]);
    for (const { replicas } of planned.partitions) expect(replicas).to.have.members([3, 4]);
    expect(await replicasOf(name)).to.deep.equal([
      [1, 2],
      [2, 1],
    ]);
    const [file, back] = [scratch.join(`${name}.json`), scratch.join(`${name}-back.json`)];
    writeFileSync(file, JSON.stringify(planned));
    const table = await done("partitions", "reassign", "--plan", file, "--dry-run");
    expect(table.stdout.toString()).to.match(/TOPIC +PARTITION +CURRENT +TARGET +TO COPY\n/);
    expect(table.stderr).to.include("4 replicas of 2 partitions").and.include("nothing was changed (--dry-run)");

    const applied = await done("partitions", "reassign", "--plan", file, "--rollback", back, "--wait", "--yes");
    expect(applied.stderr).to.include("2 partitions moved");
    expect(await replicasOf(name)).to.deep.equal(planned.partitions.map(({ replicas }) => replicas));

    // The other way round what -o json writes is the way back.
    const way = await plan("partitions", "reassign", "--plan", back, "--throttle", "50MB/s", "--wait", "--yes");
    expect(way).to.deep.equal(planned);
    expect(await replicasOf(name)).to.deep.equal([
      [1, 2],
      [2, 1],
    ]);
    const read = await done("consume", name, "--from", "start", "--until", "end");
    expect(read.stdout.toString().trim().split("\n").toSorted()).to.deep.equal(["record 0", "record 1"]);
    expect((await done("partitions", "reassign", "--plan", back, "--yes")).stderr).to.include("nothing has to move");
  });

  it("takes the throttle away when it is over, and leaves an operator's own as it was", async () => {
    const name = await newTopic([[1, 2]]);
    const key = "follower.replication.throttled.rate";
    await client.admin.configs.alter({ type: "broker", id: 2 }, { set: { [key]: "123456789" } });
    await done(
      "partitions",
      "reassign",
      "--topics",
      name,
      "--brokers",
      "3,4",
      "--throttle",
      "5MB/s",
      "--wait",
      "--yes",
    );
    const rates = await Promise.all(
      [1, 2, 3, 4].map(async (id) => {
        const entries = await client.admin.configs.get({ type: "broker", id });
        return entries.filter((entry) => entry.name.includes("throttled") && entry.source === "broker");
      }),
    );
    expect(rates.map((entries) => entries.map(({ name: own, value }) => [own, value]))).to.deep.equal([
      [],
      [[key, "123456789"]],
      [],
      [],
    ]);
    await client.admin.configs.alter({ type: "broker", id: 2 }, { delete: [key] });
  });

  it("leaves the throttle with moves that nobody waits for, and says how it goes away", async () => {
    const name = await newTopic([[1, 2]]);
    const begun = await done(
      "partitions",
      "reassign",
      "--topics",
      name,
      "--brokers",
      "3,4",
      "--throttle",
      "5MB/s",
      "--yes",
    );
    expect(begun.stderr).to.include("stays in force until").and.include("the way back, for --plan: {");
    const waited = await done("partitions", "reassignments", "--wait");
    expect(waited.stderr).to.match(/the throttle of brokers 1, 2, 3, 4 is taken away/);
    expect((await replicasOf(name))[0]).to.have.members([3, 4]);
  });

  it("needs --yes where nobody can be asked, and has moved nothing then", async () => {
    const name = await newTopic([[1, 2]]);
    const { code } = await failure(2, "partitions", "reassign", "--topics", name, "--brokers", "3,4");
    expect(code).to.equal("NEEDS_CONFIRMATION");
    expect(await replicasOf(name)).to.deep.equal([[1, 2]]);
  });

  it("names what is wrong with a plan: the file, a topic, a partition, a broker", async () => {
    const name = await newTopic([[1, 2]]);
    const file = scratch.join("wrong.json");
    const planned = async (code: number, topic: string, partition: number, replicas: number[]): Promise<Failure> => {
      writeFileSync(file, JSON.stringify({ version: 1, partitions: [{ topic, partition, replicas }] }));
      return failure(code, "partitions", "reassign", "--plan", file, "--dry-run");
    };
    expect(await planned(3, name.slice(0, -1), 0, [1])).to.deep.include({ code: "UNKNOWN_TOPIC_OR_PARTITION" });
    expect((await planned(3, `${name}x`, 0, [1])).hint).to.equal(`did you mean ${name}?`);
    expect((await planned(3, name, 7, [1])).message).to.equal(`topic ${name} has no partition 7`);
    expect((await planned(2, name, 0, [1, 9])).message).to.include("9");
    writeFileSync(file, "{}");
    expect(await failure(2, "partitions", "reassign", "--plan", file)).to.include({ code: "INVALID_PLAN" });
    const missing = scratch.join("missing.json");
    expect(await failure(3, "partitions", "reassign", "--plan", missing)).to.include({ code: "FILE_NOT_FOUND" });
    const directory = await failure(3, "partitions", "reassign", "--plan", scratch.path);
    expect(directory).to.include({ code: "EISDIR", message: `${scratch.path} is a directory` });
    expect(await failure(3, "partitions", "reassign", "--topics", name, "--brokers", "9", "--yes")).to.include({
      code: "BROKER_ID_NOT_REGISTERED",
    });
    expect(await failure(2, "partitions", "reassign", "--topics", name, "--yes")).to.include({ code: "USAGE" });
    expect(await failure(2, "partitions", "reassign", "--plan", file, "--topics", name)).to.include({ code: "USAGE" });
  });

  it("warns of a min.insync.replicas that the replicas cannot be, and takes it as Kafka does", async () => {
    const name = await newTopic([[1, 2, 3]]);
    const said = (topic: string, minIsr: number): string =>
      `warning: min.insync.replicas of ${topic} is ${minIsr}, and it has 3 replicas: ` +
      "writes with acks=all are refused as soon as one of the 3 is not in sync\n";
    for (const dryRun of [["--dry-run"], []]) {
      const { stderr } = await done("configs", "set", `topic/${name}`, "min.insync.replicas=7", ...dryRun);
      expect(stderr).to.include(said(name, 7));
    }
    expect((await done("topics", "alter", name, "-c", "min.insync.replicas=4")).stderr).to.include(said(name, 4));
    expect((await done("topics", "alter", name, "-c", "min.insync.replicas=3")).stderr).to.equal("");
    const made = await done("topics", "create", `${name}-made`, "-r", "3", "-c", "min.insync.replicas=5");
    expect(made.stderr).to.include(said(`${name}-made`, 5));
    await using producer = client.producer();
    expect((await producer.send(`${name}-made`, { value: "all three are there" })).offset).to.equal(0);
  });

  it("does not write the way back over a file that is there, and moves nothing then", async () => {
    const name = await newTopic([[1, 2]]);
    const back = scratch.join("back.json");
    writeFileSync(back, "mine");
    const flags = ["--topics", name, "--brokers", "3,4", "--rollback", back, "--yes"];
    expect(await failure(4, "partitions", "reassign", ...flags)).to.include({ code: "FILE_EXISTS" });
    expect(await failure(4, "cluster", "drain", "4", "--rollback", back, "--yes")).to.include({ code: "FILE_EXISTS" });
    expect(readFileSync(back, "utf8")).to.equal("mine");
    expect(await replicasOf(name)).to.deep.equal([[1, 2]]);
    const { brokers } = await client.admin.cluster();
    expect(brokers.filter(({ draining }) => draining)).to.deep.equal([]);
  });

  it("reads a plan from standard input", async () => {
    const name = await newTopic([[1, 2]]);
    const stdin = JSON.stringify({ partitions: [{ topic: name, partition: 0, replicas: [2, 1] }] });
    const { code, stderr } = await tidemark(["partitions", "reassign", "--plan", "-", "--wait", "--yes"], { stdin });
    expect(code, stderr).to.equal(0);
    expect(await replicasOf(name)).to.deep.equal([[2, 1]]);
  });

  it("has nothing to show, cancel or wait for when nothing moves", async () => {
    for (const flags of [[], ["--cancel"], ["--wait"], ["--cancel", "--dry-run"]])
      expect((await done("partitions", "reassignments", ...flags)).stderr).to.include("nothing moves");
    const name = await newTopic([[1, 2]]);
    const { code } = await failure(3, "partitions", "reassignments", `${name}:0`, "--cancel");
    expect(code).to.equal("NO_REASSIGNMENT_IN_PROGRESS");
  });

  it("drains a broker, which then gets nothing new, and lets it have replicas again", async () => {
    const name = await newTopic([
      [4, 1],
      [2, 4],
    ]);
    const before = await replicasOf(name);
    await done("cluster", "drain", "4", "--dry-run");
    expect(await replicasOf(name)).to.deep.equal(before);
    const drained = await done("cluster", "drain", "4", "--wait", "--yes");
    expect(drained.stderr).to.include("broker 4 has no replicas");
    expect((await replicasOf(name)).flat()).to.not.include(4);
    const brokers = await done("cluster", "brokers");
    expect(brokers.stdout.toString()).to.match(/^ +4 .*alive, draining .* 0 +0 /m);
    const fresh = await client.admin.topics.create({ name: `${name}-fresh`, partitions: 8, replicas: 3 });
    expect(fresh[0]?.detail.flatMap(({ replicas }) => replicas)).to.not.include(4);

    const running = await failure(4, "cluster", "remove", "4", "--yes");
    expect(running).to.include({ code: "BROKER_IN_USE" });
    await done("cluster", "undrain", "4");
    const balanced = await done("partitions", "balance", "--wait", "--yes");
    expect(balanced.stderr).to.include("moved");
    const counts = (await client.admin.cluster()).brokers.map(({ replicas }) => replicas);
    expect(Math.max(...counts) - Math.min(...counts)).to.be.at.most(1);
    expect((await done("partitions", "balance", "--yes")).stderr).to.include("nothing has to move");
  });

  it("says what to do where a broker cannot be drained, since every broker has a replica", async () => {
    const name = await newTopic([[1, 2, 3, 4]]);
    const refused = await failure(2, "cluster", "drain", "4", "--yes");
    expect(refused["message"]).to.equal(`${name}-0 has 4 replicas, and 3 brokers may have them: 1, 2, 3`);
    expect(refused["hint"]).to.match(/^start another broker first, or give the partition fewer replicas/u);
    const narrow = await failure(2, "partitions", "reassign", "--topics", name, "--brokers", "1,2", "--yes");
    expect(narrow["hint"]).to.match(/^name more brokers; --plan changes how many replicas a partition has/u);
    await client.admin.topics.delete(name);
  });

  it("tells the version of every broker in the JSON of `cluster info`", async () => {
    const { stdout } = await done("cluster", "info", "-o", "json");
    const { brokers } = JSON.parse(stdout.toString()) as { brokers: { version: string | null }[] };
    expect(brokers.map(({ version }) => typeof version)).to.deep.equal(["string", "string", "string", "string"]);
  });

  it("names what stands in the way of removing a broker, first things first, and knows who is there", async () => {
    const { code, message, hint } = await failure(4, "cluster", "remove", "1", "--yes");
    expect(code).to.equal("BROKER_IN_USE");
    expect(message).to.match(/^broker 1 has \d+ replicas$/);
    expect(hint).to.equal("tidemark cluster drain 1 --wait");
    for (const verb of ["drain", "undrain", "remove"]) {
      const unknown = await failure(3, "cluster", verb, "9", "--yes");
      expect(unknown, verb).to.include({ code: "BROKER_ID_NOT_REGISTERED" });
    }
  });
});
