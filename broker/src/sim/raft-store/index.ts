/**
 * raft-store: what Raft keeps on disk, through crashes and rot. One seed is one run (`runRaftStore`) over several lives of one store, and
 * answers with a verdict. The store that runs is handed in.
 */
export { runRaftStore } from "./run-raft-store.ts";
export type { RaftStoreResult, RaftStoreRoom } from "./run-raft-store.ts";
