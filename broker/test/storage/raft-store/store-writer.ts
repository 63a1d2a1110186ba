/** Writes entries to Raft's store in the directory that it is told, and says so on stdout, until it is killed. */
import { FileDisk, LevelStore } from "../../../src/platform/index.ts";
import type { Entry } from "../../../src/raft/index.ts";
import { openRaftStore } from "../../../src/storage/index.ts";

const [directory = ""] = process.argv.slice(2);
const { store, stored } = await openRaftStore({
  directory,
  disk: new FileDisk(),
  openStore: (path, options) => LevelStore.open(path, options),
});
let { term } = stored.hardState;
for (let index = store.lastIndex + 1; ; ) {
  const isNewTerm = index % 7 === 0;
  if (isNewTerm) term += 1;
  // What was not announced may be replaced, as by a new leader.
  const entries = Array.from({ length: 1 + (index % 5) }, (_, slot): Entry => {
    const bytes = Buffer.alloc(1 + ((index * 997) % 20_000), index);
    return { index: index + slot, term, body: { kind: "command", bytes } };
  });
  // oxlint-disable-next-line no-await-in-loop
  await store.write({ hardState: isNewTerm ? { term, vote: null } : null, chunk: null, snapshot: null, entries });
  index += entries.length;
  if (index % 40 < 5) {
    const point = { index: index - 1, term, voters: stored.snapshot.voters };
    // oxlint-disable-next-line no-await-in-loop
    await store.writeSnapshot(point, Buffer.from(`state of ${index - 1}`));
    // oxlint-disable-next-line no-await-in-loop
    await store.cutTo(Math.max(0, index - 20));
  }
  process.stdout.write(`${index - 1} ${term}\n`);
}
