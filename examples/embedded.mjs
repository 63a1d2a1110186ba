// A broker, a producer and a reader in one process. The data lies in a directory of its own and survives the program.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createBroker } from "@tidemark/broker";
import { Client, codecs, topic } from "@tidemark/client";

const directory = await mkdtemp(join(tmpdir(), "tidemark-embedded-"));
const readings = topic("readings", { key: codecs.string, value: codecs.json() });

// Keys are those of docs/configuration.md. Without `listeners` there is one door, on a free port of this machine.
const broker = await createBroker({ config: { "log.dirs": directory, "num.partitions": 3 } });
await broker.start();
const client = new Client(broker.grpcAddress);
try {
  const producer = client.producer();
  const result = await producer.sendAll(
    readings,
    ["north", "south", "north", "west"].map((sensor, index) => ({ key: sensor, value: { celsius: 20 + index } })),
  );
  result.throwIfFailed();

  for await (const { partition, offset, key, value } of client.reader(readings, { from: "earliest", to: "end" })) {
    console.log(`${key} ${value.celsius} (partition ${partition}, offset ${offset})`);
  }
} finally {
  await client.close();
  await broker.stop();
  await rm(directory, { recursive: true });
}
