/**
 * Law 1, the layer table: which room may import which. `import type`, `export … from` and dynamic `import()` count, a
 * specifier is judged by the path it resolves to, and another room is entered by its index only.
 * Law 2, the banned globals: below the platform layer nothing touches time, chance, process or node's modules; they come
 * in through ports.
 *
 * Pure: a path and its text in, breaches out. Tokens come from Babel's parser, because a search by line misses a second
 * import on a line, and a lint rule on a global misses it behind `globalThis`.
 */
import { parse } from "@babel/parser";
import { posix } from "node:path";

export interface Breach {
  readonly file: string;
  readonly line: number;
  readonly rule: string;
  readonly remedy: string;
}

/** Rooms of the broker, each with the complete list of rooms it may enter. Level 7 (the files beside them) may enter all. */
const brokerRooms: Readonly<Record<string, readonly string[]>> = (() => {
  const cores = ["base", "config", "ports", "raft", "metadata", "replication", "coordinator", "storage"];
  return {
    base: [],
    ports: ["base"],
    config: ["base"],
    raft: ["base"],
    metadata: ["base", "config"],
    replication: ["base"],
    coordinator: ["base", "config"],
    storage: ["base", "ports", "config", "raft"],
    runtime: cores,
    api: [...cores, "runtime"],
    "listeners/grpc": ["api", "ports", "base", "config"],
    "listeners/kafka": ["api", "ports", "base", "config"],
    "listeners/http": ["api", "ports", "base", "config"],
    "listeners/peer": ["api", "ports", "base", "config"],
    platform: ["ports", "base", "config"],
    sim: [...cores, "runtime", "api"],
  };
})();

/** Packages of ours that a package may enter. `base` and `raft` may not enter even proto. */
const packageEntries: Readonly<Record<string, readonly string[]>> = {
  proto: [],
  client: ["@tidemark/proto"],
  broker: ["@tidemark/proto"],
  streams: ["@tidemark/client"],
  cli: ["@tidemark/proto", "@tidemark/broker", "@tidemark/client", "@tidemark/streams"],
  console: [],
};

/** A folder on level 7: it composes brokers. */
const KIT = "testing";

const pureRooms = new Set([
  "base",
  "ports",
  "config",
  "raft",
  "metadata",
  "replication",
  "coordinator",
  "storage",
  "runtime",
  "api",
]);

const bannedNames: Readonly<Record<string, string>> = {
  Date: "the Clock port, or `now` as an argument",
  performance: "the Clock port",
  setTimeout: "the Timers port",
  setInterval: "the Timers port",
  setImmediate: "the Timers port",
  process: "a value handed in by the composition root",
  crypto: "the RandomBytes port",
  FinalizationRegistry: "an explicit close",
  WeakRef: "an explicit close",
  Intl: "comparison by bytes",
  localeCompare: "comparison by bytes",
};
const bannedMembers: Readonly<Record<string, string>> = {
  "Math.random": "the seeded source handed in",
  "AbortSignal.timeout": "the Timers port",
};

interface Token {
  readonly text: string;
  readonly isName: boolean;
  readonly line: number;
}

/** Checks one source file; `file` is its path from the root of the repository, with forward slashes. */
export function checkFile(file: string, text: string): Breach[] {
  const { imports, tokens } = scan(text);
  return [...imports.flatMap((entry) => checkImport(file, entry)), ...(isPure(file) ? checkTokens(file, tokens) : [])];
}

interface ImportEntry {
  readonly specifier: string;
  readonly line: number;
}

function scan(text: string): { imports: ImportEntry[]; tokens: Token[] } {
  const ast = parse(text, { sourceType: "module", plugins: ["typescript"], tokens: true, errorRecovery: true });
  const tokens = (ast.tokens ?? [])
    .filter((token: { type: unknown }) => typeof token.type === "object")
    .map((token: { type: { label: string; keyword?: string }; value?: unknown; loc: { start: { line: number } } }) => ({
      text: typeof token.value === "string" ? token.value : (token.type.keyword ?? token.type.label),
      isName: token.type.label === "name",
      isString: token.type.label === "string",
      line: token.loc.start.line,
    }));
  const imports: ImportEntry[] = [];
  for (const [slot, token] of tokens.entries()) {
    if (!token.isString) continue;
    const before = tokens[slot - 1]?.text ?? "";
    const beforeThat = tokens[slot - 2]?.text ?? "";
    const isImported =
      before === "from" ||
      before === "import" ||
      (before === "(" && (beforeThat === "import" || beforeThat === "require"));
    if (isImported) imports.push({ specifier: token.text, line: token.line });
  }
  return { imports, tokens };
}

