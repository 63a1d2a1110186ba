/**
 * `dev`: brokers for development, in this process. Data in `.tidemark` unless --data-dir or --memory says otherwise, a directory
 * for each of several brokers; the doors listen on the loopback address only.
 */
import { loadBrokerConfig } from "../broker-config.ts";
import { runBrokers } from "../broker-run.ts";
import { sdkLogger } from "../client-session.ts";
import { type CommandContext, isJson, note } from "../command-context.ts";
import type { ExitCode } from "../exit-codes.ts";
import { CliFailure, usageFailure } from "../failure.ts";
import type { NewTopicSpec } from "../parse/pairs.ts";
import { type DataLayout, layoutOf, memberDirectory, NO_DATA } from "../platform/data-layout.ts";
import { plural } from "../output/units.ts";
import type { LoadPlan } from "../records/topic-load.ts";
import { requireTopicName } from "../topic-argument.ts";

export interface DevRequest {
  /** Absent: as many as the directory has. */
  readonly brokers?: number;
  readonly memory?: boolean;
  readonly dataDir?: string;
  readonly topic?: readonly NewTopicSpec[];
  /** A file of records, as `consume -o ndjson` writes them. */
  readonly load?: string;
  readonly grpcPort: number;
  readonly httpPort?: number;
  readonly peerPort?: number;
}

const DATA_DIRECTORY = ".tidemark";
const BROKERS = 3;
const HTTP_PORT = 9292;
const PEER_PORT = 9392;

export async function dev(context: CommandContext, request: DevRequest): Promise<ExitCode> {
  const { grpcPort } = request;
  // Who wants any free port wants no fixed one beside it.
  const { httpPort = grpcPort === 0 ? 0 : HTTP_PORT, peerPort = grpcPort === 0 ? 0 : PEER_PORT } = request;
  const topics = request.topic ?? [];
  for (const topic of topics) requireTopicName(topic.name);
  if (context.flags.broker !== null)
    throw usageFailure("dev starts brokers, and asks none that run", `did you mean --brokers ${context.flags.broker}?`);
  const isMemory = request.memory === true;
  const directory = request.dataDir ?? DATA_DIRECTORY;
  const count = brokerCount(context, request, { directory, layout: isMemory ? NO_DATA : layoutOf(directory) });
  const load =
    request.load === undefined ? null : await (await import("../records/topic-load.ts")).planLoad(request.load);
  const portOf = (first: number, nodeId: number): number => (first === 0 ? 0 : first + nodeId - 1);
  return runBrokers(context, {
    topics,
    ...(load === null ? {} : { load: (address: string) => loadInto(context, address, load) }),
    isDev: true,
    ports: [grpcPort, httpPort, ...(count === 1 ? [] : [peerPort])].flatMap((first) =>
      Array.from({ length: count }, (_, slot) => portOf(first, slot + 1)),
    ),
    portHint: (port) => portHint(port, request, count),
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
                "log.dirs": isMemory ? "memory" : count === 1 ? directory : memberDirectory(directory, nodeId),
                ...(context.flags.isVerbose ? { "log.level": "info" } : {}),
                listeners: doors.join(","),
              },
            },
            { isQuiet: nodeId > 1 },
          );
          return createBroker({ config, memory: isMemory, peerServer, ...hooks });
        },
      });
    },
  });
}

async function loadInto(context: CommandContext, address: string, plan: LoadPlan): Promise<void> {
  const { Client } = await import("@tidemark/client");
  const { loadTopics } = await import("../records/topic-load.ts");
  await using client = new Client({ brokers: address, logger: sdkLogger(context) });
  for (const { topic, records } of await loadTopics(client, plan, context.signal)) {
    const said =
      records === null
        ? `${topic} has records already: nothing is loaded into it`
        : `loaded ${plural(records, "record")} into ${topic}`;
    note(context, isJson(context.flags) ? JSON.stringify({ event: "loaded", topic, records }) : said);
  }
}

/**
 * As many as are asked for, else those whose data lies there. A broker alone never becomes one of several, and of several none is
 * left out: neither would find its records again.
 */
function brokerCount(
  context: CommandContext,
  { brokers: asked }: DevRequest,
  { directory, layout: { isAlone, ids } }: { readonly directory: string; readonly layout: DataLayout },
): number {
  const members = ids.at(-1) ?? 0;
  if (isAlone && members > 0) {
    if (asked === 1 || (asked !== undefined && asked >= members)) return asked;
    throw wrongCount(
      `${directory} holds the data of a broker alone, and of ${ids.length} others that are a cluster`,
      `--brokers 1 starts the one, --brokers ${members} the others`,
    );
  }
  if (isAlone) {
    if ((asked ?? 1) > 1)
      throw wrongCount(
        `${directory} holds the data of a broker alone, which cannot become one of ${asked}`,
        `leave --brokers out to start it as it is, or name another directory with --data-dir`,
      );
    if (asked === undefined)
      note(
        context,
        `${directory} holds the data of a broker alone: it is started as it is; --data-dir DIR starts ${BROKERS} elsewhere`,
      );
    return 1;
  }
  if (members === 0) return asked ?? BROKERS;
  if (asked !== undefined && asked < members)
    throw wrongCount(
      `${directory} holds the data of a cluster of ${members} brokers, and ${asked} of them would not have all of it`,
      `leave --brokers out to start all ${members}, or name another directory with --data-dir`,
    );
  return asked ?? members;
}

function wrongCount(message: string, hint: string): CliFailure {
  return new CliFailure("WRONG_BROKER_COUNT", message, { hint });
}

/** What makes room for these brokers beside whoever has the port. */
function portHint(port: number, { grpcPort, httpPort, peerPort, dataDir, memory }: DevRequest, count: number): string {
  const isOf = (first = 0): boolean => first !== 0 && port >= first && port < first + count;
  if (isOf(httpPort)) return "stop that process, or add --http-port 0 for any free port";
  if (isOf(peerPort)) return "stop that process, or add --peer-port 0 for any free port";
  // What was left out goes with it.
  const free = grpcPort === 0 ? "--http-port 0 --peer-port 0" : "--grpc-port 0";
  const elsewhere = dataDir === undefined && memory !== true ? " and a --data-dir of its own" : "";
  return `stop that process, or run beside it with ${free} for any free ports${elsewhere}`;
}
