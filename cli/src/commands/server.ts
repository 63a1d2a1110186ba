/**
 * `server start`: one production broker from a properties file, the environment (KAFKA_*, TIDEMARK_*) and --set, in this
 * order of precedence from weak to strong. It stays in the foreground until SIGTERM or SIGINT stops it cleanly.
 */
import { existsSync } from "node:fs";
import type { BrokerOptions } from "@tidemark/broker";
import { type LoadedConfig, loadBrokerConfig } from "../broker-config.ts";
import { runBrokers } from "../broker-run.ts";
import type { CommandContext } from "../command-context.ts";
import type { ExitCode } from "../exit-codes.ts";
import { CliFailure } from "../failure.ts";
import { readTextFile } from "../platform/text-file.ts";

export interface ServerStartRequest {
  readonly config?: string;
  readonly set?: readonly (readonly [string, string])[];
}

export interface ServerRunRequest extends ServerStartRequest {
  /** What tests ask of the process in TIDEMARK_FAILPOINTS is done. */
  readonly testHooks?: boolean;
}

/** Read when --config names no other; it may be absent. */
export const STANDARD_FILE = "/etc/tidemark/server.properties";

/** @throws CliFailure FILE_NOT_FOUND, EISDIR, or INVALID_CONFIG for a file that is not text */
function readSettings(path: string): string {
  const text = readTextFile(path);
  if (text.includes("\0")) {
    throw new CliFailure("INVALID_CONFIG", `${path} is not a text file`, { hint: "name a file of lines key=value" });
  }
  return text;
}

/** What `server start` would run with: file, environment and --set. @throws CliFailure FILE_NOT_FOUND, EISDIR, INVALID_CONFIG */
export function loadServerConfig(context: CommandContext, request: ServerStartRequest): Promise<LoadedConfig> {
  const path = request.config ?? (existsSync(STANDARD_FILE) ? STANDARD_FILE : null);
  return loadBrokerConfig(context, {
    profile: "server",
    flags: Object.fromEntries(request.set ?? []),
    ...(path === null ? {} : { file: { path, text: readSettings(path) } }),
  });
}

/** Throws CliFailure INVALID_CONFIG: nobody's server dies of what was left in an environment. */
async function testWorld(context: CommandContext, hasHooks: boolean): Promise<Pick<BrokerOptions, "world">> {
  const text = context.env["TIDEMARK_FAILPOINTS"];
  if (text === undefined || text === "") return {};
  if (!hasHooks) {
    const message = "TIDEMARK_FAILPOINTS is set, and this server was not started with --test-hooks";
    throw new CliFailure("INVALID_CONFIG", message, {
      hint: "unset TIDEMARK_FAILPOINTS: it makes a server fail on purpose",
    });
  }
  const { failpointsOf } = await import("@tidemark/broker/test-hooks");
  try {
    return { world: { failpoint: failpointsOf(text) } };
  } catch (cause: unknown) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new CliFailure("INVALID_CONFIG", `TIDEMARK_FAILPOINTS: ${reason}`, {
      hint: "name=action[:nth], several between commas",
      cause,
    });
  }
}

export async function startServer(context: CommandContext, request: ServerRunRequest): Promise<ExitCode> {
  const { config } = await loadServerConfig(context, request);
  const world = await testWorld(context, request.testHooks === true);
  return runBrokers(context, {
    topics: [],
    isDev: config.profile === "dev",
    ports: config.listeners.map(({ port }) => port),
    portHint: () => "stop that process, or choose another port in `listeners`",
    create: async (hooks) => {
      const { createBroker } = await import("@tidemark/broker");
      const broker = await createBroker({ config, ...world, ...hooks });
      return { brokers: [broker], start: () => broker.start(), stop: () => broker.stop() };
    },
  });
}
