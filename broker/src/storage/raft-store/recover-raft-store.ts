/**
 * Goes on in a new quorum: the way back of an operator who has lost most voters for ever (docs/operations.md). The directory's lock is
 * held, no broker runs.
 *
 * Three files change, each whole or not at all, and none that was there is touched. `meta.properties` first: with another directory id,
 * since what this replica has promised the old quorum must not bind the new one, and whatever is left of the old one must not take it for
 * its own: under the old id the new snapshot would say of everything that the old quorum ever sends that it is there already. Then
 * `quorum-state` with a later term, and the newer snapshot, with which it is done. A crash in between leaves a replica that has no vote in
 * either quorum, opens and waits for a leader, and this can be done again. The log goes with the next start, which finds the snapshot above
 * it (10.2).
 */
import type { ClusterIdentity } from "../cluster-identity.ts";
import { changeDirectoryId } from "../cluster-identity.ts";
import { safeWrite } from "../safe-write.ts";
import { hostOf, type RaftStoreOptions } from "./open-raft-store.ts";
import { encodeQuorumState, QUORUM_STATE } from "./quorum-state.ts";
import { SnapshotFiles, type SnapshotPoint } from "./snapshot-files.ts";

/** Rejects with DiskFault. `first.point` lies above everything that the store holds. */
export async function recoverRaftStore(
  options: RaftStoreOptions,
  identity: ClusterIdentity,
  first: { readonly point: SnapshotPoint; readonly bytes: Uint8Array; readonly directoryId: string },
): Promise<void> {
  const { disk, directory } = options;
  const host = hostOf(options);
  await changeDirectoryId(disk, directory, identity, first.directoryId);
  const hardState = { term: first.point.term, vote: null };
  await safeWrite(host, directory, QUORUM_STATE, encodeQuorumState(hardState));
  await new SnapshotFiles(host, directory).write(first.point, first.bytes);
}