/** The room a file lies in: `broker/src/listeners/grpc/x.ts` → `listeners/grpc`; files beside the rooms, and of the test kit, have none. */
function roomOf(file: string): { pkg: string; room: string | null; isIndex: boolean } {
  const [pkg = "", , ...rest] = file.split("/");
  const isIndex = rest.at(-1) === "index.ts";
  if (rest.length < 2 || rest[0] === KIT) return { pkg, room: null, isIndex };
  return { pkg, room: rest[0] === "listeners" ? `listeners/${rest[1]}` : (rest[0] ?? null), isIndex };
}

function isPure(file: string): boolean {
  const { pkg, room } = roomOf(file);
  if (pkg === "broker") return room !== null && pureRooms.has(room);
  return (pkg === "client" && room === "core") || (pkg === "streams" && room === "engine");
}

function checkImport(file: string, { specifier, line }: ImportEntry): Breach[] {
  const breach = (rule: string, remedy: string): Breach[] => [{ file, line, rule, remedy }];
  const source = roomOf(file);
  if (specifier.startsWith("node:")) {
    const isAllowed =
      !isPure(file) || (source.pkg === "broker" && source.room === "base" && specifier === "node:assert");
    return isAllowed ? [] : breach(`${specifier} below the platform layer`, "a port");
  }
  if (specifier.startsWith("@tidemark/") || specifier === "tidemark") {
    const target = specifier.startsWith("@tidemark/") ? specifier.split("/").slice(0, 2).join("/") : specifier;
    if (!(packageEntries[source.pkg] ?? []).includes(target))
      return breach(`${source.pkg} enters ${target}`, "see the table of packages");
    const isBelowProto = source.pkg === "broker" && (source.room === "base" || source.room === "raft");
    return isBelowProto ? breach(`${source.room} enters ${target}`, "a type of its own") : [];
  }
  if (!specifier.startsWith(".")) {
    return isPure(file) && source.pkg === "broker" && source.room !== "runtime" && source.room !== "api"
      ? breach(`${source.room} enters the package ${specifier}`, "a port")
      : [];
  }
  const targetFile = posix.normalize(posix.join(posix.dirname(file), specifier));
  const target = roomOf(targetFile);
  if (targetFile.split("/")[1] !== "src") return breach(`${specifier} leaves src`, "nothing enters tests or outputs");
  if (target.pkg !== source.pkg) return breach(`${specifier} reaches into another package`, "the package's name");
  if (source.pkg !== "broker" || source.room === null || target.room === source.room) return [];
  if (target.room === null) return breach(`${source.room} enters ${targetFile}`, "arrows point down only");
  if (!(brokerRooms[source.room] ?? []).includes(target.room)) {
    return breach(`${source.room} enters ${target.room}`, "see the layer table: arrows point down only");
  }
  return target.isIndex ? [] : breach(`${source.room} enters ${target.room} by a side door`, `${target.room}/index.ts`);
}

function checkTokens(file: string, tokens: readonly Token[]): Breach[] {
  const breaches: Breach[] = [];
  for (const [slot, token] of tokens.entries()) {
    if (!token.isName) continue;
    const isMember = tokens[slot - 1]?.text === "." || tokens[slot - 1]?.text === "?.";
    const owner = isMember ? (tokens[slot - 2]?.text ?? "") : "";
    const isKey =
      !isMember && tokens[slot + 1]?.text === ":" && (tokens[slot - 1]?.text === "{" || tokens[slot - 1]?.text === ",");
    const isGlobal =
      (!isMember && !isKey) || owner === "globalThis" || owner === "global" || token.text === "localeCompare";
    const remedy =
      (isGlobal && Object.hasOwn(bannedNames, token.text) ? bannedNames[token.text] : undefined) ??
      bannedMembers[`${owner}.${token.text}`];
    if (remedy !== undefined)
      breaches.push({ file, line: token.line, rule: `${token.text} below the platform layer`, remedy });
  }
  return breaches;
}
