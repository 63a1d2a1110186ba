/** Where a client reaches the other brokers (15.4(2)), by how it has reached this one. */
import type { ClientContext, Endpoint } from "./api/index.ts";
import { isLoopback } from "./config/index.ts";

export interface OtherBroker {
  readonly registered: Endpoint;
  /** It carries the same `tidemark.host` as this one. */
  readonly isSameMachine: boolean;
}

/**
 * Who came to this machine by a name or address finds its other doors there as well: on its loopback address, or, where the brokers
 * know each other by names of their own (containers), behind ports that are forwarded. `ownHost` is what this broker registered.
 */
export function endpointOfOther(
  { registered, isSameMachine }: OtherBroker,
  { dialledHost, isLocal }: Pick<ClientContext, "dialledHost" | "isLocal">,
  ownHost: string | undefined,
): Endpoint {
  if (!isSameMachine || dialledHost === null) return registered;
  const isForwarded = !isLocal && dialledHost !== ownHost;
  return isLoopback(registered.host) || isForwarded ? { host: dialledHost, port: registered.port } : registered;
}
