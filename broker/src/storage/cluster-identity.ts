/**
 * Whose data directory this is: `meta.properties` (semantics 2.2), and the order in which a start relies on it (2.7(3)):
 * read, refuse a mismatch without writing anything, take the lock, read again.
 *
 *     #comment
 *     version=1
 *     cluster.id=22 characters      absent until the cluster is born here: the last step of a birth (10.1(8))
 *     node.id=1
 *     directory.id=22 characters    from the first start; an emptied disk gets another
 *     new.cluster.id=22 characters  until then, if `server format` chose it: the id of the cluster to be born here
 *
 * Keys that this version does not know are kept. The file is written `safe`, or not at all.
 */
import { UUID_BYTES, uuidFromText, uuidToText } from "@tidemark/proto";
import { formatProperty, parseProperties } from "../config/index.ts";
import {
  type DirectoryLock,
  type DirectoryLocks,
  type Disk,
  DiskFault,
  noFailpoint,
  type RandomBytes,
} from "../ports/index.ts";
import { readWholeFile, syncDirectory } from "./file-io.ts";
import { safeWrite, TEMP_SUFFIX } from "./safe-write.ts";
import { StorageError } from "./storage-error.ts";

export interface ClusterIdentity {
  /** Null: no cluster was born or joined here yet. */
  readonly clusterId: string | null;
  readonly nodeId: number;
  readonly directoryId: string;
  /** What a cluster that is born here is to be called; null: any name, or one was born. */
  readonly newClusterId: string | null;
  /** Keys of the file that mean nothing here, in order. */
  readonly otherKeys: readonly (readonly [key: string, value: string])[];
}

export interface ClaimOptions {
  readonly path: string;
  readonly disk: Disk;
  readonly locks: DirectoryLocks;
  readonly random: RandomBytes;
  readonly nodeId: number;
  /** When the caller knows which cluster it must be. */
  readonly clusterId?: string;
  /** For a directory that nobody has used: what the cluster to be born there is to be called. */
  readonly newClusterId?: string;
}

export interface ClaimedDirectory {
  readonly identity: ClusterIdentity;
  readonly lock: DirectoryLock;
}

export const META_PROPERTIES = "meta.properties";
const VERSION = "1";

/** Names that may stand in a directory that nobody has used yet, besides those with a leading dot (2.1(4)). */
const namesOfNobody: ReadonlySet<string> = new Set(["lost+found", "tidemark-lock", META_PROPERTIES + TEMP_SUFFIX]);

/**
 * Makes the data directory this broker's, or finds that it is. On a first start it gets a directory id, durable before
 * this resolves, and no cluster id yet.
 *
 * Throws StorageError: INCONSISTENT_CLUSTER_ID, INCONSISTENT_NODE_ID, DIRECTORY_LOCKED (naming the owner's process id),
 * DIRECTORY_NOT_EMPTY, MALFORMED_META_PROPERTIES; and DiskFault. The lock is held only when it resolves.
 */
export async function claimDirectory(options: ClaimOptions): Promise<ClaimedDirectory> {
  const { path, disk, locks } = options;
  await makeDirectory(disk, path);
  checkIdentity(options, readIdentity(disk, path));
  const acquired = await locks.acquire(path);
  if (!acquired.ok) {
    const owner = acquired.ownerPid === null ? "another broker" : `the broker with process id ${acquired.ownerPid}`;
    throw new StorageError("DIRECTORY_LOCKED", path, `the data directory is in use by ${owner}`);
  }
  try {
    // Another process may have had the lock, and written the file, since the first look.
    const found = readIdentity(disk, path);
    checkIdentity(options, found);
    return { identity: found ?? (await firstIdentity(options)), lock: acquired.lock };
  } catch (error: unknown) {
    await acquired.lock.release();
    throw error;
  }
}

/** The last step of a birth: the directory belongs to this cluster for ever. */
export async function completeBirth(
  disk: Disk,
  path: string,
  identity: ClusterIdentity,
  clusterId: string,
): Promise<ClusterIdentity> {
  const born = { ...identity, clusterId, newClusterId: null };
  await writeIdentity(disk, path, born);
  return born;
}

/** The directory becomes another one, which has promised nothing and belongs to no cluster (10.1(9)). */
export async function renewDirectoryId(
  disk: Disk,
  path: string,
  identity: ClusterIdentity,
  random: RandomBytes,
): Promise<ClusterIdentity> {
  const directoryId = uuidToText(random(UUID_BYTES));
  const renewed = { ...identity, clusterId: null, newClusterId: null, directoryId };
  await writeIdentity(disk, path, renewed);
  return renewed;
}

/** The directory goes on as another replica of its cluster. */
export async function changeDirectoryId(
  disk: Disk,
  path: string,
  identity: ClusterIdentity,
  directoryId: string,
): Promise<void> {
  await writeIdentity(disk, path, { ...identity, directoryId });
}

/** What the directory says of itself; null on a first start. Throws StorageError MALFORMED_META_PROPERTIES, DIRECTORY_NOT_EMPTY. */
export function readIdentity(disk: Disk, path: string): ClusterIdentity | null {
  const file = `${path}/${META_PROPERTIES}`;
  const content = readWholeFile(disk, file);
  if (content !== null) return decodeIdentity(file, content);
  // Its absence never means that the files are nobody's: they may be a cluster's whose file was lost.
  const found = disk.list(path).find((name) => !name.startsWith(".") && !namesOfNobody.has(name));
  if (found === undefined) return null;
  throw new StorageError(
    "DIRECTORY_NOT_EMPTY",
    path,
    `the directory holds ${found} and no ${META_PROPERTIES} that says whose it is; use an empty one, or put the file back`,
  );
}

