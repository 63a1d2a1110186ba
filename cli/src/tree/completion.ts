/**
 * What may stand where the cursor is, from the command tree: sub-commands, flags, values of flags that are enumerated, and
 * kinds of names that somebody else knows. Pure: words in, candidates out.
 */
import type { Argument, Command, Option } from "commander";
import { CLIENT_SETTINGS } from "../settings/client-settings.ts";
import { type ArgumentKind, type ConfigKind, isHidden, traitsOf } from "./options.ts";

export interface Candidate {
  readonly value: string;
  readonly doc: string;
}

export interface Completion {
  readonly candidates: readonly Candidate[];
  /** Names that are looked up elsewhere. */
  readonly names: ArgumentKind | "file" | null;
  /** What was typed of the word so far. */
  readonly prefix: string;
  /** Part of the word that stands before each value: `--output=`. */
  readonly head: string;
}

/** @param words all words behind `tidemark`, the last one being typed, and so perhaps empty */
export function complete(program: Command, words: readonly string[]): Completion {
  const before = words.slice(0, -1);
  const typed = words.at(-1) ?? "";
  let command = program;
  let waiting: Option | null = null;
  let isOver = false;
  const args: string[] = [];
  for (const word of before) {
    if (waiting !== null) {
      waiting = null;
    } else if (isOver) {
      args.push(word);
    } else if (word === "--") {
      isOver = true;
    } else if (word.startsWith("-") && word !== "-") {
      const option = optionOf(command, word.split("=")[0] ?? word);
      if (option !== null && option.required && !word.includes("=") && !isJoined(option, word)) waiting = option;
    } else {
      const child = command.commands.find((one) => one.name() === word || one.aliases().includes(word));
      if (child === undefined) args.push(word);
      else command = child;
    }
  }
  if (waiting !== null) return valuesOf(waiting, typed, "", args);
  const equals = typed.indexOf("=");
  if (!isOver && typed.startsWith("--") && equals > 0) {
    const option = optionOf(command, typed.slice(0, equals));
    if (option !== null && option.required)
      return valuesOf(option, typed.slice(equals + 1), typed.slice(0, equals + 1), args);
  }
  if (!isOver && typed.startsWith("-"))
    return { candidates: flagsOf(command, typed), names: null, prefix: typed, head: "" };
  const children = args.length === 0 ? commandsOf(command, typed) : [];
  const argument = argumentAt(command, args.length);
  // Of a command that takes either, as `explain`, both are offered.
  if (command.commands.length > 0 && argument === null)
    return { candidates: commandsOf(command, typed), names: null, prefix: typed, head: "" };
  const values = argument?.argChoices?.filter((value) => value.startsWith(typed)) ?? [];
  return {
    candidates: [...children, ...values.map((value) => ({ value, doc: "" }))],
    names: argument === null ? null : namesOf(command, argument, args),
    prefix: typed,
    head: "",
  };
}

/** `-ojson`: the value stands in the same word. */
function isJoined(option: Option, word: string): boolean {
  return !word.startsWith("--") && option.short !== undefined && word.length > option.short.length;
}

function optionOf(command: Command, word: string): Option | null {
  for (const one of chain(command)) {
    const found = one.options.find(
      (option) => option.long === word || (option.short !== undefined && word.startsWith(option.short)),
    );
    if (found !== undefined) return found;
  }
  return null;
}

function chain(command: Command): Command[] {
  return command.parent === null ? [command] : [command, ...chain(command.parent)];
}

function commandsOf(command: Command, prefix: string): Candidate[] {
  return command.commands
    .filter((one) => !isHidden(one) && one.name().startsWith(prefix))
    .map((one) => ({ value: one.name(), doc: one.description() }));
}

/** Long names; the command's own before the global ones. */
function flagsOf(command: Command, prefix: string): Candidate[] {
  const found = new Map<string, Candidate>();
  for (const one of chain(command)) {
    for (const option of one.options) {
      const value = option.long ?? option.short ?? "";
      if (value.startsWith(prefix) && !option.hidden && !found.has(value))
        found.set(value, { value, doc: option.description });
    }
  }
  if ("--help".startsWith(prefix)) found.set("--help", { value: "--help", doc: "display help for command" });
  return [...found.values()];
}

/** Values of flags that are no fixed list, and still are known. */
const NAMED_VALUES: ReadonlyMap<string, ArgumentKind | "file"> = new Map([
  ["--profile", "profile"],
  ["--file", "file"],
  ["--config", "file"],
  ["--log-file", "file"],
  ["--data-dir", "file"],
  ["--load", "file"],
  ["--out", "file"],
  ["--build", "file"],
  ["--plan", "file"],
  ["--rollback", "file"],
  ["--topics", "topic"],
  ["--brokers", "broker"],
  ["--delete-config", "topic-key"],
]);

/** Values that are not all there are, but what is meant most often. */
const USUAL_VALUES: ReadonlyMap<string, readonly string[]> = new Map([
  ["--output", ["table", "wide", "json", "ndjson", "yaml", "csv", "name", "template=", "raw"]],
  ["--from", ["start", "end", "-10", "@-5m"]],
  ["--until", ["end"]],
  ["--at", ["earliest", "latest", "max-timestamp", "@-5m"]],
  ["--before", ["end"]],
  ["--host-address", ["127.0.0.1", "0.0.0.0"]],
  ["--throttle", ["10MB/s", "50MB/s", "100MB/s"]],
  ["--timeout", ["1s", "10s", "1m"]],
  ["--watch", ["1s", "2s", "10s"]],
]);

function valuesOf(option: Option, prefix: string, head: string, args: readonly string[]): Completion {
  const long = option.long ?? "";
  const settings = option.short === "-X" ? CLIENT_SETTINGS.map(({ key }) => `${key}=`) : undefined;
  const values = option.argChoices ?? USUAL_VALUES.get(long) ?? settings ?? [];
  const candidates = values.filter((value) => value.startsWith(prefix)).map((value) => ({ value, doc: "" }));
  const names = configKeysOf(option, args) ?? NAMED_VALUES.get(long) ?? null;
  return { candidates, names, prefix, head };
}

function configKeysOf({ short, long }: Option, args: readonly string[]): ConfigKind | null {
  // `topics create -c` and `alter -c` set keys; `server start --config` names a file.
  if (short === "-c") return "topic-key";
  if (long === "--set") return "broker-key";
  return long === "--explain" ? keysOf(args) : null;
}

/** Of the resource that was named before: `configs get topic/orders KEY`. */
function keysOf([resource = ""]: readonly string[]): ConfigKind {
  return resource.startsWith("topic/") ? "topic-key" : "broker-key";
}

/** The last one takes all that follow, if it is variadic. */
function argumentAt(command: Command, place: number): Argument | null {
  const args = command.registeredArguments;
  const argument = args[Math.min(place, args.length - 1)];
  return argument === undefined || (place >= args.length && !argument.variadic) ? null : argument;
}

function namesOf(command: Command, argument: Argument, args: readonly string[]): ArgumentKind | "file" | null {
  const name = argument.name();
  if (name.startsWith("key")) return keysOf(args);
  if (name === "file") return "file";
  return argument.argChoices === undefined ? traitsOf(command).argument : null;
}
