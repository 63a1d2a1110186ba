/** What a running broker writes to its log. */
import { expect } from "chai";
import { loadConfig } from "../../src/config/index.ts";
import { createBroker } from "../../src/index.ts";
import { createLogger, LogLevels } from "../../src/platform/index.ts";
import { batch } from "./support/batches.ts";
import { RawClient } from "./support/raw-client.ts";

interface Line {
  readonly msg: string;
  readonly component: string;
  readonly [field: string]: unknown;
}

describe("the log of a broker", () => {
  it("begins with what is set and where it came from, says when it is ready, and nothing of a request", async () => {
    const lines: Line[] = [];
    const loaded = loadConfig({
      profile: "server",
      env: { TIDEMARK_LOG_LEVEL: "info", TIDEMARK_SLOW_REQUEST_MS: "5" },
      file: { path: "server.properties", text: "tidemark.log.levels = storage=error\nmax.connections = 77\n" },
      flags: { "node.id": "4", listeners: "GRPC://127.0.0.1:0" },
    });
    if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
    const { config } = loaded;
    const logger = createLogger({
      level: new LogLevels(config.logLevel, config.logLevels),
      nodeId: config.nodeId,
      write: (line) => void lines.push(JSON.parse(line) as Line),
    });
    const broker = await createBroker({ config, memory: true, logger });
    await broker.start();
    const [first] = lines;
    expect(first).to.include({ level: "info", node: 4, component: "broker", msg: "effective configuration" });
    expect(first?.["settings"]).to.deep.equal({
      "log.level": { value: "info", source: "environment" },
      "max.connections": { value: "77", source: "file" },
      "tidemark.log.levels": { value: "storage=error", source: "file" },
      "tidemark.slow.request.ms": { value: "5", source: "environment" },
      "node.id": { value: "4", source: "flag" },
      listeners: { value: "GRPC://127.0.0.1:0", source: "flag" },
    });
    expect(first?.["defaults"]).to.equal(config.sources.size - 6);
    expect(lines.map(({ msg }) => msg)).to.include.members(["this node decides on the cluster's metadata", "ready"]);
    const before = lines.length;
    const client = new RawClient(broker.grpcAddress);
    await client.createTopic("quiet");
    const producer = client.produceStream();
    await producer.opened();
    for (let i = 0; i < 50; i++) await producer.produce("quiet", batch());
    await producer.end();
    client.close();
    // A busy machine makes requests slow and holds up the event loop, and that is told.
    const ofTheMachine = new Set(["slow request", "the event loop was held up"]);
    const spoken = lines.slice(before).filter(({ msg }) => !ofTheMachine.has(msg));
    expect(spoken, "no line per request").to.deep.equal([]);
    await broker.stop();
  });

  it("says of each address that others are told whether it answers, and which key is wrong (15.4(3))", async () => {
    const loaded = loadConfig({
      profile: "server",
      env: {},
      flags: {
        "node.id": "4",
        listeners: "GRPC://127.0.0.1:0,HTTP://127.0.0.1:0",
        "advertised.listeners": "GRPC://127.0.0.1:1,HTTP://127.0.0.1:0",
      },
    });
    if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
    const told: Line[] = [];
    let done: () => void = () => undefined;
    const both = new Promise<void>((resolve) => (done = resolve));
    const write = (line: string): void => {
      const parsed = JSON.parse(line) as Line;
      if (parsed.msg.startsWith("others are told") && told.push(parsed) === 2) done();
    };
    const logger = createLogger({ level: new LogLevels("info", []), nodeId: 4, write });
    const broker = await createBroker({ config: loaded.config, memory: true, logger });
    await broker.start();
    await both;
    const of = (listener: string): Line | undefined => told.find((line) => line["listener"] === listener);
    expect(of("GRPC")).to.deep.include({ level: "warn", key: "advertised.listeners", address: "127.0.0.1:1" });
    expect(of("GRPC")?.["reason"]).to.equal("connect ECONNREFUSED 127.0.0.1:1");
    expect(of("HTTP")).to.deep.include({ level: "info", address: broker.httpAddress, source: "advertised.listeners" });
    await broker.stop();
  });
});
