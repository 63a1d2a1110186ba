/**
 * Opens a broker's copy of the cluster's metadata: its Raft store, made at a birth or when it joins, the controller as the store's state
 * machine, and the driver of the consensus between them. One broker alone is a cluster with one seat.
 */
import { emptyImage, encodeImage } from "./metadata/index.ts";
import type { BrokerConfig } from "./config/index.ts";
import type { Logger } from "./ports/index.ts";
import { isSameReplica, type Message, type ReplicaId, type SoftState } from "./raft/index.ts";
import { Controller, type ControllerPeers, RaftDriver, type RaftEvents } from "./runtime/index.ts";
import {
  type ClusterIdentity,
  completeBirth,
  createRaftStore,
  type OpenedRaftStore,
  openRaftStore,
  type RaftStoreOptions,
  removeRaftStore,
  StorageError,
} from "./storage/index.ts";
import type { BrokerWorld } from "./broker-world.ts";
import { BrokerStartError } from "./start-error.ts";

/** A place in a cluster, taken at its birth or when this node joins. */
export interface NewSeat {
  readonly clusterId: string;
  /** Of the cluster; this node may be among them or not. */
  readonly voters: readonly ReplicaId[];
}

export interface SeatOptions {
  readonly config: BrokerConfig;
  readonly world: BrokerWorld;
  readonly logger: Logger;
  /** The data directory, locked. */
  readonly path: string;
  readonly identity: ClusterIdentity;
  /** The directory is another one by now, or belongs to a cluster. Called before anybody is asked for a seat in it. */
  readonly onIdentity: (identity: ClusterIdentity) => void;
}

export interface MetadataOptions {
  readonly config: BrokerConfig;
  readonly world: BrokerWorld;
  readonly logger: Logger;
  /** The data directory, locked. */
  readonly path: string;
  readonly identity: ClusterIdentity;
  readonly peers: ControllerPeers;
  /** To other nodes; best effort. */
  send(message: Message): void;
  /** Behind the controller, which hears of it first. */
  readonly onRole: (softState: SoftState) => void;
  readonly onFault: (fault: unknown) => void;
}

export interface OpenMetadata {
  readonly controller: Controller;
  readonly driver: RaftDriver;
}

/** What must be free before the metadata store is opened again: less than the reserve that appends leave to it. */
const STORE_ROOM_BYTES = 4 * 1024 * 1024;
const STORE_ROOM_SHARE = 0.025;

function raftStoreOptions({ world, path }: Pick<MetadataOptions, "world" | "path">): RaftStoreOptions {
  const { disk, failpoint } = world;
  return { directory: path, disk, failpoint, openStore: (at, options) => world.openStore(at, options) };
}

/** What is stored; or the store of a seat that is taken now, in an unused directory, and in one whose store is lost (10.1(9)). */
export async function openSeat(options: SeatOptions, findSeat: () => Promise<NewSeat>): Promise<OpenedRaftStore> {
  const { config, world, logger, onIdentity } = options;
  const storeOptions = raftStoreOptions(options);
  let { identity } = options;
  if (identity.clusterId !== null) {
    try {
      const opened = await openRaftStore(storeOptions);
      if (opened.mended !== null)
        logger.warn("the metadata store was mended after a power failure", { reason: opened.mended });
      return opened;
    } catch (cause: unknown) {
      const isLost = cause instanceof StorageError && cause.code === "METADATA_LOST";
      // A single voter has nobody to learn from.
      const voters = config.controllerQuorumVoters ?? [];
      if (!isLost || !voters.some(({ nodeId }) => nodeId !== config.nodeId)) throw cause;
      logger.error("the metadata store is lost: this broker joins its cluster anew", { reason: cause.message });
      identity = await removeRaftStore(storeOptions, identity, world.random);
      onIdentity(identity);
    }
  }
  const seat = await findSeat();
  const taken = await takeSeat({ ...options, identity }, seat);
  onIdentity(taken.identity);
  return taken.opened;
}

/**
 * Takes a seat: first the store with the cluster's first snapshot, and last of all the directory belongs to the cluster (10.1(8)). Answers
 * both.
 */
