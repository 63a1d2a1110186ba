/**
 * How `dev` lays out its data: a broker alone has the directory to itself, each of several has one in it, broker-1 and so on.
 */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";

export interface DataLayout {
  /** A broker has the directory to itself. */
  readonly isAlone: boolean;
  /** Of brokers with a directory in it, rising. */
  readonly ids: readonly number[];
}

export const NO_DATA: DataLayout = { isAlone: false, ids: [] };

/** Whose a directory is that was opened before; every data directory has it. */
const IDENTITY_FILE = "meta.properties";

export function memberDirectory(directory: string, id: number): string {
  return join(directory, `broker-${id}`);
}

/** What lies in a directory, which need not be there. */
export function layoutOf(directory: string): DataLayout {
  const isAlone = existsSync(join(directory, IDENTITY_FILE));
  const ids = namesIn(directory)
    .flatMap((name) => /^broker-([1-9]\d{0,2})$/.exec(name)?.[1] ?? [])
    .map(Number)
    // Of a broker alone it may be a partition of a topic that is called broker; one that was emptied is a member still.
    .filter((id) => !isAlone || existsSync(join(memberDirectory(directory, id), IDENTITY_FILE)));
  return { isAlone, ids: ids.sort((a, b) => a - b) };
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory, { withFileTypes: true }).flatMap((entry) => (entry.isDirectory() ? entry.name : []));
  } catch {
    return [];
  }
}
