/**
 * `dev`: a broker for development, in this process. Data in `.tidemark` unless --data-dir or --memory says otherwise; the
 * doors listen on the loopback address only.
 */
import { loadBrokerConfig } from "../broker-config.ts";
import { runBroker } from "../broker-run.ts";
import type { CommandContext } from "../command-context.ts";
import type { ExitCode } from "../exit-codes.ts";
import { CliFailure } from "../failure.ts";
import type { NewTopicSpec } from "../parse/pairs.ts";
import { requireTopicName } from "../topic-argument.ts";

export interface DevRequest {
  readonly brokers: number;
  readonly memory?: boolean;
  readonly dataDir?: string;
  readonly topic?: readonly NewTopicSpec[];
  readonly grpcPort: number;
  readonly httpPort: number;
}

const DATA_DIRECTORY = ".tidemark";

export async function dev(context: CommandContext, request: DevRequest): Promise<ExitCode> {
  if (request.brokers !== 1) {
    throw new CliFailure(
      "NOT_IN_THIS_VERSION",
      `--brokers ${request.brokers}: several brokers in one process come in a later version`,
      {
        hint: "leave the flag out to run one broker",
      },
    );
  }
  const topics = request.topic ?? [];
  for (const topic of topics) requireTopicName(topic.name);
  const portHint = (port: number): string =>
    port === request.httpPort
      ? "stop that process, or add --http-port 0 for any free port"
      : "stop that process, or add --grpc-port 0 for any free port";
  const loaded = await loadBrokerConfig(context, {
    profile: "dev",
    flags: {
      "log.dirs": request.memory === true ? "memory" : (request.dataDir ?? DATA_DIRECTORY),
      ...(context.flags.isVerbose ? { "log.level": "info" } : {}),
      listeners: `GRPC://127.0.0.1:${request.grpcPort},HTTP://127.0.0.1:${request.httpPort}`,
    },
  });
  return runBroker(context, { ...loaded, isMemory: request.memory === true, topics, portHint });
}
