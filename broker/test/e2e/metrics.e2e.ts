/** What a running broker publishes at /metrics: the text format of Prometheus, and the numbers of what really happened. */
import { expect } from "chai";
import type { Broker } from "../../src/index.ts";
import { batch } from "./support/batches.ts";
import { RawClient } from "./support/raw-client.ts";
import { startMemoryBroker } from "./support/test-broker.ts";

/** Series with their values. Throws where the text is none that `promtool check metrics` would take. */
function parseMetrics(text: string): Map<string, number> {
  const types = new Map<string, string>();
  const helped = new Set<string>();
  const series = new Map<string, number>();
  if (!text.endsWith("\n")) throw new Error("the last line does not end");
  for (const line of text.split("\n")) {
    if (line === "") continue;
    const [, word, name = "", rest = ""] = /^# (HELP|TYPE) ([a-zA-Z_:][a-zA-Z0-9_:]*) (.+)$/.exec(line) ?? [];
    if (word === "HELP") {
      if (helped.has(name)) throw new Error(`HELP twice: ${name}`);
      helped.add(name);
    } else if (word === "TYPE") {
      if (types.has(name)) throw new Error(`TYPE twice: ${name}`);
      if (!["counter", "gauge", "histogram", "summary"].includes(rest)) throw new Error(`no type: ${line}`);
      types.set(name, rest);
    } else {
      const sample = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(\{(?:[a-zA-Z_]\w*="(?:[^"\\\n]|\\["\\n])*",?)*\})? (\S+)$/.exec(line);
      if (sample === null) throw new Error(`no sample: ${line}`);
      const [, metric = "", labels = "", value = ""] = sample;
      const family = types.has(metric) ? metric : metric.replace(/_(bucket|sum|count)$/, "");
      if (!types.has(family) || !helped.has(family)) throw new Error(`a sample without HELP and TYPE: ${line}`);
      if (Number.isNaN(Number(value)) && value !== "+Inf" && value !== "NaN") throw new Error(`no number: ${line}`);
      if (types.get(family) === "counter" && !metric.endsWith("_total")) throw new Error(`a counter's name: ${metric}`);
      if (series.has(metric + labels)) throw new Error(`a series twice: ${metric}${labels}`);
      series.set(metric + labels, Number(value));
    }
  }
  return series;
}

describe("/metrics of a running broker", () => {
  let broker: Broker;
  let client: RawClient;

  before(async () => {
    broker = await startMemoryBroker();
    client = new RawClient(broker.grpcAddress);
    await client.createTopic("measured", { partitions: 2 });
    const producer = client.produceStream();
    await producer.opened();
    await producer.produce("measured", batch({ values: ["a", "b", "c"] }));
    await producer.produce("measured", Buffer.from("no batch"));
    await producer.end();
  });

  after(async () => {
    client.close();
    await broker.stop();
  });

  async function scrape(path: string): Promise<Map<string, number>> {
    const response = await fetch(`http://${broker.httpAddress}${path}`);
    expect(response.status).to.equal(200);
    expect(response.headers.get("content-type")).to.match(/^text\/plain; version=0\.0\.4/);
    return parseMetrics(await response.text());
  }

  it("is well-formed, and tells what was produced and refused", async () => {
    const series = await scrape("/metrics");
    expect(Object.fromEntries(series)).to.include({
      kafka_server_brokertopicmetrics_messagesin_total: 3,
      kafka_server_brokertopicmetrics_totalproducerequests_total: 2,
      kafka_server_brokertopicmetrics_failedproducerequests_total: 1,
      tidemark_produce_batches_total: 1,
      kafka_log_logmanager_offlinelogdirectorycount: 0,
      'kafka_topic_partitions{topic="measured"}': 2,
      'tidemark_connections{listener="GRPC"}': 1,
    });
    expect(series.get("kafka_server_brokertopicmetrics_bytesin_total")).to.equal(
      batch({ values: ["a", "b", "c"] }).length,
    );
  });

  it("has a series per partition in the detail only, each once, however often it is asked", async () => {
    const end = 'kafka_topic_partition_current_offset{topic="measured",partition="0"}';
    expect((await scrape("/metrics")).has(end)).to.equal(false);
    for (let i = 0; i < 2; i += 1) expect((await scrape("/metrics/detail")).get(end)).to.equal(3);
  });
});
