/**
 * Closes a connection on which no call has been open for `connections.max.idle.ms`. grpc-js has the same, but it does not see
 * the streams that the door serves by itself and would take their connection for idle.
 */
import type { ServerHttp2Session, ServerHttp2Stream } from "node:http2";

export class IdleTimeout {
  readonly #session: ServerHttp2Session;
  readonly #idleMs: number;
  #openCount = 0;
  #timer: NodeJS.Timeout | null = null;
  readonly #onIdle = (): void => this.#session.close();
  readonly #onStreamClosed = (): void => {
    this.#openCount--;
    if (this.#openCount === 0) this.#arm();
  };

  constructor(session: ServerHttp2Session, idleMs: number) {
    this.#session = session;
    this.#idleMs = idleMs;
    session.on("stream", (stream: ServerHttp2Stream) => {
      this.#openCount++;
      this.#disarm();
      stream.once("close", this.#onStreamClosed);
    });
    session.once("close", () => this.#disarm());
    this.#arm();
  }

  #arm(): void {
    if (this.#session.destroyed) return;
    this.#timer = setTimeout(this.#onIdle, this.#idleMs);
    this.#timer.unref();
  }

  #disarm(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }
}
