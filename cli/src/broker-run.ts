/**
 * Runs the brokers of this process from start to stop, for `dev` and `server start`.
 *
 * Ready means that it works: the `ready` line is printed when a client has been served through the gRPC doors, not when a
 * port is bound (ready-proof.ts). After it the command waits for SIGINT or SIGTERM, stops the brokers cleanly (4.3) and ends
 * with the signal's exit code; a broker that dies of a fault ends it with the fault's. A start that waits for other brokers says
 * for whom.
 */
import type { Broker, BrokerGroup, BrokerOptions, FatalFault } from "@tidemark/broker";
import { type CommandContext, isJson, warn } from "./command-context.ts";
import { ExitCode } from "./exit-codes.ts";
import { CliFailure } from "./failure.ts";
import { RecoveryProgress } from "./output/recovery-progress.ts";
import type { NewTopicSpec } from "./parse/pairs.ts";
import { explainStartFailure } from "./platform/start-failure.ts";
import { proveReady } from "./ready-proof.ts";
import { DEFAULT_BROKER } from "./settings/default-broker.ts";

type Hooks = Pick<BrokerOptions, "onFatal" | "onRecovery" | "onWaiting">;
type Brokers = Pick<BrokerGroup, "brokers" | "start" | "stop">;

export interface BrokersRun {
  /** Makes them, and starts none. */
  readonly create: (hooks: Hooks) => Promise<Brokers>;
  /** Made before the ready line, if they are not there yet. */
  readonly topics: readonly NewTopicSpec[];
  /** Done before the ready line, with the address of a broker that serves. */
  readonly load?: (address: string) => Promise<void>;
  /** They have the topic through which they prove themselves. */
  readonly isDev: boolean;
  /** Which setting moves a port that is busy. */
  readonly portHint: (port: number) => string;
  /** That they listen on; 0: any free one. */
  readonly ports: readonly number[];
}

export async function runBrokers(context: CommandContext, run: BrokersRun): Promise<ExitCode> {
  const { tuneProcess } = await import("@tidemark/broker");
  tuneProcess();
  const end = new Ending(context.signal);
  const recovery = new RecoveryProgress(context);
  let group: Brokers;
  try {
    group = await run.create({
      onFatal: (fault) => end.onFatal(fault),
      onRecovery: recovery.onProgress,
      // Of several in one process each waits for the others, and nobody needs to be told.
      onWaiting: (whom) => {
        if (group.brokers.length === 1 && whom.length > 0) context.stderr.write(`waiting for ${whom.join(", ")}\n`);
      },
    });
    // A start that waits for other brokers ends with the signal.
    await Promise.race([group.start(), end.reached]);
  } catch (error: unknown) {
    throw explainStartFailure(error, run);
  } finally {
    recovery.stop();
  }
  try {
    if (!end.isReached) await Promise.race([announceReady(context, group.brokers, run), end.reached]);
    await end.reached;
  } finally {
    await group.stop();
  }
  if (end.fault !== null) {
    throw new CliFailure(end.fault.code, end.fault.message, {
      hint: "look at the disk; the next start recovers all that was synced",
      exitCode: ExitCode.DISK_FAULT,
      cause: end.fault.cause,
    });
  }
  return ExitCode.OK;
}

/** What ends the run: a signal, or a fault that the broker does not survive. */
class Ending {
  readonly reached: Promise<void>;
  isReached = false;
  fault: FatalFault | null = null;
  #reach: () => void = () => undefined;

  constructor(signal: AbortSignal) {
    this.reached = new Promise((resolve) => {
      this.#reach = () => {
        this.isReached = true;
        resolve();
      };
    });
    if (signal.aborted) this.#reach();
    signal.addEventListener("abort", () => this.#reach(), { once: true });
  }

  onFatal(fault: FatalFault): void {
    this.fault ??= fault;
    this.#reach();
  }
}

/** A signal in the middle of the proof ends it; that is no failure of the brokers. */
async function announceReady(context: CommandContext, brokers: readonly Broker[], run: BrokersRun): Promise<void> {
  const { signal } = context;
  // Nobody can write to it now, and that is no reason to keep readers and administrators away (3.8(2)).
  const isFull = brokers.some(({ troubles }) => troubles.includes("disk-full"));
  if (isFull) warn(context, "the disk is full: records are refused until there is space again");
  try {
    await proveReady(brokers, { hasReadyTopic: run.isDev && !isFull, topics: run.topics, signal });
    await run.load?.(brokers[0]?.grpcAddress ?? "");
  } catch (error: unknown) {
    if (signal.aborted) return;
    throw error;
  }
  context.stdout.write(isJson(context.flags) ? readyEvent(brokers) : readyLine(brokers, run.isDev));
}

/** Stable interface: tools wait for this line. */
function readyEvent(brokers: readonly Broker[]): string {
  const all = brokers.map((broker) => ({
    id: broker.nodeId,
    pid: process.pid,
    grpc: broker.grpcAddress,
    http: broker.httpAddress,
  }));
  return `${JSON.stringify({ event: "ready", clusterId: brokers[0]?.clusterId, brokers: all })}\n`;
}

/** All brokers, and the one command to try. */
function readyLine(brokers: readonly Broker[], isDev: boolean): string {
  const [first] = brokers;
  const ids = brokers.map(({ nodeId }) => nodeId).join(", ");
  const addresses = (of: (broker: Broker) => string): string => brokers.map(of).join(",");
  const who = `${brokers.length === 1 ? "broker" : "brokers"} ${ids} of cluster ${first?.clusterId}`;
  const where = `grpc ${addresses(({ grpcAddress }) => grpcAddress)}  http ${addresses(({ httpAddress }) => httpAddress)}`;
  const flag = first?.grpcAddress === DEFAULT_BROKER ? "" : ` -b ${first?.grpcAddress}`;
  return `ready: ${who}  ${where}${isDev ? `  try: tidemark topics create orders${flag}` : ""}\n`;
}
