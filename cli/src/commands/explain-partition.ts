/**
 * `explain acked | visible | isr`: why a partition is as it is (semantics 15.6), for people first. The question is answered by whoever can
 * be reached, and says who could not; an answer of either kind ends with 0, for scripts there is `holds` in -o json.
 */
import { callOptions, withClient } from "../client-session.ts";
import type { CommandContext } from "../command-context.ts";
import { ExitCode } from "../exit-codes.ts";
import { printExplanation } from "../output/explain-views.ts";
import type { TopicPartitionName } from "../parse/topic-partition.ts";
import { requireTopicName } from "../topic-argument.ts";

export type PartitionQuestion =
  | { readonly kind: "acked"; readonly offset: number }
  | { readonly kind: "visible"; readonly offset: number; readonly isolation: "read_committed" | "read_uncommitted" }
  | { readonly kind: "isr" };

export async function explainPartition(
  context: CommandContext,
  partition: TopicPartitionName,
  question: PartitionQuestion,
): Promise<ExitCode> {
  requireTopicName(partition.topic);
  const explanation = await withClient(context, ({ admin: { explain } }) => {
    const options = callOptions(context);
    switch (question.kind) {
      case "acked":
        return explain.acked(partition, question.offset, options);
      case "visible":
        return explain.visible(partition, question.offset, { ...options, isolation: question.isolation });
      case "isr":
        return explain.isr(partition, options);
    }
  });
  printExplanation(context, explanation, Date.now());
  return ExitCode.OK;
}
