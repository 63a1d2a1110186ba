/** The cluster as a whole: its brokers, and what is wrong with it. */
import type { DescribeHealthResponse, PartitionName } from "@tidemark/proto";
import { askEach, limitsOf, look, read } from "./admin-call.ts";
import { causesFirst } from "./core/troubles.ts";
import { BrokerError } from "./errors.ts";
import type { Limits } from "./pause.ts";
import type { Cluster } from "./transport/cluster.ts";
import type {
  BrokerDescription,
  CallOptions,
  ClusterDescription,
  HealthReport,
  HealthTrouble,
  TopicPartition,
} from "./types.ts";

export async function describeCluster(
  cluster: Cluster,
  options: CallOptions & { versions?: boolean } = {},
): Promise<ClusterDescription> {
  const limits = limitsOf(options);
  const { clusterId, controllerId, metadataOffset, withoutControllerMs, brokerId, version, brokers } = await read(
    cluster,
    "describeCluster",
    {},
    limits,
  );
  const others = brokers.filter(({ id, alive }) => alive && id !== brokerId).map(({ id }) => id);
  const asked = options.versions === true ? others : [];
  const answers = await askEach(cluster, "describeCluster", () => ({}), asked, limits);
  const versions = new Map([[brokerId, version]]);
  for (const [id, answer] of answers) if (!(answer instanceof BrokerError)) versions.set(id, answer.version);
  return {
    clusterId,
    controllerId,
    metadataOffset,
    staleMs: withoutControllerMs === 0 ? null : withoutControllerMs,
    brokers: brokers.map(
      ({ rack, machine, brokerEpoch, ...broker }): BrokerDescription => ({
        ...broker,
        epoch: brokerEpoch,
        version: versions.get(broker.id) ?? null,
        ...(rack === "" ? {} : { rack }),
        ...(machine === "" ? {} : { machine }),
      }),
    ),
  };
}

/** Brokers and partitions as whoever has applied most metadata sees them, the controller first; disks and logs as their owners do. */
export async function describeHealth(cluster: Cluster, options: CallOptions = {}): Promise<HealthReport> {
  const limits = limitsOf(options);
  const first = await look(cluster, "describeHealth", {}, limits);
  await cluster.refresh([], { create: false });
  const others = otherBrokers(cluster, first.brokerId).filter((id) => !first.brokersDown.includes(id));
  const reports = [first];
  const failures = new Map<number, BrokerError>();
  for (const [id, answer] of await askEach(cluster, "describeHealth", () => ({}), others, limits)) {
    if (answer instanceof BrokerError) failures.set(id, answer);
    else reports.push(answer);
  }
  const newest = reports.reduce((a, b) => (isBetter(a, b) ? b : a));
  const controller = controllerOf(reports);
  const silent = [...failures].map(([id, error]) => silenceOf(cluster, id, error, controller !== null));
  const local = reports.flatMap((report) => troublesOf(report).filter((trouble) => trouble.local));
  const isTold = ({ code, broker }: HealthTrouble): boolean =>
    broker !== null && local.some((trouble) => trouble.code === code && trouble.broker === broker);
  const troubles = causesFirst([
    ...(controller === null ? await quorumTroubles(cluster, reports, limits) : []),
    // What a broker says of itself the metadata need not say again.
    ...troublesOf(newest).filter((trouble) => !trouble.local && !isTold(trouble)),
    ...local,
    ...silent,
  ]).map(({ code, text, broker }): HealthTrouble => ({ code, text, broker }));
  return {
    healthy: troubles.length === 0,
    cause: troubles[0]?.text ?? null,
    reasons: troubles.map(({ text }) => text),
    troubles,
    controller,
    brokersDown: newest.brokersDown,
    leaderless: newest.leaderless.map(partitionOf),
    underReplicated: newest.underReplicated.map(partitionOf),
    underMinIsr: newest.underMinIsr.map(partitionOf),
    recovering: newest.recovering.map(partitionOf),
  };
}

