/** Who may connect (security 2, "accept"): so many in all, so many from one address. Beyond: closed at once. */
import type { Socket } from "node:net";

export interface ConnectionLimitsOptions {
  readonly maxConnections: number;
  readonly maxConnectionsPerIp: number;
}

export class ConnectionLimits {
  readonly #limits: () => ConnectionLimitsOptions;
  readonly #countByAddress = new Map<string, number>();
  /** Invariant: the sum of the counts by address. */
  #count = 0;

  /** Asked for each connection: limits may change, and those that are open stay. */
  constructor(limits: () => ConnectionLimitsOptions) {
    this.#limits = limits;
  }

  get count(): number {
    return this.#count;
  }

  /** Counts `socket` until it closes. False: it was closed. */
  admit(socket: Socket): boolean {
    const address = socket.remoteAddress ?? "";
    const before = this.#countByAddress.get(address) ?? 0;
    const { maxConnections, maxConnectionsPerIp } = this.#limits();
    if (this.#count >= maxConnections || before >= maxConnectionsPerIp) {
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
