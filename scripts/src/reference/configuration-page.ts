/** docs/configuration.md, made from the one table of keys that the broker's parser reads too. */
import { allowedRange, configTable, environmentNameOf, type TableEntry } from "@tidemark/broker/config";
import { markdownTable } from "./markdown.ts";

const INTRODUCTION = `# Configuration

Made by \`npm run reference\` from the table that the broker reads; a test fails when it is out of date.

A key may stand in the file of \`--config\`, in the environment (\`KAFKA_\` or \`TIDEMARK_\` and the key in capitals, as in
\`${environmentNameOf("log.segment.bytes")}\`), and in \`--set key=value\`; each is above the one before. Above them stands what was set while brokers ran, for the cluster and
over that for one broker, and above all what a topic overrides; \`tidemark configs get --explain KEY\` shows every layer. Sizes and
times may have units wherever they are written: \`256MiB\`, \`7d\`. Where \`tidemark dev\` has another default, it stands behind
the first.

"Changes" says where a running cluster takes a new value of the broker's key: \`cluster-wide\` for all brokers, and for one over
that; \`cluster-only\` for all alone; \`read-only\` nowhere: it is read at start. The modes are Kafka's, but for keys that are
Tidemark's own. A topic's own settings may change at any time, but for the mode of \`tidemark.durability\`, which is only raised.
`;

/** @returns the whole page, with its final LF */
export function configurationPage(): string {
  const isBuilt = (entry: TableEntry): boolean => entry.withoutEffect !== true;
  const topic = configTable.filter((entry) => entry.scope === "topic");
  const broker = configTable.filter((entry) => entry.scope !== "topic");
  return [
    INTRODUCTION,
    "## Settings of a topic\n",
    "`topics create -c key=value` and `topics alter` set one for a topic; the broker's key, where it is another, sets the default of all.\n",
    table(topic.filter(isBuilt)),
    "## Settings of a broker\n",
    table(broker.filter(isBuilt)),
    "## Accepted, without effect yet\n",
    "They are checked, so that a configuration written for Kafka starts, and each one that is set is named in a warning.\n",
    table(configTable.filter((entry) => !isBuilt(entry))),
  ].join("\n");
}

function table(entries: readonly TableEntry[]): string {
  return markdownTable(
    ["key", "default", "allowed", "changes", "what it does"],
    entries.map((entry) => [
      keyCell(entry),
      defaultCell(entry),
      allowedCell(entry),
      `\`${entry.updateMode}\``,
      entry.doc,
    ]),
  );
}

function keyCell({ key, brokerKey, aliases = [] }: TableEntry): string {
  const others = [
    ...(brokerKey === key ? [] : [`broker: \`${brokerKey}\``]),
    ...aliases.map((alias) => `\`${alias.key}\``),
  ];
  return [`\`${key}\``, ...others].join("<br>");
}

function defaultCell({ default: standard, derived, dev }: TableEntry): string {
  const own = standard === null ? (derived ?? "unset") : standard === "" ? "empty" : `\`${standard}\``;
  return dev?.default === undefined ? own : `${own}; dev: \`${dev.default}\``;
}

function allowedCell(entry: TableEntry): string {
  if (entry.type === "boolean") return "`true`, `false`";
  if (entry.type === "voters") return "`id@host:port,id@host:port`";
  if (entry.type === "listeners") return "`GRPC://host:port,HTTP://host:port`";
  if (entry.values !== undefined) return entry.values.map((value) => `\`${value}\``).join(", ");
  if (entry.type === "int" || entry.type === "long" || entry.type === "double") return allowedRange(entry, "server");
  return entry.type === "list" ? "names with commas" : "text";
}
