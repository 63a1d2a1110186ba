/**
 * Which replicas to move where, so that brokers can be emptied and others filled: a pure function of an image, whose outcome is handed
 * to the reassignment command by whoever asked for the plan. Nothing is decided here, and nothing is counted but replicas.
 *
 *     1. what must leave: replicas on brokers that are drained, or that are not among those asked for, go to where fewest are
 *     2. spread (balance): where two replicas share a rack or host and need not, one moves
 *     3. balance: from the broker with most to the one with fewest, until they differ by at most one
 *     4. leaders (balance): replicas of a partition change places in its list, which moves no data, until brokers differ in preferred
 *        leaders by as little as that allows
 *
 * A move takes one replica's place in the list, so that leaders go along with replicas; among equal choices it is the one that evens out
 * preferred leaders, then each topic. Rack and host spread is never made worse but where no other broker is left.
 *
 * What is being reassigned counts as what it becomes.
 */
import type { ErrorName } from "@tidemark/proto";
import type { BrokerImage, ClusterImage } from "../image.ts";
import { isUsable, targetOf } from "../partition-rules.ts";

export interface PlanRequest {
  /** Shall have no replica; those that are being drained need not be named. */
  readonly drain: readonly number[];
  /** The others shall have equally many. */
  readonly isBalanced: boolean;
  /** Only their partitions are moved and counted; null: all. */
  readonly topics: readonly string[] | null;
  /** Only these may have them; null: all that may get replicas. */
  readonly brokers: readonly number[] | null;
}

export interface PlannedMove {
  readonly topic: string;
  readonly partition: number;
  /** The target, the preferred leader first. */
  readonly replicas: readonly number[];
  /** Without it. */
  readonly currentReplicas: readonly number[];
}

export interface PlannedLoad {
  readonly brokerId: number;
  readonly replicas: number;
  readonly replicasAfter: number;
  /** Partitions that it is the preferred leader of. */
  readonly leaders: number;
  readonly leadersAfter: number;
}

export type MovePlan =
  | { readonly ok: true; readonly moves: readonly PlannedMove[]; readonly loads: readonly PlannedLoad[] }
  | { readonly ok: false; readonly error: ErrorName; readonly message: string };

/**
 * UNKNOWN_TOPIC_OR_PARTITION, BROKER_ID_NOT_REGISTERED, INVALID_REPLICA_ASSIGNMENT for a named broker that is down;
 * INVALID_REPLICATION_FACTOR where fewer brokers are left than replicas.
 */
export function planMoves(image: ClusterImage, request: PlanRequest): MovePlan {
  const refusal = refusalOf(image, request);
  if (refusal !== null) return refusal;
  const plan = new Plan(image, request);
  const homeless = plan.moveOut();
  if (homeless !== null) {
    const { topic, partition, replicas } = homeless;
    const may = plan.mayHave(homeless);
    const some = may.length === 1 ? "1 broker" : `${may.length === 0 ? "no" : may.length} brokers`;
    const which = may.length === 0 ? "" : `: ${may.join(", ")}`;
    const message = `${topic}-${partition} has ${replicas.length} replicas, and ${some} may have them${which}`;
    return { ok: false, error: "INVALID_REPLICATION_FACTOR", message };
  }
  if (request.isBalanced) {
    plan.spread();
    plan.balance();
    plan.evenLeaders();
  }
  return { ok: true, moves: plan.moves, loads: plan.loads };
}

function refusalOf({ topics, brokers }: ClusterImage, request: PlanRequest): MovePlan | null {
  const missing = request.topics?.find((name) => !topics.has(name));
  if (missing !== undefined) {
    return { ok: false, error: "UNKNOWN_TOPIC_OR_PARTITION", message: `there is no topic ${missing}` };
  }
  const stranger = [...request.drain, ...(request.brokers ?? [])].find((id) => !brokers.has(id));
  if (stranger !== undefined) {
    return { ok: false, error: "BROKER_ID_NOT_REGISTERED", message: `there is no broker ${stranger}` };
  }
  const down = request.brokers?.find((id) => !isUsable(brokers.get(id)));
  if (down === undefined) return null;
  return { ok: false, error: "INVALID_REPLICA_ASSIGNMENT", message: `broker ${down} is down: it can get no replicas` };
}

interface Placement {
  readonly topic: string;
  readonly partition: number;
  readonly before: readonly number[];
  replicas: readonly number[];
}

/** One broker, as far as the plan has come. */
interface Seat {
  readonly brokerId: number;
  readonly rack: string;
  readonly host: string;
  /** May get replicas. */
  readonly isTarget: boolean;
  /** Shall have none. */
  readonly isLeaving: boolean;
  readonly hosted: Set<Placement>;
  readonly topics: Map<string, number>;
  leaders: number;
  readonly before: { replicas: number; leaders: number };
}

class Plan {
  readonly #placements: Placement[] = [];
  readonly #seats = new Map<number, Seat>();
  readonly #targets: readonly Seat[];

