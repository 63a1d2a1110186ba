/**
 * What a client runs with: flag, -X, environment, profile, default, each above the next. Done when a command needs a client,
 * so that a broken file of profiles stops neither `--help` nor `profile edit`.
 */
import { readFileSync } from "node:fs";
import type { ClientOptions, ProducerOptions, ReaderOptions } from "@tidemark/client";
import type { CommandContext } from "../command-context.ts";
import { CliFailure, fileReason, usageFailure } from "../failure.ts";
import {
  CLIENT_SETTINGS,
  type ClientSetting,
  parseSetting,
  requireSetting,
  type SettingValue,
} from "./client-settings.ts";
import { DEFAULT_BROKER } from "./default-broker.ts";
import { type ProfileFile, readProfiles, readValue, requireProfile } from "./profiles.ts";

export interface EffectiveSetting {
  readonly key: string;
  readonly value: string;
  /** `-b`, `-X`, `TIDEMARK_BROKERS`, `profile prod` or `default`. */
  readonly source: string;
}

export interface ResolvedSettings {
  readonly brokers: readonly string[];
  /** `host:port` of a broker's HTTP door, where somebody named it. */
  readonly http: string | null;
  readonly client: Omit<ClientOptions, "brokers" | "logger">;
  readonly producer: ProducerOptions;
  readonly reader: ReaderOptions;
  readonly effective: readonly EffectiveSetting[];
}

/** @throws CliFailure USAGE, UNKNOWN_PROFILE, INVALID_PROFILES, UNSUPPORTED */
export async function resolveSettings(context: CommandContext): Promise<ResolvedSettings> {
  const layers = await collect(context);
  const values = new Map<string, SettingValue>();
  for (const [key, { text }] of layers) values.set(key, parseSetting(await requireSetting(key), text));
  refuseLogin(layers);
  const brokers = values.get("brokers");
  return {
    brokers: Array.isArray(brokers) ? brokers : [DEFAULT_BROKER],
    http: layers.get("http")?.text ?? null,
    client: { clientId: "tidemark-cli", ...tlsOf(values), ...nested(values, ["clientId", "timeouts", "retry"]) },
    producer: Object(nested(values, ["producer"])["producer"] ?? {}),
    reader: Object(nested(values, ["reader"])["reader"] ?? {}),
    effective: CLIENT_SETTINGS.flatMap((setting) => shown(setting, layers)),
  };
}

/** The profile in force: --profile, TIDEMARK_PROFILE, the file's `current`; null: none. */
export function profileInForce(context: CommandContext, file: ProfileFile): string | null {
  const { TIDEMARK_PROFILE: named = "" } = context.env;
  return context.flags.profile ?? (named === "" ? file.current : named);
}

interface Layer {
  readonly text: string;
  readonly source: string;
}

async function collect(context: CommandContext): Promise<Map<string, Layer>> {
  const { flags, env } = context;
  const layers = new Map<string, Layer>();
  const file = await readProfiles(env);
  const name = profileInForce(context, file);
  if (name !== null) {
    for (const [key, value] of await requireProfile(file, name)) {
      if (isOverridden(key, context)) continue;
      layers.set(key, { text: readValue(value, `${key} of profile ${name}`, env), source: `profile ${name}` });
    }
  }
  for (const { key, environment } of settings) {
    const text = environment === undefined ? undefined : env[environment];
    if (environment !== undefined && text !== undefined && text.trim() !== "")
      layers.set(key, { text, source: environment });
  }
  for (const [key, text] of flags.settings) {
    const setting = await requireSetting(key);
    if (setting.kind === "secret")
      throw usageFailure(`${key} is a secret and would be seen by everybody on this machine`, secretHint(setting));
    layers.set(key, { text, source: "-X" });
  }
  if (flags.broker !== null) layers.set("brokers", { text: flags.broker, source: "-b" });
  return layers;
}

const settings: readonly ClientSetting[] = CLIENT_SETTINGS;

/** A command or file behind a value is not asked when something above it wins. */
function isOverridden(key: string, { env, flags }: CommandContext): boolean {
  const variable = settings.find((setting) => setting.key === key)?.environment;
  return (
    (key === "brokers" && flags.broker !== null) ||
    flags.settings.some(([name]) => name === key) ||
    (variable !== undefined && (env[variable] ?? "").trim() !== "")
  );
}

function secretHint({ environment }: ClientSetting): string {
  return `set ${environment}, or name { env }, { file } or { command } in a profile`;
}

/** A login that is asked for must not be lost silently. */
function refuseLogin(layers: ReadonlyMap<string, Layer>): void {
  for (const [key, { source }] of layers) {
    if (!key.startsWith("auth.")) continue;
    throw new CliFailure("UNSUPPORTED", `${key} is set (${source}), and this version of the client cannot log in`, {
      hint: "take it out where no login is needed",
    });
  }
}

/** `tls.*` says yes unless `tls` says no. */
function tlsOf(values: ReadonlyMap<string, SettingValue>): Pick<ClientOptions, "tls"> {
  const flag = values.get("tls");
  if (flag === false) return { tls: false };
  const own: [string, SettingValue | Buffer][] = [];
  for (const [key, value] of values) {
    if (!key.startsWith("tls.")) continue;
    const name = key.slice("tls.".length);
    own.push([name, typeof value === "string" && name !== "serverName" ? certificateFile(key, value) : value]);
  }
  if (own.length > 0) return { tls: Object.fromEntries(own) };
  return flag === true ? { tls: true } : {};
}

function certificateFile(key: string, path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error: unknown) {
    throw new CliFailure("FILE_NOT_FOUND", `${key} names ${path}, which cannot be read: ${fileReason(error)}`, {
      cause: error,
    });
  }
}

/** `timeouts.request` = v becomes { timeouts: { request: v } }, for keys under the roots. */
function nested(values: ReadonlyMap<string, SettingValue>, roots: readonly string[]): Record<string, unknown> {
  const tree: Record<string, unknown> = {};
  for (const [key, value] of values) {
    const path = key.split(".");
    const leaf = path.pop() ?? "";
    if (!roots.includes(path[0] ?? leaf)) continue;
    let branch = tree;
    for (const name of path) {
      const next = Object(branch[name] ?? {});
      branch[name] = next;
      branch = next;
    }
    branch[leaf] = value;
  }
  return tree;
}

function shown(setting: ClientSetting, layers: ReadonlyMap<string, Layer>): EffectiveSetting[] {
  const layer = layers.get(setting.key);
  if (layer === undefined)
    return setting.key === "brokers" ? [{ key: "brokers", value: DEFAULT_BROKER, source: "default" }] : [];
  return [{ key: setting.key, value: setting.kind === "secret" ? "[secret]" : layer.text, source: layer.source }];
}
