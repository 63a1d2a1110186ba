/**
 * Term and vote: `quorum-state` in the data directory (semantics 2.2, 10.1(1)), replaced `safe`, before anything that
 * depends on it.
 *
 *     version=1
 *     term=7
 *     vote.node.id=2                       both absent: nobody yet
 *     vote.directory.id=22 characters
 *     crc=8 hex digits                     CRC-32C of all bytes before this line
 */
import { crc32c } from "@tidemark/proto";
import type { HardState } from "../../raft/index.ts";

export const QUORUM_STATE = "quorum-state";

const LAYOUT =
  /^(version=1\nterm=(\d{1,16})\n(?:vote\.node\.id=(\d{1,10})\nvote\.directory\.id=([\w-]{1,64})\n)?)crc=([0-9a-f]{8})\n$/u;

export function encodeQuorumState({ term, vote }: HardState): string {
  const lines = ["version=1", `term=${term}`];
  if (vote !== null) lines.push(`vote.node.id=${vote.nodeId}`, `vote.directory.id=${vote.directoryId}`);
  const text = `${lines.join("\n")}\n`;
  return `${text}crc=${crcOf(text)}\n`;
}

/** Null when it is not what `encodeQuorumState` wrote. */
export function decodeQuorumState(content: Uint8Array): HardState | null {
  const found = LAYOUT.exec(Buffer.from(content).toString("latin1"));
  if (found === null) return null;
  const [, text = "", term, nodeId, directoryId, crc] = found;
  if (crc !== crcOf(text) || !Number.isSafeInteger(Number(term))) return null;
  const vote = directoryId === undefined ? null : { nodeId: Number(nodeId), directoryId };
  return { term: Number(term), vote };
}

function crcOf(text: string): string {
  return crc32c(Buffer.from(text, "latin1")).toString(16).padStart(8, "0");
}
