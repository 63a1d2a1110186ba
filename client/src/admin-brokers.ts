/** Brokers that leave: emptied first, then forgotten. */
import { errorRow } from "@tidemark/proto";
import { change, limitsOf, settle } from "./admin-call.ts";
import { invalidArgument } from "./errors.ts";
import type { Cluster } from "./transport/cluster.ts";
import type { CallOptions } from "./types.ts";

export interface BrokerAdmin {
  /**
   * From here on the broker gets no new replicas, and leads only what nobody else may, also after a restart. What it has stays until it is
   * moved: `partitions.planReassignment({ drain: id })` and `partitions.reassign` do that. Again is no error.
   * @throws BrokerError BROKER_ID_NOT_REGISTERED
   */
  drain(id: number, options?: CallOptions): Promise<void>;
  /** Takes `drain` back; what was moved stays where it is. @throws BrokerError BROKER_ID_NOT_REGISTERED */
  undrain(id: number, options?: CallOptions): Promise<void>;
  /**
   * The cluster forgets a broker that was stopped and has nothing any more. It would be a new one if it were started again.
   * @throws BrokerError BROKER_ID_NOT_REGISTERED, INVALID_ARGUMENT while it lives, has replicas, or is a voter: the message says which
   */
  unregister(id: number, options?: CallOptions): Promise<void>;
}

export function createBrokerAdmin(cluster: Cluster): BrokerAdmin {
  return Object.freeze<BrokerAdmin>({
    drain: (id, options) => setDraining(cluster, id, true, options),
    undrain: (id, options) => setDraining(cluster, id, false, options),
    unregister: (id, options) => unregister(cluster, id, options),
  });
}

async function setDraining(cluster: Cluster, id: number, draining: boolean, options: CallOptions = {}): Promise<void> {
  const limits = limitsOf(options);
  const request = { brokerIds: [requireBrokerId(id)], draining };
  await settle(cluster, limits, { broker: id }, async () => {
    return (await change(cluster, "drainBrokers", request, limits)).results[0];
  });
}

async function unregister(cluster: Cluster, id: number, options: CallOptions = {}): Promise<void> {
  const limits = limitsOf(options);
  const request = { brokerId: requireBrokerId(id) };
  let isRepeated = false;
  const onRepeat = (): void => {
    isRepeated = true;
  };
  await settle(cluster, limits, { broker: id }, async () => {
    const result = await change(cluster, "unregisterBroker", request, { ...limits, onRepeat });
    // When the answer to the first try was lost, this one finds it done.
    const isGone = isRepeated && errorRow(result.errorCode).name === "BROKER_ID_NOT_REGISTERED";
    return isGone ? { ...result, errorCode: 0 } : result;
  });
}

/** Checked before it goes out: on the wire 1.5 would be 1. */
export function requireBrokerId(id: number): number {
  if (!Number.isSafeInteger(id) || id < 0 || id > 0x7fffffff)
    throw invalidArgument(`a broker's id is a whole number from 0, not ${id}`);
  return id;
}
