/**
 * What every command does that moves partitions: the plan is checked by the cluster and shown, asked about, begun, and, with --wait, seen
 * to its end. The way back is kept before anything begins: whoever regrets it has a file for --plan.
 *
 * On standard output: a table of the moves; with `-o json` one document that --plan takes unchanged, with --dry-run of the plan, else of
 * the way back.
 */
import { writeFileSync } from "node:fs";
import type { Client, PartitionAssignment, PartitionMove } from "@tidemark/client";
import { callOptions } from "../client-session.ts";
import { type CommandContext, note, warn } from "../command-context.ts";
import { confirm } from "../confirm.ts";
import { CliFailure, toFailure } from "../failure.ts";
import { outputFormat } from "../global-flags.ts";
import { costOf, MOVE_COLUMNS, moveShape } from "../output/move-views.ts";
import { Progress } from "../output/progress.ts";
import { printRows } from "../output/rows.ts";
import { plural } from "../output/units.ts";
import { planText } from "../parse/reassignment-file.ts";
import { liftThrottle, setThrottle, type Throttle, throttleText } from "./replication-throttle.ts";

export interface MoveOptions {
  /** Bytes a second that each broker sends and takes for this. */
  readonly throttle?: number;
  readonly wait?: boolean;
  /** A file that gets the way back. */
  readonly rollback?: string;
}

/** Kafka's number of what a broker answers then. */
const INVALID_REPLICATION_FACTOR = 38;

interface MoveStory {
  /** What has to be typed where somebody is asked. */
  readonly name: string;
  /** "draining broker 1" */
  readonly doing: string;
  /** Runs behind the question, and before the first move. */
  readonly before?: () => Promise<void>;
}

/** A plan of the cluster's; `tooFew` is the hint where fewer brokers are left for a partition than it has replicas. */
export async function planned(plan: Promise<PartitionMove[]>, tooFew: string): Promise<PartitionMove[]> {
  try {
    return await plan;
  } catch (error: unknown) {
    if (!(error instanceof Error && Reflect.get(error, "kafkaCode") === INVALID_REPLICATION_FACTOR)) throw error;
    const { code, message, exitCode } = toFailure(error);
    throw new CliFailure(code, message, { hint: tooFew, exitCode, cause: error });
  }
}

/** Resolves when the moves have begun; with --wait when they have ended. Nothing to move is no failure. */
export async function moveAll(
  context: CommandContext,
  client: Client,
  moves: readonly PartitionMove[],
  { throttle: rate, wait = false, rollback, name, doing, before }: MoveOptions & MoveStory,
): Promise<void> {
  const { partitions } = client.admin;
  await partitions.reassign(moves, { ...callOptions(context), validateOnly: true });
  const { isDryRun } = context.flags;
  const isDocument = outputFormat(context.flags) === "json";
  if (!isDocument) printRows(context, moves.map(moveShape), MOVE_COLUMNS);
  if (isDryRun) {
    if (isDocument) context.stdout.write(planText(moves));
    note(context, moves.length === 0 ? "nothing has to move" : `${costOf(moves)}; nothing was changed (--dry-run)`);
    return;
  }
  if (moves.length > 0 || before !== undefined) {
    const text = moves.length === 0 ? `${doing}, nothing has to move.` : `${doing}: ${costOf(moves)}.`;
    await confirm(context, doing, [{ name, text, prompt: `Type ${name} to go on`, declined: "nothing was moved" }]);
  }
  const back = wayBack(moves);
  // Refused where the file is there: before anything has changed.
  if (rollback !== undefined) keep(rollback, back);
  await before?.();
  const throttle =
    rate === undefined || moves.length === 0 ? null : await setThrottle(context, client, brokersOf(moves), rate);
  await partitions.reassign(moves, callOptions(context));
  if (isDocument) context.stdout.write(planText(back));
  else if (moves.length > 0 && rollback === undefined)
    note(context, `the way back, for --plan: ${planText(back).trimEnd()}`);
  if (moves.length === 0) note(context, "nothing has to move");
  else if (wait) await waitFor(context, client, moves, throttle);
  else note(context, `${plural(moves.length, "partition")} on the way${throttle === null ? "" : staying(throttle)}`);
}

function staying(throttle: Throttle): string {
  return `; ${throttleText(throttle)} stays in force until \`tidemark partitions reassignments --wait\` takes it away`;
}

/** Where every partition of the plan was: what --plan takes to undo it. */
function wayBack(moves: readonly PartitionMove[]): PartitionAssignment[] {
  return moves.map(({ topic, partition, current }) => ({ topic, partition, replicas: current }));
}

function keep(path: string, back: readonly PartitionAssignment[]): void {
  try {
    writeFileSync(path, planText(back), { flag: "wx" });
  } catch (error: unknown) {
    if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
    throw new CliFailure("FILE_EXISTS", `${path} is there already; nothing was moved`, {
      hint: "name another file for --rollback: this one may be the way back of an earlier move",
      cause: error,
    });
  }
}

function brokersOf(moves: readonly PartitionMove[]): Set<number> {
  return new Set(moves.flatMap(({ current, replicas }) => [...current, ...replicas]));
}

async function waitFor(
  context: CommandContext,
  client: Client,
  moves: readonly PartitionMove[],
  throttle: Throttle | null,
): Promise<void> {
  const left = await untilEnd(context, client, moves, throttle);
  if (throttle !== null) await liftThrottle(context, client, throttle);
  if (left.length === 0) return note(context, `${plural(moves.length, "partition")} moved`);
  const [first] = left;
  const where =
    first === undefined ? "" : `${first.topic}:${first.partition} is on ${first.replicas.join(",") || "no broker"}`;
  throw new CliFailure(
    "PARTIAL",
    `${moves.length - left.length} of ${moves.length} partitions are where they should be; ${where}`,
    {
      hint: "somebody cancelled moves or made others meanwhile; the same command again does what is left",
      details: { left: left.map(({ topic, partition, replicas }) => ({ topic, partition, replicas })) },
    },
  );
}

/** Those that are elsewhere in the end. Whoever stops waiting is told what goes on without him. */
async function untilEnd(
  context: CommandContext,
  client: Client,
  moves: readonly PartitionMove[],
  throttle: Throttle | null,
): Promise<PartitionAssignment[]> {
  const copies = new Map(moves.map(({ topic, partition, bytes }) => [`${topic}:${partition}`, bytes ?? 0]));
  const totalBytes = [...copies.values()].reduce((sum, bytes) => sum + bytes, 0);
  let leftBytes = totalBytes;
  let leftCount = moves.length;
  const state = () => ({
    doneBytes: totalBytes - leftBytes,
    totalBytes,
    records: null,
    done: moves.length - leftCount,
    total: moves.length,
  });
  const progress = new Progress(context, state, { isTyped: false });
  try {
    return await client.admin.partitions.untilReassigned(moves, {
      ...callOptions(context),
      onProgress: (left) => {
        leftCount = left.length;
        leftBytes = left.reduce((sum, { topic, partition }) => sum + (copies.get(`${topic}:${partition}`) ?? 0), 0);
      },
    });
  } catch (error: unknown) {
    progress.stop();
    const kept = throttle === null ? "" : `, throttled to ${throttleText(throttle)}`;
    warn(
      context,
      `${plural(leftCount, "partition")} on the way go on${kept}; \`tidemark partitions reassignments\` --wait sees them to their end` +
        `${throttle === null ? "" : " and takes the throttle away"}, --cancel takes them back`,
    );
    throw error;
  } finally {
    progress.stop();
  }
}
