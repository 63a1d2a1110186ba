/** How an answer of `explain acked | visible | isr` is shown: the cause in the first line, the replicas, what to do. */
import type { Explanation, ExplainedChange, ReplicaState } from "@tidemark/client";
import type { CommandContext } from "../command-context.ts";
import { outputFormat } from "../global-flags.ts";
import { type Column, printRows, renderTable } from "./rows.ts";
import { formatMs, formatSeconds } from "./units.ts";

/** Keys are stable. Times are Unix ms. */
export function explanationShape(explanation: Explanation) {
  const { topic, partition, question, offset, holds, code, text, since, blockers, advice, state } = explanation;
  return {
    topic,
    partition,
    question,
    offset,
    holds,
    code,
    text,
    since,
    blockers: blockers.map((blocker) => {
      return { broker: blocker.broker, code: blocker.code, text: blocker.text, since: blocker.since };
    }),
    advice,
    topicId: state.topicId,
    leader: state.leader,
    leaderEpoch: state.leaderEpoch,
    isr: state.isr,
    elr: state.elr,
    lastIsr: state.lastIsr,
    minIsr: state.minIsr,
    recovering: state.recovering,
    synced: state.countsSynced,
    start: state.start,
    highWatermark: state.highWatermark,
    end: state.end,
    proposal: state.proposal,
    replicas: state.replicas.map(replicaShape),
    changes: state.changes.map(({ at, metadataOffset, type, reason, isr, isrBefore, leader, leaderBefore, broker }) => {
      return { at, metadataOffset, type, reason, isr, isrBefore, leader, leaderBefore, broker };
    }),
    controller: state.controller,
    silent: state.silent.map(({ broker, message }) => ({ broker, message })),
  };
}

function replicaShape({ broker, role, state, inSync, end, synced, lag, caughtUpMs, damagedFrom }: ReplicaState) {
  return { broker, role, state, inSync, end, synced, lag, caughtUpMs, damagedFrom };
}

const COLUMNS: readonly Column<ReturnType<typeof explanationShape>>[] = [
  { title: "topic", cell: (row) => row.topic },
  { title: "partition", cell: (row) => row.partition },
  { title: "question", cell: (row) => row.question },
  { title: "offset", cell: (row) => row.offset },
  { title: "holds", cell: (row) => (row.holds ? "yes" : "no"), value: (row) => row.holds },
  { title: "code", cell: (row) => row.code },
  { title: "text", cell: (row) => row.text },
];

const REPLICA_COLUMNS: readonly Column<ReplicaState>[] = [
  { title: "broker", cell: (row) => row.broker },
  { title: "role", cell: (row) => row.role },
  { title: "state", cell: (row) => (row.damagedFrom === null ? row.state : `${row.state}, damaged`) },
  { title: "in sync", cell: (row) => (row.inSync ? "yes" : "no") },
  { title: "end", cell: (row) => row.end },
  { title: "synced", cell: (row) => row.synced },
  { title: "lag", cell: (row) => row.lag },
  { title: "caught up", cell: ({ caughtUpMs }) => (caughtUpMs === null ? null : agoOf(caughtUpMs)) },
];

/** @param now Unix ms */
export function printExplanation(context: CommandContext, explanation: Explanation, now: number): void {
  const { flags, stdout } = context;
  const format = outputFormat(flags);
  if ((format === "table" || format === "wide") && flags.columns === null)
    stdout.write(renderExplanation(explanation, { now, hasHeaders: flags.hasHeaders }));
  else printRows(context, [explanationShape(explanation)], COLUMNS);
}

function renderExplanation(
  { text, since, advice, state }: Explanation,
  { now, hasHeaders }: { readonly now: number; readonly hasHeaders: boolean },
): string {
  const lines = [since === null ? text : `${text} (for ${spanOf(Math.max(0, now - since))})`, ""];
  const { leader, leaderEpoch, isr, minIsr, start, end, highWatermark, proposal, replicas } = state;
  const known = (offset: number | null): string => (offset === null ? "?" : String(offset));
  lines.push(
    [
      `leader ${leader ?? "none"}`,
      `epoch ${leaderEpoch}`,
      `in sync ${isr.join(",") || "nobody"}`,
      `min.insync.replicas ${minIsr}`,
      `log ${known(start)} to ${known(end)}`,
      `high watermark ${known(highWatermark)}`,
      ...(state.elr.length === 0 ? [] : [`eligible ${state.elr.join(",")}`]),
      ...(state.recovering ? ["recovering"] : []),
    ].join("  "),
  );
  if (proposal !== null)
    lines.push(`the controller has been asked for ${formatMs(proposal.ageMs)} to make it ${proposal.isr.join(",")}`);
  lines.push(renderTable(replicas, REPLICA_COLUMNS, hasHeaders).trimEnd());
  for (const { broker, message } of state.silent) lines.push(`broker ${broker} did not answer: ${message}`);
  if (state.changes.length > 0)
    lines.push("", "last changes", ...state.changes.map((change) => changeLine(change, now)));
  if (advice.length > 0) lines.push("", "what to do", ...advice.map((line) => `  ${line}`));
  return `${lines.join("\n")}\n`;
}

const REASONS: ReadonlyMap<string, string> = new Map([
  ["fenced", "its session ended"],
  ["shutting-down", "it shut down"],
  ["restarted", "it started anew"],
  ["directory-failed", "its disk failed"],
  ["damaged", "its replica is damaged"],
  ["full", "its disk is full"],
  ["reassigned", "moved away"],
  ["lagging", "it fell behind"],
  ["longest-log", "by the longest log"],
  ["unclean", "unclean choice"],
  ["caught-up", "it caught up"],
  ["elected", "elected"],
  ["returned", "it came back"],
  ["preferred", "the preferred replica"],
]);

function changeLine(change: ExplainedChange, now: number): string {
  const { at, reason } = change;
  const why = reason === "" ? "" : ` (${REASONS.get(reason) ?? reason})`;
  return `  ${at === null ? "some time ago" : agoOf(Math.max(0, now - at))}  ${whatChanged(change)}${why}`;
}

function whatChanged({ type, isr, isrBefore, leader, leaderBefore, broker }: ExplainedChange): string {
  switch (type) {
    case "isr-shrunk":
    case "isr-expanded": {
      const isGone = type === "isr-shrunk";
      const [from, to] = isGone ? [isrBefore, isr] : [isr, isrBefore];
      const who = (from ?? []).filter((id) => to?.includes(id) !== true).join(", ");
      return `broker ${who} ${isGone ? "left" : "joined"} the in-sync replicas, now ${isr?.join(",") || "nobody"}`;
    }
    case "replica-damaged":
      return `the replica of broker ${broker} was found damaged`;
    case "replica-repaired":
      return `the replica of broker ${broker} is whole again`;
    default:
      return `${leader === null ? "nobody" : `broker ${leader}`} leads, ${leaderBefore === null ? "nobody" : `broker ${leaderBefore}`} did`;
  }
}

function agoOf(ms: number): string {
  return ms <= 0 ? "now" : `${spanOf(ms)} ago`;
}

function spanOf(ms: number): string {
  return ms < 10_000 ? formatMs(ms) : formatSeconds(ms / 1_000);
}
