/**
 * The metadata of a stopped broker, for tools: its log to look at, and the way back when most voters have lost theirs for ever.
 *
 * The directory's lock is held from opening to closing, so that no broker starts meanwhile. LevelDB changes what it opens, and with it the
 * evidence of what happened (semantics 2.7(4), 10.1(9)): so a copy is opened, elsewhere, and the store itself is left as it is.
 */
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { UUID_BYTES, uuidToText } from "@tidemark/proto";
import {
  type ClusterImage,
  entryTexts,
  topicsMadeIn,
  decodeImage,
  decodeRecords,
  encodeImage,
  Replay,
  recoveredImage,
} from "./metadata/index.ts";
import { FileDirectoryLocks, FileDisk, LevelStore, LOCK_FILE, randomBytes } from "./platform/index.ts";
import type { DirectoryLock } from "./ports/index.ts";
import type { Entry, StoredState } from "./raft/index.ts";
import { type ClusterIdentity, openRaftStore, readIdentity, StorageError } from "./storage/index.ts";
import { recoverRaftStore } from "./storage/tools.ts";

/** What a store consists of. Not the lock file, which no copy needs. */
const STORE_FILE = /^(?:quorum-state|raft-\d{20}-\d{1,16}\.snapshot|\.raft-clean-stop)$/u;
const STORE_DIRECTORY = "tidemark-metadata";

export interface MetadataRecovery {
  readonly nodeId: number;
  readonly clusterId: string;
  /** Of the directory so far, and of the only voter to be. */
  readonly directoryIdBefore: string;
  readonly directoryId: string;
  /** The last entry that is known here, committed or not. */
  readonly lastIndex: number;
  readonly lastTerm: number;
  /** Where the new quorum's log begins. */
  readonly index: number;
  readonly term: number;
  /** Nodes that had a vote, as far as is known here. */
  readonly votersBefore: readonly number[];
  readonly brokers: readonly number[];
  readonly topics: number;
  readonly partitions: number;
  /** That wait for a choice by the longest log; the others have their only replica here. */
  readonly partitionsWaiting: number;
}

/** Where another broker was found by its peers. */
export interface PeerPlace {
  readonly nodeId: number;
  readonly host: string;
  readonly port: number;
}

export interface RecoveredMetadata {
  readonly plan: MetadataRecovery;
  /** Of the other brokers, as far as they are known here: none may run on with the metadata that they had. */
  readonly peers: readonly PeerPlace[];
  /** Does it. Rejects with DiskFault. */
  readonly apply: () => Promise<void>;
}

/**
 * Rejects with StorageError DIRECTORY_LOCKED, naming the broker's process, METADATA_LOST where the store cannot be opened or belongs to no
 * cluster yet, and as `readIdentity` does; with DiskFault.
 */
export async function openStoppedMetadata(directory: string): Promise<StoppedMetadata> {
  const disk = new FileDisk();
  const identity = readIdentity(disk, directory);
  if (identity === null || identity.clusterId === null)
    throw new StorageError("METADATA_LOST", directory, "the directory belongs to no cluster, and has no metadata");
  const acquired = await new FileDirectoryLocks().acquire(directory);
  if (!acquired.ok)
    throw new StorageError(
      "DIRECTORY_LOCKED",
      directory,
      `the data directory is in use by ${acquired.ownerPid === null ? "another broker" : `the broker with process id ${acquired.ownerPid}`}`,
    );
  try {
    return new StoppedMetadata(directory, identity, acquired.lock, await readCopy(disk, directory));
  } catch (error: unknown) {
    await acquired.lock.release();
    throw error;
  }
}

type Stored = StoredState & { readonly snapshotBytes: Uint8Array };

async function readCopy(disk: FileDisk, directory: string): Promise<Stored> {
  const copy = fs.mkdtempSync(path.join(os.tmpdir(), "tidemark-metadata-"));
  try {
    for (const name of fs.readdirSync(directory))
      if (STORE_FILE.test(name)) fs.copyFileSync(path.join(directory, name), path.join(copy, name));
    const store = path.join(directory, STORE_DIRECTORY);
    if (fs.existsSync(store)) {
      fs.mkdirSync(path.join(copy, STORE_DIRECTORY));
      for (const name of fs.readdirSync(store))
        if (name !== LOCK_FILE) fs.copyFileSync(path.join(store, name), path.join(copy, STORE_DIRECTORY, name));
    }
    const opened = await openRaftStore({
      directory: copy,
      disk,
      openStore: (at, options) => LevelStore.open(at, options),
    });
    await opened.store.close();
    return { ...opened.stored, snapshotBytes: opened.snapshotBytes };
  } catch (error: unknown) {
    // Of the directory, and not of its copy.
    if (error instanceof StorageError)
      throw new StorageError(error.code, directory, error.message.replace(`: ${error.path}`, ""), { cause: error });
    throw error;
  } finally {
    fs.rmSync(copy, { recursive: true, force: true });
  }
}

