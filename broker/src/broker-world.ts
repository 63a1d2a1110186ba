/**
 * The world that a broker runs in: disk, lock, store, time, chance, and the doors by which others come. Real ones or in memory, and
 * what tests and the simulation put in their place. A broker has no other way out.
 */
import type { Server } from "node:net";
import type { BrokerContext, ConnectionLimitsOptions } from "./api/index.ts";
import { GrpcDoor } from "./listeners/grpc/index.ts";
import { type BrokerView, type HttpDoorOptions, openHttpDoor } from "./listeners/http/index.ts";
import {
  descriptorsMax,
  FileDirectoryLocks,
  FileDisk,
  holdProcess,
  LevelStore,
  MemoryDirectoryLocks,
  MemoryDisk,
  MemoryStore,
  randomBytes,
  SystemClock,
  SystemTimers,
  watchEventLoop,
} from "./platform/index.ts";
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
} from "./ports/index.ts";
import { noFailpoint } from "./ports/index.ts";

export interface DoorOptions {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  /** Asked for each connection. */
  readonly limits: () => ConnectionLimitsOptions;
}

export interface PeersOptions extends DoorOptions {
  /** Listens already where the door is to stand. */
  readonly bound: Server | undefined;
  readonly service: PeerService;
  /** Who this node is, by now. */
  readonly identity: () => PeerIdentity;
  /** A broker has named itself, and may be dialled. `door`: where its own stands; null: it does not say. */
  readonly onHeard: (peer: PeerIdentity, door: { readonly host: string; readonly port: number } | null) => void;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** A node among others: its way to them, and the door by which they come. */
export interface Peers {
  readonly transport: PeerTransport;
  readonly door: Entrance;
}

/** It stands when it is handed out. */
export type HttpEntrance = Omit<Entrance, "listen">;

export interface BrokerWorld {
  readonly disk: Disk;
  readonly locks: DirectoryLocks;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: RandomBytes;
  readonly failpoint: Failpoint;
  openStore(path: string, options: { readonly createIfMissing: boolean }): Promise<KeyValueStore>;
  clientDoor(options: DoorOptions, context: BrokerContext): ClientEntrance;
  /** Rejects with Node's error when the address cannot be had. */
  openHttp(options: HttpDoorOptions, view: BrokerView, logger: Logger): Promise<HttpEntrance>;
  /** Null: TCP, which is loaded by who has peers. */
  readonly peers: ((options: PeersOptions) => Peers) | null;
  /** A plain connection that is let go at once. Rejects with why there is none, or none in time. */
  dial(to: { readonly host: string; readonly port: number }, timeoutMs: number): Promise<void>;
  /** Descriptors that the process may have. */
  descriptorsMax(): number;
  /** Tells of stalls of the event loop until the returned function is called. */
  watchEventLoop(logger: Logger, warnMs: number): () => void;
  /** The process does not end by itself until the returned function is called; `onLate` is called every `lateMs` until then. */
  hold(lateMs: number, onLate: () => void): () => void;
}

/** On files, or in memory; `parts` that are given stand in the place of those. */
export function createWorld(isMemory: boolean, parts: Partial<BrokerWorld> = {}): BrokerWorld {
  return { ...(isMemory ? memoryWorld() : fileWorld()), ...withoutUndefined(parts) };
}

function fileWorld(): BrokerWorld {
  return {
    disk: new FileDisk(),
    locks: new FileDirectoryLocks(),
    clock: new SystemClock(),
    timers: new SystemTimers(),
    random: randomBytes,
    failpoint: noFailpoint,
    openStore: (path, options) => LevelStore.open(path, options),
    clientDoor: (options, context) => new GrpcDoor(options, context),
    openHttp: openHttpDoor,
    peers: null,
    dial: async (to, timeoutMs) => (await import("./platform/dial.ts")).dial(to, timeoutMs),
    descriptorsMax,
    watchEventLoop,
    hold: holdProcess,
  };
}

/** Each broker has a memory, a lock table and a store of its own. */
function memoryWorld(): BrokerWorld {
  return {
    ...fileWorld(),
    disk: new MemoryDisk(),
    locks: new MemoryDirectoryLocks(),
    openStore: async () => new MemoryStore(),
  };
}

function withoutUndefined(world: Partial<BrokerWorld>): Partial<BrokerWorld> {
  return Object.fromEntries(Object.entries(world).filter(([, part]) => part !== undefined));
}
