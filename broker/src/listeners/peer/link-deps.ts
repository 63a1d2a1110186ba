/** What the links to all peers share: who this node is, how an answer is judged, and where the state of peers is told. */
import type { PeerNames } from "@tidemark/proto";
import type { SlabPool } from "../../api/index.ts";
import type { PeerAddress, PeerError, PeerIdentity } from "../../ports/index.ts";

export interface LinkDeps {
  readonly slabs: SlabPool;
  /** Who this node is, by now. */
  identity(): PeerIdentity;
  /** Throws PeerError `refused` when whoever answered is not `to`, or of another cluster. Null: he named nobody. */
  meet(to: PeerAddress, names: PeerNames | null): void;
  /** A connection to `to` broke or was not made. */
  note(to: PeerAddress, error: PeerError): void;
}
