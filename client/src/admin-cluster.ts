/** The cluster as a whole: its brokers, what is wrong with it, the replicated log of its metadata. */
import type { DescribeHealthResponse, DescribeQuorumResponse, PartitionName } from "@tidemark/proto";
import { askEach, limitsOf, look, read } from "./admin-call.ts";
import { BrokerError } from "./errors.ts";
import type { Limits } from "./pause.ts";
import type { Cluster } from "./transport/cluster.ts";
import type {
  BrokerDescription,
  CallOptions,
  ClusterDescription,
  HealthReport,
  RaftNode,
  RaftStatus,
  TopicPartition,
} from "./types.ts";

export interface RaftAdmin {
  /** What the leader of the metadata log knows, and what each node says of itself. */
  status(options?: CallOptions): Promise<RaftStatus>;
}

export function createRaftAdmin(cluster: Cluster): RaftAdmin {
  return Object.freeze<RaftAdmin>({ status: (options) => raftStatus(cluster, options) });
}

export async function describeCluster(
  cluster: Cluster,
  options: CallOptions & { versions?: boolean } = {},
): Promise<ClusterDescription> {
  const limits = limitsOf(options);
  const { clusterId, controllerId, metadataOffset, brokerId, version, brokers } = await read(
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

/** Brokers and partitions as whoever has applied most metadata sees them; disks and logs as their owners do. */
export async function describeHealth(cluster: Cluster, options: CallOptions = {}): Promise<HealthReport> {
  const limits = limitsOf(options);
  const first = await look(cluster, "describeHealth", {}, limits);
  await cluster.refresh([], { create: false });
  const others = otherBrokers(cluster, first.brokerId).filter((id) => !first.brokersDown.includes(id));
  const reports = [first];
  const silent: string[] = [];
  for (const [id, answer] of await askEach(cluster, "describeHealth", () => ({}), others, limits)) {
    if (answer instanceof BrokerError) silent.push(`broker ${id} does not answer: ${answer.message}`);
    else reports.push(answer);
  }
  const newest = reports.reduce((a, b) => (b.metadataOffset > a.metadataOffset ? b : a));
  const local = reports.flatMap(({ localReasons }) => localReasons);
  const reasons = [...newest.reasons.filter((reason) => !newest.localReasons.includes(reason)), ...local, ...silent];
  return {
    healthy: reasons.length === 0,
    reasons,
    controller: controllerOf(reports),
    brokersDown: newest.brokersDown,
    leaderless: newest.leaderless.map(partitionOf),
    underReplicated: newest.underReplicated.map(partitionOf),
    underMinIsr: newest.underMinIsr.map(partitionOf),
    recovering: newest.recovering.map(partitionOf),
  };
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

async function raftStatus(cluster: Cluster, options: CallOptions = {}): Promise<RaftStatus> {
  const limits: Limits = limitsOf(options);
  const first = await look(cluster, "describeQuorum", {}, limits);
  await cluster.refresh([], { create: false });
  const answers = new Map<number, DescribeQuorumResponse>([[first.brokerId, first]]);
  const others = otherBrokers(cluster, first.brokerId);
  for (const [id, answer] of await askEach(cluster, "describeQuorum", () => ({}), others, limits))
    if (!(answer instanceof BrokerError)) answers.set(id, answer);
  return statusOf([...answers.values()]);
}

/** Of two that take themselves for the leader the one of the later term is. */
function statusOf(answers: readonly DescribeQuorumResponse[]): RaftStatus {
  const byTerm = [...answers].sort((a, b) => b.term - a.term);
  const leader = byTerm.find(({ role }) => role === "leader");
  const view = leader ?? byTerm[0];
  if (view === undefined) return { leader: null, term: 0, commitIndex: 0, nodes: [] };
  const own = new Map(answers.map((answer) => [answer.brokerId, answer]));
  const nodes = view.nodes.map(({ id, directoryId, voter, matchIndex, lastContactMs }): RaftNode => {
    const hasMatch = matchIndex >= 0;
    return {
      ...selfOf(id, own.get(id)),
      directoryId,
      voter,
      matchIndex: hasMatch ? matchIndex : null,
      lag: hasMatch ? Math.max(view.lastIndex - matchIndex, 0) : null,
      lastContactMs: lastContactMs >= 0 ? lastContactMs : null,
    };
  });
  const listed = new Set(nodes.map(({ id }) => id));
  const unlisted = answers
    .filter(({ brokerId }) => !listed.has(brokerId))
    .map((answer): RaftNode => ({ ...selfOf(answer.brokerId, answer), ...UNKNOWN_TO_LEADER }));
  return {
    leader: leader?.brokerId ?? (view.leaderId < 0 ? null : view.leaderId),
    term: view.term,
    commitIndex: Math.max(...answers.map(({ commitIndex }) => commitIndex)),
    nodes: [...nodes, ...unlisted].sort((a, b) => Number(b.voter) - Number(a.voter) || a.id - b.id),
  };
}

const UNKNOWN_TO_LEADER = { directoryId: null, voter: false, matchIndex: null, lag: null, lastContactMs: null };
const ROLES: readonly RaftNode["role"][] = ["leader", "follower", "candidate", "learner"];

type Self = Pick<RaftNode, "id" | "role" | "term" | "commitIndex" | "appliedIndex" | "lastIndex" | "suspended">;

function selfOf(id: number, answer: DescribeQuorumResponse | undefined): Self {
  return {
    id,
    role: ROLES.find((role) => role === answer?.role) ?? "unknown",
    term: answer?.term ?? null,
    commitIndex: answer?.commitIndex ?? null,
    appliedIndex: answer?.appliedIndex ?? null,
    lastIndex: answer?.lastIndex ?? null,
    suspended: answer?.suspended ?? false,
  };
}

function otherBrokers(cluster: Cluster, brokerId: number): number[] {
  return (cluster.info?.brokers ?? []).map(({ id }) => id).filter((id) => id !== brokerId);
}
