/**
 * The file of profiles, ${XDG_CONFIG_HOME:-~/.config}/tidemark/config.toml, mode 0600:
 *
 *     current = "prod"
 *     previous = "dev"
 *
 *     [profiles.prod]
 *     brokers = "broker-1:9192,broker-2:9192"
 *     timeouts.request = "10s"
 *     auth.password = { command = "pass show tidemark" }
 *
 * Keys are those of client-settings.ts. A value may come from elsewhere, `{ env }`, `{ file }` or `{ command }`, and a secret
 * has to. The file is a person's too: an edit changes the lines it is about and leaves comments and order alone, and is
 * checked before it replaces the file in one step.
 */
import { spawnSync } from "node:child_process";
import { chmodSync, closeSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, writeSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import type { TomlTable } from "smol-toml";
import { CliFailure, fileReason } from "../failure.ts";
import { parseSetting, requireSetting } from "./client-settings.ts";

/** Where a value comes from that does not stand in the file. */
export type ValueSource = { readonly env: string } | { readonly file: string } | { readonly command: string };
export type ProfileValue = string | ValueSource;
export type Profile = ReadonlyMap<string, ProfileValue>;

export interface ProfileFile {
  readonly path: string;
  /** Empty where there is no file. */
  readonly text: string;
  readonly current: string | null;
  readonly previous: string | null;
  readonly profiles: ReadonlyMap<string, Profile>;
}

const SOURCES_HINT = 'a secret is { env = "NAME" }, { file = "PATH" } or { command = "..." }';

type Environment = Readonly<Record<string, string | undefined>>;

export function profilesPath(env: Environment): string {
  const { XDG_CONFIG_HOME: xdg = "", HOME: home = "" } = env;
  return join(xdg === "" ? join(home === "" ? homedir() : home, ".config") : xdg, "tidemark", "config.toml");
}

/** @throws CliFailure INVALID_PROFILES with file and line */
export async function readProfiles(env: Environment): Promise<ProfileFile> {
  const path = profilesPath(env);
  const text = textOf(path);
  return text === null ? { path, text: "", current: null, previous: null, profiles: new Map() } : parse(path, text);
}

/** @throws CliFailure UNKNOWN_PROFILE naming the nearest one */
export async function requireProfile(file: ProfileFile, name: string): Promise<Profile> {
  const profile = file.profiles.get(name);
  if (profile !== undefined) return profile;
  const { nearest } = await import("@tidemark/broker/config");
  const near = nearest(name, file.profiles.keys());
  const known = [...file.profiles.keys()];
  throw new CliFailure("UNKNOWN_PROFILE", `there is no profile ${JSON.stringify(name)} in ${file.path}`, {
    hint:
      near !== null
        ? `did you mean ${near}?`
        : known.length === 0
          ? `\`tidemark profile add ${name} --broker host:port\` makes one`
          : `there is ${known.join(", ")}`,
  });
}

/** The text of a value, wherever it stands. @throws CliFailure INVALID_PROFILES naming the place that gave none */
export function readValue(value: ProfileValue, what: string, env: Environment): string {
  if (typeof value === "string") return value;
  if ("env" in value) {
    const text = env[value.env];
    if (text === undefined || text === "")
      throw noValue(
        what,
        `the environment variable ${value.env} is not set`,
        `set ${value.env} where the command runs`,
      );
    return text;
  }
  if ("file" in value) {
    try {
      return withoutLastLineEnd(readFileSync(value.file, "utf8"));
    } catch (error: unknown) {
      throw noValue(
        what,
        `${value.file} cannot be read: ${fileReason(error)}`,
        `see that ${value.file} is there and readable`,
        error,
      );
    }
  }
  const { status, stdout, error } = spawnSync(value.command, {
    shell: true,
    encoding: "utf8",
    stdio: ["inherit", "pipe", "inherit"],
  });
  const text = withoutLastLineEnd(stdout ?? "");
  if (status !== 0 || text === "")
    throw noValue(
      what,
      `\`${value.command}\` ended with ${status} and said nothing`,
      "run it by itself: its output is the value",
      error,
    );
  return text;
}

/** `use`: the line of `current`, and of the one before it. */
export function withCurrent(file: ProfileFile, name: string): string {
  const previous = file.current === name ? file.previous : file.current;
  const lines = [
    `current = ${JSON.stringify(name)}\n`,
    previous === null || !file.profiles.has(previous) ? "" : `previous = ${JSON.stringify(previous)}\n`,
  ];
  const rest = withoutTopLines(file.text, ["current", "previous"]);
  return `${lines.join("")}${rest.startsWith("[") ? "\n" : ""}${rest}`;
}

export function withProfile(file: ProfileFile, name: string, values: readonly (readonly [string, string])[]): string {
  const lines = values.map(([key, value]) => `${key} = ${JSON.stringify(value)}\n`);
  const gap = file.text === "" || file.text.endsWith("\n\n") ? "" : file.text.endsWith("\n") ? "\n" : "\n\n";
  return `${file.text}${gap}[profiles.${tomlKey(name)}]\n${lines.join("")}`;
}

export function withoutProfile(file: ProfileFile, name: string): string {
  const gone = [file.current, file.previous].map((one, slot) =>
    one === name ? (slot === 0 ? "current" : "previous") : "",
  );
  const key = tomlKey(name).replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  const head = new RegExp(`^\\s*\\[\\s*profiles\\s*\\.\\s*(?:${key}|"${key}")\\s*(?:\\.[^\\]]*)?\\]`);
  let isInside = false;
  const kept = withoutTopLines(file.text, gone)
    .match(/[^\n]*\n?/g)
    ?.filter((line) => {
      if (/^\s*\[/.test(line)) isInside = head.test(line);
      return !isInside;
    });
  return (kept ?? []).join("").replace(/\n{2,}$/, "\n");
}

/**
 * Replaces the file, mode 0600, if the new text is what it should be: `isRight` sees it parsed.
 * @throws CliFailure INVALID_PROFILES where the edit did not work out, as with a profile written in an unusual way
 */
export async function writeProfiles(
  file: ProfileFile,
  text: string,
  isRight: (edited: ProfileFile) => boolean,
): Promise<void> {
  if (!isRight(await parse(file.path, text))) {
    throw new CliFailure("INVALID_PROFILES", `${file.path} is written in a way that cannot be edited line by line`, {
      hint: "`tidemark profile edit` opens it",
    });
  }
  mkdirSync(dirname(file.path), { recursive: true, mode: 0o700 });
  const next = `${file.path}.${process.pid}.tmp`;
  const descriptor = openSync(next, "w", 0o600);
  try {
    writeSync(descriptor, text);
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
  chmodSync(next, 0o600);
  renameSync(next, file.path);
}

async function parse(path: string, text: string): Promise<ProfileFile> {
  const { parse: parseToml, TomlError } = await import("smol-toml");
  let root: TomlTable;
  try {
    root = parseToml(text);
  } catch (error: unknown) {
    if (!(error instanceof TomlError)) throw error;
    const [reason = ""] = error.message.split("\n");
    throw broken(`${path}:${error.line}:${error.column}: ${reason.replace(/^Invalid TOML document: /, "")}`, error);
  }
  const place = (key: string): string => `${path}${lineOf(text, key)}`;
  for (const name of Object.keys(root)) {
    if (name !== "current" && name !== "previous" && name !== "profiles")
      throw broken(`${place(name)}: ${name} is neither current, previous nor profiles`);
  }
  const tables = root["profiles"] ?? {};
  if (!isTable(tables)) throw broken(`${place("profiles")}: profiles is no table`);
  const profiles = new Map<string, Profile>();
  for (const [name, table] of Object.entries(tables)) {
    if (!isTable(table)) throw broken(`${place(name)}: profiles.${name} is no table`);
    const values = new Map<string, ProfileValue>();
    for (const [key, value] of leavesOf(table, "")) values.set(key, await settingOf(key, value, place));
    profiles.set(name, values);
  }
  const nameOf = (key: string): string | null => {
    const name = root[key];
    if (name === undefined || typeof name === "string") return name ?? null;
    throw broken(`${place(key)}: ${key} is not the name of a profile`);
  };
  return { path, text, current: nameOf("current"), previous: nameOf("previous"), profiles };
}

async function settingOf(key: string, value: unknown, place: (key: string) => string): Promise<ProfileValue> {
  try {
    const setting = await requireSetting(key);
    if (isTable(value)) return sourceOf(value, key);
    const text = Array.isArray(value) ? value.map(String).join(",") : String(value);
    if (setting.kind === "secret")
      throw broken(`${key} is a secret, and stands here for all to read`, undefined, SOURCES_HINT);
    parseSetting(setting, text);
    return text;
  } catch (error: unknown) {
    if (!(error instanceof CliFailure)) throw error;
    throw broken(`${place(key.split(".").at(-1) ?? key)}: ${error.message}`, error, error.hint ?? undefined);
  }
}

/** Dotted keys and their values; a table of one source is a value. */
function* leavesOf(table: TomlTable, prefix: string): Iterable<[string, unknown]> {
  for (const [name, value] of Object.entries(table)) {
    if (isTable(value) && !isSource(value)) yield* leavesOf(value, `${prefix}${name}.`);
    else yield [prefix + name, value];
  }
}

function isSource(table: TomlTable): boolean {
  const names = Object.keys(table);
  return names.length === 1 && ["env", "file", "command"].includes(names[0] ?? "");
}

function sourceOf(table: TomlTable, key: string): ValueSource {
  const { env, file, command } = table;
  if (typeof env === "string") return { env };
  if (typeof file === "string") return { file };
  if (typeof command === "string") return { command };
  throw broken(`${key} names its source by something else than a text`, undefined, SOURCES_HINT);
}

function isTable(value: unknown): value is TomlTable {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Date);
}

/** `:7`, the first line that sets the key. */
function lineOf(text: string, key: string): string {
  const line = text.split("\n").findIndex((one) => new RegExp(`(^|[.\\s[])"?${key}"?\\s*[=\\].]`).test(one));
  return line < 0 ? "" : `:${line + 1}`;
}

/** Lines above the first table that set one of the keys are dropped. */
function withoutTopLines(text: string, keys: readonly string[]): string {
  let isTop = true;
  const kept = text.match(/[^\n]*\n?/g)?.filter((line) => {
    if (/^\s*\[/.test(line)) isTop = false;
    const key = /^\s*([A-Za-z]+)\s*=/.exec(line)?.[1];
    return !(isTop && key !== undefined && keys.includes(key));
  });
  return (kept ?? []).join("");
}

function textOf(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch (error: unknown) {
    if (error instanceof Error && "code" in error && (error.code === "ENOENT" || error.code === "ENOTDIR")) return null;
    throw broken(`${path} cannot be read: ${fileReason(error)}`, error, "see what stands there");
  }
}

function withoutLastLineEnd(text: string): string {
  return text.replace(/\r?\n$/, "");
}

function tomlKey(name: string): string {
  return /^[A-Za-z0-9_-]+$/.test(name) ? name : JSON.stringify(name);
}

function broken(message: string, cause?: unknown, hint = "`tidemark profile edit` opens it"): CliFailure {
  return new CliFailure("INVALID_PROFILES", message, { hint, cause });
}

function noValue(what: string, reason: string, hint: string, cause?: unknown): CliFailure {
  return new CliFailure("INVALID_PROFILES", `${what}: ${reason}`, { hint, cause });
}
