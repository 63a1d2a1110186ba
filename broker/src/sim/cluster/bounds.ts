/**
 * BO1: what a broker holds in its queues stays within what it is given for them; looked at behind each event, or every few. BO2: where nobody asks for
 * anything it holds nothing.
 */
import type { BrokerContext } from "../../api/index.ts";
import type { SimNetwork } from "../network/index.ts";
import { INFLIGHT, KEPT_BYTES, REPLICATION_WINDOW_BYTES, WAITING_MAX } from "../../runtime/index.ts";
import { ensureInflightBounded } from "../inflight-bounds.ts";
import { ensure, InvariantViolation } from "../violation.ts";
import type { ClusterBroker } from "./cluster-broker.ts";

/** Of one turn of a fetch stream where little memory is left: its message and four reads ahead, a slab of the smallest class each. */
const TURN_BYTES = 5 * 80 * 1024;
/** Of all logs together, for their followers. */
const FOLLOWERS_TAIL_BYTES = 16 * 1024 * 1024;
/** A batch of a producer of the simulation, which is one request. */
const REQUEST_BYTES = 8 * 1024;

export class Bounds {
  readonly #brokers: readonly ClusterBroker[];
  readonly #network: SimNetwork;

  constructor(brokers: readonly ClusterBroker[], network: SimNetwork) {
    this.#brokers = brokers;
    this.#network = network;
  }

  /** What costs more to look at than what ensureBounded does. */
  atTimes(): void {
    const { overrunsCount } = this.#network;
    ensure(overrunsCount === 0, "BO1", () => `${overrunsCount} frames were sent on replication streams that are full`);
    const mostBytes = (this.#brokers.length - 1) * (REPLICATION_WINDOW_BYTES + REQUEST_BYTES);
    for (const { name, address, context } of this.#brokers) {
      const heldBytes = this.#network.heldBytes(address);
      ensure(
        heldBytes <= mostBytes,
        "BO1",
        () => `${name} holds ${heldBytes} bytes of replication frames, and grants ${mostBytes}`,
      );
      if (context === null) continue;
      const { tailBytes } = context.replicas;
      const capBytes = Math.max(context.config.base.tailCacheBytes, FOLLOWERS_TAIL_BYTES);
      ensure(tailBytes <= capBytes, "BO1", () => `${name} keeps ${tailBytes} bytes of tails, and may ${capBytes}`);
    }
  }

  /** What somebody holds still, in words; null: nobody holds anything. */
  held(): string | null {
    const held = this.#brokers.flatMap(({ name, address, context, door }) => {
      if (context === null) return [];
      const accounts = [
        ...accountsOf(context),
        ["requests without an answer", door?.unansweredCount ?? 0],
        ["bytes of replication frames", this.#network.heldBytes(address)],
      ] as const;
      return heldOf(name, accounts);
    });
    return held.length === 0 ? null : held.join("; ");
  }
}

/** What the metadata of a broker has in its queues; for every few events. */
export function ensureQueuesBounded({ name }: ClusterBroker, { controller }: BrokerContext): void {
  const { waitingCount, inflight } = controller.queues;
  ensureInflightBounded(name, inflight, INFLIGHT);
  if (waitingCount > WAITING_MAX)
    throw new InvariantViolation("BO1", `${waitingCount} commands wait for ${name}, and may ${WAITING_MAX}`);
}

/** For each event, so it is cheap. */
export function ensureBounded(broker: ClusterBroker, { budget, config, fetchMemory, slabs }: BrokerContext): void {
  const { bytes, requests, limits } = budget;
  if (requests > limits.maxRequests || bytes >= limits.maxBytes + REQUEST_BYTES) {
    const may = `${limits.maxRequests} with ${limits.maxBytes}`;
    throw new InvariantViolation(
      "BO1",
      `${broker.name} has read ${requests} requests with ${bytes} bytes, and may ${may}`,
    );
  }
  if (slabs.keptBytes > KEPT_BYTES || slabs.keptBytes < 0) {
    const keeps = `${broker.name} keeps ${slabs.keptBytes} bytes of slabs that nobody uses`;
    throw new InvariantViolation("BO1", `${keeps}, and may ${KEPT_BYTES}`);
  }
  const { lentBytes } = fetchMemory;
  const { fetchMemoryBytes } = config.current;
  if (lentBytes < fetchMemoryBytes + TURN_BYTES) return;
  const may = `${fetchMemoryBytes} and a turn of a stream`;
  throw new InvariantViolation("BO1", `${broker.name} has lent ${lentBytes} bytes to fetch streams, and may ${may}`);
}

/** BO2 of a broker that has stopped. */
export function heldAfterStop(name: string, context: BrokerContext): string | null {
  const held = heldOf(name, accountsOf(context));
  return held.length === 0 ? null : held.join("; ");
}

type Account = readonly [what: string, count: number];

function accountsOf({ budget, controller, fetchMemory, purgatory, replicas }: BrokerContext): readonly Account[] {
  // What is on its way to a replica that is gone for good stays until its seat is given up.
  const { waitingCount, proposalsCount } = controller.queues;
  return [
    ["requests", budget.requests],
    ["bytes of requests", budget.bytes],
    ["bytes lent to fetch streams", fetchMemory.lentBytes],
    ["waiters with a deadline", purgatory.count],
    ["bytes of tails", replicas.tailBytes],
    ["commands that wait for a claim", waitingCount],
    ["changes that are not committed", proposalsCount],
  ];
}

function heldOf(name: string, accounts: readonly Account[]): string[] {
  const some = accounts.filter(([, count]) => count !== 0).map(([what, count]) => `${count} ${what}`);
  return some.length === 0 ? [] : [`${name} holds ${some.join(", ")}`];
}
