/**
 * The directories of replicas in a data directory (2.1): found at a start, made, and set aside under a name that nobody else uses. What
 * lies in them is the log's, but for `partition.metadata`, which says whose bytes they are.
 *
 *     <topic>-<partition> ── deleted ──> …-delete ── removed after its delay, or by the next start
 *                         ── of nobody, and empty ──> …-delete: its making was cut short
 *                         ── of another topic id ──> …-stray: kept for an operator, as `…-future` is
 */
import { asPartitionId } from "../base/index.ts";
import type { PartitionId } from "../base/index.ts";
import { DeletedDirectories } from "./deleted-directories.ts";
import { type AsideSuffix, asideName, parseDirectoryName } from "./directory-names.ts";
import { syncDirectory } from "./file-io.ts";
import { logKey } from "./checkpoint-file.ts";
import type { LogHost } from "./log-host.ts";
import { formatPartitionMetadata, PARTITION_METADATA, readTopicId } from "./partition-metadata.ts";
import { safeWrite, synced } from "./safe-write.ts";
import { SharedWork } from "./shared-work.ts";
import { StorageError } from "./storage-error.ts";
import type { ReplicaSpec } from "./types.ts";

export interface FoundReplica {
  readonly topic: string;
  readonly partition: PartitionId;
  /** As its directory says; null: it does not. */
  readonly topicId: string | null;
}

/** A replica whose directory goes aside. */
export interface NamedReplica {
  readonly topic: string;
  readonly partition: PartitionId;
  readonly topicId: string;
}

export class ReplicaDirectories {
  readonly #host: LogHost;
  readonly #root: string;
  readonly #rootSync: SharedWork;
  readonly #deleted: DeletedDirectories;

  constructor(host: LogHost, root: string) {
    this.#host = host;
    this.#root = root;
    this.#rootSync = new SharedWork(() => this.sync(root));
    this.#deleted = new DeletedDirectories(host, root);
  }

  pathOf(key: string): string {
    return `${this.#root}/${key}`;
  }

  // ---- what a start finds ----

  /**
   * By name, in a fixed order, and the names that a deletion left, when what belongs to a deleted topic is set aside. What belongs to
   * another topic of the same name is left out, and has to be set aside. Throws StorageError for any other directory.
   */
  find(
    specs: readonly ReplicaSpec[],
    deletedTopicIds: ReadonlySet<string> | undefined,
  ): {
    readonly replicas: ReadonlyMap<string, FoundReplica>;
    readonly deleted: readonly string[];
    /** Whose names are free, now or then, and whose checkpoint entries speak of nobody. */
    readonly forgotten: ReadonlySet<string>;
    /** Their names are taken until no checkpoint speaks of them: a crash between would leave entries of a replica that is not there. */
    readonly strays: readonly NamedReplica[];
  } {
    const { replicas, deleted } = this.#list();
    const forgotten = new Set<string>();
    const strays: NamedReplica[] = [];
    const placed = new Set(specs.map(({ topic, partition }) => logKey(topic, partition)));
    // A kill between the end of a topic and the rename of its logs left them under their names.
    for (const [key, { topic, partition, topicId }] of replicas) {
      // Its making was cut short, and meanwhile the replica went elsewhere: no metadata will ever name it.
      const isHalfMade = topicId === null && !placed.has(key) && this.#holdsNothing(key);
      if (!isHalfMade && (topicId === null || deletedTopicIds?.has(topicId) !== true)) continue;
      deleted.push(this.setAside({ topic, partition, topicId: topicId ?? "" }, "delete"));
      replicas.delete(key);
      forgotten.add(key);
    }
    // 2.1(4): what belongs to another topic of the same name is renamed, and its checkpoint entries go before it.
    for (const { topic, partition, topicId } of specs) {
      const key = logKey(topic, partition);
      const found = replicas.get(key)?.topicId ?? null;
      if (found === null || found === topicId) continue;
      strays.push({ topic, partition, topicId: found });
      replicas.delete(key);
      forgotten.add(key);
    }
    return { replicas, deleted, forgotten, strays };
  }

