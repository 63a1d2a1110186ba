/**
 * DescribeConfigs and AlterConfigs (semantics 13(5)) of topics, brokers and the cluster. Values come with every layer that has
 * one; a secret one never does. Changes are the controller's to decide.
 */
import type { ErrorName } from "@tidemark/proto";
import { validateTopicName } from "@tidemark/proto";
import {
  type ConfigDescription,
  type DescribedConfigs,
  describeConfigKeys,
  describeConfigs,
  shown,
} from "../config/index.ts";
import type { AlterConfigsResult, ConfigAlteration, ConfigResource } from "../metadata/index.ts";
import { ApiError } from "./api-error.ts";
import { askController } from "./ask-controller.ts";
import type { BrokerContext } from "./broker-context.ts";

/** As a request names it. */
export interface NamedResource {
  readonly type: string;
  /** Of the topic; the broker's id; empty for the cluster. */
  readonly name: string;
}

export interface ConfigOutcome extends NamedResource {
  readonly code: ErrorName;
  readonly message: string;
  /** Empty with an error. */
  readonly entries: readonly ConfigDescription[];
}

/** A description of one resource takes some ten kilobytes. */
const RESOURCES_MAX = 1_000;

/** One outcome per resource, in order, each made when it is asked for. No keys: all. */
export function handleDescribeConfigs(
  context: BrokerContext,
  resources: readonly (NamedResource & { readonly keys: readonly string[] })[],
): Iterable<ConfigOutcome> {
  checkCount(resources.length);
  return describedResources(context, resources);
}

function* describedResources(
  context: BrokerContext,
  resources: readonly (NamedResource & { readonly keys: readonly string[] })[],
): Generator<ConfigOutcome> {
  const seen = new Set<string>();
  for (const resource of resources) {
    const isTwice = seen.has(`${resource.type} ${resource.name}`);
    seen.add(`${resource.type} ${resource.name}`);
    yield describedResource(context, resource, isTwice);
  }
}

function describedResource(
  context: BrokerContext,
  { type, name, keys }: NamedResource & { readonly keys: readonly string[] },
  isTwice: boolean,
): ConfigOutcome {
  const outcome = (code: ErrorName, message: string, entries: readonly ConfigDescription[] = []): ConfigOutcome => ({
    type,
    name,
    code,
    message,
    entries,
  });
  const parsed = parseResource({ type, name });
  if (!parsed.ok) return outcome(parsed.code, parsed.message);
  if (isTwice) return outcome("INVALID_REQUEST", `the request names ${type} ${shown(name)} twice`);
  const { resource } = parsed;
  const known = describedOf(context, resource);
  if ("code" in known) return outcome(known.code, known.message);
  const { layers } = context.config;
  if (keys.length === 0) return outcome("NONE", "", describeConfigs(layers, known));
  if (new Set(keys).size !== keys.length) return outcome("INVALID_REQUEST", "the request names a key twice");
  const chosen = describeConfigKeys(layers, known, keys);
  return chosen.ok ? outcome("NONE", "", chosen.described) : outcome("INVALID_CONFIG", chosen.message);
}

/** One outcome per resource, in order, without entries. Each resource changes as a whole or not at all. */
export async function handleAlterConfigs(
  context: BrokerContext,
  resources: readonly (NamedResource & { readonly changes: ConfigAlteration["changes"] })[],
  options: { readonly isValidateOnly: boolean },
): Promise<ConfigOutcome[]> {
  checkCount(resources.length);
  const parsed = resources.map(parseResource);
  const alterations = resources.flatMap(({ changes }, slot): ConfigAlteration[] => {
    const one = parsed[slot];
    return one?.ok === true ? [{ resource: one.resource, changes }] : [];
  });
  const { isValidateOnly } = options;
  const { results } = await askController(
    alterations,
    context.commands.alterConfigs({ alterations, isValidateOnly }),
    (_, error, message): AlterConfigsResult => ({ error, message }),
  );
  const decided = results.values();
  return resources.map(({ type, name }, slot): ConfigOutcome => {
    const one = parsed[slot];
    if (one?.ok === false) return { type, name, code: one.code, message: one.message, entries: [] };
    const result = decided.next().value;
    return { type, name, code: result?.error ?? "UNKNOWN_SERVER_ERROR", message: result?.message ?? "", entries: [] };
  });
}

function checkCount(count: number): void {
  if (count > RESOURCES_MAX)
    throw new ApiError("INVALID_REQUEST", `a request names at most ${RESOURCES_MAX} resources, not ${count}`);
}

interface Refusal {
  readonly code: ErrorName;
  readonly message: string;
}

function parseResource({
  type,
  name,
}: NamedResource): { readonly ok: true; readonly resource: ConfigResource } | ({ readonly ok: false } & Refusal) {
  const refuse = (message: string): { readonly ok: false } & Refusal => ({
    ok: false,
    code: "INVALID_REQUEST",
    message,
  });
  switch (type) {
    case "topic":
      return { ok: true, resource: { type, name } };
    case "broker":
      if (!/^\d{1,10}$/u.test(name)) return refuse(`"${shown(name)}" is no broker id`);
      return { ok: true, resource: { type, id: Number(name) } };
    case "cluster":
      return name === "" ? { ok: true, resource: { type } } : refuse("the cluster has no name");
    default:
      return refuse(`there is no resource of type "${shown(type)}"; known are topic, broker and cluster`);
  }
}

function describedOf(context: BrokerContext, resource: ConfigResource): DescribedConfigs | Refusal {
  const image = context.image();
  switch (resource.type) {
    case "topic": {
      const topic = image.topics.get(resource.name);
      if (topic !== undefined) return { type: "topic", overrides: topic.overrides };
      const illegal = validateTopicName(resource.name);
      if (illegal !== null) return { code: "INVALID_TOPIC_EXCEPTION", message: `the topic name ${illegal}` };
      return { code: "UNKNOWN_TOPIC_OR_PARTITION", message: `there is no topic "${resource.name}"` };
    }
    case "broker": {
      const { id } = resource;
      if (id === context.config.current.nodeId) return { type: "broker" };
      if (!image.brokers.has(id)) return { code: "BROKER_ID_NOT_REGISTERED", message: `there is no broker ${id}` };
      return { code: "INVALID_REQUEST", message: `broker ${id} alone knows its configuration: ask it` };
    }
    case "cluster":
      return { type: "cluster" };
  }
}
