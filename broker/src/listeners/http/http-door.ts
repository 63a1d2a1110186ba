/**
 * The HTTP door: a node:http server with every limit set (security 2).
 *
 *   headers   16 KiB in all, complete after 30 s                       431, 408
 *   body      1 MiB, though no path wants one; complete after 30 s     413, close
 *   pipeline  32 requests under way on one connection                  close
 *   unread    64 MiB of answers, of all connections               the oldest is closed
 *   garbage   what is no HTTP/1.1, a TLS hello, an HTTP/2 preface      400 and close
 *   idle      `connections.max.idle.ms`                                close
 *
 * Refusals before a request exists are written to the socket by hand and counted like the others.
 */
import http from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { type Duplex, pipeline } from "node:stream";
import { ConnectionLimits, Refusals } from "../../api/index.ts";
import type { ConnectionLimitsOptions } from "../../api/index.ts";
import type { Logger } from "../../ports/index.ts";
import { type Answer, refusal } from "./answer.ts";
import type { BrokerView } from "./broker-view.ts";
import type { DebugMode } from "./debug.ts";
import { Routes } from "./routes.ts";

const HEADERS_BYTES_MAX = 16 * 1024;
const BODY_BYTES_MAX = 1024 * 1024;
const SLOW_REQUEST_MS = 30_000;
const IDLE_MS_DEFAULT = 600_000;
/** Probes, scrapers and people: whoever opens more of these is none of them. */
const CONNECTIONS_MAX = 512;
/** Of these from one address: it shall not keep the probes of others out. */
const CONNECTIONS_PER_IP_MAX = CONNECTIONS_MAX / 4;
/** Answers that are sent and not read; one may be larger. The metrics of a large broker are many megabytes. */
const UNREAD_BYTES_MAX = 64 * 1024 * 1024;
/** A single packet can hold thousands of requests, which would be taken in without a pause between them. */
const PIPELINED_MAX = 32;
/** How long a refused peer may take to read why before its connection is cut. */
const LINGER_MS = 1_000;
/** How long `close` waits for answers under way. */
const CLOSE_GRACE_MS = 2_000;
/** The first byte of a TLS record that opens a handshake. */
const TLS_HANDSHAKE = 0x16;

export interface HttpDoorOptions {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  /** `connections.max.idle.ms`. */
  readonly idleMs?: number;
  /** Time for a whole request, headers and body, in ms. */
  readonly slowRequestMs?: number;
  /** `tidemark.debug.endpoints`. */
  readonly debugMode?: DebugMode;
  /** Asked for each connection; default: nothing but the door's own maximum. */
  readonly limits?: () => ConnectionLimitsOptions;
}

/** Opens the door. Rejects with Node's error (`EADDRINUSE`, `EACCES`, …) when the address cannot be had. */
export async function openHttpDoor(options: HttpDoorOptions, broker: BrokerView, logger: Logger): Promise<HttpDoor> {
  const door = new HttpDoor(options, broker, logger);
  await door.listen();
  return door;
}

export class HttpDoor {
  /** Since the start. */
  readonly refusals: Refusals;
  readonly #options: HttpDoorOptions;
  readonly #routes: Routes;
  readonly #logger: Logger;
  readonly #server: http.Server;
  /** Every open connection, with the number of its requests under way. */
  readonly #connections = new Map<Duplex, number>();
  readonly #limits: ConnectionLimits;
  /** Sizes of answers that are not read yet, the oldest first. */
  readonly #unread = new Map<http.ServerResponse, number>();
  /** Invariant: the sum of these. */
  #unreadBytes = 0;
  #closing: Promise<void> | null = null;