  constructor(image: ClusterImage, request: PlanRequest) {
    const { drain, brokers: allowed } = request;
    for (const broker of [...image.brokers.values()].sort((a, b) => a.brokerId - b.brokerId)) {
      const { brokerId } = broker;
      const isLeaving =
        drain.includes(brokerId) || broker.isDraining || (allowed !== null && !allowed.includes(brokerId));
      this.#seats.set(brokerId, seatOf(broker, isLeaving));
    }
    this.#targets = [...this.#seats.values()].filter(({ isTarget }) => isTarget);
    for (const topic of image.topics.values()) {
      if (request.topics !== null && !request.topics.includes(topic.name)) continue;
      for (const partition of topic.partitions) {
        const replicas = targetOf(partition);
        const placement = { topic: topic.name, partition: partition.partition, before: replicas, replicas };
        this.#placements.push(placement);
        for (const id of replicas) this.#seat(id, placement);
      }
    }
    for (const seat of this.#seats.values()) {
      seat.before.replicas = seat.hosted.size;
      seat.before.leaders = seat.leaders;
    }
  }

  get moves(): PlannedMove[] {
    return this.#placements
      .filter(({ before, replicas }) => before !== replicas && before.join() !== replicas.join())
      .map(({ topic, partition, before, replicas }) => ({ topic, partition, replicas, currentReplicas: before }));
  }

  get loads(): PlannedLoad[] {
    return [...this.#seats.values()].map(({ brokerId, before, hosted, leaders }) => ({
      brokerId,
      replicas: before.replicas,
      replicasAfter: hosted.size,
      leaders: before.leaders,
      leadersAfter: leaders,
    }));
  }

  /** Answers the first partition that has nowhere to go; null: none has. */
  moveOut(): Placement | null {
    for (const placement of this.#placements) {
      for (const id of placement.replicas) {
        const from = this.#seats.get(id);
        if (from?.isLeaving !== true) continue;
        const to = this.#bestFor(placement, from);
        if (to === null) return placement;
        this.#move(placement, from, to);
      }
    }
    return null;
  }

  /** Who may take a replica of it, and who may keep the one that it has. */
  mayHave({ replicas }: Placement): number[] {
    const may = [...this.#seats.values()].filter(
      ({ brokerId, isTarget, isLeaving }) => isTarget || (!isLeaving && replicas.includes(brokerId)),
    );
    return may.map(({ brokerId }) => brokerId).sort((a, b) => a - b);
  }

  /** Two replicas of a partition share no rack, and no host, that they need not share. */
  spread(): void {
    for (const placement of this.#placements) {
      for (const id of [...placement.replicas].reverse()) {
        const from = this.#seats.get(id);
        if (from === undefined) continue;
        const to = this.#bestFor(placement, from);
        if (
          to !== null &&
          spreadWith(this.#seats, placement, from, to) > spreadWith(this.#seats, placement, from, from)
        )
          this.#move(placement, from, to);
      }
    }
  }

  balance(): void {
    for (let step = this.#nextStep(); step !== null; step = this.#nextStep()) {
      this.#move(step.placement, step.from, step.to);
    }
  }

  /** Along a chain of exchanges from a broker that leads two more than the one at its end; each takes one from the first. */
  evenLeaders(): void {
    for (;;) {
      const byLeaders = [...this.#targets].sort((a, b) => b.leaders - a.leaders || a.brokerId - b.brokerId);
      const chain = byLeaders.map((from) => this.#leaderChain(from)).find((found) => found !== null);
      if (chain === undefined) return;
      for (const { placement, to } of chain) this.#prefer(placement, to);
    }
  }

  /** Breadth first, so that as few partitions as possible change their order. */
  #leaderChain(from: Seat): readonly { readonly placement: Placement; readonly to: Seat }[] | null {
    const cameBy = new Map<Seat, { readonly placement: Placement; readonly before: Seat }>();
    const queue = [from];
    for (const at of queue) {
      if (from.leaders - at.leaders >= 2) return chainTo(at, cameBy);
      for (const placement of at.hosted) {
        const [first, ...others] = placement.replicas;
        if (first !== at.brokerId) continue;
        for (const id of others) {
          const next = this.#seats.get(id);
          if (next?.isTarget !== true || next === from || cameBy.has(next)) continue;
          cameBy.set(next, { placement, before: at });
          queue.push(next);
        }
      }
    }
    return null;
  }

  #prefer(placement: Placement, to: Seat): void {
    const [first = -1] = placement.replicas;
    const place = placement.replicas.indexOf(to.brokerId);
    for (const id of placement.replicas) this.#unseat(id, placement);
    placement.replicas = placement.replicas.with(0, to.brokerId).with(place, first);
    for (const id of placement.replicas) this.#seat(id, placement);
  }

  /** From as full a broker to as empty a one as there is something to move between. */
  #nextStep(): { readonly placement: Placement; readonly from: Seat; readonly to: Seat } | null {
    // Where nobody would get anything a broker that is away, or full, keeps what it has.
    const byLoad = [...this.#targets].sort((a, b) => a.hosted.size - b.hosted.size || a.brokerId - b.brokerId);
    for (const from of [...byLoad].reverse()) {
      for (const to of byLoad) {
        if (from.hosted.size - to.hosted.size < 2) break;
        const placement = this.#bestBetween(from, to);
        if (placement !== null) return { placement, from, to };
      }
    }
    return null;
  }

  #bestBetween(from: Seat, to: Seat): Placement | null {
    const leadersWanted = Math.sign(from.leaders - to.leaders - 1);
    let best: Placement | null = null;
    let bestScore = Number.NEGATIVE_INFINITY;
    for (const placement of from.hosted) {
      if (to.hosted.has(placement)) continue;
      if (spreadWith(this.#seats, placement, from, to) < spreadWith(this.#seats, placement, from, from)) continue;
      const isLead = placement.replicas[0] === from.brokerId;
      const topicExcess = (from.topics.get(placement.topic) ?? 0) - (to.topics.get(placement.topic) ?? 0);
      const score = (isLead ? leadersWanted : -leadersWanted) * LEADERS_WEIGHT + topicExcess;
      if (score > bestScore) [best, bestScore] = [placement, score];
    }
    return best;
  }

  /** The best spread first, then the fewest replicas, then the fewest leaders if it is to lead, then of the topic. */
  #bestFor(placement: Placement, from: Seat): Seat | null {
    const isLead = placement.replicas[0] === from.brokerId;
    const rank = (seat: Seat): readonly number[] => [
      -spreadWith(this.#seats, placement, from, seat),
      seat.hosted.size,
      isLead ? seat.leaders : 0,
      seat.topics.get(placement.topic) ?? 0,
    ];
    let best: Seat | null = null;
    let bestRank: readonly number[] = [];
    for (const seat of this.#targets) {
      if (seat.hosted.has(placement)) continue;
      const seatRank = rank(seat);
      if (best !== null && !isBefore(seatRank, bestRank)) continue;
      [best, bestRank] = [seat, seatRank];
    }
    return best;
  }

  #move(placement: Placement, from: Seat, to: Seat): void {
    for (const id of placement.replicas) this.#unseat(id, placement);
    placement.replicas = placement.replicas.map((id) => (id === from.brokerId ? to.brokerId : id));
    for (const id of placement.replicas) this.#seat(id, placement);
  }

  #seat(brokerId: number, placement: Placement): void {
    const seat = this.#seats.get(brokerId);
    if (seat === undefined) return;
    seat.hosted.add(placement);
    seat.topics.set(placement.topic, (seat.topics.get(placement.topic) ?? 0) + 1);
    if (placement.replicas[0] === brokerId) seat.leaders += 1;
  }

  #unseat(brokerId: number, placement: Placement): void {
    const seat = this.#seats.get(brokerId);
    if (seat === undefined) return;
    seat.hosted.delete(placement);
    seat.topics.set(placement.topic, (seat.topics.get(placement.topic) ?? 0) - 1);
    if (placement.replicas[0] === brokerId) seat.leaders -= 1;
  }
}

