/**
 * How much the clients of one door may have sent that nobody reads yet: the windows of their connections, together. While a stream is
 * paused its bytes lie in the memory of its connection, up to the window, and there may be thousands of connections.
 *
 * A connection gets the full window or a quarter of what is left of the pool, whichever is less, and never less than HTTP/2's own
 * default: enough for a round trip of a local network.
 */
const FULL_BYTES = 32 * 1024 * 1024;
const SHARE = 4;
/** HTTP/2's default, which cannot be lowered before a connection's first bytes. */
const LEAST_BYTES = 65_535;

export class WindowPool {
  #leftBytes: number;

  constructor(bytes: number) {
    this.#leftBytes = bytes;
  }

  /** The window of one more connection; it comes back by `give`. */
  take(): number {
    const bytes = Math.max(LEAST_BYTES, Math.min(FULL_BYTES, Math.floor(this.#leftBytes / SHARE)));
    this.#leftBytes -= bytes;
    return bytes;
  }

  give(bytes: number): void {
    this.#leftBytes += bytes;
  }
}
