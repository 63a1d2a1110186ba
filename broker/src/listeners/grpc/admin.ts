/**
 * The admin service. Requests are decoded by table, within bounds. Answers are encoded through proto-loader, which costs 25 ms
 * to load: it is, with the first admin call. Until then its methods are registered by path and hand their bytes through.
 */
import { ADMIN_METHODS, adminRequests, errorCode } from "@tidemark/proto";
import type { AdminCalls, AdminMethod, NewTopic, TopicDescription as WireTopic, TopicResult } from "@tidemark/proto";
import {
  ApiError,
  describeTopic,
  handleCreateTopics,
  handleDeleteTopics,
  handleDescribeCluster,
  handleDescribeTopics,
  handleListTopics,
} from "../../api/index.ts";
import type { BrokerContext, ClientContext, TopicDescription, TopicOutcome } from "../../api/index.ts";
import type { BytesCall } from "./unary.ts";

type UseCase<Method extends AdminMethod> = (
  request: AdminCalls[Method]["request"],
  client: ClientContext,
) => AdminCalls[Method]["response"] | Promise<AdminCalls[Method]["response"]>;

/** The handlers of the admin service. */
export function adminCalls(context: BrokerContext): { readonly [Method in AdminMethod]: BytesCall } {
  return {
    describeCluster: bytesCall("describeCluster", (_request, client) => {
      const cluster = handleDescribeCluster(context, client);
      return { ...cluster, brokers: cluster.brokers.map((broker) => ({ ...broker })) };
    }),
    listTopics: bytesCall("listTopics", (request) => ({
      topics: handleListTopics(context, request).map((topic) => ({ ...topic })),
    })),
    describeTopics: bytesCall("describeTopics", ({ names }) => ({
      results: handleDescribeTopics(context, names).map(({ name, code, message, topic }) => ({
        name,
        errorCode: errorCode(code),
        errorMessage: message,
        topic: topic === null ? null : toWireTopic(topic),
      })),
    })),
    createTopics: bytesCall("createTopics", async ({ topics, validateOnly, timeoutMs }) => {
      const outcomes = await handleCreateTopics(context, topics.map(toSpec), {
        isValidateOnly: validateOnly,
        timeoutMs,
      });
      return { results: outcomes.map((outcome) => toWireOutcome(context, outcome)) };
    }),
    deleteTopics: bytesCall("deleteTopics", async ({ names }) => {
      const results = await handleDeleteTopics(context, names);
      return {
        results: results.map(({ name, code, message }) => ({
          name,
          errorCode: errorCode(code),
          errorMessage: message,
          topic: null,
        })),
      };
    }),
    createPartitions: notYet("CreatePartitions"),
    deleteRecords: notYet("DeleteRecords"),
    describeConfigs: notYet("DescribeConfigs"),
    alterConfigs: notYet("AlterConfigs"),
    describeLogDirs: notYet("DescribeLogDirs"),
    describeHealth: notYet("DescribeHealth"),
  };
}

function notYet(name: string): BytesCall {
  return () => Promise.reject(new ApiError("UNSUPPORTED_VERSION", `${name} is not available yet`));
}

/** The codecs of answers are loaded here, at the first call, and once for all. */
function bytesCall<Method extends AdminMethod>(method: Method, useCase: UseCase<Method>): BytesCall {
  return async (bytes, client) => {
    const request: AdminCalls[Method]["request"] = adminRequests[method].decode(bytes);
    const encode = await loadEncoder(method);
    return encode(await useCase(request, client));
  };
}

async function loadEncoder<Method extends AdminMethod>(
  method: Method,
): Promise<(response: AdminCalls[Method]["response"]) => Buffer> {
  const { loadAdminService } = await import("@tidemark/proto/control");
  const definition = Object.values(loadAdminService()).find(({ path }) => path === ADMIN_METHODS[method]);
  if (definition === undefined) throw new Error(`the admin service defines no ${ADMIN_METHODS[method]}`);
  return (response) => definition.responseSerialize(response);
}

function toSpec({
  name,
  partitions,
  replicationFactor,
  assignment,
  config,
}: NewTopic): Parameters<typeof handleCreateTopics>[1][number] {
  return { name, partitions, replicationFactor, assignment: assignment.map(({ replicas }) => replicas), config };
}

function toWireOutcome(context: BrokerContext, { name, code, message, topic }: TopicOutcome): TopicResult {
  return {
    name,
    errorCode: errorCode(code),
    errorMessage: message,
    topic: topic === null ? null : toWireTopic(describeTopic(context, topic)),
  };
}

function toWireTopic(topic: TopicDescription): WireTopic {
  return {
    name: topic.name,
    topicId: topic.topicId,
    internal: topic.internal,
    bytes: topic.bytes,
    partitions: topic.partitions.map((partition) => ({
      ...partition,
      replicas: [...partition.replicas],
      isr: [...partition.isr],
    })),
    config: topic.config.map(({ name, value, source, sensitive, readOnly, doc }) => ({
      name,
      source,
      sensitive,
      readOnly,
      doc,
      synonyms: [],
      type: "",
      updateMode: "",
      ...(value === null || sensitive ? {} : { value }),
    })),
  };
}