  #list(): { replicas: Map<string, FoundReplica>; deleted: string[] } {
    const { disk } = this.#host;
    const replicas = new Map<string, FoundReplica>();
    const deleted: string[] = [];
    for (const name of disk.list(this.#root).sort()) {
      const parsed = parseDirectoryName(name);
      if (parsed.kind === "aside") continue;
      if (parsed.kind === "replica") {
        const found = this.#lookInto(name);
        if (found !== null) {
          const partition = asPartitionId(parsed.partition);
          replicas.set(name, { topic: parsed.topic, partition, topicId: found.topicId });
        }
        continue;
      }
      if (!disk.isDirectory(this.pathOf(name))) continue;
      if (parsed.kind === "foreign") {
        throw new StorageError(
          "FOREIGN_DIRECTORY",
          this.pathOf(name),
          "not the directory of a partition; move it away",
        );
      }
      deleted.push(name);
    }
    return { replicas, deleted };
  }

  /** Null: a file, and no replica's directory. Asked last, because nearly every directory has its metadata. */
  #lookInto(name: string): { readonly topicId: string | null } | null {
    const { disk } = this.#host;
    const directory = this.pathOf(name);
    try {
      const topicId = readTopicId(disk, directory);
      if (topicId !== null) return { topicId };
    } catch (error: unknown) {
      if (disk.isDirectory(directory)) throw error;
      return null;
    }
    return disk.isDirectory(directory) ? { topicId: null } : null;
  }

  /** What a safe write left is nothing yet. */
  #holdsNothing(key: string): boolean {
    const { disk } = this.#host;
    const directory = this.pathOf(key);
    return disk.list(directory).every((name) => name.endsWith(".tmp") || disk.sizeOf(`${directory}/${name}`) === 0);
  }

  // ---- they come and go ----

  /** Not durable before `syncRoot`. */
  make(key: string): string {
    const directory = this.pathOf(key);
    this.#host.disk.mkdir(directory);
    return directory;
  }

  /** Syncs the replica's directory too. */
  writeTopicId(directory: string, topicId: string): Promise<void> {
    return safeWrite(this.#host, directory, PARTITION_METADATA, formatPartitionMetadata(topicId));
  }

  /** Resolves when every name in the data directory, as of this call, is on stable storage. */
  syncRoot(): Promise<void> {
    return this.#rootSync.ask();
  }

  sync(directory: string): Promise<void> {
    const { disk, slots } = this.#host;
    return synced(
      this.#host,
      slots.runAsync(() => syncDirectory(disk, directory)),
    );
  }

  /** Renames the replica's directory, durably with `syncRoot`; answers its new name. */
  setAside({ topic, partition, topicId }: NamedReplica, suffix: AsideSuffix): string {
    const { disk, logger } = this.#host;
    const hex = Buffer.from(topicId, "base64url").toString("hex").padEnd(32, "0").slice(0, 32);
    for (let attempt = 0; ; attempt += 1) {
      const unique = attempt === 0 ? hex : hex.slice(0, 24) + attempt.toString(16).padStart(8, "0");
      const name = asideName(topic, partition, unique, suffix);
      if (disk.sizeOf(this.pathOf(name)) !== null) continue;
      disk.rename(this.pathOf(logKey(topic, partition)), this.pathOf(name));
      logger.info("log directory renamed", { topic, partition, directory: name });
      return name;
    }
  }

  /** Removes the directory now; false: not all of it. */
  remove(name: string): Promise<boolean> {
    return this.#deleted.remove(name);
  }

  /** Removes the files in it now, as far as that can be done. */
  async empty(name: string): Promise<void> {
    await this.#deleted.empty(name);
  }

  /** Removes what was set aside by a deletion after `delayMs`, and tries until it is gone. */
  removeLater(name: string, delayMs: number): void {
    this.#deleted.removeLater(name, delayMs);
  }

  /** No file is touched any more when it resolves. */
  stop(): Promise<void> {
    return this.#deleted.stop();
  }
}
