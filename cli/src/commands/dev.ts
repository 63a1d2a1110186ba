/**
 * `dev`: brokers for development, in this process. Data in `.tidemark` unless --data-dir or --memory says otherwise, a directory
 * for each of several brokers; the doors listen on the loopback address only.
 */
import { loadBrokerConfig } from "../broker-config.ts";
import { runBrokers } from "../broker-run.ts";
import type { CommandContext } from "../command-context.ts";
import type { ExitCode } from "../exit-codes.ts";
import type { NewTopicSpec } from "../parse/pairs.ts";
import { requireTopicName } from "../topic-argument.ts";

export interface DevRequest {
  readonly brokers: number;
  readonly memory?: boolean;
  readonly dataDir?: string;
  readonly topic?: readonly NewTopicSpec[];
  readonly grpcPort: number;
  readonly httpPort: number;
  readonly peerPort: number;
}

const DATA_DIRECTORY = ".tidemark";

export async function dev(context: CommandContext, request: DevRequest): Promise<ExitCode> {
  const { brokers: count, grpcPort, httpPort, peerPort } = request;
  const topics = request.topic ?? [];
  for (const topic of topics) requireTopicName(topic.name);
  const isOf = (port: number, first: number): boolean => first !== 0 && port >= first && port < first + count;
  const flagOf = (port: number): string => {
    if (isOf(port, httpPort)) return "--http-port";
    return isOf(port, peerPort) && count > 1 ? "--peer-port" : "--grpc-port";
  };
  const directory = request.dataDir ?? DATA_DIRECTORY;
  const portOf = (first: number, nodeId: number): number => (first === 0 ? 0 : first + nodeId - 1);
  return runBrokers(context, {
    topics,
    isDev: true,
    portHint: (port) => `stop that process, or add ${flagOf(port)} 0 for any free port`,
    create: async (hooks) => {
      const { createBroker, createBrokerGroup } = await import("@tidemark/broker");
      return createBrokerGroup({
        count,
        firstPeerPort: peerPort,
        make: async ({ nodeId, keys, peerListener, peerServer }) => {
          const doors = [
            `GRPC://127.0.0.1:${portOf(grpcPort, nodeId)}`,
            `HTTP://127.0.0.1:${portOf(httpPort, nodeId)}`,
            ...(peerListener === null ? [] : [peerListener]),
          ];
          const { config } = await loadBrokerConfig(
            context,
            {
              profile: "dev",
              flags: {
                ...keys,
                "log.dirs":
                  request.memory === true ? "memory" : count === 1 ? directory : `${directory}/broker-${nodeId}`,
                ...(context.flags.isVerbose ? { "log.level": "info" } : {}),
                listeners: doors.join(","),
              },
            },
            { isQuiet: nodeId > 1 },
          );
          return createBroker({ config, memory: request.memory === true, peerServer, ...hooks });
        },
      });
    },
  });
}
