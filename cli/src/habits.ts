/**
 * What people type who come from Kafka's tools or from other command lines, and what it is called here. Where the tree itself
 * knows the answer (a flag of a sub-command, a sub-command written as a flag) it is found there; the tables know the rest.
 */
import type { Command } from "commander";
import { isHidden } from "./tree/options.ts";

const FLAGS: ReadonlyMap<string, string> = new Map([
  ["--topic", "a topic stands without a flag, as in tidemark topics describe orders"],
  ["--from-beginning", "did you mean --from start?"],
  ["--max-messages", "did you mean -n?"],
  ["consume -f", "it goes on by itself, unless --until end is given"],
  ["tail -f", "it goes on by itself"],
  ["--follow", "it goes on by itself, unless --until end is given"],
  ["--offset", "did you mean --from?"],
  ["--timeout-ms", "did you mean --timeout, as in --timeout 10s?"],
  ["--property", "`produce` has --key-separator; `consume` shows keys and headers with -o table or -o ndjson"],
  ["--producer-property", "-X key=value sets one; `tidemark profile settings` lists them"],
  ["--consumer-property", "-X key=value sets one; `tidemark profile settings` lists them"],
  ["--command-config", "-X key=value sets one; `tidemark profile` keeps several under a name"],
  ["--compression-codec", "did you mean --compress?"],
  ["--request-required-acks", "did you mean --acks?"],
  ["--broker-list", "did you mean -b host:port,...?"],
  ["--zookeeper", "there is none; brokers are named with -b host:port,..."],
  ["--add-config", "did you mean tidemark configs set topic/NAME key=value?"],
  ["--entity-type", "did you mean tidemark configs get topic/NAME, broker/ID or cluster?"],
  ["--entity-name", "did you mean tidemark configs get topic/NAME, broker/ID or cluster?"],
  ["--under-replicated-partitions", "did you mean tidemark partitions list --unhealthy?"],
  ["--unavailable-partitions", "did you mean tidemark partitions list --unhealthy?"],
  ["--under-min-isr-partitions", "did you mean tidemark partitions list --unhealthy?"],
  ["--execute", "`partitions reassign` does it unless --dry-run is given"],
  ["--generate", "did you mean --dry-run?"],
  ["--verify", "did you mean tidemark partitions reassignments, with --wait to see them to their end?"],
  ["--topics-to-move-json-file", "did you mean --topics a,b?"],
  ["--port", "did you mean --grpc-port?"],
  ["--kafka-port", "there is no door for Kafka's protocol in this version"],
  ["--console", "there is no console in this version; `tidemark top` shows what happens"],
]);

/** Of `tidemark` itself. */
const COMMANDS: ReadonlyMap<string, string> = new Map([
  ["list", "did you mean tidemark topics list?"],
  ["describe", "did you mean tidemark topics describe?"],
  ["create", "did you mean tidemark topics create?"],
  ["delete", "did you mean tidemark topics delete?"],
  ["brokers", "did you mean tidemark cluster brokers?"],
  ["health", "did you mean tidemark cluster health?"],
  ["status", "did you mean tidemark cluster health?"],
  ["info", "did you mean tidemark cluster info?"],
  ["start", "did you mean tidemark dev, or tidemark server start?"],
  ["verify", "did you mean tidemark logs verify?"],
  ["compose", "did you mean tidemark generate compose?"],
  ["groups", "consumer groups do not exist in this version"],
  ["offsets", "consumer groups do not exist in this version; `tidemark topics offsets` asks a topic"],
  ["acls", "this version knows no users and no ACLs"],
  ["users", "this version knows no users and no ACLs"],
  ["quotas", "this version knows no quotas"],
  ["txns", "transactions do not exist in this version"],
  ["streams", "stream processing does not exist in this version"],
  ["bench", "measured is from the sources: `npm run bench`"],
  ["alias", "did you mean tidemark profile?"],
]);

/** Of a group of commands: what there is not. */
const MISSING: ReadonlyMap<string, string> = new Map([
  ["generate certs", "the doors cannot be encrypted in this version"],
  [
    "generate k8s",
    "there is none in this version; `tidemark generate compose` shows what a broker in a container needs",
  ],
  [
    "generate kubernetes",
    "there is none in this version; `tidemark generate compose` shows what a broker in a container needs",
  ],
  [
    "topics copy",
    "in this version: tidemark consume SRC --from start --until end -o ndjson | tidemark produce DST -f ndjson",
  ],
]);

/** Of a group of commands: what other tools call it, and what it may be called here. */
const SUB_COMMANDS: ReadonlyMap<string, readonly string[]> = new Map([
  ["ls", ["list"]],
  ["show", ["describe", "get", "list", "info"]],
  ["get", ["describe", "list", "info"]],
  ["describe", ["get", "info", "status"]],
  ["rm", ["delete"]],
  ["remove", ["delete"]],
  ["decommission", ["drain"]],
  ["unregister", ["remove"]],
  ["move", ["reassign"]],
  ["rebalance", ["balance"]],
  ["add", ["create"]],
  ["new", ["create"]],
  ["update", ["alter", "set"]],
  ["status", ["health", "describe", "list"]],
  ["run", ["start"]],
]);

/** @param words the command line. Null: nobody knows what was meant. */
export function habitOfFlag(program: Command, words: readonly string[], flag: string): string | null {
  const path = pathOf(program, words);
  const command = path.at(-1) ?? program;
  const named = path.map((one) => one.name()).join(" ");
  const name = flag.replace(/^--/, "");
  const children = command.commands.filter((child) => !isHidden(child));
  if (children.some((child) => child.name() === name)) return `did you mean ${named} ${name}?`;
  const owner = children.find((child) => child.options.some(({ long, hidden }) => long === flag && !hidden));
  if (owner !== undefined && command !== program) return `did you mean ${named} ${owner.name()} ${flag}?`;
  return FLAGS.get(`${command.name()} ${flag}`) ?? FLAGS.get(flag) ?? null;
}

/** The same of a word that stands where a command should. */
export function habitOfCommand(program: Command, words: readonly string[], word: string): string | null {
  const path = pathOf(program, words);
  const command = path.at(-1) ?? program;
  if (command === program) return COMMANDS.get(word) ?? null;
  const missing = MISSING.get(`${command.name()} ${word}`);
  if (missing !== undefined) return missing;
  const names = command.commands.map((child) => child.name());
  const meant = SUB_COMMANDS.get(word)?.find((name) => names.includes(name));
  return meant === undefined ? null : `did you mean ${path.map((one) => one.name()).join(" ")} ${meant}?`;
}

/** How the command that was named is used, in one line. */
export function usageOf(program: Command, words: readonly string[]): string {
  const path = pathOf(program, words);
  const takes = (path.at(-1)?.registeredArguments ?? []).map((argument) => {
    const name = argument.variadic ? `${argument.name()}...` : argument.name();
    return argument.required ? `<${name}>` : `[${name}]`;
  });
  return [...path.map((one) => one.name()), ...takes].join(" ");
}

/** From the program down to the command that the words name. */
function pathOf(program: Command, words: readonly string[]): Command[] {
  const path = [program];
  for (const word of words) {
    const child = path.at(-1)?.commands.find((one) => one.name() === word || one.aliases().includes(word));
    if (child !== undefined) path.push(child);
  }
  return path;
}
