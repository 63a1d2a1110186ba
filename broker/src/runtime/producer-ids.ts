/**
 * Hands out producer ids, each once (11.1(1)): the controller gives this broker blocks, and what is left of a block when
 * the broker stops is never used. Several who ask while a block is on its way share that one request.
 */
import { assert } from "../base/index.ts";

/** Ids [first, first + count). */
export interface ProducerIdBlock {
  readonly first: number;
  readonly count: number;
}

export class ProducerIds {
  readonly #allocate: () => Promise<ProducerIdBlock>;
  /** Invariant: next <= end; ids below next are given away. */
  #next = 0;
  #end = 0;
  #onTheWay: Promise<void> | null = null;

  /** `allocate` asks the controller for a block that it has never handed out. */
  constructor(allocate: () => Promise<ProducerIdBlock>) {
    this.#allocate = allocate;
  }

  /** An id that nobody else has or will have. Rejects as the controller does. */
  async next(): Promise<number> {
    // A block may be used up by others who waited for it.
    while (this.#next === this.#end) {
      this.#onTheWay ??= this.#refill();
      await this.#onTheWay;
    }
    return this.#next++;
  }

  async #refill(): Promise<void> {
    try {
      const block = await this.#allocate();
      assert(block.count > 0 && block.first >= this.#end, "the controller handed out producer ids twice");
      this.#next = block.first;
      this.#end = block.first + block.count;
    } finally {
      this.#onTheWay = null;
    }
  }
}
