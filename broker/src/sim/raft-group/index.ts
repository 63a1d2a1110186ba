/**
 * raft-group: a consensus group under simulation. One seed is one run (`runRaftGroup`) that answers with a verdict and never
 * throws for a failure it found; one replica on its disk (`ReplicaHost`) serves stories told by hand too.
 */
export { runRaftGroup } from "./group-run.ts";
export type { GroupRunResult } from "./group-run.ts";
export type { HostDeps, HostOptions, NodeFactory, ReplicaDisk, StateImage } from "./replica-host.ts";
export { birthSnapshot, newDisk, ReplicaHost } from "./replica-host.ts";
