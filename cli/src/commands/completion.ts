/**
 * `completion bash|zsh|fish|powershell` prints what a shell reads; the shell then asks `tidemark __complete WORD...` at every
 * Tab, which answers from the command tree, one candidate a line, with a description behind a tab.
 *
 * Names of topics, and ids of brokers, come from a broker, within half a second or not at all. TIDEMARK_COMPLETE_TOPICS=off asks none, =2s has more patience.
 */
import { readdirSync } from "node:fs";
import { Writable } from "node:stream";
import type { Client } from "@tidemark/client";
import type { Command } from "commander";
import type { CommandContext } from "../command-context.ts";
import { ExitCode } from "../exit-codes.ts";
import { parseDurationMs } from "../parse/duration.ts";
import { type Candidate, complete, type Completion } from "../tree/completion.ts";
import { SHELL_SCRIPTS, type Shell } from "./completion-scripts.ts";

const TOPICS_TIMEOUT_MS = 500;

export async function completion(context: CommandContext, { shell }: { readonly shell: Shell }): Promise<ExitCode> {
  context.stdout.write(SHELL_SCRIPTS[shell]);
  return ExitCode.OK;
}

/** Never fails: a Tab that finds nothing offers nothing. */
export async function answerCompletion(
  context: CommandContext,
  { program, words }: { readonly program: Command; readonly words: readonly string[] },
): Promise<ExitCode> {
  // Windows PowerShell hands an empty word on as two quotes.
  const found = complete(
    program,
    words.map((word) => (word === '""' ? "" : word)),
  );
  const candidates = [...found.candidates, ...(await namesOf(context, found).catch(() => []))];
  context.stdout.write(
    candidates.map(({ value, doc }) => `${found.head}${value}${doc === "" ? "" : `\t${doc}`}\n`).join(""),
  );
  return ExitCode.OK;
}

async function namesOf(context: CommandContext, { names, prefix }: Completion): Promise<Candidate[]> {
  const plain = (values: Iterable<string>): Candidate[] =>
    [...values].filter((value) => value.startsWith(prefix)).map((value) => ({ value, doc: "" }));
  switch (names) {
    case "topic":
      return plain(await topicNames(context));
    case "partition":
      return plain(await partitionNames(context, prefix));
    case "broker":
      return plain(await brokerIds(context));
    case "resource":
      if (prefix.startsWith("topic/")) return plain((await topicNames(context)).map((name) => `topic/${name}`));
      return plain(["cluster", "broker/", "topic/"]);
    case "profile": {
      const { readProfiles } = await import("../settings/profiles.ts");
      return plain((await readProfiles(context.env)).profiles.keys());
    }
    case "topic-key":
    case "broker-key": {
      const { configTable } = await import("@tidemark/broker/config");
      const rows = names === "broker-key" ? configTable : configTable.filter(({ scope }) => scope === "topic");
      return rows
        .map(({ key, brokerKey, doc }) => ({
          value: names === "broker-key" ? brokerKey : key,
          doc: doc.split(". ")[0] ?? "",
        }))
        .filter(({ value }) => value.startsWith(prefix));
    }
    case "code": {
      const { allExplanations } = await import("./explain.ts");
      return plain(new Set(allExplanations().map(({ code }) => code)));
    }
    case "file":
      return files(prefix);
    case null:
      return [];
  }
}

async function topicNames(context: CommandContext): Promise<string[]> {
  const names: string[] = [];
  await withPatience(context, async ({ admin }, timeout) => {
    for await (const { name } of admin.topics.list({ timeout })) names.push(name);
  });
  return names;
}

/** Topics first, then, behind the colon, the numbers of one. */
async function partitionNames(context: CommandContext, prefix: string): Promise<string[]> {
  const colon = prefix.indexOf(":");
  if (colon < 0) return (await topicNames(context)).map((name) => `${name}:`);
  const topic = prefix.slice(0, colon);
  const names: string[] = [];
  await withPatience(context, async ({ admin }, timeout) => {
    const { detail } = await admin.topics.describe(topic, { timeout });
    for (const { partition } of detail) names.push(`${topic}:${partition}`);
  });
  return names;
}

async function brokerIds(context: CommandContext): Promise<string[]> {
  const ids: string[] = [];
  await withPatience(context, async ({ admin }, timeout) => {
    for (const { id } of (await admin.cluster({ timeout })).brokers) ids.push(String(id));
  });
  return ids;
}

async function withPatience(
  context: CommandContext,
  use: (client: Client, timeoutMs: number) => Promise<void>,
): Promise<void> {
  const { TIDEMARK_COMPLETE_TOPICS: wanted = "" } = context.env;
  if (wanted === "off") return;
  const timeoutMs = wanted === "" ? TOPICS_TIMEOUT_MS : parseDurationMs(wanted);
  // Whatever is said would stand in the line that is being typed.
  const stderr = new Writable({ write: (_chunk, _encoding, done) => done() });
  const limited = { ...context, stderr, flags: { ...context.flags, timeoutMs, isQuiet: true } };
  const { withClient } = await import("../client-session.ts");
  await withClient(limited, (client) => use(client, timeoutMs));
}

/** Shells know files better, where they are asked; this is for those that are not. */
function files(prefix: string): Candidate[] {
  const at = prefix.lastIndexOf("/");
  const directory = at < 0 ? "" : prefix.slice(0, at + 1);
  return readdirSync(directory === "" ? "." : directory, { withFileTypes: true })
    .map((entry) => `${directory}${entry.name}${entry.isDirectory() ? "/" : ""}`)
    .filter((path) => path.startsWith(prefix))
    .map((value) => ({ value, doc: "" }));
}
