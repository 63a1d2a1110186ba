/**
 * The operator's word that a damaged log shall go on without what is damaged (15.7(4)): an empty file `.accept-damage` in the
 * directory of the partition, made while the broker is stopped. The next start cuts the log at the damage, as it cuts a torn
 * tail, and keeps what it cuts: the segment with the bad bytes as a copy `B.log.damaged`, later ones renamed.
 *
 * A repair from a peer keeps what it cuts in the same way (log-repair.ts).
 *
 * The file is removed when the checkpoints no longer say that the log reaches further. A start that is interrupted finds it
 * again, and goes on.
 */
import { DiskFault } from "../ports/index.ts";
import { DAMAGED_SUFFIX } from "./directory-names.ts";
import { readFullySync, removeFile, syncPath, writeFullySync } from "./file-io.ts";
import type { LogHost } from "./log-host.ts";
import { synced } from "./safe-write.ts";
import type { Segment } from "./segment.ts";

export const ACCEPT_DAMAGE = ".accept-damage";

const COPY_CHUNK_BYTES = 1024 * 1024;

/** Copies all of the segment's log, `fileBytes` long, to `B.log.damaged`; durable when it resolves. Rejects with DiskFault. */
export async function copyDamaged(host: LogHost, segment: Segment, fileBytes: number): Promise<void> {
  const path = segment.log.path + DAMAGED_SUFFIX;
  const chunk = Buffer.allocUnsafeSlow(Math.min(COPY_CHUNK_BYTES, Math.max(1, fileBytes)));
  const copy = host.disk.open(path, "create");
  try {
    copy.truncateSync(0);
    for (let position = 0; position < fileBytes; position += chunk.length) {
      const bytes = chunk.subarray(0, Math.min(chunk.length, fileBytes - position));
      writeFullySync(copy, bytes.subarray(0, readFullySync(segment.log, bytes, position)), position);
      await host.timers.yieldTurn();
    }
  } catch (error: unknown) {
    copy.closeSync();
    // Half a copy is worth nothing, and what it takes of a full disk the metadata may need.
    if (error instanceof DiskFault) removeFile(host.disk, path);
    throw error;
  }
  copy.closeSync();
  await synced(host, syncPath(host.disk, path));
  host.logger.warn("the bytes of a damaged segment are kept", { path });
}
