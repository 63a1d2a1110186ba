/**
 * raft-group: a consensus group under simulation. One replica on its disk (`ReplicaHost`) serves stories told by hand too.
 */
export type { HostDeps, HostOptions, NodeFactory, ReplicaDisk, StateImage } from "./replica-host.ts";
export { birthSnapshot, entryHash, newDisk, ReplicaHost } from "./replica-host.ts";
