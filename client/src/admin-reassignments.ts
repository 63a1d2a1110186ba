/**
 * Moving replicas between brokers (KIP-455): plans, moves under way, and waiting for their end.
 *
 * A move copies first and lets go last: the added replicas fetch until they are in sync, then the controller drops the removed ones.
 * Until then a cancelled move leaves everything as it was. Whoever waits watches the metadata, which tells of every step.
 */
import { errorRow, type OngoingReassignment, type PlanReassignmentsRequest } from "@tidemark/proto";
import { requireBrokerId } from "./admin-brokers.ts";
import { change, limitsOf, read, throwFailed } from "./admin-call.ts";
import { replicasOn } from "./admin-logs.ts";
import { listPartitions } from "./admin-partitions.ts";
import { brokerErrorOf, invalidArgument, TimeoutError } from "./errors.ts";
import type { Limits } from "./pause.ts";
import type { Cluster } from "./transport/cluster.ts";
import type {
  CallOptions,
  PartitionAssignment,
  PartitionDescription,
  PartitionMove,
  Reassignment,
  ReassignmentGoal,
  ReassignmentPlan,
  ReplicaCopy,
  TopicPartition,
} from "./types.ts";

export interface ReassignmentAdmin {
  /**
   * What would have to move for `goal`, and no more: the partitions that change, none where all is well already. The
   * cluster makes the plan, racks and machines kept apart; nothing is done, and `reassign` takes what this returns.
   * @throws BrokerError BROKER_ID_NOT_REGISTERED, UNKNOWN_TOPIC_OR_PARTITION, INVALID_ARGUMENT where a partition has more replicas than
   * there are brokers that may have them, or where a named broker is down or being drained
   */
  planReassignment(goal: ReassignmentGoal, options?: CallOptions): Promise<PartitionMove[]>;
  /**
   * Begins to move partitions (KIP-455), and resolves when that is stored: `untilReassigned` waits for the end. A partition that is
   * on its way already goes to the new place instead; one that is there stays. With `validateOnly` nothing begins, and what would
   * be refused is. Each partition has its own result: those behind one that failed may have begun.
   * @throws BrokerError UNKNOWN_TOPIC_OR_PARTITION, INVALID_ARGUMENT for a broker that does not exist, is down or is being drained,
   * one named twice, or none at all; with several failures the first, and all of them as its cause
   */
  reassign(plan: ReassignmentPlan, options?: CallOptions & { validateOnly?: boolean }): Promise<void>;
  /** The moves under way, of these partitions or of all; with `progress` what each added replica has on its disk. */
  reassignments(
    options?: CallOptions & { partitions?: Iterable<TopicPartition>; progress?: boolean },
  ): AsyncIterableIterator<Reassignment>;
  /**
   * Takes moves back: the replicas are again those from before, and what was copied is deleted. Resolves with the partitions, when that is
   * stored.
   * @throws BrokerError NO_REASSIGNMENT_IN_PROGRESS for a partition that was named and does not move, UNKNOWN_TOPIC_OR_PARTITION
   */
  cancelReassignments(partitions: Iterable<TopicPartition> | "all", options?: CallOptions): Promise<TopicPartition[]>;
  /**
   * Resolves when no partition of `plan` moves any more, with those that are elsewhere than it says: cancelled, sent to another place,
   * or deleted. Metadata by push tells of every step; `onProgress` is called with what is left at each of them.
   * @throws BrokerError TIMEOUT, ABORTED: the moves go on
   */
  untilReassigned(
    plan: ReassignmentPlan,
    options?: CallOptions & { onProgress?: (left: readonly Reassignment[]) => void },
  ): Promise<PartitionAssignment[]>;
}

/** While nothing is told of, the controller is asked so seldom. */
const QUIET_MS = 5_000;
/** Steps of many partitions come close together: they are looked at together. */
const GATHER_MS = 250;

export function createReassignmentAdmin(cluster: Cluster): ReassignmentAdmin {
  return Object.freeze<ReassignmentAdmin>({
    planReassignment: (goal, options) => planMoves(cluster, goal, options),
    reassign: async (plan, options) => reassign(cluster, assignmentsOf(plan), options),
    reassignments: (options) => listReassignments(cluster, options),
    cancelReassignments: (partitions, options) => cancelReassignments(cluster, partitions, options),
    untilReassigned: async (plan, options) => untilReassigned(cluster, assignmentsOf(plan), options),
  });
}