  constructor(options: HttpDoorOptions, broker: BrokerView, logger: Logger) {
    this.#options = options;
    this.#routes = new Routes(broker, options.debugMode ?? "off");
    this.#logger = logger;
    this.refusals = new Refusals({ listener: "HTTP", logger, now: () => performance.now() });
    // A connection that comes too soon is closed and not kept waiting: it may be a probe, and soon comes another.
    this.#limits = new ConnectionLimits(() => limitsOf(options), 0);
    this.#server = http.createServer({
      noDelay: true,
      keepAlive: true,
      maxHeaderSize: HEADERS_BYTES_MAX,
      headersTimeout: options.slowRequestMs ?? SLOW_REQUEST_MS,
      requestTimeout: options.slowRequestMs ?? SLOW_REQUEST_MS,
      keepAliveTimeout: options.idleMs ?? IDLE_MS_DEFAULT,
      // How often Node looks for requests that are late; it does not keep the process alive.
      connectionsCheckingInterval: Math.min(5_000, options.slowRequestMs ?? SLOW_REQUEST_MS),
    });
    this.#server.timeout = options.idleMs ?? IDLE_MS_DEFAULT;
    this.#server.on("connection", (socket) => this.#onConnection(socket));
    this.#server.on("clientError", (error, socket) => this.#onClientError(error, socket));
    this.#server.on("request", (request, response) => this.#onRequest(request, response));
    // Without this Node would ask for a body of any announced size before the request is looked at.
    this.#server.on("checkContinue", (request, response) => {
      if (announcedBytes(request) <= BODY_BYTES_MAX) response.writeContinue();
      this.#onRequest(request, response);
    });
  }

  // ---- life cycle ----

  listen(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen({ host: this.#options.host, port: this.#options.port }, () => {
        this.#server.off("error", reject);
        this.#server.on("error", (error) => this.#logger.error("the HTTP door failed", { err: error }));
        resolve();
      });
    });
  }

  /** Where the door stands: the port is the real one. Only while it is open. */
  get address(): { readonly host: string; readonly port: number } {
    const { address, port } = this.#server.address() as AddressInfo;
    return { host: address, port };
  }

  /** Bytes of messages that have begun and are not whole: bodies are dropped as they come. */
  readonly unfinishedBytes = 0;
  /** None waits here. */
  readonly delayedConnectionsCount = 0;

  get connectionsCount(): number {
    return this.#connections.size;
  }

  /** Ends idle connections at once, waits shortly for answers under way, then cuts what is left. */
  close(): Promise<void> {
    this.#closing ??= new Promise((resolve) => {
      const cut = setTimeout(() => this.#server.closeAllConnections(), CLOSE_GRACE_MS);
      this.#server.close(() => {
        clearTimeout(cut);
        resolve();
      });
      for (const [socket, requestsCount] of this.#connections) if (requestsCount === 0) socket.destroy();
    });
    return this.#closing;
  }

  // ---- connections ----

  #onConnection(socket: Socket): void {
    socket.on("error", () => socket.destroy());
    const address = socket.remoteAddress ?? "";
    const admission = this.#limits.admit(address, performance.now());
    if (!admission.ok) {
      this.#onRefused(admission.reason);
      socket.destroy();
      return;
    }
    this.#connections.set(socket, 0);
    socket.once("close", () => {
      this.#connections.delete(socket);
      this.#limits.release(address);
    });
  }

  /** What Node's parser refused: there is no request and no response, only a socket. */
  #onClientError(error: Error & { code?: string; rawPacket?: Buffer }, socket: Duplex): void {
    const { code = "" } = error;
    // Refused before: what comes after the first fault is not looked at, and the connection ends soon.
    if (socket.writableEnded) return;
    // An answer is under way, so another one would end up in the middle of it.
    const isAnswering = (this.#connections.get(socket) ?? 0) > 0;
    if (code === "ECONNRESET" || !socket.writable || isAnswering) {
      socket.destroy();
      return;
    }
    const answer =
      code === "HPE_HEADER_OVERFLOW"
        ? refusal(431, "HEADERS_TOO_LARGE", `headers are limited to ${HEADERS_BYTES_MAX} bytes`)
        : code === "ERR_HTTP_REQUEST_TIMEOUT"
          ? refusal(408, "REQUEST_TIMED_OUT", "the request did not arrive in time")
          : refusal(400, "BAD_REQUEST", "this is not an HTTP/1.1 request");
    this.#onRefused(error.rawPacket?.[0] === TLS_HANDSHAKE ? "tls_to_plaintext_port" : code.toLowerCase());
    socket.end(rawResponse(answer));
    setTimeout(() => socket.destroy(), LINGER_MS).unref();
  }

  // ---- requests ----

  #onRequest(request: http.IncomingMessage, response: http.ServerResponse): void {
    const { socket } = request;
    // The parser goes on to the end of its packet after the connection was cut.
    if (socket.destroyed) return;
    const requestsCount = (this.#connections.get(socket) ?? 0) + 1;
    if (requestsCount > PIPELINED_MAX) {
      this.#onRefused("pipelined");
      socket.destroy();
      return;
    }
    this.#connections.set(socket, requestsCount);
    response.once("close", () => this.#onResponseClosed(socket));
    response.on("error", () => socket.destroy());
    request.on("error", () => socket.destroy());
    if (announcedBytes(request) > BODY_BYTES_MAX) this.#refuseBody(request, response);
    let bodyBytes = 0;
    request.on("data", (chunk: Buffer) => {
      bodyBytes += chunk.length;
      if (bodyBytes > BODY_BYTES_MAX && !response.headersSent) this.#refuseBody(request, response);
    });
    request.once("end", () => void this.#respond(request, response));
  }

  #onResponseClosed(socket: Socket): void {
    const requestsCount = this.#connections.get(socket);
    if (requestsCount === undefined) return;
    this.#connections.set(socket, requestsCount - 1);
    if (this.#closing !== null && requestsCount === 1) socket.destroySoon();
  }

  /** Answers before the body is in. What still comes is read and dropped, so that the answer is not lost in a reset. */
  #refuseBody(request: http.IncomingMessage, response: http.ServerResponse): void {
    this.#onRefused("body");
    send(request, response, refusal(413, "BODY_TOO_LARGE", `bodies are limited to ${BODY_BYTES_MAX} bytes`), false);
    const cut = setTimeout(() => request.socket.destroy(), LINGER_MS).unref();
    request.once("end", () => clearTimeout(cut));
  }

  async #respond(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    if (response.headersSent) return;
    const { method = "", url = "" } = request;
    let answer: Answer;
    try {
      answer = await this.#routes.answer(request);
    } catch (error: unknown) {
      this.#logger.error("an HTTP request failed", { method, url, err: error });
      answer = refusal(500, "UNKNOWN_SERVER_ERROR", "the broker failed to answer");
    }
    if (answer.status === 403 || answer.status === 429)
      this.#onRefused(answer.status === 403 ? "debug_forbidden" : "debug_busy");
    if (response.destroyed) {
      answer.stream?.destroy();
      return;
    }
    send(request, response, answer, this.#closing !== null);
    this.#holdUntilRead(response, answer.body.length);
  }

  #holdUntilRead(response: http.ServerResponse, bytes: number): void {
    this.#unread.set(response, bytes);
    this.#unreadBytes += bytes;
    response.once("close", () => this.#letGo(response));
    for (const [oldest] of this.#unread) {
      if (this.#unreadBytes <= UNREAD_BYTES_MAX || oldest === response) break;
      this.#letGo(oldest);
      this.#onRefused("unread");
      oldest.destroy();
    }
  }

  #letGo(response: http.ServerResponse): void {
    this.#unreadBytes -= this.#unread.get(response) ?? 0;
    this.#unread.delete(response);
  }

  #onRefused(reason: string): void {
    this.refusals.count("http", reason);
  }
}

