/**
 * ports: the doors to the outside world, as interfaces only. Whatever a room below the platform needs of time, chance,
 * disk, store or log lines it gets handed as one of these; the real world (`platform/`) and the simulated one (`sim/`)
 * implement them and pass one suite each.
 *
 * Not here: any implementation; the sockets of clients (listeners own theirs).
 */
export type { Clock, TimerHandle, Timers } from "./clock.ts";
export type { Disk, DiskFaultKind, File, OpenMode } from "./disk.ts";
export { DiskFault } from "./disk.ts";
export { FAILPOINTS, FailpointRegistry, isFailpointName, noFailpoint, parseFailpoints } from "./failpoints.ts";
export type { ArmedFailpoint, Failpoint, FailpointAction, FailpointName, FailpointWorld } from "./failpoints.ts";
export type { KeyValueStore, StoreOperation } from "./key-value-store.ts";
export type { DirectoryLock, DirectoryLocks } from "./directory-lock.ts";
export type { LogFields, Logger } from "./logger.ts";
export {
  PEER_FRAME_BYTES_MAX,
  PEER_RAFT_QUEUE_BYTES,
  PEER_STREAM_AHEAD_BYTES,
  PeerError,
} from "./peer-transport.ts";
export type {
  PeerAddress,
  PeerErrorKind,
  PeerIdentity,
  PeerService,
  PeerStream,
  PeerStreamHandlers,
  PeerTransport,
} from "./peer-transport.ts";
export { BusyAddressError } from "./busy-address-error.ts";
export type { ClientEntrance, Entrance } from "./entrance.ts";
export type { CountedDoor, MetricsScope, Refusal } from "./metrics.ts";
export type { RandomBytes } from "./random.ts";
