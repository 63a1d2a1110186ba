/**
 * The handlers of the admin service. Requests are decoded by table, within bounds. Answers are encoded through proto-loader,
 * which costs 25 ms to load: it is, with the first admin call.
 */
import { ADMIN_METHODS, adminRequests, errorCode } from "@tidemark/proto";
import type {
  AdminCalls,
  AdminMethod,
  ConfigChange as WireChange,
  ConfigEntry as WireEntry,
  ConfigsResult,
  ErrorName,
  NewTopic,
  TopicDescription as WireTopic,
  TopicResult,
} from "@tidemark/proto";
import { ApiError } from "../../api/index.ts";
import type { AdminUseCases, ClientContext, ConfigOutcome, TopicDescription, TopicOutcome } from "../../api/index.ts";
import type { ConfigChange, ConfigDescription } from "../../config/index.ts";
import type { DoorContext } from "./door-context.ts";
import { logDirPieces } from "./log-dir-pieces.ts";
import type { BytesCall } from "./unary.ts";
import { toWireExplanation, UNEXPLAINED } from "./wire-explanation.ts";

type UseCase<Method extends AdminMethod> = (
  request: AdminCalls[Method]["request"],
  client: ClientContext,
) => AdminCalls[Method]["response"] | Promise<AdminCalls[Method]["response"]>;

export type AdminHandlers = { readonly [Method in AdminMethod]: BytesCall };