function isBetter(a: DescribeHealthResponse, b: DescribeHealthResponse): boolean {
  if (a.metadataOffset !== b.metadataOffset) return b.metadataOffset > a.metadataOffset;
  return b.brokerId === b.controllerId && a.brokerId !== a.controllerId;
}

/** A broker of another version tells in words alone. */
function troublesOf({
  troubles,
  reasons,
  localReasons,
}: DescribeHealthResponse): (HealthTrouble & { local: boolean })[] {
  if (troubles.length === 0)
    return reasons.map((text) => ({ code: "other", text, broker: null, local: localReasons.includes(text) }));
  return troubles.map(({ brokerId, ...trouble }) => ({ ...trouble, broker: brokerId < 0 ? null : brokerId }));
}

/**
 * The metadata takes it for alive: where a controller hears it, its address is wrong, or the way there is shut; or it stands still. Where
 * there is none that is old news, and one at whose address nobody listens is down.
 */
function silenceOf(
  cluster: Cluster,
  id: number,
  { code, message }: BrokerError,
  hasController: boolean,
): HealthTrouble & { local: boolean } {
  const about = { broker: id, local: false };
  if (code !== "CONNECTION_LOST")
    return { code: "broker-silent", text: `broker ${id} does not answer: ${message}`, ...about };
  const { host, port } = cluster.info?.brokers.find((broker) => broker.id === id) ?? { host: "", port: 0 };
  const address = `${host.includes(":") ? `[${host}]` : host}:${port}`;
  if (!hasController && host !== "" && message.includes("ECONNREFUSED"))
    return { code: "broker-down", text: `broker ${id} is down: nobody listens at ${address}`, ...about };
  const at = host === "" ? "" : ` at ${address}, which it advertises`;
  return { code: "broker-unreachable", text: `broker ${id} does not answer${at}: ${message}`, ...about };
}

/** Nobody knows a controller: is that an election, or are there too few voters for one? */
async function quorumTroubles(
  cluster: Cluster,
  reports: readonly DescribeHealthResponse[],
  limits: Limits,
): Promise<(HealthTrouble & { local: boolean })[]> {
  const heard = reports.map(({ brokerId }) => brokerId);
  const answers = await askEach(cluster, "describeQuorum", () => ({}), heard, limits);
  const views = [...answers.values()].flatMap((answer) => (answer instanceof BrokerError ? [] : [answer]));
  const voters = [...new Set(views.flatMap(({ nodes }) => nodes.filter(({ voter }) => voter).map(({ id }) => id)))];
  if (views.length === 0 || views.some(({ leaderId }) => leaderId >= 0)) return [];
  const away = voters.filter((id) => !heard.includes(id)).sort((a, b) => a - b);
  const there = voters.length - away.length;
  if (there > voters.length / 2) {
    const text = "no controller is elected yet, though a majority of the voters is there";
    return [{ code: "no-controller", text, broker: null, local: false }];
  }
  const text =
    `the quorum of the metadata is lost: ${there} of ${voters.length} voters ${there === 1 ? "is" : "are"} there, ` +
    `${away.length === 1 ? "broker" : "brokers"} ${away.join(", ")} ${away.length === 1 ? "is" : "are"} away; nothing about the cluster can change`;
  return [{ code: "quorum-lost", text, broker: null, local: false }];
}

/** One that is cut off knows none. */
function controllerOf(reports: readonly DescribeHealthResponse[]): number | null {
  const known = reports.filter(({ controllerId }) => controllerId >= 0);
  return (
    known.reduce<DescribeHealthResponse | null>(
      (a, b) => (a !== null && a.metadataOffset >= b.metadataOffset ? a : b),
      null,
    )?.controllerId ?? null
  );
}

function partitionOf({ topic, partition }: PartitionName): TopicPartition {
  return { topic, partition };
}

/** Every broker that the metadata names, but this one. */
export function otherBrokers(cluster: Cluster, brokerId: number): number[] {
  return (cluster.info?.brokers ?? []).map(({ id }) => id).filter((id) => id !== brokerId);
}
