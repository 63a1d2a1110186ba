// State from a log. Transfers are appended to a topic, by account, so that each account's transfers stay in order; the view
// is their sum. It is stored together with the offsets it was made from: the next run reads only what came since, and a
// program that dies between two stores reads a little twice into the older view, which ends at the same sums.
import { readFile, rename, writeFile } from "node:fs/promises";
import { Client, codecs, topic } from "@tidemark/client";

const transfers = topic("transfers", { key: codecs.string, value: codecs.json() });
const viewPath = process.env.VIEW ?? "balances.json";
const count = Number(process.argv[2] ?? 10);

const client = Client.fromEnv(); // TIDEMARK_BROKERS
const producer = client.producer();
await client.admin.topics.create({ name: transfers.name, partitions: 3 }, { ifNotExists: true });

for (let i = 0; i < count; i++) {
  const transfer = { key: `account-${i % 4}`, value: { cents: (i % 7) * 100 - 200 } };
  // False: the buffer is full. Nothing was taken; the same transfer goes in when there is room.
  while (!producer.enqueue(transfers, transfer)) await producer.ready();
}
await producer.flush(); // rejects when a transfer was refused

const { balances, next } = await storedView();
let applied = 0;
for await (const { partition, offset, key, value } of client.reader(transfers, { from: next, to: "end" })) {
  balances.set(key, (balances.get(key) ?? 0) + value.cents);
  next.set(partition, offset + 1);
  applied += 1;
}
await storeView({ balances, next });
await client.close();

for (const [account, cents] of [...balances].sort(([a], [b]) => (a < b ? -1 : 1)))
  console.log(`${account} ${(cents / 100).toFixed(2)}`);
console.log(`${applied} transfers applied`);

/** Partitions that are not in `next` are read from their beginning. */
async function storedView() {
  try {
    const { balances, next } = JSON.parse(await readFile(viewPath, "utf8"));
    return { balances: new Map(balances), next: new Map(next) };
  } catch (error) {
    if (error.code !== "ENOENT") throw error;
    return { balances: new Map(), next: new Map([0, 1, 2].map((partition) => [partition, 0])) };
  }
}

/** The rename makes sums and offsets change together. */
async function storeView({ balances, next }) {
  await writeFile(`${viewPath}.tmp`, JSON.stringify({ balances: [...balances], next: [...next] }));
  await rename(`${viewPath}.tmp`, viewPath);
}