function assignmentsOf(given: ReassignmentPlan): PartitionAssignment[] {
  return [...given].map((one: PartitionAssignment | readonly [string, readonly number[]]) => {
    if ("topic" in one) return one;
    const [name, replicas] = one;
    const [, topic = "", number = ""] = /^(.+):(\d+)$/s.exec(name) ?? [];
    if (topic === "")
      throw invalidArgument(`expected "topic:partition", such as "orders:0", and not ${JSON.stringify(name)}`);
    return { topic, partition: Number(number), replicas };
  });
}

async function reassign(
  cluster: Cluster,
  plan: Iterable<PartitionAssignment>,
  options: CallOptions & { validateOnly?: boolean } = {},
): Promise<void> {
  const partitions = [...plan].map(({ topic, partition, replicas }) => {
    requirePartition({ topic, partition });
    // To the broker an empty list means something else.
    if (replicas.length === 0) throw noReplicas({ topic, partition });
    return { topic, partition, replicas: replicas.map(requireBrokerId) };
  });
  await alter(cluster, partitions, options);
}

async function cancelReassignments(
  cluster: Cluster,
  partitions: Iterable<TopicPartition> | "all",
  options: CallOptions = {},
): Promise<TopicPartition[]> {
  const named = partitions === "all" ? await running(cluster, [], limitsOf(options)) : [...partitions];
  const cancelled = named.map(({ topic, partition }) => {
    requirePartition({ topic, partition });
    return { topic, partition, replicas: [] };
  });
  // Of all that are there, one that ended meanwhile is no failure.
  await alter(cluster, cancelled, { ...options, mayBeOver: partitions === "all" });
  return cancelled.map(({ topic, partition }) => ({ topic, partition }));
}

async function alter(
  cluster: Cluster,
  reassignments: { topic: string; partition: number; replicas: number[] }[],
  options: CallOptions & { validateOnly?: boolean; mayBeOver?: boolean },
): Promise<void> {
  if (reassignments.length === 0) return;
  const { validateOnly = false, mayBeOver = false } = options;
  let isRepeated = false;
  const onRepeat = (): void => {
    isRepeated = true;
  };
  const limits = { ...limitsOf(options), onRepeat };
  const { results } = await change(cluster, "alterPartitionReassignments", { reassignments, validateOnly }, limits);
  throwFailed(
    results.map(({ topic, ...result }) => ({ ...result, name: topic })),
    // A cancellation whose answer was lost finds nothing left to cancel.
    (row) => row.name !== "NO_REASSIGNMENT_IN_PROGRESS" || !(mayBeOver || isRepeated),
  );
}

// ---- moves under way

async function* listReassignments(
  cluster: Cluster,
  options: CallOptions & { partitions?: Iterable<TopicPartition>; progress?: boolean } = {},
): AsyncIterableIterator<Reassignment> {
  const limits = limitsOf(options);
  const named = options.partitions === undefined ? null : [...options.partitions];
  if (named?.length === 0) return;
  const rows = (await running(cluster, named ?? [], limits)).map(reassignmentOf);
  const copies = options.progress === true ? await copiesOf(cluster, rows, options) : new Map<string, ReplicaCopy[]>();
  for (const row of rows) yield { ...row, copies: copies.get(nameOf(row)) ?? [] };
}

function reassignmentOf(row: OngoingReassignment): Reassignment {
  const { topic, partition, addingReplicas, removingReplicas } = row;
  const replicas = row.replicas.filter((id) => !removingReplicas.includes(id));
  // One that came with an earlier target, and goes again with this one.
  const adding = addingReplicas.filter((id) => !removingReplicas.includes(id));
  return { topic, partition, replicas, adding, removing: removingReplicas, copies: [] };
}

async function running(
  cluster: Cluster,
  partitions: readonly TopicPartition[],
  limits: Limits,
): Promise<OngoingReassignment[]> {
  const named = partitions.map(({ topic, partition }) => ({ topic, partition }));
  const { reassignments } = await read(cluster, "listPartitionReassignments", { partitions: named }, limits);
  return reassignments;
}

