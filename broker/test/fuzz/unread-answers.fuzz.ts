/**
 * Answers that nobody reads, and answers that take long to make. Passes when what the broker holds of the former stays within its
 * bound, and when it lets the event loop go in the middle of the latter.
 */
import { expect } from "chai";
import http2 from "node:http2";
import type { AdminCalls, AdminMethod } from "@tidemark/proto";
import { ADMIN_METHODS } from "@tidemark/proto";
import { loadAdminService } from "@tidemark/proto/control";
import { asMs, type Ms } from "../../src/base/index.ts";
import type { Broker } from "../../src/index.ts";
import { SystemClock } from "../../src/platform/index.ts";
import { parseMetrics } from "../e2e/support/prometheus-text.ts";
import { RawClient } from "../e2e/support/raw-client.ts";
import { startBroker } from "../e2e/support/test-broker.ts";
import { keptBytes } from "../support/garbage.ts";

const MEBIBYTE = 1024 * 1024;
const TOPICS = Array.from({ length: 400 }, (_, i) => `topic-${i}`);

/** What this process has worked, however long that took. */
function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

function encoded<Method extends AdminMethod>(method: Method, request: AdminCalls[Method]["request"]): Buffer {
  const definition = Object.values(loadAdminService()).find(({ path }) => path === ADMIN_METHODS[method]);
  if (definition === undefined) throw new Error(`no method ${method}`);
  return definition.requestSerialize(request);
}

/** Whoever looks at it sees more time gone: how many slices work is cut into depends on the work alone. */
class WorkClock extends SystemClock {
  #lookedMs = 0;
  stepMs = 0;

  override monotonicNow(): Ms {
    this.#lookedMs += this.stepMs;
    return asMs(super.monotonicNow() + this.#lookedMs);
  }
}

describe("large answers", () => {
  const clock = new WorkClock();
  let broker: Broker;
  let client: RawClient;

  before(async () => {
    broker = await startBroker(
      { "queued.max.request.bytes": String(8 * MEBIBYTE) },
      { memory: true, world: { clock } },
    );
    client = new RawClient(broker.grpcAddress);
    const topics = TOPICS.map((name) => ({
      name,
      partitions: 1,
      replicationFactor: -1,
      assignment: [],
      config: {},
      creationId: "",
    }));
    await client.admin("createTopics", { topics, validateOnly: false, timeoutMs: 0 });
  });

  after(async () => {
    client.close();
    await broker.stop();
  });

  it("that nobody reads: the oldest calls are ended, and others are served", async () => {
    const session = http2.connect(`http://${broker.grpcAddress}`, { settings: { initialWindowSize: 0 } });
    session.on("error", () => undefined);
    const body = encoded("describeTopics", { names: TOPICS.slice(0, 50) });
    const prefix = Buffer.alloc(5);
    prefix.writeUInt32BE(body.length, 1);
    let ended = 0;
    const calls = Array.from({ length: 120 }, () => {
      const stream = session.request({
        ":method": "POST",
        ":path": ADMIN_METHODS.describeTopics,
        "content-type": "application/grpc",
        te: "trailers",
      });
      stream.on("error", () => undefined);
      stream.once("close", () => ended++);
      stream.end(Buffer.concat([prefix, body]));
      return stream;
    });
    const refused = 'tidemark_refused_total{listener="GRPC",stage="response",reason="THROTTLING_QUOTA_EXCEEDED"}';
    let count = 0;
    // 120 answers of 150 KB or more are 18 MB and more; 8 MiB of them are kept.
    while (count < 50) {
      const text = await (await fetch(`http://${broker.httpAddress}/metrics`)).text();
      count = parseMetrics(text).get(refused) ?? 0;
    }
    expect((await client.admin("describeTopics", { names: TOPICS })).results).to.have.length(TOPICS.length);
    while (ended < count) await new Promise((resolve) => setImmediate(resolve));
    expect(calls.at(-1)?.closed).to.equal(false);
    session.destroy();
  });

  it("leave the event loop its turns while they are made", async () => {
    clock.stepMs = 1;
    const resources = TOPICS.map((name) => ({ type: "topic", name, keys: [] }));
    for (const [method, request] of [
      ["describeTopics", encoded("describeTopics", { names: TOPICS })],
      ["describeConfigs", encoded("describeConfigs", { resources })],
    ] as const) {
      let isDone = false;
      let turns = 0;
      await keptBytes();
      const startedAt = cpuMs();
      const answer = client.unary(ADMIN_METHODS[method], request).then(() => (isDone = true));
      let longest = 0;
      let turnedAt = startedAt;
      while (!isDone) {
        await new Promise((resolve) => setImmediate(resolve));
        const now = cpuMs();
        longest = Math.max(longest, now - turnedAt);
        turnedAt = now;
        turns++;
      }
      await answer;
      expect(turns, method).to.be.above(60);
      // Made in one stretch, it is nearly all of the work.
      expect(longest / (turnedAt - startedAt), method).to.be.below(0.5);
    }
    clock.stepMs = 0;
  });
});
