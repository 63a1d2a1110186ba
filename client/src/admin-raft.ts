/** The replicated log of the cluster's metadata: who leads and votes, what stands in it, and what an operator does about it. */
import type { DescribeQuorumResponse, QuorumLogEntry } from "@tidemark/proto";
import { askEach, call, change, limitsOf, look } from "./admin-call.ts";
import { otherBrokers } from "./admin-cluster.ts";
import { BrokerError } from "./errors.ts";
import type { Limits } from "./pause.ts";
import type { CallTarget, Cluster } from "./transport/cluster.ts";
import type { CallOptions, RaftLogEntry, RaftLogPage, RaftNode, RaftSnapshot, RaftStatus } from "./types.ts";

export interface RaftAdmin {
  /** What the leader of the metadata log knows, and what each node says of itself. */
  status(options?: CallOptions): Promise<RaftStatus>;
  /**
   * Entries from `from` on, or from the oldest that is kept: at most 1,000 and 1 MiB of them; the next page begins behind the last. Of
   * any broker's log, or of the one named.
   */
  log(options?: CallOptions & { from?: number; limit?: number; broker?: number }): Promise<RaftLogPage>;
  /**
   * Leadership for this voter; resolves when it leads, at once where it does.
   * @throws BrokerError BROKER_ID_NOT_REGISTERED, VOTER_NOT_FOUND, BROKER_NOT_AVAILABLE, INELIGIBLE_REPLICA: it lacks entries
   */
  transferLeader(node: number, options?: CallOptions): Promise<{ leader: number; term: number }>;
  /**
   * Has each of these brokers, or every one that is alive, write a snapshot of what it has applied, one after the other; where its newest
   * is that, it tells of that one.
   */
  snapshot(options?: CallOptions & { brokers?: readonly number[] }): Promise<RaftSnapshot[]>;
  /**
   * Gives this node a vote, whatever the brokers' files say; resolves with the voters when it has it, at once where it has.
   * @throws BrokerError BROKER_ID_NOT_REGISTERED, BROKER_NOT_AVAILABLE
   */
  addVoter(node: number, options?: CallOptions): Promise<number[]>;
  /**
   * Takes this node's vote, and keeps it so until it is added again; resolves with the voters that are left.
   * @throws BrokerError VOTER_NOT_FOUND; INCONSISTENT_VOTER_SET: those that would be left are no majority
   */
  removeVoter(node: number, options?: CallOptions): Promise<number[]>;
}

export function createRaftAdmin(cluster: Cluster): RaftAdmin {
  return Object.freeze<RaftAdmin>({
    status: (options) => raftStatus(cluster, options),
    log: (options) => raftLog(cluster, options),
    transferLeader: (node, options) => transferLeader(cluster, node, options),
    snapshot: (options) => snapshots(cluster, options),
    addVoter: (node, options) => changeVoter(cluster, { node, remove: false }, options),
    removeVoter: (node, options) => changeVoter(cluster, { node, remove: true }, options),
  });
}

async function raftLog(
  cluster: Cluster,
  options: CallOptions & { from?: number; limit?: number; broker?: number } = {},
): Promise<RaftLogPage> {
  const { broker, from = 0, limit = 0 } = options;
  const request = { fromIndex: from, maxEntries: limit };
  const target = broker === undefined ? { isLook: true } : await exactly(cluster, broker);
  const answer = await call(cluster, "describeQuorumLog", request, { ...limitsOf(options), ...target });
  const { brokerId, firstIndex, lastIndex, commitIndex, snapshotIndex, snapshotTerm, entries } = answer;
  return {
    broker: brokerId,
    firstIndex,
    lastIndex,
    commitIndex,
    snapshot: { index: snapshotIndex, term: snapshotTerm },
    entries: entries.map((entry) => logEntryOf(entry, commitIndex)),
  };
}

const KINDS: readonly RaftLogEntry["kind"][] = ["command", "leaderStart", "voters"];

function logEntryOf(entry: QuorumLogEntry, commitIndex: number): RaftLogEntry {
  const { index, term, bytes, records, recordsLeftOut, atMs } = entry;
  const kind = KINDS.find((known) => known === entry.kind) ?? "command";
  return {
    index,
    term,
    kind,
    committed: index <= commitIndex,
    at: atMs < 0 ? null : atMs,
    bytes,
    records: records.map((text) => JSON.parse(text) as RaftLogEntry["records"][number]),
    recordsLeftOut,
    voters: kind === "voters" ? entry.voters.map(({ id, directoryId }) => ({ id, directoryId })) : null,
  };
}

/** That broker and no other. */
async function exactly(cluster: Cluster, broker: number): Promise<CallTarget> {
  if (cluster.broker(broker) === undefined) await cluster.refresh([], { create: false });
  return { broker, isExact: true };
}

async function transferLeader(
  cluster: Cluster,
  node: number,
  options: CallOptions = {},
): Promise<{ leader: number; term: number }> {
  const { leaderId, term } = await change(cluster, "transferQuorumLeader", { nodeId: node }, limitsOf(options));
  return { leader: leaderId, term };
}

async function snapshots(
  cluster: Cluster,
  options: CallOptions & { brokers?: readonly number[] } = {},
): Promise<RaftSnapshot[]> {
  const limits = limitsOf(options);
  const written: RaftSnapshot[] = [];
  for (const id of options.brokers ?? (await aliveBrokers(cluster, limits))) {
    const target = await exactly(cluster, id);
    const { brokerId, index, term, bytes } = await call(cluster, "writeQuorumSnapshot", {}, { ...limits, ...target });
    written.push({ broker: brokerId, index, term, bytes });
  }
  return written;
}

async function aliveBrokers(cluster: Cluster, limits: Limits): Promise<number[]> {
  const { brokers } = await look(cluster, "describeCluster", {}, limits);
  return brokers.filter(({ alive }) => alive).map(({ id }) => id);
}

async function changeVoter(
  cluster: Cluster,
  { node, remove }: { readonly node: number; readonly remove: boolean },
  options: CallOptions = {},
): Promise<number[]> {
  const limits = limitsOf(options);
  const request = { nodeId: node, remove, timeoutMs: limits.timeoutMs ?? 0 };
  const { voters } = await change(cluster, "changeQuorumVoter", request, limits);
  return voters;
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
