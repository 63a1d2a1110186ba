/**
 * Who may connect (security 2, "accept"), for any door: so many connections in all, so many from one address, and so many new
 * ones a second. Beyond the first two a connection is closed; one that comes too soon waits its turn, and is closed where that
 * would take too long. Knows no sockets and no clock.
 *
 * The rate is that of all addresses together, a quarter of it that of one, over ten seconds: what was not used lately may
 * come at once. An address that is at its own rate takes nothing from the others.
 *
 * A few more places are kept for this machine: who set a limit too low, or whose clients took every place, can still get in and
 * change that. Before a login nothing else tells an operator from anybody.
 */
import { TokenBucket } from "../base/index.ts";

export interface ConnectionLimitsOptions {
  readonly maxConnections: number;
  readonly maxConnectionsPerIp: number;
  /** A second, of all addresses. */
  readonly maxConnectionCreationRate: number;
}

/** Why not; or after how many ms. */
export type Admission =
  | { readonly ok: true; readonly delayMs: number }
  | { readonly ok: false; readonly reason: "connections" | "rate" };

/** Connections of this machine that both limits let in besides. */
const RESERVED_LOCAL = 8;
const WINDOW_SECONDS = 10;
const SHARE_OF_ONE = 1 / 4;
/** Addresses without a connection are looked through when there are so many, and twice as many as remained then. */
const SWEEP_ADDRESSES = 1024;

interface Address {
  count: number;
  readonly bucket: TokenBucket;
}

export class ConnectionLimits {
  readonly #limits: () => ConnectionLimitsOptions;
  /** The longest that a connection may be kept waiting. */
  readonly #waitMaxMs: number;
  readonly #addresses = new Map<string, Address>();
  /** Invariant: the sum of the counts by address. */
  #count = 0;
  #delayedCount = 0;
  #rate: number;
  #bucket: TokenBucket;
  #sweepAt = SWEEP_ADDRESSES;

  /** Asked for each connection: limits may change, and those that are open stay. */
  constructor(limits: () => ConnectionLimitsOptions, waitMaxMs: number) {
    this.#limits = limits;
    this.#waitMaxMs = waitMaxMs;
    this.#rate = limits().maxConnectionCreationRate;
    this.#bucket = bucketOf(this.#rate);
  }

  get count(): number {
    return this.#count;
  }

  /** Connections that had to wait, since the start. */
  get delayedCount(): number {
    return this.#delayedCount;
  }

  /** Counts a connection, which is given back by `release`, unless it is refused. `now` in monotonic ms. */
  admit(name: string, now: number, { isLocal = false } = {}): Admission {
    const { maxConnections, maxConnectionsPerIp, maxConnectionCreationRate } = this.#limits();
    if (maxConnectionCreationRate !== this.#rate) this.#setRate(maxConnectionCreationRate);
    const address = this.#addressOf(name, now);
    const reserved = isLocal ? RESERVED_LOCAL : 0;
    if (this.#count >= maxConnections + reserved || address.count >= maxConnectionsPerIp + reserved) {
      return { ok: false, reason: "connections" };
    }
    const ownMs = address.bucket.reserve(now, this.#waitMaxMs);
    const allMs = ownMs === null ? null : this.#bucket.reserve(now, this.#waitMaxMs);
    if (ownMs === null || allMs === null) return { ok: false, reason: "rate" };
    this.#count++;
    address.count++;
    const delayMs = Math.max(ownMs, allMs);
    if (delayMs > 0) this.#delayedCount++;
    return { ok: true, delayMs };
  }

  release(name: string): void {
    const address = this.#addresses.get(name);
    if (address === undefined) return;
    this.#count--;
    address.count--;
  }

  #addressOf(name: string, now: number): Address {
    let address = this.#addresses.get(name);
    if (address === undefined) {
      if (this.#addresses.size >= this.#sweepAt) this.#sweep(now);
      address = { count: 0, bucket: bucketOf(this.#rate * SHARE_OF_ONE) };
      this.#addresses.set(name, address);
    }
    return address;
  }

  /** Forgets who has no connection and is as good as new. */
  #sweep(now: number): void {
    for (const [name, { count, bucket }] of this.#addresses) {
      if (count === 0 && bucket.isFull(now)) this.#addresses.delete(name);
    }
    this.#sweepAt = Math.max(SWEEP_ADDRESSES, 2 * this.#addresses.size);
  }

  #setRate(rate: number): void {
    this.#rate = rate;
    this.#bucket = bucketOf(rate);
    for (const [name, { count }] of this.#addresses) {
      this.#addresses.set(name, { count, bucket: bucketOf(rate * SHARE_OF_ONE) });
    }
  }
}

/** Whether an address, as a socket says it, is this machine's own. */
export function isLoopback(address: string): boolean {
  return address === "::1" || /^(::ffff:)?127\./.test(address);
}

function bucketOf(perSecond: number): TokenBucket {
  return new TokenBucket({ perSecond, burst: Math.max(1, perSecond * WINDOW_SECONDS) });
}
