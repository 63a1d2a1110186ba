/** A process that uses every part of the SDK once, closes its client, and has nothing left to do. */
import { Client, codecs, topic } from "../../src/index.ts";

const words = topic("words", { value: codecs.string });
const client = new Client(process.argv[2] ?? "");
await client.ready();
const producer = client.producer();
await producer.send(words, { value: "a" });
producer.enqueue(words, { value: "b" });
await producer.flush();
for await (const { value } of client.reader(words, { follow: true })) if (value === "b") break;
const reader = client.reader(words, { from: "latest", follow: true });
const waiting = reader[Symbol.asyncIterator]().next();
await client.admin.cluster().catch(() => {});
await client.close();
await waiting;
const timers = process.getActiveResourcesInfo().filter((name) => name === "Timeout");
process.stdout.write(`closed with ${timers.length} timers\n`);
