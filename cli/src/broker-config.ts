/** Loads a broker's configuration for a command: refusals become one failure that names each key, value and range. */
import { hostname } from "node:os";
import type { BrokerConfig, LoadInput } from "@tidemark/broker/config";
import { type CommandContext, warn } from "./command-context.ts";
import { CliFailure } from "./failure.ts";

export interface LoadedConfig {
  readonly config: BrokerConfig;
  /** The effective text of each key with its source, secrets redacted. */
  readonly sources: ReadonlyMap<string, { readonly value: string; readonly source: string }>;
}

/** @throws CliFailure INVALID_CONFIG with every problem that was found */
export async function loadBrokerConfig(
  context: CommandContext,
  input: Omit<LoadInput, "env" | "hostName">,
  /** Says no warnings: those of one broker are those of its likes. */
  { isQuiet = false }: { readonly isQuiet?: boolean } = {},
): Promise<LoadedConfig> {
  const { loadConfig } = await import("@tidemark/broker/config");
  const result = loadConfig({ ...input, env: context.env, hostName: hostname() });
  if (!result.ok) {
    const lines = result.problems.map(({ key, value, message }) => `${key}=${value}: ${message}`);
    throw new CliFailure("INVALID_CONFIG", lines.join("\n       "), {
      hint: "nothing was started; correct the named settings",
      details: { problems: result.problems },
    });
  }
  if (!isQuiet) for (const warning of result.warnings) warn(context, warning);
  return { config: result.config, sources: result.sources };
}
