/**
 * Raft's store on a disk that dies, loses power, fills up and fails its syncs, at any operation (semantics 10.1, 10.2). What
 * was reported durable is there again, and of the write that was under way a beginning of its parts: term and vote, then
 * the snapshot, then the entries. Never is a store lost that nothing but the crash touched.
 *
 * Where bits rot between two lives, or a file vanishes, the store is found lost (10.1(9)), or as it was: never anything else (RA4).
 */
import { crc32c } from "@tidemark/proto";
import { SeededRandom } from "../../base/index.ts";
import { type Disk, FAILPOINTS, type FailpointName } from "../../ports/index.ts";
import type { Entry, EntryBody, HardState, ReadyWrite, ReplicaId, Snapshot } from "../../raft/index.ts";
import type { OpenedRaftStore, RaftStore } from "../../storage/index.ts";
import { SimDisk } from "../sim-disk.ts";
import { SimFailpoints } from "../sim-failpoints.ts";
import { SimStore } from "../sim-store.ts";
import { type SimProcess, SimWorld } from "../sim-world.ts";
import { SimulatedCrash } from "../simulated-crash.ts";
import { ensure } from "../violation.ts";
import { ensureGoing } from "../seed-run.ts";
import { rotStore } from "./rot.ts";
import type { RaftStoreOptions, RaftStoreRoom } from "./run-raft-store.ts";

const DATA = "/data";
/** A batch ends with its term: were that 0, it would end as if its last sector had been lost. */
const FIRST_TERM = 1;
const VOTERS: readonly ReplicaId[] = [1, 2, 3].map((nodeId) => ({ nodeId, directoryId: `d${nodeId}` }));

/** The failpoints of the store. */
const NAMES = (Object.keys(FAILPOINTS) as FailpointName[]).filter((name) => name.startsWith("raft."));

/** What a start must find. */
interface Image {
  readonly hardState: HardState;
  readonly snapshot: Snapshot;
  readonly snapshotBytes: string;
  /** Behind the snapshot; those before it may be there or be cut. */
  readonly entries: readonly string[];
}

const textOf = (entry: Entry): string =>
  `${entry.index}/${entry.term} ${entry.body.kind} ${
    entry.body.kind === "command"
      ? crc32c(entry.body.bytes)
      : entry.body.kind === "voters"
        ? entry.body.voters.map(({ directoryId }) => directoryId).join()
        : ""
  }`;

function imageOf({ stored, snapshotBytes }: OpenedRaftStore): Image {
  const { hardState, snapshot, entries } = stored;
  const behind = entries.filter(({ index }) => index > snapshot.index).map(textOf);
  return { hardState, snapshot, snapshotBytes: Buffer.from(snapshotBytes).toString(), entries: behind };
}

/** One disk, many lives; `allowed` is what the next start may find. */
export class StoreRun {
  readonly options: RaftStoreOptions;
  readonly random: SeededRandom;
  readonly world: SimWorld;
  readonly medium: SimDisk;
  readonly counts = new Map<string, number>();
  readonly #room: RaftStoreRoom;
  readonly #rot: SeededRandom;
  readonly #failpoints: SimFailpoints;
  #process: SimProcess;
  #disk: Disk;
  #isBorn = false;
  #allowed: Image[] = [];
  #log: Entry[] = [];
  #term = 0;
  /** Rot has struck since the last start. */
  #isRotten = false;
  /** What no simulated fault explains. */
  #failure: { readonly error: unknown } | null = null;