async function takeSeat(
  options: Pick<MetadataOptions, "world" | "path" | "identity">,
  { clusterId, voters }: NewSeat,
): Promise<{ readonly identity: ClusterIdentity; readonly opened: OpenedRaftStore }> {
  const opened = await createRaftStore(raftStoreOptions(options), {
    point: { index: 0, term: 0, voters },
    bytes: encodeImage({ image: { ...emptyImage, clusterId }, topicsDeleted: [] }),
  });
  const { world, path } = options;
  const identity = await completeBirth(world.disk, path, options.identity, clusterId).catch(async (cause: unknown) => {
    await opened.store.close();
    throw cause;
  });
  return { identity, opened };
}

/** Closes the store when it throws. */
export async function openMetadata(options: MetadataOptions, opened: OpenedRaftStore): Promise<OpenMetadata> {
  const { config, world, logger, identity, onRole } = options;
  const { clock, timers, random } = world;
  const controller = new Controller({
    config,
    clock,
    timers,
    random,
    logger,
    clusterId: identity.clusterId,
    peers: options.peers,
    onFault: options.onFault,
  });
  try {
    const driver = RaftDriver.open(
      {
        replica: { nodeId: config.nodeId, directoryId: identity.directoryId },
        opened,
        fetchTimeoutMs: config.controllerQuorumFetchTimeoutMs,
        electionTimeoutMs: config.controllerQuorumElectionTimeoutMs,
        electionBackoffMaxMs: config.controllerQuorumElectionBackoffMaxMs,
        snapshotBytes: config.metadataLogMaxRecordBytesBetweenSnapshots,
        snapshotMs: config.metadataLogMaxSnapshotIntervalMs,
      },
      {
        clock,
        timers,
        logger,
        random: () => Buffer.from(random(4)).readUInt32LE() / 2 ** 32,
        send: (message) => options.send(message),
        events: withRole(controller, onRole),
        reopen: {
          open: () => openRaftStore(raftStoreOptions(options), { mayBeTorn: true }),
          hasRoom: () => hasRoomForStore(options),
          timers,
        },
      },
    );
    controller.attach(driver);
    return { controller, driver };
  } catch (cause: unknown) {
    await opened.store.close();
    throw cause;
  }
}

/**
 * Throws BrokerStartError INVALID_CONFIG where a broker that is configured to be alone has a directory whose cluster has other voters: it
 * would wait for their votes for ever, and knows no address of theirs.
 */
export function assertVotesAlone({ voters, replica }: Pick<RaftDriver, "voters" | "replica">): void {
  if (voters.length === 1 && voters.every((voter) => isSameReplica(voter, replica))) return;
  const ids = voters.map(({ nodeId }) => nodeId).toSorted((a, b) => a - b);
  const example = ids.map((nodeId) => `${nodeId}@host:9392`).join(",");
  const message =
    `this directory belongs to a cluster whose voters are ${ids.join(", ")}, and controller.quorum.voters names nobody: ` +
    `set it as it is on the other brokers (${example}), or give this broker a data directory of its own`;
  throw new BrokerStartError("INVALID_CONFIG", message, undefined);
}

function withRole(controller: Controller, onRole: (softState: SoftState) => void): RaftEvents {
  return {
    onSnapshot: (index, term, bytes) => controller.onSnapshot(index, term, bytes),
    onCommitted: (entries) => controller.onCommitted(entries),
    onRole: (softState) => {
      controller.onRole(softState);
      onRole(softState);
    },
    encodeSnapshot: () => controller.encodeSnapshot(),
    onFault: (fault) => controller.onFault(fault),
  };
}

/** A disk that does not say how full it is says so when it is written. */
function hasRoomForStore({ world: { disk }, path }: Pick<MetadataOptions, "world" | "path">): boolean {
  try {
    return disk.freeBytes(path) >= Math.min(STORE_ROOM_BYTES, disk.totalBytes(path) * STORE_ROOM_SHARE);
  } catch {
    return true;
  }
}