export function adminCalls(context: DoorContext, useCases: AdminUseCases): AdminHandlers {
  const {
    describeTopic,
    handleAlterConfigs,
    handleAlterReassignments,
    handleChangeQuorumVoter,
    handleCreatePartitions,
    handleCreateTopics,
    handleDeleteRecords,
    handleDeleteTopics,
    handleDescribeCluster,
    handleDescribeConfigs,
    handleDescribeHealth,
    handleDescribeLogDirs,
    handleDescribeQuorum,
    handleDescribeQuorumLog,
    handleDescribeTopics,
    handleDiagnoseBroker,
    handleDrainBrokers,
    handleDigestReplica,
    handleElectLeaders,
    handleExplainPartition,
    handleListReassignments,
    handleListTopics,
    handlePlanReassignments,
    handleUnregisterBroker,
    handleTransferQuorumLeader,
    handleWriteQuorumSnapshot,
  } = useCases;
  const toOutcome = ({ topic, ...outcome }: TopicOutcome): TopicResult =>
    toWireOutcome(outcome, topic === null ? null : describeTopic(context, topic));
  return {
    describeCluster: bytesCall("describeCluster", (_request, client) => {
      const { brokers, features, ...cluster } = handleDescribeCluster(context, client);
      const copied = {
        brokers: brokers.map((broker) => ({ ...broker })),
        features: features.map((one) => ({ ...one })),
      };
      return { ...cluster, ...copied };
    }),
    listTopics: slicedCall("listTopics", context, (request, encode) => {
      const { topics, otherLeaders, ...list } = handleListTopics(context, request);
      const head = encode({ ...list, otherLeaders: [...otherLeaders] });
      return [head, mapped(topics, (topic) => encode({ topics: [{ ...topic }] }))];
    }),
    describeTopics: resultsCall("describeTopics", context, ({ names }) =>
      mapped(handleDescribeTopics(context, names), ({ name, code, message, topic }) => ({
        name,
        errorCode: errorCode(code),
        errorMessage: message,
        topic: topic === null ? null : toWireTopic(topic),
        topicId: "",
      })),
    ),
    createTopics: resultsCall("createTopics", context, async ({ topics, validateOnly, timeoutMs }) => {
      const outcomes = await handleCreateTopics(context, topics.map(toSpec), {
        isValidateOnly: validateOnly,
        timeoutMs,
      });
      return mapped(outcomes, toOutcome);
    }),
    deleteTopics: bytesCall("deleteTopics", async ({ names, topicIds, validateOnly }) => {
      const targets = [...names.map((name) => ({ name })), ...topicIds.map((topicId) => ({ topicId }))];
      const results = await handleDeleteTopics(context, targets, { isValidateOnly: validateOnly });
      return {
        results: results.map(({ name, topicId, error, message }) => ({
          name,
          errorCode: errorCode(error),
          errorMessage: message,
          topic: null,
          topicId,
        })),
        metadataOffset: context.image().metadataOffset,
      };
    }),
    createPartitions: resultsCall("createPartitions", context, async ({ topics, validateOnly, timeoutMs }) => {
      const specs = topics.map(({ name, total, assignment }) => ({
        name,
        total,
        assignment: assignment.map(({ replicas }) => replicas),
      }));
      const outcomes = await handleCreatePartitions(context, specs, { isValidateOnly: validateOnly, timeoutMs });
      return mapped(outcomes, toOutcome);
    }),
    deleteRecords: bytesCall("deleteRecords", async ({ partitions, timeoutMs }) => {
      const deleted = await handleDeleteRecords(context, partitions, timeoutMs);
      const results = deleted.map(({ code, message, lowWatermark }, slot) => ({
        topic: partitions[slot]?.topic ?? "",
        partition: partitions[slot]?.partition ?? 0,
        errorCode: errorCode(code),
        errorMessage: message,
        lowWatermark,
      }));
      return { results };
    }),
    describeConfigs: resultsCall("describeConfigs", context, ({ resources }) =>
      mapped(handleDescribeConfigs(context, resources), toWireConfigs),
    ),
    alterConfigs: bytesCall("alterConfigs", async ({ resources, validateOnly }) => {
      const alterations = resources.map(({ type, name, changes }) => ({ type, name, changes: changes.map(toChange) }));
      const outcomes = await handleAlterConfigs(context, alterations, { isValidateOnly: validateOnly });
      return { results: outcomes.map(toWireConfigs), metadataOffset: context.image().metadataOffset };
    }),
    describeLogDirs: slicedCall("describeLogDirs", context, (_request, encode) => {
      const dirs = handleDescribeLogDirs(context);
      return [encode({ brokerId: context.config.current.nodeId }), logDirPieces(dirs, encode)];
    }),
    describeHealth: bytesCall("describeHealth", () => {
      const report = handleDescribeHealth(context);
      return {
        healthy: report.healthy,
        reasons: [...report.reasons],
        controllerId: report.controllerId,
        brokersDown: [...report.brokersDown],
        leaderless: report.leaderless.map((partition) => ({ ...partition })),
        underReplicated: report.underReplicated.map((partition) => ({ ...partition })),
        underMinIsr: report.underMinIsr.map((partition) => ({ ...partition })),
        recovering: report.recovering.map((partition) => ({ ...partition })),
        metadataOffset: report.metadataOffset,
        brokerId: report.brokerId,
        localReasons: [...report.localReasons],
        troubles: report.troubles.map(({ code, text, brokerId, isLocal }) => ({
          code,
          text,
          brokerId,
          local: isLocal,
        })),
      };
    }),
    diagnoseBroker: bytesCall("diagnoseBroker", async () => {
      const { checks, ...diagnosis } = await handleDiagnoseBroker(context);
      return { ...diagnosis, checks: checks.map((check) => ({ ...check })) };
    }),
    explainPartition: bytesCall("explainPartition", (request) => {
      const explained = handleExplainPartition(context, request);
      if (!("code" in explained)) return toWireExplanation(explained);
      const { code, message, ...where } = explained;
      return { ...UNEXPLAINED, ...where, errorCode: errorCode(code), errorMessage: message };
    }),
    describeQuorum: bytesCall("describeQuorum", () => {
      const { isSuspended, nodes, ...status } = handleDescribeQuorum(context);
      return {
        ...status,
        brokerId: context.config.current.nodeId,
        suspended: isSuspended,
        nodes: nodes.map(({ isVoter, ...node }) => ({ ...node, voter: isVoter })),
      };
    }),
    describeQuorumLog: bytesCall("describeQuorumLog", ({ fromIndex, maxEntries }) => {
      const { entries, ...log } = handleDescribeQuorumLog(context, { fromIndex, maxEntries });
      return {
        ...log,
        brokerId: context.config.current.nodeId,
        entries: entries.map(({ records, voters, ...entry }) => ({
          ...entry,
          records: [...records],
          voters: voters.map(({ nodeId, directoryId }) => ({ id: nodeId, directoryId })),
        })),
      };
    }),
    writeQuorumSnapshot: bytesCall("writeQuorumSnapshot", async () => {
      const { index, term, sizeBytes } = await handleWriteQuorumSnapshot(context);
      return { brokerId: context.config.current.nodeId, index, term, bytes: sizeBytes };
    }),
    transferQuorumLeader: bytesCall("transferQuorumLeader", ({ nodeId }) =>
      handleTransferQuorumLeader(context, nodeId),
    ),
    changeQuorumVoter: bytesCall("changeQuorumVoter", async ({ nodeId, remove, timeoutMs }) => {
      const { voters, metadataOffset } = await handleChangeQuorumVoter(context, {
        nodeId,
        isVoter: !remove,
        timeoutMs,
      });
      return { voters: [...voters], metadataOffset };
    }),
    digestReplica: bytesCall("digestReplica", async (request) => {
      const { code, message, nextOffsets, digests, ...read } = await handleDigestReplica(context, request);
      return {
        ...read,
        errorCode: errorCode(code),
        errorMessage: message,
        nextOffsets: [...nextOffsets],
        digests: [...digests],
      };
    }),
    electLeaders: bytesCall("electLeaders", async ({ unclean, all, partitions }) => {
      const elected = await handleElectLeaders(context, unclean ? "unclean" : "preferred", all ? null : partitions);
      const results = elected.map(({ topic, partition, code, message }) => ({
        topic,
        partition,
        errorCode: errorCode(code),
        errorMessage: message,
      }));
      return { results, metadataOffset: context.image().metadataOffset };
    }),
    alterPartitionReassignments: bytesCall("alterPartitionReassignments", async ({ reassignments, validateOnly }) => {
      const changes = reassignments.map(({ topic, partition, replicas }) => ({
        topic,
        partition,
        replicas: replicas.length === 0 ? null : replicas,
      }));
      const outcomes = await handleAlterReassignments(context, changes, validateOnly);
      const results = outcomes.map(({ topic, partition, ...outcome }) => ({ topic, partition, ...toError(outcome) }));
      return { results, metadataOffset: context.image().metadataOffset };
    }),
    listPartitionReassignments: bytesCall("listPartitionReassignments", ({ partitions }) => ({
      reassignments: handleListReassignments(context, partitions.length === 0 ? null : partitions).map((each) => ({
        ...each,
        replicas: [...each.replicas],
        addingReplicas: [...each.addingReplicas],
        removingReplicas: [...each.removingReplicas],
        isr: [...each.isr],
      })),
      metadataOffset: context.image().metadataOffset,
    })),
    planReassignments: bytesCall("planReassignments", ({ drainBrokers, balance, topics, brokers }) => {
      const plan = handlePlanReassignments(context, {
        drain: drainBrokers,
        isBalanced: balance,
        topics: topics.length === 0 ? null : topics,
        brokers: brokers.length === 0 ? null : brokers,
      });
      const { metadataOffset } = context.image();
      if (!plan.ok) {
        const { error: code, message } = plan;
        return { ...toError({ code, message }), moves: [], loads: [], metadataOffset };
      }
      const moves = plan.moves.map(({ topic, partition, replicas, currentReplicas }) => ({
        topic,
        partition,
        replicas: [...replicas],
        currentReplicas: [...currentReplicas],
      }));
      return { errorCode: 0, errorMessage: "", moves, loads: plan.loads.map((load) => ({ ...load })), metadataOffset };
    }),
    drainBrokers: bytesCall("drainBrokers", async ({ brokerIds, draining }) => {
      const outcomes = await handleDrainBrokers(context, brokerIds, draining);
      const results = outcomes.map(({ brokerId, ...outcome }) => ({ brokerId, ...toError(outcome) }));
      return { results, metadataOffset: context.image().metadataOffset };
    }),
    unregisterBroker: bytesCall("unregisterBroker", async ({ brokerId }) => {
      const { code, message } = await handleUnregisterBroker(context, brokerId);
      return { ...toError({ code, message }), metadataOffset: context.image().metadataOffset };
    }),
  };
}

