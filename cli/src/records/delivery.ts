/**
 * Counts what became of the records of one `produce`: handed over, acknowledged, failed. Answers come in any order across
 * partitions; what a person needs is the point up to which everything is safe, so the failed record that was read first
 * is kept, with the input it came from.
 *
 * Invariant: acknowledged + failed <= handed over; equal once the producer has flushed.
 */
export interface FailedRecord {
  /** 0-based place among all records read. */
  readonly slot: number;
  readonly error: Error;
}

export class Delivery {
  #handedOver = 0;
  #acknowledged = 0;
  #acknowledgedBytes = 0;
  #failedCount = 0;
  #duplicates = 0;
  #firstFailed: FailedRecord | null = null;
  #inputs: { readonly name: string; readonly firstSlot: number }[] = [];

  /** The records that follow come from this input. */
  beginInput(name: string): void {
    this.#inputs.push({ name, firstSlot: this.#handedOver });
  }

  /** The producer has taken one more record; its slot is the count before. */
  handOver(): void {
    this.#handedOver += 1;
  }

  /** @param bytes of the record's key and value */
  settle(slot: number, error: Error | null, isDuplicate: boolean, bytes: number): void {
    if (error === null) {
      this.#acknowledged += 1;
      this.#acknowledgedBytes += bytes;
      if (isDuplicate) this.#duplicates += 1;
      return;
    }
    this.#failedCount += 1;
    if (this.#firstFailed === null || slot < this.#firstFailed.slot) this.#firstFailed = { slot, error };
  }

  get handedOver(): number {
    return this.#handedOver;
  }

  get acknowledged(): number {
    return this.#acknowledged;
  }

  /** Of keys and values. */
  get acknowledgedBytes(): number {
    return this.#acknowledgedBytes;
  }

  get failed(): number {
    return this.#failedCount;
  }

  /** Acknowledged as "was there already": a retry whose first answer was lost. They are in the log once. */
  get duplicates(): number {
    return this.#duplicates;
  }

  get firstFailed(): FailedRecord | null {
    return this.#firstFailed;
  }

  /** `record 13 of big.txt`, counted from 1. */
  describeSlot(slot: number): string {
    const input = this.#inputs.findLast((candidate) => candidate.firstSlot <= slot);
    if (input === undefined) return `record ${slot + 1}`;
    return `record ${slot - input.firstSlot + 1} of ${input.name === "-" ? "standard input" : input.name}`;
  }
}
