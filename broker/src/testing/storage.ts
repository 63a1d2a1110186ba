/** What of a broker outlives its lives: a simulated disk in memory, or a directory. */
import type { SeededRandom } from "../base/index.ts";
import type { DirectoryLocks } from "../ports/index.ts";
import { SimDisk, type SimProcess, SimStore, type SimTree } from "../sim/index.ts";
import type { BrokerWorld } from "../broker-world.ts";

/** How a life ended: its process died, or the machine lost power, and with it all that was not synced. */
export type DeathKind = "process" | "power";

/** What a broker had on its disk when it was stopped. */
export type StorageImage =
  | { readonly kind: "memory"; readonly tree: SimTree }
  | { readonly kind: "directory"; readonly path: string };

export interface BrokerStorage {
  /** Of `log.dirs`. */
  readonly path: string;
  /** It knows what was synced and what was not. */
  readonly losesPower: boolean;
  /** For one life; nobody else has it meanwhile. */
  mount(process: SimProcess): Pick<BrokerWorld, "disk" | "locks" | "openStore">;
  /** That life is over. Resolves when another one may begin. */
  settle(kind: DeathKind): Promise<void>;
  /** Of a broker that is down. */
  save(): Promise<StorageImage>;
  load(image: StorageImage): Promise<void>;
  /** The cluster is gone, and its images with it. */
  dispose(): Promise<void>;
}

/** A disk of memory with the rules of a real one: what was not synced is lost with the power, and with it alone. */
export class MemoryStorage implements BrokerStorage {
  readonly path = "/data";
  readonly losesPower = true;
  readonly #random: SeededRandom;
  #disk: SimDisk;

  constructor(random: SeededRandom) {
    this.#random = random;
    this.#disk = this.#newDisk();
  }

  mount(process: SimProcess): Pick<BrokerWorld, "disk" | "locks" | "openStore"> {
    const disk = this.#disk.mount(process);
    return { disk, locks: new FreeLocks(), openStore: (path, options) => SimStore.open(disk, path, options) };
  }

  async settle(kind: DeathKind): Promise<void> {
    this.#disk.restart(kind);
  }

  async save(): Promise<StorageImage> {
    return { kind: "memory", tree: this.#disk.tree.copy() };
  }

  async load(image: StorageImage): Promise<void> {
    if (image.kind === "memory") this.#disk = this.#newDisk(image.tree.copy());
  }

  async dispose(): Promise<void> {}

  #newDisk(tree?: SimTree): SimDisk {
    const random = this.#random.fork(`disk ${this.#random.uint32()}`);
    return new SimDisk({ random, mode: "journal", ...(tree === undefined ? {} : { tree }) });
  }
}

/** Whoever has the disk has the only one there is. */
class FreeLocks implements DirectoryLocks {
  async acquire(): ReturnType<DirectoryLocks["acquire"]> {
    return { ok: true, lock: { release: async () => undefined } };
  }
}
