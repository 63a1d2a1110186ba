/** What the links to all peers share: how a call names this node, how the answer is judged, and where the state of peers is told. */
import type { IncomingHttpHeaders } from "node:http2";
import type { MessageSlabs } from "@tidemark/proto";
import type { PeerAddress, PeerError } from "../../ports/index.ts";

export interface LinkDeps {
  readonly slabs: MessageSlabs & { give(slab: Buffer): void };
  callOptions(
    path: string,
    to: PeerAddress,
  ): { readonly path: string; readonly headers: Readonly<Record<string, string>>; readonly slabs: MessageSlabs };
  /** Throws PeerError `refused` when whoever answered is not `to`, or of another cluster. */
  meet(to: PeerAddress, headers: IncomingHttpHeaders): void;
  /** A connection to `to` broke or was not made. */
  note(to: PeerAddress, error: PeerError): void;
}