export class StoppedMetadata {
  readonly identity: ClusterIdentity;
  readonly #directory: string;
  readonly #lock: DirectoryLock;
  readonly #stored: Stored;
  /** Of which the log that is kept knows the names; null: nobody has asked for one. */
  #topics: ReturnType<typeof topicsMadeIn> | null = null;

  constructor(directory: string, identity: ClusterIdentity, lock: DirectoryLock, stored: Stored) {
    this.#directory = directory;
    this.identity = identity;
    this.#lock = lock;
    this.#stored = stored;
  }

  get snapshot(): Stored["snapshot"] {
    return this.#stored.snapshot;
  }

  /** What a command of its log says, record by record, and when. Throws SyntaxError where a newer version wrote it. */
  recordsOf(bytes: Uint8Array): {
    readonly at: number | null;
    readonly records: Readonly<Record<string, unknown>>[];
  } {
    this.#topics ??= topicsMadeIn(this.entries.flatMap(({ body }) => (body.kind === "command" ? [body.bytes] : [])));
    const { at, records } = entryTexts(bytes, this.#topics);
    return { at, records: records.map((record) => JSON.parse(record) as Readonly<Record<string, unknown>>) };
  }

  /** Without a gap; may begin below the end of the snapshot. Which of them are committed is not known to a stopped broker. */
  get entries(): readonly Entry[] {
    return this.#stored.entries;
  }

  get lastIndex(): number {
    return this.entries.at(-1)?.index ?? this.snapshot.index;
  }

  /** What would be done to make this node the only voter of its cluster, and how to do it. */
  recovery(): RecoveredMetadata {
    const { snapshot, entries, hardState } = this.#stored;
    const directoryId = uuidToText(randomBytes(UUID_BYTES));
    const { nodeId, directoryId: directoryIdBefore, clusterId } = this.identity;
    const { image: known, topicsDeleted } = this.#replayed();
    const image = recoveredImage(known, { nodeId, directoryId });
    const lastTerm = entries.at(-1)?.term ?? snapshot.term;
    const term = Math.max(hardState.term, lastTerm) + 1;
    const voters = entries.findLast(({ body }) => body.kind === "voters")?.body;
    const partitions = [...known.topics.values()].flatMap((topic) => topic.partitions);
    const plan: MetadataRecovery = {
      nodeId,
      clusterId: clusterId ?? "",
      directoryIdBefore,
      directoryId,
      lastIndex: this.lastIndex,
      lastTerm,
      index: image.metadataOffset,
      term,
      votersBefore: (voters?.kind === "voters" ? voters.voters : snapshot.voters).map((voter) => voter.nodeId),
      brokers: [...known.brokers.keys()].sort((a, b) => a - b),
      topics: known.topics.size,
      partitions: partitions.length,
      partitionsWaiting: partitions.filter(({ replicas }) => replicas.some((id) => id !== nodeId)).length,
    };
    const peers = [...known.brokers.values()].flatMap(({ brokerId, listeners }): PeerPlace[] => {
      const door = listeners.find(({ name }) => name === "PEER");
      return door === undefined || brokerId === nodeId ? [] : [{ nodeId: brokerId, host: door.host, port: door.port }];
    });
    return {
      plan,
      peers,
      apply: () =>
        recoverRaftStore(
          {
            directory: this.#directory,
            disk: new FileDisk(),
            openStore: (at, options) => LevelStore.open(at, options),
          },
          this.identity,
          {
            point: { index: image.metadataOffset, term, voters: [{ nodeId, directoryId }] },
            bytes: encodeImage({ image, topicsDeleted }),
            directoryId,
          },
        ),
    };
  }

  #replayed(): { readonly image: ClusterImage; readonly topicsDeleted: ReadonlySet<string> } {
    const { snapshot, entries, snapshotBytes } = this.#stored;
    const first = decodeImage(snapshotBytes);
    const replay = new Replay({ ...first.image, metadataOffset: snapshot.index });
    for (const { index, body } of entries)
      if (index > snapshot.index) replay.apply(index, body.kind === "command" ? decodeRecords(body.bytes) : []);
    const { image, topicsDeleted } = replay.finish();
    return { image, topicsDeleted: new Set([...first.topicsDeleted, ...topicsDeleted]) };
  }

  close(): Promise<void> {
    return this.#lock.release();
  }
}
