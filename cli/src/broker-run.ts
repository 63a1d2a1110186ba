/**
 * Runs one broker in this process from start to stop, for `dev` and `server start`.
 *
 * Ready means that it works: the `ready` line is printed when a client has been served through the gRPC door, not when a
 * port is bound (ready-proof.ts). After it the command waits for SIGINT or SIGTERM, stops the broker cleanly (4.3) and ends
 * with the signal's exit code; a broker that dies of a fault ends it with the fault's.
 */
import type { Broker, FatalFault } from "@tidemark/broker";
import type { LoadedConfig } from "./broker-config.ts";
import { type CommandContext, isJson, warn } from "./command-context.ts";
import { ExitCode } from "./exit-codes.ts";
import { CliFailure } from "./failure.ts";
import { RecoveryProgress } from "./output/recovery-progress.ts";
import type { NewTopicSpec } from "./parse/pairs.ts";
import { explainStartFailure } from "./platform/start-failure.ts";
import { proveReady } from "./ready-proof.ts";

export interface BrokerRun extends LoadedConfig {
  readonly isMemory: boolean;
  /** Made before the ready line, if they are not there yet. */
  readonly topics: readonly NewTopicSpec[];
  /** Which setting moves a port that is busy. */
  readonly portHint: (port: number) => string;
}

export async function runBroker(context: CommandContext, run: BrokerRun): Promise<ExitCode> {
  const { createBroker, tuneProcess } = await import("@tidemark/broker");
  tuneProcess();
  const end = new Ending(context.signal);
  const recovery = new RecoveryProgress(context);
  const broker = await createBroker({
    config: run.config,
    memory: run.isMemory,
    onFatal: (fault) => end.onFatal(fault),
    onRecovery: recovery.onProgress,
  });
  try {
    await broker.start();
  } catch (error: unknown) {
    throw explainStartFailure(error, run.portHint);
  } finally {
    recovery.stop();
  }
  try {
    await Promise.race([announceReady(context, broker, run), end.reached]);
    await end.reached;
  } finally {
    await broker.stop();
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
  fault: FatalFault | null = null;
  #reach: () => void = () => undefined;

  constructor(signal: AbortSignal) {
    this.reached = new Promise((resolve) => {
      this.#reach = resolve;
    });
    if (signal.aborted) this.#reach();
    signal.addEventListener("abort", () => this.#reach(), { once: true });
  }

  onFatal(fault: FatalFault): void {
    this.fault ??= fault;
    this.#reach();
  }
}

/** A signal in the middle of the proof ends it; that is no failure of the broker. */
async function announceReady(context: CommandContext, broker: Broker, run: BrokerRun): Promise<void> {
  const { signal } = context;
  // Nobody can write to it now, and that is no reason to keep readers and administrators away (3.8(2)).
  const isFull = broker.troubles.includes("disk-full");
  if (isFull) warn(context, "the disk is full: records are refused until there is space again");
  try {
    await proveReady(broker, { hasReadyTopic: run.config.profile === "dev" && !isFull, topics: run.topics, signal });
  } catch (error: unknown) {
    if (signal.aborted) return;
    throw error;
  }
  context.stdout.write(isJson(context.flags) ? readyEvent(broker) : readyLine(broker));
}

/** Stable interface: tools wait for this line. */
function readyEvent(broker: Broker): string {
  const own = { id: broker.nodeId, pid: process.pid, grpc: broker.grpcAddress, http: broker.httpAddress };
  return `${JSON.stringify({ event: "ready", clusterId: broker.clusterId, brokers: [own] })}\n`;
}

function readyLine(broker: Broker): string {
  return `ready: broker ${broker.nodeId} of cluster ${broker.clusterId}  grpc ${broker.grpcAddress}  http ${broker.httpAddress}\n`;
}
