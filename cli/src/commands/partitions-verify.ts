/**
 * `partitions verify`: whether the replicas of partitions hold the same, byte for byte, as each broker reads them from its disk. For
 * people a row for each replica that is not like its leader, and a summary; elsewhere a row for every replica. Ends with 9 when one is
 * damaged or different; one that is behind, or does not answer, is told and is no damage.
 */
import type { PartitionDescription, ReplicaVerdict } from "@tidemark/client";
import { callOptions, withClient } from "../client-session.ts";
import { type CommandContext, note } from "../command-context.ts";
import { ExitCode } from "../exit-codes.ts";
import { CliFailure } from "../failure.ts";
import { outputFormat } from "../global-flags.ts";
import { type Column, printRows } from "../output/rows.ts";
import { formatBytes, plural } from "../output/units.ts";
import { parseTopicPartition } from "../parse/topic-partition.ts";
import { requireTopicName } from "../topic-argument.ts";

/** Keys are stable. */
interface VerdictRow extends ReplicaVerdict {
  readonly topic: string;
  readonly partition: number;
  readonly leader: number;
  /** Compared from, and to. */
  readonly start: number;
  readonly end: number;
}

const COLUMNS: readonly Column<VerdictRow>[] = [
  { title: "topic", cell: (row) => row.topic },
  { title: "partition", cell: (row) => row.partition },
  { title: "broker", cell: (row) => row.broker },
  { title: "verdict", cell: (row) => row.verdict },
  { title: "offset", cell: (row) => row.offset },
  { title: "leader", cell: (row) => row.leader },
  { title: "message", cell: (row) => row.message },
];

const BAD: ReadonlySet<ReplicaVerdict["verdict"]> = new Set(["damaged", "different"]);

/** `named`: topics, or partitions such as orders:0; none: every partition. */
export async function verifyPartitions(
  context: CommandContext,
  { named }: { readonly named: readonly string[] },
): Promise<ExitCode> {
  const wanted = named.map((text) => (text.includes(":") ? parseTopicPartition(text) : { topic: text, partition: -1 }));
  for (const { topic } of wanted) requireTopicName(topic);
  const rows: VerdictRow[] = [];
  let partitions = 0;
  let bytes = 0;
  await withClient(context, async (client) => {
    const options = callOptions(context);
    const topics = wanted.length === 0 ? {} : { topics: wanted.map(({ topic }) => topic) };
    const isWanted = ({ topic, partition }: PartitionDescription): boolean =>
      wanted.length === 0 ||
      wanted.some((one) => one.topic === topic && (one.partition < 0 || one.partition === partition));
    const due: PartitionDescription[] = [];
    for await (const row of client.admin.partitions.list({ ...options, ...topics, internal: wanted.length === 0 }))
      if (isWanted(row)) due.push(row);
    for (const { topic, partition } of wanted) {
      // Says what there is instead.
      if (partition >= 0 && !due.some((row) => row.topic === topic && row.partition === partition))
        await client.admin.partitions.describe({ topic, partition }, options);
    }
    for (const partition of due) {
      const onProgress = (count: number): void => {
        bytes += count;
      };
      // One after the other: it shall be felt as little as may be.
      const { replicas, ...place } = await client.admin.partitions.verify(partition, { ...options, onProgress });
      for (const replica of replicas) rows.push({ ...place, ...replica });
      partitions += 1;
    }
  });
  const isForPeople = outputFormat(context.flags) === "table";
  printRows(context, isForPeople ? rows.filter(({ verdict }) => verdict !== "same") : rows, COLUMNS);
  const bad = rows.filter(({ verdict }) => BAD.has(verdict));
  const count = `${plural(partitions, "partition")}, ${plural(rows.length, "replica")}, ${formatBytes(bytes)} read`;
  if (bad.length === 0) {
    note(context, `every replica that answered is like its leader: ${count}`);
    return ExitCode.OK;
  }
  throw new CliFailure("DATA_DAMAGED", `${plural(bad.length, "replica")} of ${count} not like the others`, {
    exitCode: ExitCode.UNHEALTHY,
    hint: "what is damaged is repaired from its leader: look again in a minute; `partitions list --unhealthy` shows how far it is",
    details: { damaged: bad.length },
  });
}
