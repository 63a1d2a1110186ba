/** The world that a broker runs in: disk, lock, store, time and chance, real ones or in memory, and what tests put in their place. */
import {
  FileDirectoryLocks,
  FileDisk,
  LevelStore,
  MemoryDirectoryLocks,
  MemoryDisk,
  MemoryStore,
  randomBytes,
  SystemClock,
  SystemTimers,
} from "./platform/index.ts";
import type { Clock, DirectoryLocks, Disk, KeyValueStore, RandomBytes, Timers } from "./ports/index.ts";

export interface BrokerWorld {
  readonly disk: Disk;
  readonly locks: DirectoryLocks;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: RandomBytes;
  openStore(path: string, options: { readonly createIfMissing: boolean }): Promise<KeyValueStore>;
}

/** On files, or in memory; `parts` that are given stand in the place of those. */
export function createWorld(isMemory: boolean, parts: Partial<BrokerWorld> = {}): BrokerWorld {
  return { ...(isMemory ? memoryWorld() : fileWorld()), ...withoutUndefined(parts) };
}

function fileWorld(): BrokerWorld {
  return {
    disk: new FileDisk(),
    locks: new FileDirectoryLocks(),
    clock: new SystemClock(),
    timers: new SystemTimers(),
    random: randomBytes,
    openStore: (path, options) => LevelStore.open(path, options),
  };
}

/** Each broker has a memory, a lock table and a store of its own. */
function memoryWorld(): BrokerWorld {
  return {
    ...fileWorld(),
    disk: new MemoryDisk(),
    locks: new MemoryDirectoryLocks(),
    openStore: async () => new MemoryStore(),
  };
}

function withoutUndefined(world: Partial<BrokerWorld>): Partial<BrokerWorld> {
  return Object.fromEntries(Object.entries(world).filter(([, part]) => part !== undefined));
}
