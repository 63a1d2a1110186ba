/** The metadata log of a stopped broker, in the shape in which a running one tells of its own. */
import type { RaftLogPage } from "@tidemark/client";
import { useNativeParts } from "../native-parts.ts";
import { requireDirectory } from "./data-directory.ts";

export interface StoppedLog extends AsyncDisposable {
  page(from: number, limit: number): RaftLogPage;
}

/** @throws CliFailure FILE_NOT_FOUND, ENOTDIR; DIRECTORY_LOCKED, METADATA_LOST of the store */
export async function openStoppedLog(dataDir: string): Promise<StoppedLog> {
  const directory = requireDirectory(dataDir);
  await useNativeParts();
  const { openStoppedMetadata } = await import("@tidemark/broker/tools");
  const metadata = await openStoppedMetadata(directory);
  const { snapshot, entries, lastIndex, identity } = metadata;
  const firstIndex = entries[0]?.index ?? lastIndex + 1;
  return {
    page: (from, limit) => {
      const start = Math.max(from - firstIndex, 0);
      return {
        broker: identity.nodeId,
        firstIndex,
        lastIndex,
        // What lies above is known to the cluster alone.
        commitIndex: snapshot.index,
        snapshot: { index: snapshot.index, term: snapshot.term },
        entries: entries.slice(start, limit === 0 ? undefined : start + limit).map(({ index, term, body }) => ({
          index,
          term,
          kind: body.kind,
          committed: index <= snapshot.index,
          bytes: body.kind === "command" ? body.bytes.byteLength : 0,
          ...(body.kind === "command" ? metadata.recordsOf(body.bytes) : { at: null, records: [] }),
          recordsLeftOut: 0,
          voters:
            body.kind === "voters" ? body.voters.map(({ nodeId: id, directoryId }) => ({ id, directoryId })) : null,
        })),
      };
    },
    [Symbol.asyncDispose]: () => metadata.close(),
  };
}
