/** What a running broker publishes at /metrics: the text format of Prometheus, and the numbers of what really happened. */
import { statfsSync } from "node:fs";
import { expect } from "chai";
import type { Broker } from "../../src/index.ts";
import { batch } from "./support/batches.ts";
import { parseMetrics } from "./support/prometheus-text.ts";
import { RawClient } from "./support/raw-client.ts";
import { freshDirectory, removeDirectory, startBroker, startMemoryBroker } from "./support/test-broker.ts";

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

  it("has the same series however often it is asked, by topic and partition too", async () => {
    const end = 'kafka_topic_partition_current_offset{topic="measured",partition="0"}';
    const traffic = 'kafka_server_brokertopicmetrics_messagesin_total{topic="measured"}';
    expect((await scrape("/metrics")).get(end)).to.equal(3);
    for (let i = 0; i < 2; i += 1) {
      const detail = await scrape("/metrics/detail");
      expect(detail.get(end)).to.equal(3);
      expect(detail.get(traffic)).to.equal(3);
      expect(detail.get('kafka_log_log_size{topic="measured",partition="1"}')).to.equal(0);
    }
  });

  it("tells how long requests took, what was refused and why, and how full the disk is", async () => {
    const series = await scrape("/metrics/detail");
    const produce = '{api="Produce",listener="GRPC"}';
    expect(series.get(`tidemark_request_duration_seconds_count${produce}`)).to.equal(2);
    let phases = 0;
    for (const phase of ["queue", "handler", "remote", "response"]) {
      phases +=
        series.get(`tidemark_request_phase_seconds_sum{api="Produce",listener="GRPC",phase="${phase}"}`) ?? Number.NaN;
    }
    expect(phases).to.be.closeTo(series.get(`tidemark_request_duration_seconds_sum${produce}`) ?? 0, 1e-6);
    expect(series.get('tidemark_request_duration_seconds_count{api="CreateTopics",listener="GRPC"}')).to.equal(1);
    expect(series.get("tidemark_produce_batch_bytes_count")).to.equal(1);
    const refused = [...series.keys()].filter((key) => key.startsWith("tidemark_refused_total"));
    expect(refused).to.deep.equal(['tidemark_refused_total{listener="GRPC",stage="produce",reason="CORRUPT_MESSAGE"}']);
    expect(series.get("tidemark_disk_free_bytes")).to.be.above(0);
    expect(series.get("tidemark_disk_total_bytes")).to.be.above(0);
    expect(series.get("kafka_server_raftmetrics_high_watermark")).to.be.above(1);
    expect(series.get("process_cpu_seconds_total")).to.be.above(0.1);
  });

  it("forgets a topic that is deleted, with all its series", async () => {
    await client.createTopic("short-lived");
    const isAbout = (key: string): boolean => key.includes("short-lived");
    expect([...(await scrape("/metrics/detail")).keys()].some(isAbout)).to.equal(true);
    await client.deleteTopics(["short-lived"]);
    expect([...(await scrape("/metrics/detail")).keys()].filter(isAbout)).to.deep.equal([]);
  });
});

describe("/metrics of a broker with a disk", () => {
  it("count syncs and tell the room on the disk", async () => {
    const directory = freshDirectory();
    const broker = await startBroker({ "log.dirs": directory, "tidemark.durability": "group-commit" });
    const client = new RawClient(broker.grpcAddress);
    try {
      await client.createTopic("durable");
      const producer = client.produceStream();
      await producer.opened();
      await producer.produce("durable", batch());
      await producer.end();
      const series = parseMetrics(await (await fetch(`http://${broker.httpAddress}/metrics`)).text());
      const { bavail, blocks, bsize } = statfsSync(directory);
      expect(series.get("tidemark_fsync_duration_seconds_count")).to.be.above(1);
      expect(series.get("tidemark_fsync_duration_seconds_sum")).to.be.above(0);
      expect(series.get("tidemark_raft_append_duration_seconds_count")).to.be.above(0);
      expect(series.get("tidemark_disk_free_bytes")).to.be.closeTo(bavail * bsize, 2 ** 30);
      expect(series.get("tidemark_disk_total_bytes")).to.equal(blocks * bsize);
    } finally {
      client.close();
      await broker.stop();
      removeDirectory(directory);
    }
  });
});
