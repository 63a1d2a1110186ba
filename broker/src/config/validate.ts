/** Relations between values: what no single row can say. Run once, on the parsed configuration. */
import { formatListener, formatVoter, isLoopback } from "./listeners.ts";
import { logComponents } from "./log-components.ts";
import { nearest } from "@tidemark/proto";
import { formatValue } from "./parse-value.ts";
import type { BrokerConfig, ConfigProblem } from "./types.ts";

/** Refuses what contradicts itself or stands open; warns of what is allowed and dangerous. */
export function validate(config: BrokerConfig): { problems: ConfigProblem[]; warnings: string[] } {
  const problems: ConfigProblem[] = [];
  const warnings: string[] = [];
  const refuse = (key: string, value: string, message: string): void => {
    problems.push({ key, value, message });
  };

  if (config.logDirs.length !== 1) {
    refuse("log.dirs", formatValue(config.logDirs), "expected exactly one directory");
  }
  if (config.processRoles.length !== 2) {
    refuse("process.roles", formatValue(config.processRoles), "every process is both: expected broker,controller");
  }
  checkListeners(config, refuse, warnings);
  checkVoters(config, refuse, warnings);
  for (const pair of config.logLevels) {
    const message = logLevelRefusal(pair);
    if (message !== null) refuse("tidemark.log.levels", pair, message);
  }

  const { maxMessageBytes, segmentBytes, durability } = config.topicDefaults;
  if (config.queuedMaxRequestBytes < maxMessageBytes) {
    const value = String(config.queuedMaxRequestBytes);
    refuse("queued.max.request.bytes", value, `must hold one batch of message.max.bytes (${maxMessageBytes})`);
  }
  if (maxMessageBytes > segmentBytes) {
    warnings.push(
      `message.max.bytes (${maxMessageBytes}) is above log.segment.bytes (${segmentBytes}): larger batches are refused`,
    );
  }
  if (durability === "none" && config.profile === "server") {
    refuse("tidemark.durability", durability, "keeps nothing and is for the dev profile without a disk");
  }
  return { problems, warnings };
}

/** A level of a component that writes nothing would change nothing, and nobody would be told. */
function logLevelRefusal(pair: string): string | null {
  const [, component] = /^([^=]+)=(?:debug|info|warn|error|silent)$/.exec(pair) ?? [];
  if (component === undefined) return "expected component=level, with a level of debug, info, warn, error, silent";
  if (logComponents.includes(component)) return null;
  const near = nearest(component, logComponents);
  return `there is no such component; ${near === null ? `known are ${logComponents.join(", ")}` : `the nearest is ${near}`}`;
}

/** What makes a cluster of these brokers. */
function checkVoters(
  { nodeId, controllerQuorumVoters: voters, listeners, advertisedListeners, sources }: BrokerConfig,
  refuse: (key: string, value: string, message: string) => void,
  warnings: string[],
): void {
  const key = "controller.quorum.voters";
  const door = listeners.find(({ name }) => name === "PEER");
  if (voters === null) {
    if (door !== undefined) warnings.push(`the PEER listener has no use: ${key} names no voters`);
    return;
  }
  if (door === undefined) return;
  const own = voters.find((voter) => voter.nodeId === nodeId);
  if (own === undefined) {
    const ids = voters.map((voter) => voter.nodeId).join(", ");
    warnings.push(`node ${nodeId} is not among the voters (${ids}): it follows the cluster's metadata and never votes`);
  } else {
    const place = formatVoter(own);
    const isGiven = sources.get("listeners")?.value.includes("PEER://") === true;
    if (!isGiven && !isLoopback(own.host))
      refuse(
        key,
        place,
        `the other brokers shall dial this one there, and its PEER listener would stand on the loopback address: add PEER://0.0.0.0:${own.port} to listeners, and PEER to security.allow.insecure.listeners`,
      );
    else if (door.port !== own.port && door.port !== 0 && advertisedListeners === null)
      warnings.push(`the other brokers dial this one at ${place}, and its PEER listener has port ${door.port}`);
  }
  if (door.port === 0 && voters.length > 1)
    refuse("listeners", formatListener(door), "other brokers cannot dial any free port: give PEER a port");
  if (voters.length % 2 === 0) warnings.push(evenVoters(voters.length));
}

/** A majority of an even number is no smaller than that of one more. */
function evenVoters(count: number): string {
  const lost = count / 2 - 1;
  if (lost === 0) return `of ${count} brokers that vote neither may fail, of ${count + 1} one may`;
  return `of ${count} brokers that vote ${lost} may fail, as of ${count - 1}; of ${count + 1}, ${lost + 1} may`;
}

/** Security 1.1: a door that is open to a network needs encryption and authentication, or its name in the allow list. */
function checkListeners(
  config: BrokerConfig,
  refuse: (key: string, value: string, message: string) => void,
  warnings: string[],
): void {
  const allowed = config.securityAllowInsecureListeners;
  const names = config.listeners.map(({ name }) => name);
  if (!names.includes("GRPC")) {
    refuse("listeners", formatValue(config.listeners), "clients need a GRPC listener");
  }
  const places = config.listeners.filter(({ port }) => port !== 0).map(({ host, port }) => `${host} ${port}`);
  if (new Set(places).size !== places.length) {
    refuse("listeners", formatValue(config.listeners), "two listeners on one port");
  }
  for (const listener of config.listeners) {
    if (isLoopback(listener.host)) continue;
    const text = formatListener(listener);
    if (allowed.includes(listener.name)) {
      warnings.push(
        `${text} is open to the network without encryption and authentication (security.allow.insecure.listeners)`,
      );
    } else {
      refuse(
        "listeners",
        text,
        `is open to the network without encryption and authentication; use a loopback host, or name ${listener.name} in security.allow.insecure.listeners`,
      );
    }
  }
  const strays = allowed.filter((name) => !names.includes(name));
  if (strays.length > 0) {
    const known = names.join(", ");
    refuse("security.allow.insecure.listeners", strays.join(","), `no such listener; listeners are ${known}`);
  }
  for (const { name, host, port } of config.advertisedListeners ?? []) {
    const text = formatListener({ name, host, port });
    if (!names.includes(name)) refuse("advertised.listeners", text, `there is no listener ${name}`);
    if (host === "0.0.0.0" || host === "::") refuse("advertised.listeners", text, "nobody can connect to this address");
  }
}
