/**
 * Append messages to one peer that are on their way: bounded by count and by bytes, so that a slow peer costs neither
 * memory nor a flood of repeats (thesis 10.2.2, pipelining).
 */
import type { LogIndex } from "./types.ts";

export interface InflightMessage {
  readonly lastIndex: LogIndex;
  readonly bytes: number;
}

export class InflightWindow {
  readonly #messagesMax: number;
  readonly #bytesMax: number;
  /** Oldest first, ascending by index. */
  #messages: InflightMessage[] = [];
  #bytes = 0;

  constructor(messagesMax: number, bytesMax: number) {
    this.#messagesMax = messagesMax;
    this.#bytesMax = bytesMax;
  }

  get messages(): readonly InflightMessage[] {
    return this.#messages;
  }

  get isFull(): boolean {
    return this.#messages.length >= this.#messagesMax || this.#bytes >= this.#bytesMax;
  }

  add(lastIndex: LogIndex, bytes: number): void {
    this.#messages.push({ lastIndex, bytes });
    this.#bytes += bytes;
  }

  /** Everything up to `index` has arrived. */
  freeTo(index: LogIndex): void {
    let arrived = 0;
    for (const message of this.#messages) {
      if (message.lastIndex > index) break;
      arrived += 1;
      this.#bytes -= message.bytes;
    }
    if (arrived > 0) this.#messages = this.#messages.slice(arrived);
  }

  /** Makes room for one message: the way the loss of all of them is noticed. */
  freeOldest(): void {
    const oldest = this.#messages.shift();
    if (oldest !== undefined) this.#bytes -= oldest.bytes;
  }

  clear(): void {
    this.#messages = [];
    this.#bytes = 0;
  }
}
