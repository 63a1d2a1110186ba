/**
 * `explain acked | visible | isr`: why a partition is as it is (semantics 15.6), for people first. The question is answered by whoever can
 * be reached, and says who could not; an answer of either kind ends with 0, for scripts there is `holds` in -o json.
 */
import { callOptions, withClient } from "../client-session.ts";
import { type CommandContext, note } from "../command-context.ts";
import { ExitCode } from "../exit-codes.ts";
import { printExplanation } from "../output/explain-views.ts";
import type { TopicPartitionName } from "../parse/topic-partition.ts";
import { requireTopicName } from "../topic-argument.ts";

export type PartitionQuestion =
  /** Null: of the last record that there is. */
  | { readonly kind: "acked"; readonly offset: number | null }
  | {
      readonly kind: "visible";
      readonly offset: number | null;
      readonly isolation: "read_committed" | "read_uncommitted";
    }
  | { readonly kind: "isr" };

export async function explainPartition(
  context: CommandContext,
  partition: TopicPartitionName,
  question: PartitionQuestion,
): Promise<ExitCode> {
  requireTopicName(partition.topic);
  const explanation = await withClient(context, async ({ admin: { explain } }) => {
    const options = callOptions(context);
    if (question.kind === "isr") return explain.isr(partition, options);
    let { offset } = question;
    if (offset === null) {
      const isr = await explain.isr(partition, options);
      const { end } = isr.state;
      const where = `${partition.topic}:${partition.partition}`;
      if (end === null || end === 0) {
        note(
          context,
          `${end === null ? "nobody tells of a record" : "there is no record"} in ${where}; so this is its in-sync replicas`,
        );
        return isr;
      }
      offset = end - 1;
      note(context, `offset ${offset}, the last one of ${where}, where none is named`);
    }
    if (question.kind === "acked") return explain.acked(partition, offset, options);
    return explain.visible(partition, offset, { ...options, isolation: question.isolation });
  });
  printExplanation(context, explanation, Date.now());
  return ExitCode.OK;
}