/** From the end back to the beginning: the last exchange frees the place of the one before. */
function chainTo(
  end: Seat,
  cameBy: ReadonlyMap<Seat, { readonly placement: Placement; readonly before: Seat }>,
): readonly { readonly placement: Placement; readonly to: Seat }[] {
  const chain: { placement: Placement; to: Seat }[] = [];
  for (let step = cameBy.get(end), to = end; step !== undefined; to = step.before, step = cameBy.get(to))
    chain.push({ placement: step.placement, to });
  return chain;
}

/** Above any difference within a topic. */
const LEADERS_WEIGHT = 1_000_000;

function seatOf(broker: BrokerImage, isLeaving: boolean): Seat {
  const { brokerId, rack, host, isFull } = broker;
  const machine = host === null ? `broker ${brokerId}` : `host ${host}`;
  return {
    brokerId,
    rack: rack === null ? machine : `rack ${rack}`,
    host: machine,
    isTarget: !isLeaving && isUsable(broker) && !isFull,
    isLeaving,
    hosted: new Set(),
    topics: new Map(),
    leaders: 0,
    before: { replicas: 0, leaders: 0 },
  };
}

/** Racks, and among as many racks hosts, that the partition stands on with `to` in the place of `from`. */
function spreadWith(seats: ReadonlyMap<number, Seat>, { replicas }: Placement, from: Seat, to: Seat): number {
  const racks = new Set<string>();
  const hosts = new Set<string>();
  for (const id of replicas) {
    const seat = id === from.brokerId ? to : seats.get(id);
    if (seat === undefined) continue;
    racks.add(seat.rack);
    hosts.add(seat.host);
  }
  return racks.size * (replicas.length + 1) + hosts.size;
}

function isBefore(left: readonly number[], right: readonly number[]): boolean {
  for (const [slot, value] of left.entries()) {
    const other = right[slot] ?? 0;
    if (value !== other) return value < other;
  }
  return false;
}