function limitsOf({ limits }: HttpDoorOptions): ConnectionLimitsOptions {
  const unlimited = Number.MAX_SAFE_INTEGER;
  const given = limits?.() ?? {
    maxConnections: unlimited,
    maxConnectionsPerIp: unlimited,
    maxConnectionCreationRate: unlimited,
  };
  return {
    ...given,
    maxConnections: Math.min(CONNECTIONS_MAX, given.maxConnections),
    maxConnectionsPerIp: Math.min(CONNECTIONS_PER_IP_MAX, given.maxConnectionsPerIp),
  };
}

/** The size of the body as its header announces it, which Node's parser has checked; 0 where it does not. */
function announcedBytes(request: http.IncomingMessage): number {
  return Number(request.headers["content-length"] ?? 0);
}

function send(request: http.IncomingMessage, response: http.ServerResponse, answer: Answer, isLast: boolean): void {
  response.writeHead(answer.status, {
    ...headersOf(answer),
    ...(isLast ? { Connection: "close" } : {}),
  });
  if (answer.stream === undefined) response.end(request.method === "HEAD" ? undefined : answer.body);
  else pipeline(answer.stream, response, () => undefined);
}

function headersOf(answer: Answer): Record<string, string | number> {
  return {
    "Content-Type": answer.contentType,
    ...(answer.stream === undefined ? { "Content-Length": Buffer.byteLength(answer.body) } : {}),
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    ...answer.headers,
  };
}

/** A response for a socket that has no http.ServerResponse. */
function rawResponse(answer: Answer): string {
  const headers = Object.entries({ ...headersOf(answer), Connection: "close" });
  const lines = headers.map(([name, value]) => `${name}: ${value}\r\n`).join("");
  return `HTTP/1.1 ${answer.status} ${http.STATUS_CODES[answer.status] ?? ""}\r\n${lines}\r\n${answer.body.toString()}`;
}
