/**
 * One HTTP/2 connection to a peer: dialled when it is made, open or not, and closed once. It notices by itself when nobody answers
 * any more, and owns no queue: what waits for it waits with whoever made it.
 */
import http2 from "node:http2";
import net from "node:net";
import type { ClientHttp2Session } from "node:http2";
import { Keepalive } from "../../base/index.ts";
import { type PeerAddress, PeerError } from "../../ports/index.ts";
import { messageOf } from "./client-call.ts";

export interface ConnectionListener {
  onOpen(session: ClientHttp2Session): void;
  /** Once. The connection could not be made, broke, or was closed here. */
  onClosed(error: PeerError): void;
}

const DIAL_TIMEOUT_MS = 2_000;
/** Of the peer door too (security 5). */
const KEEPALIVE_INTERVAL_MS = 5_000;
/** What a peer may have on its way to us: on one stream, and on the connection. */
const STREAM_WINDOW_BYTES = 8 * 1024 * 1024;
const CONNECTION_WINDOW_BYTES = 32 * 1024 * 1024;
/** In MB; counts queued output. */
const MAX_SESSION_MEMORY_MB = 512;
const SOCKET_BUFFER_BYTES = 64 * 1024;

export class PeerConnection {
  readonly #to: PeerAddress;
  readonly #listener: ConnectionListener;
  readonly #socket: net.Socket;
  readonly #session: ClientHttp2Session;
  readonly #keepalive = new Keepalive();
  readonly #startedAt = performance.now();
  readonly #dialTimer: NodeJS.Timeout;
  #keepaliveTimer: NodeJS.Timeout | null = null;
  #isOpen = false;
  #hasAnswered = false;
  #isClosed = false;
  #reason: PeerError | null = null;

  constructor(to: PeerAddress, listener: ConnectionListener) {
    this.#to = to;
    this.#listener = listener;
    const { host, port } = to;
    // The typings of net.connect do not know highWaterMark; sockets do.
    const options: net.NetConnectOpts & { highWaterMark: number } = {
      host,
      port,
      noDelay: true,
      highWaterMark: SOCKET_BUFFER_BYTES,
    };
    this.#socket = net.connect(options);
    this.#socket.on("error", (cause) => this.#note(this.#broken(cause)));
    const session = http2.connect(`http://${authorityOf(to)}`, {
      createConnection: () => this.#socket,
      settings: { enablePush: false, initialWindowSize: STREAM_WINDOW_BYTES },
      maxSessionMemory: MAX_SESSION_MEMORY_MB,
    });
    this.#session = session;
    session.on("error", (cause) => this.#note(this.#broken(cause)));
    session.once("connect", () => this.#onConnect());
    session.once("remoteSettings", () => {
      this.#hasAnswered = true;
    });
    // The other side says goodbye: what is under way there ends, and nothing new begins.
    session.once("goaway", () => this.close(new PeerError("closed", `${nameOf(to)} closed the connection`)));
    session.once("close", () => this.#onClose());
    this.#dialTimer = setTimeout(
      () => this.close(new PeerError("unreachable", `${nameOf(to)} does not answer within ${DIAL_TIMEOUT_MS} ms`)),
      DIAL_TIMEOUT_MS,
    );
    this.#dialTimer.unref();
  }

  /** Null while it is dialled and when it is closed. */
  get session(): ClientHttp2Session | null {
    return this.#isOpen && !this.#isClosed && !this.#session.destroyed && !this.#session.closed ? this.#session : null;
  }

  /** Whether an HTTP/2 server was there, and for how long: since then it is no use to wait before another dial. */
  get provenMs(): number {
    return this.#hasAnswered ? performance.now() - this.#startedAt : 0;
  }

  /** `onClosed` follows, with `error`. */
  close(error: PeerError): void {
    this.#note(error);
    this.#session.destroy();
    this.#socket.destroy();
  }

  #onConnect(): void {
    clearTimeout(this.#dialTimer);
    if (this.#session.destroyed) return;
    this.#isOpen = true;
    this.#session.setLocalWindowSize(CONNECTION_WINDOW_BYTES);
    this.#keepaliveTimer = setInterval(() => this.#check(), KEEPALIVE_INTERVAL_MS);
    this.#keepaliveTimer.unref();
    this.#listener.onOpen(this.#session);
  }

  #check(): void {
    const verdict = this.#keepalive.check(this.#socket.bytesRead);
    if (verdict === "dead")
      this.close(
        new PeerError("closed", `${nameOf(this.#to)} was silent for ${KEEPALIVE_INTERVAL_MS} ms after a ping`),
      );
    else if (verdict === "ping" && !this.#session.destroyed) this.#session.ping(() => undefined);
  }

  #broken(cause: Error): PeerError {
    const text = `${nameOf(this.#to)}: ${reasonOf(cause)}`;
    return new PeerError(this.#isOpen ? "closed" : "unreachable", text, { cause });
  }

  #note(error: PeerError): void {
    this.#reason ??= error;
  }

  #onClose(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    clearTimeout(this.#dialTimer);
    if (this.#keepaliveTimer !== null) clearInterval(this.#keepaliveTimer);
    this.#socket.destroy();
    this.#listener.onClosed(this.#reason ?? new PeerError("closed", `${nameOf(this.#to)} closed the connection`));
  }
}

/** `node 2 at [::1]:9392`. */
export function nameOf(to: PeerAddress): string {
  return `node ${to.nodeId} at ${authorityOf(to)}`;
}

function authorityOf({ host, port }: PeerAddress): string {
  return `${host.includes(":") ? `[${host}]` : host}:${port}`;
}

/** Node joins the errors of several addresses into one without a message. */
function reasonOf(cause: Error): string {
  return cause instanceof AggregateError ? cause.errors.map(messageOf).join(", ") : cause.message;
}
