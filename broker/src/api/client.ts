/** Who asks: what the doors know of a client before anybody authenticates. */

/** Allowed to write to internal topics (semantics 8.2), as Kafka's tools are. */
const ADMIN_CLIENT_ID = "__admin_client";

export interface ClientContext {
  /** As the client says; empty when it does not. */
  readonly clientId: string;
  /** The host by which the client called this broker (15.4(2)); null when the door cannot tell. */
  readonly dialledHost: string | null;
  /** It connected from this machine's own loopback address: no port was forwarded on the way. */
  readonly isLocal: boolean;
}

export function mayWriteInternalTopics(client: ClientContext): boolean {
  return client.clientId === ADMIN_CLIENT_ID;
}