  constructor(seed: number, room: RaftStoreRoom) {
    this.#room = room;
    this.random = new SeededRandom(seed);
    this.#rot = this.random.fork("rot");
    this.world = new SimWorld(this.random);
    const directoryMode = this.random.pick(["strict", "journal"] as const);
    this.medium = new SimDisk({ random: this.random, mode: directoryMode });
    this.#failpoints = new SimFailpoints(this.world, (name) => {
      this.count(`died at ${name}`);
      this.medium.crash();
    });
    this.#process = this.world.startProcess();
    this.#disk = this.medium.mount(this.#process);
    this.#disk.mkdir(DATA);
    this.medium.tree.commitAll(this.medium.tree.order);
    this.options = { directoryMode, lives: this.random.between(3, 9), hasRot: this.#rot.chance(0.4) };
  }

  /** The run ends with this. */
  fail(error: unknown): void {
    this.#failure ??= { error };
  }

  count(what: string): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + 1);
  }

  async run(): Promise<void> {
    const { lives, hasRot } = this.options;
    for (let life = 0; life < lives; life += 1) {
      // The last life meets no harm: whatever came before, the store opens and works.
      const isCalm = life === lives - 1;
      if (!isCalm && this.random.chance(0.8)) this.medium.crashAfterOperations(this.random.between(1, 60));
      if (!isCalm && this.random.chance(0.3)) this.#addFault();
      this.#failpoints.clear();
      if (!isCalm) this.#armFailpoint(this.random.fork(`failpoint ${life}`));
      const outcome = await this.#live(isCalm);
      this.count(outcome);
      ensure(!isCalm || outcome === "closed" || outcome === "lost", "10.1(9)", () => `the last life: ${outcome}`);
      this.#restart();
      // What is lost is somebody else's from here on.
      if (outcome === "lost") return;
      if (hasRot && this.#isBorn && this.#rot.chance(0.4)) this.#strike();
    }
  }

  #strike(): void {
    const what = rotStore(this.#rot, this.medium, DATA);
    if (what === null) return;
    this.#isRotten = true;
    this.count(`rot: ${what}`);
    this.world.tell("rot", what);
  }

  #options() {
    const disk = this.#disk;
    return {
      directory: DATA,
      disk,
      failpoint: this.#failpoints.of(this.#process),
      openStore: (path: string, options: { readonly createIfMissing: boolean }) => SimStore.open(disk, path, options),
    };
  }

  /** Drawn from a stream of its own: seeds that failed before draw what they drew then. */
  #armFailpoint(random: SeededRandom): void {
    if (random.chance(0.5))
      this.#failpoints.arm({ name: random.pick(NAMES), nth: random.between(1, 2), action: { kind: "crash" } });
  }

  #addFault(): void {
    const { random } = this;
    const skipCount = random.below(30);
    const effect = random.pick(["ENOSPC", "ENOSPC", "EIO"] as const);
    if (random.chance(0.5)) this.medium.faults.add({ operation: "write", effect, skipCount });
    else
      this.medium.faults.add({
        operation: "datasync",
        effect: random.pick(["ENOSPC", "EIO"]),
        skipCount: skipCount >> 1,
      });
  }

  /** Until it is closed, a write fails or it dies. */
  async #live(isCalm: boolean): Promise<"closed" | "crashed" | "failed" | "lost"> {
    const life = this.#work(isCalm).then(
      () => "closed" as const,
      (error: unknown) => {
        if (error instanceof SimulatedCrash) return "crashed" as const;
        // An injected fault ends a life as it ends the core; anything else is a finding.
        if (error instanceof Error && error.name === "DiskFault") return "failed" as const;
        if (this.#isRotten && isLoss(error)) return "lost" as const;
        ensure(
          !isLoss(error),
          "10.1(9)",
          () => `lost, though nothing but crashes touched it: ${(error as Error).message}`,
        );
        throw error;
      },
    );
    let outcome: Awaited<typeof life> | null = null;
    let failure: unknown = null;
    life.then(
      (value) => (outcome = value),
      (error: unknown) => (failure = error),
    );
    await this.world.settle();
    while (outcome === null && failure === null && this.#process.isAlive && (await this.world.step()))
      ensureGoing(this.world.trace);
    await this.world.settle();
    if (this.#failure !== null) throw this.#failure.error;
    if (failure !== null) throw failure as Error;
    return outcome ?? "crashed";
  }

  async #work(isCalm: boolean): Promise<void> {
    const opened = this.#isBorn ? await this.#room.openRaftStore(this.#options()) : await this.#create();
    this.#check(imageOf(opened));
    this.#isBorn = true;
    this.#allowed = [imageOf(opened)];
    this.#log = [...opened.stored.entries];
    this.#term = opened.stored.hardState.term;
    const steps = isCalm ? 12 : this.random.between(0, 25);
    for (let step = 0; step < steps; step += 1) await this.#step(opened.store);
    if (isCalm || this.random.chance(0.6)) await opened.store.close();
    else throw new SimulatedCrash("killed");
  }

  async #create(): Promise<OpenedRaftStore> {
    const bytes = Buffer.from("birth");
    const opened = await this.#room.createRaftStore(this.#options(), {
      point: { index: 0, term: FIRST_TERM, voters: VOTERS },
      bytes,
    });
    this.#allowed = [imageOf(opened)];
    return opened;
  }

  #check(found: Image): void {
    ensure(
      this.#allowed.some((image) => isSame(image, found)),
      this.#isRotten ? "RA4" : "RA3",
      () => {
        return `found ${JSON.stringify(found)}\nallowed ${this.#allowed.map((image) => JSON.stringify(image)).join("\n")}`;
      },
    );
    this.#isRotten = false;
  }

  get #image(): Image {
    const [image] = this.#allowed;
    if (image === undefined) throw new Error("nothing is known of the disk");
    return image;
  }

  #end(): number {
    return this.#log.at(-1)?.index ?? this.#image.snapshot.index;
  }

  async #step(store: RaftStore): Promise<void> {
    const { random } = this;
    const chance = random.float();
    if (chance < 0.12) await this.#writeSnapshot(store);
    else if (chance < 0.2) await this.#install(store);
    else await this.#append(store);
    if (random.chance(0.1)) await this.#process.sleep(random.between(0, 20));
  }

  async #append(store: RaftStore): Promise<void> {
    const { random } = this;
    const before = this.#image;
    const hardState = random.chance(0.3) ? this.#newTerm() : null;
    const floor = before.snapshot.index;
    const isTruncation = random.chance(0.2) && this.#end() > floor;
    const from = isTruncation ? random.between(floor + 1, this.#end()) : this.#end() + 1;
    const count = random.between(hardState === null ? 1 : 0, 5);
    const entries = Array.from({ length: count }, (_, slot) => this.#entry(from + slot));
    await this.#write(store, { hardState, chunk: null, snapshot: null, entries });
    if (isTruncation && count > 0) this.count("truncation");
  }

  #newTerm(): HardState {
    this.#term += 1;
    return { term: this.#term, vote: this.random.chance(0.5) ? this.random.pick(VOTERS) : null };
  }

  #entry(index: number): Entry {
    const kind = this.random.float();
    const length = this.random.chance(0.05) ? this.random.between(30_000, 90_000) : this.random.below(400);
    const body: EntryBody =
      kind < 0.8
        ? { kind: "command", bytes: this.random.bytes(new Uint8Array(length)) }
        : kind < 0.9
          ? { kind: "leaderStart" }
          : { kind: "voters", voters: VOTERS.slice(0, this.random.between(1, 3)) };
    return { index, term: this.#term, body };
  }

  /** A write in the parts that a crash may leave, each of which stands for itself. */
  async #write(store: RaftStore, write: Omit<ReadyWrite, "messages">, installed = ""): Promise<void> {
    const before = this.#image;
    const stages: Image[] = [before];
    let image = before;
    let log = this.#log;
    if (write.hardState !== null) stages.push((image = { ...image, hardState: write.hardState }));
    const { snapshot } = write;
    if (snapshot !== null) {
      // Before the log is dropped, what of it lies beyond a snapshot that it does not hold is not there any more.
      log = [];
      stages.push((image = { ...image, snapshot, snapshotBytes: installed, entries: [] }));
    }
    const first = write.entries[0];
    if (first !== undefined) {
      log = [...log.filter(({ index }) => index < first.index), ...write.entries];
      const behind = log.filter(({ index }) => index > image.snapshot.index).map(textOf);
      stages.push((image = { ...image, entries: behind }));
    }
    this.#allowed = stages;
    const bytes = await store.write(write);
    const isInstalled = snapshot === null || Buffer.from(bytes ?? []).toString() === installed;
    ensure(isInstalled, "10.2", () => "another snapshot was installed than arrived");
    this.#allowed = [image];
    this.#log = log;
  }

  async #writeSnapshot(store: RaftStore): Promise<void> {
    const { random } = this;
    const { snapshot } = this.#image;
    const end = this.#end();
    if (end <= snapshot.index) return;
    const index = random.between(snapshot.index + 1, end);
    const term = this.#log.find((entry) => entry.index === index)?.term ?? 0;
    const bytes = `state of ${index} ${"x".repeat(random.pick([0, 500, 9000]))}`;
    const content = Buffer.from(bytes);
    const next: Image = {
      ...this.#image,
      snapshot: { index, term, voters: VOTERS, sizeBytes: content.length, crc: crc32c(content) },
      snapshotBytes: bytes,
      entries: this.#log.filter((entry) => entry.index > index).map(textOf),
    };
    this.#allowed = [this.#image, next];
    const written = await store.writeSnapshot({ index, term, voters: VOTERS }, content);
    ensure(JSON.stringify(written) === JSON.stringify(next.snapshot), "10.2", () => {
      return `wrote ${JSON.stringify(written)} in the place of ${JSON.stringify(next.snapshot)}`;
    });
    this.#allowed = [next];
    this.count("own snapshot");
    if (random.chance(0.3)) return;
    await store.cutTo(random.between(0, index));
  }

  /** One that arrives: beyond the log, or within it where the log is another. */
  async #install(store: RaftStore): Promise<void> {
    const { random } = this;
    const hardState = this.#newTerm();
    const index = this.#end() + random.between(1, 20);
    const content = Buffer.from(`state of ${index} ${"y".repeat(random.pick([0, 100, 5000]))}`);
    const snapshot: Snapshot = {
      index,
      term: this.#term,
      voters: VOTERS.slice(0, 2),
      sizeBytes: content.length,
      crc: crc32c(content),
    };
    await this.#write(store, { hardState, chunk: null, snapshot: null, entries: [] });
    const middle = random.below(content.length);
    const first = { snapshot, position: 0, bytes: content.subarray(0, middle) };
    await this.#write(store, { hardState: null, chunk: first, snapshot: null, entries: [] });
    // Given up for another, now and then.
    if (random.chance(0.2)) return;
    const last = { snapshot, position: middle, bytes: content.subarray(middle) };
    const entries = random.chance(0.5) ? [this.#entry(index + 1)] : [];
    await this.#write(store, { hardState: null, chunk: last, snapshot, entries }, content.toString());
    this.count("install");
  }

  #restart(): void {
    this.medium.faults.removeAll();
    const kind = this.random.pick(["process", "power"] as const);
    this.count(kind);
    this.medium.restart(kind);
    this.#process = this.world.startProcess();
    this.#disk = this.medium.mount(this.#process);
  }
}

function isSame(left: Image, right: Image): boolean {
  return JSON.stringify(left) === JSON.stringify(right);
}

function isLoss(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "METADATA_LOST";
}