function toError({ code, message }: { readonly code: ErrorName; readonly message: string }): {
  errorCode: number;
  errorMessage: string;
} {
  return { errorCode: errorCode(code), errorMessage: message };
}

/** The codecs of answers are loaded here, at the first call, and once for all. */
function bytesCall<Method extends AdminMethod>(method: Method, useCase: UseCase<Method>): BytesCall {
  return async (bytes, client) => {
    const request: AdminCalls[Method]["request"] = adminRequests[method].decode(bytes);
    const encode = await loadEncoder(method);
    return encode(await useCase(request, client));
  };
}

type ResultsMethod = "describeTopics" | "createTopics" | "createPartitions" | "describeConfigs";
type ResultOf<Method extends ResultsMethod> = AdminCalls[Method]["response"]["results"][number];

/** A call whose answer is a list of results, which are made and encoded one by one. */
function resultsCall<Method extends ResultsMethod>(
  method: Method,
  context: Pick<DoorContext, "pace" | "image" | "quorum">,
  useCase: (request: AdminCalls[Method]["request"]) => Iterable<ResultOf<Method>> | Promise<Iterable<ResultOf<Method>>>,
): BytesCall {
  type Piece = Partial<AdminCalls[Method]["response"]>;
  return slicedCall(method, context, async (request, encode) => {
    const outcome = useCase(request);
    const results = outcome instanceof Promise ? await outcome : outcome;
    // In the stretch that took the image that is told of.
    const { metadataOffset } = context.image();
    const withoutControllerMs = context.quorum()?.leaderlessMs ?? 0;
    // A message that has no such field goes without it.
    const told: object = { metadataOffset, withoutControllerMs };
    const head = encode(told as Piece);
    return [head, mapped(results, (result) => encode({ results: [result] } as Piece))];
  });
}

