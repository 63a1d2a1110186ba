/** Known mistakes of the metadata store: lines of the compiled room. */
import type { Edit, Mutation } from "./mutation.ts";

const known = (id: string, what: string, edits: readonly Edit[], seedsMax: number, seed: number): Mutation => ({
  id,
  profile: "store",
  what,
  edits,
  seedsMax,
  seed,
});

const OPEN = "storage/raft-store/open-raft-store.js";
const LEVEL_LOG = "storage/raft-store/level-log.js";

export const STORE_MUTATIONS: readonly Mutation[] = [
  known(
    "store-log-unread",
    "reads the store's log only after an unclean stop, and trusts a clean one (10.1(9), P65)",
    [
      { file: OPEN, from: "if (disk.isDirectory(path)) {", to: "if (disk.isDirectory(path) && cleanStop === null) {" },
      { file: OPEN, from: "if (cleanStop !== null && (log.last.index", to: "if (false && (log.last.index" },
    ],
    2000,
    387,
  ),
  known(
    "store-zeros-are-rot",
    "takes every zero tail of the store's log for rot (10.1(9), P64)",
    [{ file: LEVEL_LOG, from: "if (isCutShort || hasLostSector(bytes, at, end))", to: "if (isCutShort)" }],
    500,
    10,
  ),
  known(
    "store-empty-without-current",
    "opens an empty store where CURRENT is missing (10.1(9), P65)",
    [
      {
        file: OPEN,
        from: "openStore(levelPath(options), { createIfMissing: false })",
        to: "openStore(levelPath(options), { createIfMissing: true })",
      },
      {
        file: OPEN,
        from: 'if (lastValue === undefined)\n        throw lost(options, "the key `last` is missing");',
        to: "if (lastValue === undefined) return { entries: [], last: { index: 0, term: 0 } };",
      },
    ],
    500,
    1,
  ),
  known(
    "store-damaged-log-opened",
    "lets LevelDB pass over what it cannot read (10.1(9), P43)",
    [{ file: OPEN, from: "if (damage !== null)", to: "if (false)" }],
    500,
    74,
  ),
  known(
    "store-vote-unsynced",
    "term and vote are not written before what depends on them (10.1(1), P66)",
    [
      {
        file: "storage/raft-store/raft-store.js",
        from: "await safeWrite(this.#host, this.directory, QUORUM_STATE, encodeQuorumState(hardState));",
        to: "void safeWrite(this.#host, this.directory, QUORUM_STATE, encodeQuorumState(hardState)).catch(() => undefined);",
      },
    ],
    100,
    6,
  ),
  known(
    "store-batch-unsynced",
    "entries are not synced (10.1(1))",
    [
      {
        file: "storage/raft-store/raft-store.js",
        from: "await this.#store.batch(operations, { sync: true });\n        this.#firstIndex = Math.min",
        to: "await this.#store.batch(operations, { sync: false });\n        this.#firstIndex = Math.min",
      },
    ],
    100,
    2,
  ),
];
