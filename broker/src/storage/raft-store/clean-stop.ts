/**
 * `.raft-clean-stop` in the data directory: the last life ended with a whole store, and where its log ended. Taken away,
 * durably, before a life writes anything. Of a life without it the store may end in a torn batch (10.1(9)).
 *
 *     index term crc       crc = 8 hex digits, CRC-32C of what stands before them
 *
 * A file of its own and not the clean marker of the logs: that one is still there while a start already writes entries.
 */
import { crc32c } from "@tidemark/proto";
import type { Disk } from "../../ports/index.ts";
import { readWholeFile, removeFile, syncDirectory, syncPath, writeWholeFile } from "../file-io.ts";
import type { LastEntry } from "./entry-codec.ts";

const CLEAN_STOP = ".raft-clean-stop";

/** Resolves when it is safe. Rejects with DiskFault: a start then takes the stop for an unclean one. */
export async function leaveCleanStop(disk: Disk, directory: string, last: LastEntry): Promise<void> {
  const path = `${directory}/${CLEAN_STOP}`;
  writeWholeFile(disk, path, Buffer.from(encode(last)));
  await syncPath(disk, path);
  await syncDirectory(disk, directory);
}

/** Null: the last life did not end cleanly, as far as can be told. Throws DiskFault. */
export function readCleanStop(disk: Disk, directory: string): LastEntry | null {
  const text = readWholeFile(disk, `${directory}/${CLEAN_STOP}`)?.toString("latin1");
  const found = /^(\d{1,16}) (\d{1,16}) /u.exec(text ?? "");
  if (found === null) return null;
  const last = { index: Number(found[1]), term: Number(found[2]) };
  return text === encode(last) ? last : null;
}

/** Gone for good only when the directory is synced. */
export function removeCleanStop(disk: Disk, directory: string): void {
  removeFile(disk, `${directory}/${CLEAN_STOP}`);
}

function encode({ index, term }: LastEntry): string {
  const text = `${index} ${term} `;
  return text + crc32c(Buffer.from(text, "latin1")).toString(16).padStart(8, "0");
}
