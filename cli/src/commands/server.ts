/**
 * `server start`: one production broker from a properties file, the environment (KAFKA_*, TIDEMARK_*) and --set, in this
 * order of precedence from weak to strong. It stays in the foreground until SIGTERM or SIGINT stops it cleanly.
 */
import { existsSync } from "node:fs";
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

export async function startServer(context: CommandContext, request: ServerStartRequest): Promise<ExitCode> {
  const { config } = await loadServerConfig(context, request);
  return runBrokers(context, {
    topics: [],
    isDev: config.profile === "dev",
    portHint: () => "stop that process, or choose another port in `listeners`",
    create: async (hooks) => {
      const { createBroker } = await import("@tidemark/broker");
      const broker = await createBroker({ config, ...hooks });
      return { brokers: [broker], start: () => broker.start(), stop: () => broker.stop() };
    },
  });
}
