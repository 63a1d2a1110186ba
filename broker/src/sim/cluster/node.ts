/**
 * What the simulation needs of a broker: made of a configuration and a world of ports, started, stopped. The broker itself, composed as
 * it ships, is handed in by whoever runs the simulation: `sim` enters no composition root.
 */
import type { BrokerContext } from "../../api/index.ts";
import type {
  ClientEntrance,
  Clock,
  DirectoryLocks,
  Disk,
  Entrance,
  Failpoint,
  KeyValueStore,
  Logger,
  PeerIdentity,
  PeerService,
  PeerTransport,
  RandomBytes,
  Timers,
} from "../../ports/index.ts";

export interface NodeWorld {
  readonly disk: Disk;
  readonly locks: DirectoryLocks;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: RandomBytes;
  readonly failpoint: Failpoint;
  openStore(path: string, options: { readonly createIfMissing: boolean }): Promise<KeyValueStore>;
  clientDoor(options: { readonly host: string; readonly port: number }, context: BrokerContext): ClientEntrance;
  peers(options: NodePeersOptions): { readonly transport: PeerTransport; readonly door: Entrance };
  dial(): Promise<void>;
  descriptorsMax(): number;
  watchEventLoop(): () => void;
  hold(lateMs: number, onLate: () => void): () => void;
}

export interface NodePeersOptions {
  readonly host: string;
  readonly port: number;
  readonly service: PeerService;
  readonly identity: () => PeerIdentity;
  readonly onHeard: (peer: PeerIdentity, door: { readonly host: string; readonly port: number } | null) => void;
}

export interface Node {
  /** Resolves when clients are served. */
  start(): Promise<void>;
  /** Clean; rejects when it was not. */
  stop(): Promise<void>;
  /** What a start or a stop waits for. */
  readonly waitingFor: readonly string[];
}

export interface NodeOptions {
  /** Keys of docs/configuration.md. */
  readonly keys: Readonly<Record<string, string>>;
  readonly world: NodeWorld;
  readonly logger: Logger;
  /** It cannot go on: its process would end. */
  readonly onFatal: (fault: { readonly code: string; readonly message: string }) => void;
}

export type MakeNode = (options: NodeOptions) => Node;