/** What each added replica has on its disk, beside what the fullest replica of the partition has. */
async function copiesOf(
  cluster: Cluster,
  rows: readonly Reassignment[],
  options: CallOptions,
): Promise<Map<string, ReplicaCopy[]>> {
  const brokers = new Set(rows.flatMap(({ replicas, removing }) => [...replicas, ...removing]));
  const bytes = new Map<string, Map<number, number>>();
  for (const replica of await replicasOn(cluster, brokers, limitsOf(options))) {
    const name = nameOf(replica);
    const known = bytes.get(name) ?? new Map<number, number>();
    bytes.set(name, known.set(replica.broker, replica.bytes));
  }
  return new Map(
    rows.map((row) => {
      const known = bytes.get(nameOf(row)) ?? new Map<number, number>();
      const settled = [...known].filter(([broker]) => !row.adding.includes(broker)).map(([, size]) => size);
      const ofBytes = settled.length === 0 ? null : Math.max(...settled);
      const copies = row.adding.map((broker) => ({ broker, bytes: known.get(broker) ?? null, ofBytes }));
      return [nameOf(row), copies];
    }),
  );
}

/** Resolves when none of `plan` moves any more, with what did not get where the plan wants it. */
async function untilReassigned(
  cluster: Cluster,
  plan: Iterable<PartitionAssignment>,
  options: CallOptions & { onProgress?: (left: readonly Reassignment[]) => void } = {},
): Promise<PartitionAssignment[]> {
  const wanted = [...plan];
  await untilNoneMoves(cluster, wanted, options);
  const missed: PartitionAssignment[] = [];
  const places = new Map<string, PartitionDescription>();
  const topics = [...new Set(wanted.map(({ topic }) => topic))];
  for await (const row of listPartitions(cluster, { ...only(options), topics, mustExist: false }))
    places.set(nameOf(row), row);
  for (const assignment of wanted) {
    const replicas = places.get(nameOf(assignment))?.replicas ?? [];
    if (!isSame(replicas, assignment.replicas)) missed.push({ ...assignment, replicas });
  }
  return missed;
}

async function untilNoneMoves(
  cluster: Cluster,
  partitions: readonly TopicPartition[],
  options: CallOptions & { onProgress?: (left: readonly Reassignment[]) => void },
): Promise<void> {
  const { signal, timeoutMs } = limitsOf(options);
  const endAt = timeoutMs === undefined ? Number.POSITIVE_INFINITY : performance.now() + timeoutMs;
  const news = new News(cluster, new Set(partitions.map(({ topic }) => topic)));
  try {
    let isWatched = false;
    for (;;) {
      const left = await running(cluster, partitions, { signal });
      options.onProgress?.(left.map(reassignmentOf));
      if (left.length === 0) return;
      if (!isWatched) await news.watch();
      isWatched = true;
      const restMs = endAt - performance.now();
      if (restMs <= 0) {
        const message = `${left.length} of ${partitions.length} partitions still move after ${timeoutMs} ms`;
        throw new TimeoutError(message, "unknown", { elapsedMs: timeoutMs ?? 0 });
      }
      await news.next(Math.min(QUIET_MS, restMs), signal);
    }
  } finally {
    news.close();
  }
}

/** That the metadata has told of one of the topics since it was last asked. */
class News {
  readonly #cluster: Cluster;
  readonly #topics: ReadonlySet<string>;
  readonly #release: () => void;
  #has = false;
  #wake = new AbortController();

  constructor(cluster: Cluster, topics: ReadonlySet<string>) {
    this.#cluster = cluster;
    this.#topics = topics;
    this.#release = cluster.onTopicsTold(topics, () => {
      this.#has = true;
      this.#wake.abort();
    });
  }

  /** From here on the cluster is told of them. */
  watch(): Promise<void> {
    return this.#cluster.refresh(this.#topics, { create: false });
  }

  async next(quietMs: number, signal: AbortSignal | undefined): Promise<void> {
    await this.#cluster.pause(GATHER_MS, signal);
    if (!this.#has) {
      const { signal: woken } = this.#wake;
      const either = signal === undefined ? woken : AbortSignal.any([signal, woken]);
      await this.#cluster.pause(Math.max(quietMs - GATHER_MS, 0), either).catch((error: unknown) => {
        if (!woken.aborted || signal?.aborted === true) throw error;
      });
    }
    this.#has = false;
    this.#wake = new AbortController();
  }

  close(): void {
    this.#release();
  }
}

// ---- plans

