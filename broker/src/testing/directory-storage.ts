/** A broker's data in a directory of this machine. A dead process leaves there what a killed one leaves: all that it had written. */
import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FileDirectoryLocks, FileDisk, LevelStore } from "../platform/index.ts";
import type { DirectoryLocks, KeyValueStore, StoreOperation } from "../ports/index.ts";
import { type SimProcess, SimulatedCrash } from "../sim/index.ts";
import type { BrokerWorld } from "../broker-world.ts";
import { MortalDisk } from "./mortal-disk.ts";
import { RealWork } from "./real-work.ts";
import type { BrokerStorage, StorageImage } from "./storage.ts";

export class DirectoryStorage implements BrokerStorage {
  readonly path: string;
  readonly losesPower = false;
  /** Of this broker. */
  readonly #work: RealWork;
  #disk: MortalDisk | null = null;
  /** Of the life that has it, or had it and was not buried: its lock and its stores, in the order in which they were opened. */
  #graveyard: (() => Promise<void>)[] = [];
  readonly #images: string[] = [];

  constructor(path: string, work: RealWork) {
    this.path = path;
    this.#work = new RealWork(work);
  }

  mount(process: SimProcess): Pick<BrokerWorld, "disk" | "locks" | "openStore"> {
    const disk = new MortalDisk(new FileDisk(), process, this.#work);
    const graveyard: (() => Promise<void>)[] = [];
    this.#disk = disk;
    this.#graveyard = graveyard;
    return {
      disk,
      locks: new MortalLocks(process, this.#work, graveyard),
      openStore: async (path, options) => {
        const opened = LevelStore.open(path, options).then((store) => {
          // LevelDB writes nothing when it is closed, and ends what is under way before.
          graveyard.push(() => store.close());
          return store;
        });
        return new MortalStore(await told(process, this.#work, opened), process, this.#work);
      },
    };
  }

  async settle(): Promise<void> {
    await this.#work.idle();
    await this.#disk?.bury();
    // The lock, which came first, goes last.
    for (const bury of this.#graveyard.splice(0).toReversed()) await bury();
  }

  async save(): Promise<StorageImage> {
    const path = await mkdtemp(join(tmpdir(), "tidemark-snapshot-"));
    this.#images.push(path);
    await cp(this.path, path, { recursive: true });
    return { kind: "directory", path };
  }

  async load(image: StorageImage): Promise<void> {
    if (image.kind !== "directory") return;
    await rm(this.path, { recursive: true, force: true });
    await cp(image.path, this.path, { recursive: true });
  }

  async dispose(): Promise<void> {
    await Promise.all(this.#images.splice(0).map((path) => rm(path, { recursive: true, force: true })));
  }
}

/** What a living process is told, as an event of its own; the dead never hear of it. */
function told<T>(process: SimProcess, work: RealWork, done: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    void work.during(
      done.then(
        (value) => void process.after(0, () => resolve(value)),
        (cause: unknown) => void process.after(0, () => reject(cause as Error)),
      ),
    );
  });
}

class MortalLocks implements DirectoryLocks {
  readonly #locks = new FileDirectoryLocks();
  readonly #process: SimProcess;
  readonly #work: RealWork;
  readonly #graveyard: (() => Promise<void>)[];

  constructor(process: SimProcess, work: RealWork, graveyard: (() => Promise<void>)[]) {
    this.#process = process;
    this.#work = work;
    this.#graveyard = graveyard;
  }

  acquire(directory: string): ReturnType<DirectoryLocks["acquire"]> {
    const acquired = this.#locks.acquire(directory).then((answer) => {
      if (answer.ok) this.#graveyard.push(() => answer.lock.release());
      return answer;
    });
    return told(this.#process, this.#work, acquired);
  }
}

class MortalStore implements KeyValueStore {
  readonly #store: KeyValueStore;
  readonly #process: SimProcess;
  readonly #work: RealWork;

  constructor(store: KeyValueStore, process: SimProcess, work: RealWork) {
    this.#store = store;
    this.#process = process;
    this.#work = work;
  }

  get(key: Uint8Array): Uint8Array | undefined {
    return this.#alive("get").get(key);
  }

  range(from: Uint8Array, to: Uint8Array): ReturnType<KeyValueStore["range"]> {
    return told(this.#process, this.#work, this.#alive("range").range(from, to));
  }

  batch(operations: readonly StoreOperation[], options: { readonly sync: boolean }): Promise<void> {
    return told(this.#process, this.#work, this.#alive("batch").batch(operations, options));
  }

  close(): Promise<void> {
    return told(this.#process, this.#work, this.#alive("close").close());
  }

  #alive(during: string): KeyValueStore {
    if (!this.#process.isAlive) throw new SimulatedCrash(during);
    return this.#store;
  }
}