function checkIdentity({ path, nodeId, clusterId }: ClaimOptions, found: ClusterIdentity | null): void {
  if (found === null) return;
  if (clusterId !== undefined && found.clusterId !== null && found.clusterId !== clusterId) {
    throw inconsistentCluster(path, found.clusterId, clusterId);
  }
  if (found.nodeId !== nodeId) {
    throw new StorageError(
      "INCONSISTENT_NODE_ID",
      path,
      `the data directory belongs to node ${found.nodeId}, this is node ${nodeId}; set node.id=${found.nodeId}, or use another one`,
    );
  }
}

/** The refusal for a directory whose cluster is not the one at hand. */
export function inconsistentCluster(path: string, directoryCluster: string, otherCluster: string): StorageError {
  const message = `the data directory belongs to cluster ${directoryCluster}, not to cluster ${otherCluster}`;
  return new StorageError("INCONSISTENT_CLUSTER_ID", path, message);
}

async function firstIdentity({ path, disk, random, nodeId, newClusterId }: ClaimOptions): Promise<ClusterIdentity> {
  const directoryId = uuidToText(random(UUID_BYTES));
  const identity = { clusterId: null, nodeId, directoryId, newClusterId: newClusterId ?? null, otherKeys: [] };
  // An earlier start may have made the directory and been killed before this.
  await syncDirectory(disk, parentOf(path));
  await writeIdentity(disk, path, identity);
  return identity;
}

async function writeIdentity(disk: Disk, path: string, identity: ClusterIdentity): Promise<void> {
  // A failed sync rejects, and with it the start: there is no log yet that it could concern.
  await safeWrite(
    { disk, failpoint: noFailpoint, onSyncFailed: () => undefined },
    path,
    META_PROPERTIES,
    encodeIdentity(identity),
  );
}

function encodeIdentity({ clusterId, nodeId, directoryId, newClusterId, otherKeys }: ClusterIdentity): string {
  const properties: (readonly [string, string])[] = [
    ["version", VERSION],
    ...(clusterId === null ? [] : [["cluster.id", clusterId] as const]),
    ["node.id", String(nodeId)],
    ["directory.id", directoryId],
    ...(newClusterId === null ? [] : [["new.cluster.id", newClusterId] as const]),
    ...otherKeys,
  ];
  const lines = properties.map(([key, value]) => formatProperty(key, value));
  return ["# Whose data directory this is. Written by the broker; do not edit.", ...lines, ""].join("\n");
}

function decodeIdentity(file: string, content: Uint8Array): ClusterIdentity {
  const refuse = (what: string): StorageError => new StorageError("MALFORMED_META_PROPERTIES", file, what);
  const values = new Map<string, string>();
  for (const { key, value } of parseText(content, refuse)) {
    if (values.has(key)) throw refuse(`${key} stands twice`);
    values.set(key, value);
  }
  const take = (key: string): string | null => {
    const value = values.get(key) ?? null;
    values.delete(key);
    return value;
  };
  const version = take("version");
  if (version !== VERSION) throw refuse(`version is ${version ?? "missing"}, expected ${VERSION}`);
  const nodeIdText = take("node.id");
  if (nodeIdText === null || !/^\d{1,10}$/.test(nodeIdText)) throw refuse(`node.id is ${nodeIdText ?? "missing"}`);
  const directoryId = take("directory.id");
  if (directoryId === null || !isUuid(directoryId)) throw refuse(`directory.id is ${directoryId ?? "missing"}`);
  const clusterId = take("cluster.id");
  if (clusterId === "") throw refuse("cluster.id is empty");
  const newClusterId = take("new.cluster.id");
  if (newClusterId !== null && !isUuid(newClusterId)) throw refuse(`new.cluster.id is ${newClusterId}`);
  return { clusterId, nodeId: Number(nodeIdText), directoryId, newClusterId, otherKeys: [...values] };
}

function parseText(content: Uint8Array, refuse: (what: string) => StorageError): { key: string; value: string }[] {
  try {
    return parseProperties(Buffer.from(content).toString("utf8"));
  } catch (error: unknown) {
    if (error instanceof SyntaxError) throw refuse(error.message);
    throw error;
  }
}

function isUuid(text: string): boolean {
  try {
    uuidFromText(text);
    return true;
  } catch {
    return false;
  }
}

/** Makes the directory, parents first, where it is missing; the parents' entries are durable when it resolves. */
async function makeDirectory(disk: Disk, path: string): Promise<void> {
  if (path === "." || disk.isDirectory(path)) return;
  const parent = parentOf(path);
  await makeDirectory(disk, parent);
  try {
    disk.mkdir(path);
  } catch (error: unknown) {
    // Brokers that start together make the directory above theirs together.
    if (!(error instanceof DiskFault) || error.kind !== "EEXIST" || !disk.isDirectory(path)) throw error;
  }
  await syncDirectory(disk, parent);
}

/** The directory that a directory stands in. */
export function parentOf(path: string): string {
  const slash = path.replace(/\/+$/, "").lastIndexOf("/");
  if (slash < 0) return ".";
  return slash === 0 ? "/" : path.slice(0, slash);
}
