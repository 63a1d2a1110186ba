/** What a disk says of whose it is, read by who asks no broker. */
import type { SimDisk } from "../sim-disk.ts";

export interface IdentityOnDisk {
  /** Null: of no cluster yet. */
  readonly clusterId: string | null;
  /** Null: nothing was written there yet. */
  readonly directoryId: string | null;
}

export function readIdentity(disk: SimDisk, directory: string): IdentityOnDisk {
  const file = disk.fileAt(`${directory}/meta.properties`);
  const bytes = Buffer.alloc(file?.sizeBytes ?? 0);
  file?.read(bytes, 0);
  const text = bytes.toString();
  const valueOf = (key: string): string | null => new RegExp(`^${key}=(.*)$`, "mu").exec(text)?.[1] ?? null;
  return { clusterId: valueOf("cluster\\.id"), directoryId: valueOf("directory\\.id") };
}
