/** `--from` as the SDK's reader takes it. Only "the last N" needs a look at where the partitions begin and end. */
import type { Client, ReaderOptions } from "@tidemark/client";
import { type FromPosition, resolveMoment } from "../parse/position.ts";

type From = NonNullable<ReaderOptions["from"]>;

export async function resolveFrom(client: Client, topic: string, from: FromPosition, wallNowMs: number): Promise<From> {
  switch (from.kind) {
    case "start":
      return "earliest";
    case "end":
      return "latest";
    case "offset":
      return from.offset;
    case "time":
      return resolveMoment(from.at, wallNowMs);
    case "last":
      return lastOffsets(client, topic, from.count);
  }
}

async function lastOffsets(client: Client, topic: string, count: number): Promise<ReadonlyMap<number, number>> {
  const [earliest, latest] = await Promise.all([
    client.admin.topics.offsets(topic, "earliest"),
    client.admin.topics.offsets(topic, "latest"),
  ]);
  return new Map(
    [...latest].map(([partition, end]) => [partition, Math.max(earliest.get(partition) ?? 0, end - count)]),
  );
}
