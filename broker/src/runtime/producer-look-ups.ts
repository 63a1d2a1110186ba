/**
 * Producers whose batch is being looked up in the log (semantics 11.1(2)), and their batches in order: the first is the one
 * looked up, unless its time was over. The producer's later batches wait behind it, everybody else's go on.
 */
import { assert } from "../base/index.ts";
import type { KnownBatch } from "../replication/index.ts";
import type { PartitionLog } from "../storage/index.ts";
import type { AppendTask } from "./append-task.ts";

export interface LookUpOwner {
  /** The look-up of the first has ended; `lookedUp` says with what. */
  onLookedUp(tasks: AppendTask[]): void;
  /** "Not there" and "could not be read" are different answers: after the second the client may ask again. */
  onLookUpFailed(tasks: AppendTask[]): void;
}

export class ProducerLookUps {
  readonly #log: Pick<PartitionLog, "findProducerBatch">;
  readonly #owner: LookUpOwner;
  readonly #byProducer = new Map<number, AppendTask[]>();

  constructor(log: Pick<PartitionLog, "findProducerBatch">, owner: LookUpOwner) {
    this.#log = log;
    this.#owner = owner;
  }

  get isEmpty(): boolean {
    return this.#byProducer.size === 0;
  }

  /** True: the task waits behind a look-up of its producer. */
  join(task: AppendTask): boolean {
    const line = this.#byProducer.get(task.header.producerId);
    line?.push(task);
    return line !== undefined;
  }

  begin(task: AppendTask): void {
    const { producerId, producerEpoch, baseSequence, lastSequence } = task.header;
    this.#byProducer.set(producerId, [task]);
    this.#log.findProducerBatch(producerId, producerEpoch, baseSequence, lastSequence).then(
      (found: KnownBatch | null) => {
        task.lookedUp = found;
        this.#owner.onLookedUp(this.#end(producerId));
      },
      () => this.#owner.onLookUpFailed(this.#end(producerId)),
    );
  }

  /** Its time is over. */
  remove(task: AppendTask): void {
    const line = this.#byProducer.get(task.header.producerId);
    assert(line?.includes(task) === true, "a batch stands where it waits");
    line.splice(line.indexOf(task), 1);
  }

  /** All that wait; what is still found comes to nobody. */
  takeAll(): AppendTask[] {
    const tasks = [...this.#byProducer.values()].flat();
    this.#byProducer.clear();
    return tasks;
  }

  #end(producerId: number): AppendTask[] {
    const tasks = this.#byProducer.get(producerId) ?? [];
    this.#byProducer.delete(producerId);
    for (const task of tasks) task.waitsFor = "queue";
    return tasks;
  }
}