type Encoder<Method extends AdminMethod> = (piece: Partial<AdminCalls[Method]["response"]>) => Buffer;
type Pieces = readonly [head: Buffer, rest: Iterable<Buffer>];

/**
 * A call whose answer may tell of thousands of things: its pieces are made slice by slice. On the wire a message may come in any number of
 * pieces, whose lists add up.
 */
function slicedCall<Method extends AdminMethod>(
  method: Method,
  { pace }: Pick<DoorContext, "pace">,
  useCase: (request: AdminCalls[Method]["request"], encode: Encoder<Method>) => Pieces | Promise<Pieces>,
): BytesCall {
  return async (bytes) => {
    const request: AdminCalls[Method]["request"] = adminRequests[method].decode(bytes);
    const encode = await loadEncoder(method);
    const outcome = useCase(request, encode);
    const [head, rest] = outcome instanceof Promise ? await outcome : outcome;
    const pieces = [head];
    for (const piece of rest) {
      pieces.push(piece);
      if (pace.isOver) await pace.rest();
    }
    return Buffer.concat(pieces);
  };
}

function* mapped<Item, Result>(items: Iterable<Item>, map: (item: Item) => Result): Generator<Result> {
  for (const item of items) yield map(item);
}

async function loadEncoder<Method extends AdminMethod>(method: Method): Promise<Encoder<Method>> {
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
  creationId,
}: NewTopic): Parameters<AdminUseCases["handleCreateTopics"]>[1][number] {
  const replicas = assignment.map((one) => one.replicas);
  return { name, partitions, replicationFactor, assignment: replicas, config, creationId };
}

function toWireOutcome(
  { name, code, message }: Omit<TopicOutcome, "topic">,
  topic: TopicDescription | null,
): TopicResult {
  return {
    name,
    errorCode: errorCode(code),
    errorMessage: message,
    topic: topic === null ? null : toWireTopic(topic),
    topicId: "",
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
      elr: [...partition.elr],
      addingReplicas: [...partition.addingReplicas],
      removingReplicas: [...partition.removingReplicas],
      lastIsr: partition.lastIsr.map((replica) => ({ ...replica })),
      damaged: [...partition.damaged],
    })),
    // Layers and all are told of by describeConfigs: a cluster has many topics.
    config: topic.config.map((entry) => ({ ...toWireEntry(entry), synonyms: [] })),
  };
}

const OPERATIONS: readonly ConfigChange["operation"][] = ["set", "delete", "append", "subtract"];

function toChange({ name, operation, value }: WireChange): ConfigChange {
  const known = OPERATIONS[operation];
  if (known === undefined) throw new ApiError("INVALID_REQUEST", `there is no operation ${operation} on a key`);
  return { name, operation: known, value };
}

function toWireConfigs({ type, name, code, message, entries }: ConfigOutcome): ConfigsResult {
  return { type, name, errorCode: errorCode(code), errorMessage: message, entries: entries.map(toWireEntry) };
}

function toWireEntry(entry: ConfigDescription): WireEntry {
  const { name, value, source, sensitive, readOnly, doc, type, updateMode, note, synonyms } = entry;
  return {
    name,
    source,
    sensitive,
    readOnly,
    doc,
    type,
    updateMode,
    note: note ?? "",
    synonyms: synonyms.map((synonym) => ({
      name: synonym.name,
      source: synonym.source,
      ...(synonym.value === null ? {} : { value: synonym.value }),
    })),
    ...(value === null ? {} : { value }),
  };
}
