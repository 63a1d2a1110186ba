/** What time does to the files of a store that nobody has open (10.1(9), P43, P65). */
import type { SeededRandom } from "../../base/index.ts";
import type { SimDisk } from "../sim-disk.ts";
import type { Directory } from "../sim-tree.ts";

/** LevelDB's own. */
const LEVEL = "tidemark-metadata";

/** One bit of a file, or a file that is gone for good. Answers what was done; null: there was nothing to do it to. */
export function rotStore(random: SeededRandom, medium: SimDisk, data: string): string | null {
  const level = `${data}/${LEVEL}`;
  const draw = random.float();
  if (draw < 0.15) return remove(medium, level, "CURRENT") ? "CURRENT is gone" : null;
  if (draw < 0.25) return remove(medium, data, "quorum-state") ? "quorum-state is gone" : null;
  const [path, names] = draw < 0.8 ? [level, /\.(log|ldb)$/u] : [data, /^quorum-state$|\.snapshot$/u];
  const directory = directoryAt(medium, path);
  const files = [...(directory?.written ?? [])].flatMap(([name, node]) =>
    node.kind === "file" && names.test(name) && node.sizeBytes > 0 ? [{ name, node }] : [],
  );
  if (files.length === 0) return null;
  const { name, node } = random.pick(files);
  node.flipBit(random.below(node.sizeBytes), random.below(8));
  return `a bit of ${name.replaceAll(/\d+/gu, "N")}`;
}

function remove(medium: SimDisk, path: string, name: string): boolean {
  const directory = directoryAt(medium, path);
  if (directory?.written.has(name) !== true) return false;
  medium.tree.change([{ directory, name, node: null }]);
  medium.tree.commitAll(medium.tree.order);
  return true;
}

function directoryAt(medium: SimDisk, path: string): Directory | null {
  const node = medium.tree.find(path);
  return node?.kind === "directory" ? node : null;
}