async function planMoves(
  cluster: Cluster,
  goal: ReassignmentGoal,
  options: CallOptions = {},
): Promise<PartitionMove[]> {
  const targets = "assignments" in goal ? assignmentsOf(goal.assignments) : await askForPlan(cluster, goal, options);
  if (targets.length === 0) return [];
  const topics = [...new Set(targets.map(({ topic }) => topic))];
  const held = new Map<string, PartitionDescription>();
  for await (const row of listPartitions(cluster, { ...only(options), topics })) held.set(nameOf(row), row);
  return targets.flatMap((target) => {
    const row = held.get(nameOf(target));
    if (row === undefined) throw noSuchPartition(target);
    const move = moveOf(row, target.replicas);
    return isSame(move.current, move.replicas) ? [] : [move];
  });
}

async function askForPlan(
  cluster: Cluster,
  goal: Exclude<ReassignmentGoal, { assignments: ReassignmentPlan }>,
  options: CallOptions,
): Promise<PartitionAssignment[]> {
  const response = await read(cluster, "planReassignments", planRequestOf(goal), limitsOf(options));
  const { errorCode, errorMessage, moves } = response;
  if (errorCode !== 0) throw brokerErrorOf(errorRow(errorCode), errorMessage, aboutOf(goal));
  return moves.map(({ topic, partition, replicas }) => ({ topic, partition, replicas }));
}

function planRequestOf(goal: Exclude<ReassignmentGoal, { assignments: ReassignmentPlan }>): PlanReassignmentsRequest {
  if ("drain" in goal) {
    const drained = typeof goal.drain === "number" ? [goal.drain] : goal.drain;
    return { drainBrokers: drained.map(requireBrokerId), balance: false, topics: [], brokers: [] };
  }
  if ("balance" in goal) return { drainBrokers: [], balance: true, topics: [...(goal.topics ?? [])], brokers: [] };
  // To the broker empty lists mean all.
  if (goal.brokers.length === 0 || goal.topics.length === 0)
    throw invalidArgument("a plan needs at least one topic and one broker");
  return { drainBrokers: [], balance: true, topics: [...goal.topics], brokers: goal.brokers.map(requireBrokerId) };
}

/** The one that an error can only be about. */
function aboutOf(goal: ReassignmentGoal): { topic?: string; broker?: number } {
  if ("drain" in goal) return typeof goal.drain === "number" ? { broker: goal.drain } : {};
  const [topic, ...others] = "topics" in goal ? (goal.topics ?? []) : [];
  return topic === undefined || others.length > 0 ? {} : { topic };
}

function moveOf(row: PartitionDescription, replicas: readonly number[]): PartitionMove {
  const { topic, partition } = row;
  const current = headedFor(row);
  // Whoever copies already need not begin again.
  const adding = replicas.filter((id) => !row.replicas.includes(id));
  const removing = current.filter((id) => !replicas.includes(id));
  const size = bytesOf(row);
  const bytes = adding.length === 0 ? 0 : size === null ? null : size * adding.length;
  return { topic, partition, replicas, current, adding, removing, bytes };
}

/** Of the leader's replica; null where that did not say. */
function bytesOf({ bytes, troubles }: PartitionDescription): number | null {
  return troubles.some((trouble) => trouble === "leaderless" || trouble === "leader-silent") ? null : bytes;
}

function noReplicas({ topic, partition }: TopicPartition): Error {
  const message = `${topic}-${partition} would have no replica`;
  return brokerErrorOf(errorRow("INVALID_REPLICA_ASSIGNMENT"), message, { topic, partition });
}

function noSuchPartition({ topic, partition }: TopicPartition): Error {
  const message = `topic ${topic} has no partition ${partition}`;
  return brokerErrorOf(errorRow("UNKNOWN_TOPIC_OR_PARTITION"), message, { topic, partition });
}

// ---- shared

/** Where it is, or is on its way to. */
function headedFor({ replicas, removing }: Pick<PartitionDescription, "replicas" | "removing">): number[] {
  return replicas.filter((id) => !removing.includes(id));
}

function requirePartition({ topic, partition }: TopicPartition): void {
  if (!Number.isSafeInteger(partition) || partition < 0 || partition > 0x7fffffff)
    throw invalidArgument(`topic ${topic} cannot have a partition ${partition}`);
}

function isSame(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((id, place) => id === b[place]);
}

function nameOf({ topic, partition }: TopicPartition): string {
  return `${topic}:${partition}`;
}

function only({ signal, timeout }: CallOptions): CallOptions {
  return { ...(signal === undefined ? {} : { signal }), ...(timeout === undefined ? {} : { timeout }) };
}
