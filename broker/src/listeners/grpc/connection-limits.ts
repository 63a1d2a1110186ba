/** Who may connect (security 2, "accept"): so many in all, so many from one address. Beyond: closed at once. */
import type { Socket } from "node:net";

export interface ConnectionLimitsOptions {
  /** `max.connections`. */
  readonly max: number;
  /** `max.connections.per.ip`. */
  readonly maxPerAddress: number;
}

export class ConnectionLimits {
  readonly #options: ConnectionLimitsOptions;
  readonly #countByAddress = new Map<string, number>();
  /** Invariant: the sum of the counts by address. */
  #count = 0;

  constructor(options: ConnectionLimitsOptions) {
    this.#options = options;
  }

  get count(): number {
    return this.#count;
  }

  /** Counts `socket` until it closes. False: it was closed. */
  admit(socket: Socket): boolean {
    const address = socket.remoteAddress ?? "";
    const before = this.#countByAddress.get(address) ?? 0;
    if (this.#count >= this.#options.max || before >= this.#options.maxPerAddress) {
      socket.destroy();
      return false;
    }
    this.#count++;
    this.#countByAddress.set(address, before + 1);
    socket.once("close", () => this.#release(address));
    return true;
  }

  #release(address: string): void {
    this.#count--;
    const rest = (this.#countByAddress.get(address) ?? 1) - 1;
    if (rest === 0) this.#countByAddress.delete(address);
    else this.#countByAddress.set(address, rest);
  }
}
