/** Known mistakes of the whole broker: lines of the compiled rooms that no smaller profile runs as they ship. */
import type { ClusterOptions } from "../../src/sim/index.ts";
import type { Edit, Mutation } from "./mutation.ts";

const known = (
  id: string,
  what: string,
  edits: readonly Edit[],
  seedsMax: number,
  seed: number,
  given: Partial<ClusterOptions> = {},
): Mutation => ({ id, profile: "cluster", what, edits, seedsMax, seed, given: { chaosMs: 4_000, ...given } });

export const CLUSTER_MUTATIONS: readonly Mutation[] = [
  known(
    "cluster-acks-own-log",
    "acks=all is answered before followers have it (8.2)",
    [
      {
        file: "runtime/partition-appends.js",
        from: "if (task.lastOffset < this.#leader.highWatermark)",
        to: "if (true)",
      },
    ],
    20,
    2,
  ),
  known(
    "cluster-counts-written",
    "a follower tells written ends in a synced mode (15.1(2))",
    [
      {
        file: "runtime/followed-partition.js",
        from: "return this.#countsSynced ? asOffset(Math.min(syncedEndOffset, writtenEndOffset)) : writtenEndOffset;",
        to: "return writtenEndOffset;",
      },
    ],
    20,
    2,
  ),
  known(
    "cluster-shows-uncommitted",
    "records are shown beyond the high watermark (12.3, RE8)",
    [
      {
        file: "runtime/partition.js",
        from: "get readEnd() {\n        return this.#leader.highWatermark;",
        to: "get readEnd() {\n        return this.#log.writtenEndOffset;",
      },
      {
        file: "runtime/partition.js",
        from: "readTailInto(into, at, offset) {\n        return this.#log.readTailInto(into, at, offset, this.#leader.highWatermark);",
        to: "readTailInto(into, at, offset) {\n        return this.#log.readTailInto(into, at, offset, this.#log.writtenEndOffset);",
      },
      {
        file: "runtime/partition.js",
        from: "return this.#log.readInto(into, at, offset, this.#leader.highWatermark);",
        to: "return this.#log.readInto(into, at, offset, this.#log.writtenEndOffset);",
      },
    ],
    20,
    1,
  ),
  known(
    "cluster-sequence-unchecked",
    "sequences are not looked at (11.1)",
    [{ file: "runtime/partition-appends.js", from: "if (header.hasProducerId) {", to: "if (false) {" }],
    20,
    5,
  ),
  known(
    "cluster-vote-unwritten",
    "a vote is not written down (10.1(1), P18)",
    [
      {
        file: "storage/raft-store/raft-store.js",
        from: "await safeWrite(this.#host, this.directory, QUORUM_STATE, encodeQuorumState(hardState));",
        to: "",
      },
    ],
    20,
    5,
  ),
  known(
    "cluster-answer-uncommitted",
    "the controller answers before what it decided on is committed (10.3(3), P52)",
    [
      {
        file: "runtime/proposals.js",
        from: "newest.waiters.push({ commit,",
        to: "commit();\n            newest.waiters.push({ commit,",
      },
    ],
    20,
    1,
  ),
];
