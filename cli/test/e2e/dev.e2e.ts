import { expect } from "chai";
import { existsSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer, type Server } from "node:net";
import { once } from "node:events";
import { runInProcess } from "../support/in-process.ts";
import {
  DevBroker,
  type Finished,
  finished,
  firstLine,
  run,
  ScratchDirectory,
  start,
  steadyPort,
} from "../support/tidemark.ts";

/** What it says, but for what a busy machine makes it say. */
function ofDev(stderr: string): string {
  return stderr.replaceAll(/^.*"the event loop was held up".*\n/gm, "");
}

describe("tidemark dev", () => {
  let scratch: ScratchDirectory;
  let broker: DevBroker | null = null;
  beforeEach(() => {
    scratch = new ScratchDirectory();
  });
  afterEach(async () => {
    await broker?.stop("SIGKILL");
    broker = null;
    scratch.remove();
  });

  it("says in one JSON line where it is, when a record really went in and out", async () => {
    broker = await DevBroker.start(["--memory", "--topic", "orders:6:1", "--topic", "audit"]);
    expect(broker.ready).to.have.all.keys("event", "clusterId", "brokers");
    expect(broker.ready.clusterId).to.match(/^[A-Za-z0-9_-]{22}$/);
    expect(broker.ready.brokers).to.have.lengthOf(1);
    const [only] = broker.ready.brokers;
    expect(only).to.have.all.keys("id", "pid", "grpc", "http");
    expect(only?.pid).to.equal(broker.process.pid);
    expect(only?.grpc).to.match(/^127\.0\.0\.1:[1-9]\d*$/);
    expect(only?.http).to.match(/^127\.0\.0\.1:[1-9]\d*$/);
    const listed = await broker.run(["topics", "list", "--no-headers"]);
    expect(
      listed.stdout
        .toString()
        .split("\n")
        .map((line) => line.split(/ +/).slice(0, 2).join(" ")),
    ).to.deep.equal(["audit 1", "orders 6", ""]);
    const { stdout } = await broker.stop();
    expect(stdout.toString().trim().split("\n")).to.have.lengthOf(1);
  });

  it("prints one line for people without -o", async () => {
    const child = start(["dev", "--brokers", "1", "--memory", "--grpc-port", "0", "--http-port", "0"]);
    const ended = finished(child);
    const [line] = await once(child.stdout, "data");
    expect(String(line)).to.match(
      /^ready: broker 1 of cluster \S{22}  grpc 127\.0\.0\.1:\d+  http 127\.0\.0\.1:\d+  try: tidemark topics create orders -b 127\.0\.0\.1:\d+\n$/,
    );
    child.kill("SIGTERM");
    expect(await ended).to.include({ code: 143 });
  });

  it("stops cleanly on SIGTERM (143) and SIGINT (130), and keeps its data", async () => {
    const data = scratch.join("data");
    broker = await DevBroker.start(["--data-dir", data]);
    const { clusterId } = broker.ready;
    expect(await broker.run(["produce", "t"], { stdin: "kept\n" })).to.include({ code: 0 });
    expect(await broker.stop("SIGTERM")).to.include({ code: 143 });
    expect(existsSync(`${data}/.kafka_cleanshutdown`)).to.equal(true);
    broker = await DevBroker.start(["--data-dir", data]);
    expect(broker.ready.clusterId).to.equal(clusterId);
    const read = await broker.run(["consume", "t", "--from", "start", "--until", "end"]);
    expect(read.stdout.toString()).to.equal("kept\n");
    expect(await broker.stop("SIGINT")).to.include({ code: 130 });
    expect(existsSync(`${data}/.kafka_cleanshutdown`)).to.equal(true);
  });

  it("names the process that holds the data directory", async () => {
    const data = scratch.join("data");
    broker = await DevBroker.start(["--data-dir", data]);
    const second = await run(["dev", "--brokers", "1", "--data-dir", data, "--grpc-port", "0", "--http-port", "0"]);
    expect(second.code).to.equal(4);
    expect(second.stderr).to.match(/^error: DIRECTORY_LOCKED: /);
    expect(second.stderr).to.include(`process id ${broker.process.pid}`);
    expect(second.stdout.length).to.equal(0);
    expect(await broker.run(["produce", "t"], { stdin: "still alive\n" })).to.include({ code: 0 });
  });

  it("names the process that holds a port, and leaves the directory clean", async () => {
    const server: Server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const address = server.address();
    const port = String(typeof address === "object" ? address?.port : 0);
    try {
      for (const flag of ["--grpc-port", "--http-port"]) {
        const other = flag === "--grpc-port" ? "--http-port" : "--grpc-port";
        const refused = await run([
          "dev",
          "--brokers",
          "1",
          "--data-dir",
          scratch.join("data"),
          flag,
          port,
          other,
          "0",
          "-o",
          "json",
        ]);
        expect(refused.code).to.equal(4);
        const error = JSON.parse(refused.stderr);
        expect(error).to.include({ code: "PORT_IN_USE" });
        expect(error.message).to.include(port);
        if (process.platform === "linux") expect(error.message).to.include(`pid ${process.pid}`);
        expect(error.hint).to.include(`${flag} 0`);
      }
    } finally {
      server.close();
    }
    broker = await DevBroker.start(["--data-dir", scratch.join("data")]);
  });

  it("is missed when it is killed: a consumer says so once, and goes on with the next one", async () => {
    const data = scratch.join("data");
    const port = String(await steadyPort());
    broker = await DevBroker.start(["--data-dir", data, "--grpc-port", port]);
    await broker.run(["produce", "t"], { stdin: "before\n" });
    const consumer = start(["consume", "t", "--from", "start", "-n", "2", "-b", broker.address]);
    const ended = finished(consumer);
    await once(consumer.stdout, "data");
    const noticed = once(consumer.stderr, "data");
    await broker.stop("SIGKILL");
    await noticed;
    broker = await DevBroker.start(["--data-dir", data, "--grpc-port", port]);
    await broker.run(["produce", "t"], { stdin: "after\n" });
    const { code, stdout, stderr } = await ended;
    expect(code).to.equal(0);
    expect(stdout.toString()).to.equal("before\nafter\n");
    expect(stderr).to.match(/^warning: a fetch stream ended: .*; trying again\n$/);
  });

  it("is missed when it is killed: a producer that is stopped then says what had no answer", async () => {
    broker = await DevBroker.start(["--memory", "--topic", "t"]);
    const producer = start(["produce", "t", "-b", broker.address]);
    const ended = finished(producer);
    producer.stdin.write("kept\n");
    const seen = await broker.run(["consume", "t", "--from", "start", "-n", "1", "--timeout", "120s"]);
    expect(seen.stdout.toString(), `${seen.code} ${seen.stderr}`).to.equal("kept\n");
    const noticed = once(producer.stderr, "data");
    await broker.stop("SIGKILL");
    await noticed;
    // More than a pipe holds: when it is gone, most of it has been read.
    await new Promise((resolve) => producer.stdin.write("lost\n".repeat(100_000), resolve));
    producer.kill("SIGINT");
    const { code, stderr } = await ended;
    expect(code).to.equal(130);
    expect(stderr).to.include("produced 1 record to t: ");
    expect(stderr).to.match(/^[\d,]+ more records had no answer when it stopped: they may be in the log or not$/m);
  });

  it("starts those whose data lies there, and refuses another number of them", async () => {
    const [alone, group] = [scratch.join("alone"), scratch.join("group")];
    const dev = (data: string, ...flags: string[]): Promise<Finished> =>
      runInProcess(["dev", "--data-dir", data, "--grpc-port", "0", ...flags]);
    broker = await DevBroker.start(["--data-dir", alone, "--topic", "broker:2:1"]);
    const { clusterId } = broker.ready;
    await broker.stop();
    const three = await dev(alone, "--brokers", "3");
    expect(three.code).to.equal(4);
    expect(three.stderr).to.match(
      /^error: WRONG_BROKER_COUNT: .*alone, which cannot become one of 3\nhint: leave --brokers out/,
    );
    // As `npm start` does.
    const child = start(["dev", "--data-dir", alone, "--grpc-port", "0", "-o", "json"]);
    const ended = finished(child);
    const ready = JSON.parse(await firstLine(child));
    child.kill("SIGTERM");
    expect(ready.brokers).to.have.lengthOf(1);
    expect(ready.clusterId).to.equal(clusterId);
    expect(ofDev((await ended).stderr)).to.match(/^\S+ holds the data of a broker alone: it is started as it is; /);

    broker = await DevBroker.start(["--data-dir", group, "--brokers", "2"]);
    await broker.stop();
    const one = await dev(group, "--brokers", "1");
    expect(one.code).to.equal(4);
    expect(one.stderr).to.match(
      /^error: WRONG_BROKER_COUNT: .* a cluster of 2 brokers, and 1 of them .*\nhint: leave --brokers out/,
    );
    const verified = await runInProcess(["logs", "verify", group]);
    expect(verified.stderr).to.include(`name one, such as ${group}/broker-1`);
  });

  it("takes any free ports for all doors with --grpc-port 0, and says so where a port is busy", async () => {
    const group = ["dev", "--brokers", "2", "--memory"];
    const server: Server = createServer().listen(await steadyPort(), "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    try {
      const refused = await run([...group, "--grpc-port", String(port), "--http-port", "0", "--peer-port", "0"]);
      expect(refused.stderr).to.match(
        /^hint: stop that process, or run beside it with --grpc-port 0 for any free ports$/m,
      );
      expect(refused.code).to.equal(4);
    } finally {
      server.close();
    }
    broker = await DevBroker.start(["--brokers", "2", "--memory", "--grpc-port", "0"]);
    const beside = await DevBroker.start(["--brokers", "2", "--memory", "--grpc-port", "0"]);
    expect(await beside.stop()).to.include({ code: 143 });
    const { code, stderr } = await broker.stop();
    expect(code).to.equal(143);
    expect(ofDev(stderr), "brokers that start and stop together do not miss each other").to.equal(
      '{"warning":"of 2 brokers that vote neither may fail, of 3 one may"}\n',
    );
  });

  it("loads records into the topics that they name, once", async () => {
    const file = scratch.join("seed.ndjson");
    const lines = [
      { topic: "orders", partition: 2, key: "a", value: "one" },
      { topic: "audit", value: "AAE=", valueEncoding: "base64" },
      { topic: "orders", partition: 0, value: null, key: "b" },
    ];
    writeFileSync(file, `${lines.map((line) => JSON.stringify(line)).join("\n\n")}\n`);
    const flags = ["--data-dir", scratch.join("data"), "--load", file];
    for (const said of [
      '{"event":"loaded","topic":"orders","records":2}\n{"event":"loaded","topic":"audit","records":1}\n',
      '{"event":"loaded","topic":"orders","records":null}\n{"event":"loaded","topic":"audit","records":null}\n',
    ]) {
      broker = await DevBroker.start(flags);
      const read = await broker.run(["consume", "orders", "--from", "start", "--until", "end", "-o", "ndjson"]);
      const { stderr } = await broker.stop();
      expect(ofDev(stderr)).to.equal(said);
      const found = read.stdout
        .toString()
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line));
      expect(found.map(({ partition, key, value }) => [partition, key, value])).to.have.deep.members([
        [0, "b", null],
        [2, "a", "one"],
      ]);
    }
    writeFileSync(file, '{"topic":"t","value":"x"}\n{"value":"y"}\n');
    const refused = await runInProcess(["dev", ...flags]);
    expect(refused.code).to.equal(2);
    expect(refused.stderr).to.match(/^error: USAGE: line 2 of \S+: the envelope has no `topic`$/m);
  });

  it("is no client: -b is most likely --brokers", async () => {
    const refused = await runInProcess(["dev", "--broker", "1"]);
    expect(refused.code).to.equal(2);
    expect(refused.stderr).to.match(/^error: USAGE: .*\nhint: did you mean --brokers 1\?$/m);
  });

  it("refuses settings that make no sense, naming key and value", async () => {
    const refused = await runInProcess(["dev", "--brokers", "1", "--memory", "--grpc-port", "0", "--http-port", "0"], {
      env: { TIDEMARK_LOG_SEGMENT_BYTES: "many" },
    });
    expect(refused.code).to.equal(2);
    expect(refused.stderr).to.match(/^error: INVALID_CONFIG: log\.segment\.bytes=many: /);
  });

  it("runs a production broker from a file, the environment and --set", async () => {
    const config = scratch.join("server.properties");
    writeFileSync(
      config,
      `node.id=7\nlog.dirs=${scratch.join("data")}\nlisteners=GRPC://127.0.0.1:0,HTTP://127.0.0.1:0\nnum.partitions=2\n`,
    );
    const child = start(["server", "start", "--config", config, "--set", "num.partitions=4", "-o", "json"], {
      env: { KAFKA_NUM_PARTITIONS: "3" },
    });
    const ended = finished(child);
    const [line] = await once(child.stdout, "data");
    const ready = JSON.parse(String(line));
    expect(ready.brokers[0].id).to.equal(7);
    await runInProcess(["produce", "t", "-b", ready.brokers[0].grpc], { stdin: "x\n" });
    const described = await runInProcess(["topics", "describe", "t", "-o", "json", "-b", ready.brokers[0].grpc]);
    expect(JSON.parse(described.stdout.toString()).partitions).to.equal(4);
    child.kill("SIGTERM");
    expect(await ended).to.include({ code: 143 });
  });
});
