// Lines into a topic, and a topic as lines.
//
//     node examples/tail.mjs write TOPIC        standard input, line by line, until it ends
//     node examples/tail.mjs read TOPIC [N]     from the beginning, then what comes; ends after N records or with Ctrl-C
//
// Neither grows with what passes through: `pipe` takes the next line when the producer has room, the reader fetches ahead by
// a bounded number of bytes, and both wait for a slow other side.
import { once } from "node:events";
import { createInterface } from "node:readline";
import { Client, codecs, topic } from "@tidemark/client";

const [mode, name, limit] = process.argv.slice(2);
if ((mode !== "read" && mode !== "write") || name === undefined) {
  console.error("usage: node examples/tail.mjs write|read TOPIC [N]");
  process.exit(2);
}
const lines = topic(name, { value: codecs.string });
const client = Client.fromEnv(); // TIDEMARK_BROKERS
const stop = new AbortController();
process.once("SIGINT", () => stop.abort());
process.stdout.on("error", (error) => {
  if (error.code !== "EPIPE") throw error;
  stop.abort(); // `| head` has seen enough
});

try {
  if (mode === "write") await write();
  else await read();
} catch (error) {
  if (!stop.signal.aborted) throw error;
} finally {
  await client.close();
}

async function write() {
  const producer = client.producer({ compression: "gzip" });
  const { sent } = await producer.pipe(lines, records(), { signal: stop.signal });
  console.error(`${sent} lines written`);
}

async function* records() {
  for await (const value of createInterface({ input: process.stdin })) yield { value };
}

async function read() {
  const options = { from: "earliest", follow: true, signal: stop.signal };
  const reader = client.reader(lines, limit === undefined ? options : { ...options, limit: Number(limit) });
  for await (const { value } of reader) {
    if (!process.stdout.write(`${value}\n`)) await once(process.stdout, "drain");
  }
}
