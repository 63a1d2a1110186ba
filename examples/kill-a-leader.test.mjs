// A test of node's own runner: the leader of a partition dies under an application, and an hour passes in a moment.
//   node --test examples/kill-a-leader.test.mjs
import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import { codecs, topic } from "@tidemark/client";
import { Cluster } from "tidemark/testing";

const orders = topic("orders", { key: codecs.string, value: codecs.json() });
// Clients live in real time: records whose age is looked at carry the time of the brokers.
const stamped = { "message.timestamp.type": "LogAppendTime" };
let cluster;

before(async () => {
  // Three brokers in this process, in memory, whose clock is ours.
  cluster = await Cluster.start({
    clock: "virtual",
    topics: [{ name: "orders", partitions: 1, config: { "retention.ms": "10m", "segment.ms": "1m", ...stamped } }],
  });
});

beforeEach(() => cluster.reset());
after(() => cluster.stop());

test("an order that was acknowledged outlives the leader", async () => {
  const producer = cluster.client().producer();
  await producer.send(orders, { key: "ada", value: { cents: 100 } });

  const leader = await cluster.leaderOf(orders);
  await cluster.broker(leader).kill();
  await producer.send(orders, { key: "bob", value: { cents: 200 } });

  assert.notEqual(await cluster.leaderOf(orders), leader);
  await cluster.expectRecords(orders, [
    { key: "ada", value: { cents: 100 } },
    { key: "bob", value: { cents: 200 } },
  ]);
});

test("an order is gone after an hour", async () => {
  const producer = cluster.client().producer();
  await producer.send(orders, { key: "ada", value: { cents: 100 } });
  await cluster.advance(60 * 60_000);
  await producer.send(orders, { key: "bob", value: { cents: 200 } });
  await cluster.expectRecords(orders, [{ key: "bob" }]);
});
