/** What a run leaves behind: a line for each event, and, where it failed, what its producers were told. */
import { writeFileSync } from "node:fs";
import type { History } from "@tidemark/broker/sim";

/** `event` first; the rest as words, or as one JSON object. */
export function printEvent(fields: Readonly<Record<string, unknown>>, options: { readonly isJson: boolean }): void {
  if (options.isJson) {
    process.stdout.write(`${JSON.stringify(fields)}\n`);
    return;
  }
  const { event, ...rest } = fields;
  const words = Object.entries(rest).map(
    ([key, value]) => `${key}=${typeof value === "string" ? value : JSON.stringify(value)}`,
  );
  process.stdout.write(`${String(event).padEnd(9)} ${words.join(" ")}\n`);
}

/** A row for each send; times in ms since this process began, outcome 0 = nobody knows, 1 = acknowledged, 2 = refused. */
export function writeSends(path: string, { partitions }: History): void {
  writeFileSync(path, "partition,value,producer,startedAt,endedAt,outcome,offset\n");
  for (const { name, sends } of partitions) {
    const rows = Array.from({ length: sends.value.length }, (_, row) =>
      [
        name,
        sends.value.at(row),
        sends.producer.at(row),
        Math.round(sends.startedAt.at(row)),
        Math.round(sends.endedAt.at(row)),
        sends.outcome.at(row),
        sends.offset.at(row),
      ].join(","),
    );
    writeFileSync(path, `${rows.join("\n")}\n`, { flag: "a" });
  }
}
