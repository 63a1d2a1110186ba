/** Where a client reaches the other brokers (15.4(2)), by how it has reached this one. */
import type { ClientContext, Endpoint } from "./api/index.ts";
import { isLoopback } from "./config/index.ts";

export interface OtherBroker {
  readonly registered: Endpoint;
  /** It carries the same `tidemark.host` as this one. */
  readonly isSameMachine: boolean;
}

export interface OwnDoor {
  /** That this broker registered. */
  readonly host: string | undefined;
  /** By `advertised.listeners`: the others are then taken to have said where they are found as well. */
  readonly isExplicit: boolean;
}

/**
 * Who came to this machine by a name or address finds its other doors there as well: on its loopback address, or, where the brokers
 * know each other by names of their own (containers), behind ports that are forwarded. What is advertised explicitly wins (15.4(1)).
 */
export function endpointOfOther(
  { registered, isSameMachine }: OtherBroker,
  { dialledHost, isLocal }: Pick<ClientContext, "dialledHost" | "isLocal">,
  own: OwnDoor,
): Endpoint {
  if (!isSameMachine || dialledHost === null) return registered;
  const isForwarded = !own.isExplicit && !isLocal && dialledHost !== own.host;
  return isLoopback(registered.host) || isForwarded ? { host: dialledHost, port: registered.port } : registered;
}
