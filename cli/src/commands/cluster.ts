/**
 * `cluster info | health | brokers`: the cluster as its metadata and its brokers say it is.
 *
 * `health` asks every broker. Where it repeats itself, with --watch or until all is well, a cluster that does not answer is as
 * unhealthy as one that says so: that is what it was started to wait for. On a terminal --watch draws a page; elsewhere, and for whoever
 * only waits, a line comes with each change: a script's log shows what was waited for, and how long.
 */
import type { HealthReport } from "@tidemark/client";
import { callOptions, withClient } from "../client-session.ts";
import { canDraw, type CommandContext, note } from "../command-context.ts";
import { ExitCode } from "../exit-codes.ts";
import { CliFailure, toFailure } from "../failure.ts";
import {
  BROKER_COLUMNS,
  brokerShape,
  FEATURE_COLUMNS,
  healthLine,
  isAsBefore,
  printHealth,
  printInfo,
} from "../output/cluster-views.ts";
import { outputFormat } from "../global-flags.ts";
import { printRows } from "../output/rows.ts";
import { formatMs, plural } from "../output/units.ts";
import { watch } from "../output/watch.ts";

export interface HealthRequest {
  readonly exitWhenHealthy?: boolean;
}

/** Between two looks of --exit-when-healthy, without --watch. */
const WAIT_MS = 500;

export async function clusterInfo(context: CommandContext): Promise<ExitCode> {
  // A table has no place for versions, and every broker would be asked for its own.
  const versions = outputFormat(context.flags) !== "table";
  printInfo(
    context,
    await withClient(context, (client) => client.admin.cluster({ ...callOptions(context), versions })),
  );
  return ExitCode.OK;
}

export async function clusterBrokers(context: CommandContext): Promise<ExitCode> {
  const { brokers, controllerId } = await withClient(context, (client) =>
    client.admin.cluster({ ...callOptions(context), versions: true }),
  );
  printRows(
    context,
    brokers.map((broker) => brokerShape(broker, controllerId)),
    BROKER_COLUMNS,
  );
  return ExitCode.OK;
}

export async function clusterFeatures(context: CommandContext): Promise<ExitCode> {
  printRows(
    context,
    await withClient(context, (client) => client.admin.features(callOptions(context))),
    FEATURE_COLUMNS,
  );
  return ExitCode.OK;
}

export async function clusterHealth(context: CommandContext, request: HealthRequest): Promise<ExitCode> {
  const isWaiting = request.exitWhenHealthy === true;
  if (isWaiting || context.flags.watchMs !== null) return keepLooking(context, isWaiting);
  const report = await withClient(context, (client) => client.admin.health(callOptions(context)));
  printHealth(context, report);
  if (report.healthy) return ExitCode.OK;
  throw new CliFailure("UNHEALTHY", `the cluster is unhealthy, for ${plural(report.reasons.length, "reason")}`, {
    hint: "`tidemark doctor` says what to do; `tidemark partitions list --unhealthy` and `tidemark explain isr T:P` where and why",
    details: { reasons: report.reasons },
  });
}

async function keepLooking(context: CommandContext, isWaiting: boolean): Promise<ExitCode> {
  const { timeoutMs, watchMs } = context.flags;
  const isShown = watchMs !== null;
  // Of --timeout the whole wait has its share, and a look the usual patience.
  const end = isWaiting && timeoutMs !== null ? AbortSignal.timeout(timeoutMs) : null;
  const limited: CommandContext = {
    ...context,
    flags: { ...context.flags, watchMs: watchMs ?? WAIT_MS, timeoutMs: isWaiting ? null : timeoutMs },
    signal: end === null ? context.signal : AbortSignal.any([context.signal, end]),
  };
  const isDrawn = isShown && canDraw(context);
  let last: HealthReport | null = null;
  const look = async (looking: CommandContext): Promise<ExitCode> => {
    const told: HealthReport | null = last;
    last = await reportOf(looking);
    const isNew = told === null || !isAsBefore(told, last);
    if (isDrawn || (!isShown && last.healthy)) printHealth(looking, last);
    else if (isNew) tellChange(looking, last, isShown);
    return last.healthy ? ExitCode.OK : ExitCode.UNHEALTHY;
  };
  try {
    return await watch(limited, look, (exitCode) => isWaiting && exitCode === ExitCode.OK);
  } catch (error: unknown) {
    if (end?.aborted !== true || context.signal.aborted) throw error;
    const { reasons = [] } = (last as HealthReport | null) ?? {};
    const why = reasons.length === 0 ? "nobody answered" : reasons.join("; ");
    throw new CliFailure("TIMEOUT", `the cluster is not healthy after ${formatMs(timeoutMs ?? 0)}: ${why}`, {
      details: { reasons },
    });
  }
}

/** Whoever only waits hears of it beside standard output, which is for the end. */
function tellChange(context: CommandContext, report: HealthReport, isShown: boolean): void {
  if (!isShown) note(context, healthLine(report, new Date()));
  else if (outputFormat(context.flags) === "table") context.stdout.write(`${healthLine(report, new Date())}\n`);
  else printHealth(context, report);
}

async function reportOf(context: CommandContext): Promise<HealthReport> {
  try {
    return await withClient(context, (client) => client.admin.health(callOptions(context)));
  } catch (error: unknown) {
    const { exitCode, message } = toFailure(error);
    const isSilence = exitCode === ExitCode.CONNECT || exitCode === ExitCode.TIMEOUT;
    if (!isSilence || context.signal.aborted) throw error;
    const none = { brokersDown: [], leaderless: [], underReplicated: [], underMinIsr: [], recovering: [] };
    const troubles = [{ code: "broker-unreachable", text: message, broker: null }];
    return { healthy: false, cause: message, reasons: [message], troubles, controller: null, ...none };
  }
}
