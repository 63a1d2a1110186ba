/**
 * The gRPC door: sockets, limits and life cycle of the server, and which handler answers which path.
 *
 * Produce and fetch run on their bare HTTP/2 streams (stream-call.ts), everything else through grpc-js, as bytes: the small data
 * calls are coded by hand (@tidemark/proto), admin and reflection load their codecs at the first call. The door accepts
 * connections itself and hands them on, so that a busy port is an error with a code, and limits hold before a byte is parsed.
 *
 * Closing: no new connections, produce streams finish what they took in, everything else ends, then what is left is cut.
 */
import http2 from "node:http2";
import net from "node:net";
import type { AddressInfo, Socket } from "node:net";
import type { IncomingHttpHeaders, ServerHttp2Session, ServerHttp2Stream } from "node:http2";
import { Server, ServerCredentials } from "@grpc/grpc-js";
import type { handleBidiStreamingCall, handleServerStreamingCall } from "@grpc/grpc-js";
import {
  CHUNK_OBJECT_BYTES,
  DATA_SERVICE,
  watchEvents,
  GRPC_MAX_RECEIVE_BYTES,
  GRPC_MAX_SEND_BYTES,
  type ErrorName,
} from "@tidemark/proto";
import {
  ApiError,
  ConnectionLimits,
  type ConnectionLimitsOptions,
  isLoopback,
  loadAdmin,
  Refusals,
  UnfinishedMessages,
} from "../../api/index.ts";
import type { BrokerContext } from "../../api/index.ts";
import { BusyAddressError } from "../../ports/index.ts";
import { Admin } from "./admin.ts";
import { asBytes, errorOf } from "./door-context.ts";
import type { DoorContext } from "./door-context.ts";
import { FetchStream } from "./fetch-stream.ts";
import { IdleTimeout } from "./idle-timeout.ts";
import { Health, HEALTH_CHECK_PATH, HEALTH_WATCH_PATH } from "./health.ts";
import { Pace } from "./pace.ts";
import type { EventStream } from "./event-stream.ts";
import type { MetadataStream } from "./metadata-stream.ts";
import { ProduceStream } from "./produce-stream.ts";
import { Reflection, REFLECTION_PATHS } from "./reflection.ts";
import { divert, raiseStreamWindow } from "./server-internals.ts";
import { isGrpc, SLOW_MESSAGE_MS, StreamCall } from "./stream-call.ts";
import type { StreamCallDeps } from "./stream-call.ts";
import { getMetadata, initProducerId, listOffsets, unary } from "./unary.ts";
import type { BytesCall, UnaryHandler } from "./unary.ts";
import { WindowPool } from "./window-pool.ts";

export interface GrpcDoorOptions {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  /** Asked for each connection. */
  readonly limits: () => ConnectionLimitsOptions;
}

const MAX_CONCURRENT_STREAMS = 256;
/** In MB; counts queued output, so it exceeds the largest message plus the connection's window. */
const MAX_SESSION_MEMORY_MB = 128;
/** How long a connection above the creation rate may wait for its turn. */
const ACCEPT_WAIT_MAX_MS = 5_000;
const HALF_A_DAY_MS = 43_200_000;
/** How long produce streams may take to finish what they took in. */
const DRAIN_MS = 5_000;
/** How long ended calls may take to say so to their clients before connections are cut. */
const FAREWELL_MS = 500;
/** Of a socket's buffers; Node 22's default. */
const SOCKET_BUFFER_BYTES = 64 * 1024;

/** What a call that grpc-js serves may hold: a message of the largest size that comes in the smallest reads of a socket, or nearly. */
const FOREIGN_MESSAGE_BYTES_MAX = 2 * GRPC_MAX_RECEIVE_BYTES;

type BidiHandler = handleBidiStreamingCall<Buffer, Buffer>;

export class GrpcDoor {
  /** Since the start. */
  readonly refusals: Refusals;
  readonly #options: GrpcDoorOptions;
  readonly #context: DoorContext;
  readonly #server: Server;
  readonly #listener: net.Server;
  readonly #limits: ConnectionLimits;
  readonly #unfinished: UnfinishedMessages;
  readonly #windows: WindowPool;
  readonly #health = new Health();
  readonly #admin: Admin;
  readonly #sockets = new Set<Socket>();
  readonly #sessions = new Set<ServerHttp2Session>();
  readonly #produceStreams = new Set<ProduceStream>();
  readonly #fetchStreams = new Set<FetchStream>();
  /** Of metadata and of events: nobody loses anything by their end. */
  readonly #watchStreams = new Set<MetadataStream | EventStream>();
  #isOpen = false;
  #isClosing = false;

  constructor(options: GrpcDoorOptions, context: BrokerContext) {
    this.#options = options;
    this.refusals = new Refusals({
      listener: "GRPC",
      logger: context.logger,
      now: () => context.clock.monotonicNow(),
    });
    const { queuedMaxRequestBytes } = context.config.base;
    this.#context = {
      ...context,
      refusals: this.refusals,
      pace: new Pace({ maxBytes: queuedMaxRequestBytes, now: () => context.clock.monotonicNow() }),
      unread: new UnfinishedMessages(queuedMaxRequestBytes),
    };
    this.#limits = new ConnectionLimits(options.limits, ACCEPT_WAIT_MAX_MS);
    this.#unfinished = new UnfinishedMessages(queuedMaxRequestBytes);
    this.#windows = new WindowPool(queuedMaxRequestBytes);
    this.#server = new Server({
      "grpc.max_receive_message_length": GRPC_MAX_RECEIVE_BYTES,
      "grpc.max_send_message_length": GRPC_MAX_SEND_BYTES,
      "grpc.max_concurrent_streams": MAX_CONCURRENT_STREAMS,
      "grpc-node.max_session_memory": MAX_SESSION_MEMORY_MB,
      "grpc.max_connection_age_ms": HALF_A_DAY_MS,
      "grpc.max_connection_age_grace_ms": 60_000,
      "grpc.keepalive_time_ms": 30_000,
      "grpc.keepalive_timeout_ms": 10_000,
      "grpc.enable_channelz": 0,
    });
    this.#admin = Admin.of(this.#context);
    this.#register();
    raiseStreamWindow(this.#server);
    const injector = this.#server.createConnectionInjector(ServerCredentials.createInsecure());
    divert(this.#server, {
      streams: new Map([
        [DATA_SERVICE.produce.path, (stream, headers) => this.#openProduce(stream, headers)],
        [DATA_SERVICE.fetch.path, (stream, headers) => this.#openFetch(stream, headers)],
        [DATA_SERVICE.watchMetadata.path, this.#openWatch("WatchMetadata", (call) => this.#startMetadata(call))],
        [watchEvents.path, this.#openWatch("WatchEvents", (call) => this.#startEvents(call))],
      ]),
      windowOf: (session) => this.#windowOf(session),
      onSession: (session) => this.#onSession(session),
      onForeignStream: (stream, path) => this.#onForeignStream(stream, path),
    });
    this.#listener = net.createServer({ noDelay: true, highWaterMark: SOCKET_BUFFER_BYTES }, (socket) =>
      this.#accept(socket, () => injector.injectConnection(socket)),
    );
  }

  #accept(socket: Socket, serve: () => void): void {
    socket.on("error", () => socket.destroy());
    const address = socket.remoteAddress ?? "";
    const admission = this.#limits.admit(address, this.#context.clock.monotonicNow(), {
      isLocal: isLoopback(address),
    });
    if (!admission.ok) {
      this.refusals.count("accept", admission.reason);
      socket.destroy();
      return;
    }
    this.#sockets.add(socket);
    socket.once("close", () => {
      this.#sockets.delete(socket);
      this.#limits.release(address);
    });
    if (admission.delayMs === 0) return serve();
    // What it sends meanwhile, no more than a socket buffer, is taken in with the rest.
    const wait = setTimeout(() => {
      if (!socket.destroyed) serve();
    }, admission.delayMs);
    socket.once("close", () => clearTimeout(wait));
  }

  // ---- life cycle ----

  /** Binds the address. Calls are answered UNAVAILABLE until `open`. Rejects with BusyAddressError. */
  listen(): Promise<void> {
    const { host, port } = this.#options;
    return new Promise((resolve, reject) => {
      const onError = (cause: NodeJS.ErrnoException): void =>
        reject(new BusyAddressError({ door: "gRPC", host, port, code: cause.code ?? "EUNKNOWN", cause }));
      this.#listener.once("error", onError);
      this.#listener.listen({ host, port, backlog: 511 }, () => {
        this.#listener.off("error", onError);
        this.#listener.on("error", (cause) => this.#context.logger.error("the gRPC door failed", { err: cause }));
        resolve();
      });
    });
  }

  /** The broker is ready: calls reach it from now on. */
  open(): void {
    this.#isOpen = true;
    this.#health.isServing = true;
    this.#admin.open();
  }

  /** Where the door stands: the port is the real one. Only between `listen` and `close`. */
  get address(): { readonly host: string; readonly port: number } {
    const address = this.#listener.address();
    return isAddressInfo(address) ? { host: this.#options.host, port: address.port } : { ...this.#options };
  }

  /** Bytes of messages that have begun and are not whole. */
  get unfinishedBytes(): number {
    return this.#unfinished.bytes;
  }

  get delayedConnectionsCount(): number {
    return this.#limits.delayedCount;
  }

  get connectionsCount(): number {
    return this.#limits.count;
  }

  /** Produce streams may take `drainMs` to finish what they took in. */
  async close(drainMs = DRAIN_MS): Promise<void> {
    if (this.#isClosing) return;
    this.#isClosing = true;
    this.#isOpen = false;
    this.#health.isServing = false;
    this.#admin.close();
    const isListenerClosed = new Promise<void>((resolve) => this.#listener.close(() => resolve()));
    for (const stream of this.#produceStreams) stream.end();
    await this.#until(() => this.#produceStreams.size === 0, drainMs);
    const stopping = new ApiError("NETWORK_EXCEPTION", "the broker is stopping");
    for (const stream of this.#produceStreams) stream.fail(stopping);
    for (const stream of this.#fetchStreams) stream.fail(stopping);
    for (const stream of this.#watchStreams) stream.fail(stopping);
    this.#health.close();
    for (const session of this.#sessions) session.close();
    await this.#until(() => this.#sessions.size === 0, FAREWELL_MS);
    // grpc-js forgets its sessions when channelz is off: they are cut here.
    for (const session of this.#sessions) session.destroy();
    for (const socket of this.#sockets) socket.destroy();
    this.#server.forceShutdown();
    await isListenerClosed;
  }

  /** Looks every few milliseconds: the end of a stream has no one event. Only while closing. */
  async #until(isDone: () => boolean, boundMs: number): Promise<void> {
    const endsAt = this.#context.clock.monotonicNow() + boundMs;
    while (!isDone() && this.#context.clock.monotonicNow() < endsAt) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  #onSession(session: ServerHttp2Session): void {
    this.#sessions.add(session);
    session.on("error", () => session.destroy());
    session.once("close", () => this.#sessions.delete(session));
    const { connectionsMaxIdleMs } = this.#context.config.current;
    if (connectionsMaxIdleMs > 0) new IdleTimeout(session, connectionsMaxIdleMs);
    if (this.#isClosing) session.close();
  }

  #windowOf(session: ServerHttp2Session): number {
    const bytes = this.#windows.take();
    session.once("close", () => this.#windows.give(bytes));
    return bytes;
  }

  /** What grpc-js puts together by itself is bounded as well, in bytes and, where one message is all there is, in time. */
  #onForeignStream(stream: ServerHttp2Stream, path: string): void {
    const { NGHTTP2_ENHANCE_YOUR_CALM, NGHTTP2_CANCEL } = http2.constants;
    let slowTimer: NodeJS.Timeout | null = null;
    const refuse = (code: ErrorName, reset: number): void => {
      this.refusals.count("message", code);
      stream.close(reset);
    };
    const unfinished = this.#unfinished.of(() => refuse("THROTTLING_QUOTA_EXCEEDED", NGHTTP2_ENHANCE_YOUR_CALM));
    const onEnd = (): void => {
      if (slowTimer !== null) clearTimeout(slowTimer);
      unfinished.clear();
    };
    // grpc-js keeps each chunk, and with it all of what the socket has read at once.
    let read: ArrayBufferLike | null = null;
    stream.on("data", (chunk: Buffer) => {
      if (stream.closed) return;
      const heldBytes = chunk.buffer === read ? CHUNK_OBJECT_BYTES : CHUNK_OBJECT_BYTES + chunk.buffer.byteLength;
      read = chunk.buffer;
      unfinished.set(unfinished.bytes + heldBytes);
      if (unfinished.bytes > FOREIGN_MESSAGE_BYTES_MAX) return refuse("MESSAGE_TOO_LARGE", NGHTTP2_ENHANCE_YOUR_CALM);
      if (slowTimer !== null || REFLECTION_PATHS.some((reflection) => reflection === path)) return;
      slowTimer = setTimeout(() => refuse("REQUEST_TIMED_OUT", NGHTTP2_CANCEL), SLOW_MESSAGE_MS);
      slowTimer.unref();
    });
    stream.once("end", onEnd);
    stream.once("close", onEnd);
  }

  /** What produce and fetch streams share. */
  get #streamDeps(): StreamCallDeps {
    return { slabs: this.#context.slabs, unfinished: this.#unfinished, refusals: this.refusals };
  }

  // ---- methods ----

  #register(): void {
    const context = this.#context;
    this.#unary(DATA_SERVICE.getMetadata.path, "GetMetadata", getMetadata(context));
    this.#unary(DATA_SERVICE.initProducerId.path, "InitProducerId", initProducerId(context));
    this.#unary(DATA_SERVICE.listOffsets.path, "ListOffsets", listOffsets(context));
    for (const [path, call] of this.#admin.calls()) this.#unary(path, path.slice(path.lastIndexOf("/") + 1), call);

    const check: UnaryHandler = (call, callback) => this.#health.check(call, callback);
    this.#server.register(HEALTH_CHECK_PATH, check, asBytes, asBytes, "unary");
    const watch: handleServerStreamingCall<Buffer, Buffer> = (call) => this.#health.watch(call);
    this.#server.register(HEALTH_WATCH_PATH, watch, asBytes, asBytes, "serverStream");

    if (context.config.current.profile !== "dev") return;
    const reflection = new Reflection(this.#context);
    for (const path of REFLECTION_PATHS) this.#bidi(path, (call) => reflection.handle(path, call));
  }

  #unary(path: string, name: string, call: BytesCall): void {
    const gated: BytesCall = (request, client) => (this.#isOpen ? call(request, client) : Promise.reject(notOpen()));
    this.#server.register(path, unary(name, this.#context, gated), asBytes, asBytes, "unary");
  }

  #bidi(path: string, handler: BidiHandler): void {
    this.#server.register(path, handler, asBytes, asBytes, "bidi");
  }

  #openProduce(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
    if (!isGrpc(stream, headers)) return;
    const call = new StreamCall(stream, headers, this.#streamDeps);
    if (!this.#isOpen) return call.fail(notOpen());
    this.#produceStreams.add(new ProduceStream(call, this.#context, (ended) => this.#produceStreams.delete(ended)));
  }

  #openFetch(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
    if (!isGrpc(stream, headers)) return;
    const call = new StreamCall(stream, headers, this.#streamDeps);
    if (!this.#isOpen) return call.fail(notOpen());
    this.#fetchStreams.add(new FetchStream(call, this.#context, (ended) => this.#fetchStreams.delete(ended)));
  }

  /** Loaded with the first client that watches: tools that ask once never do. */
  #openWatch(
    name: string,
    start: (call: StreamCall) => Promise<void>,
  ): (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void {
    return (stream, headers) => {
      if (!isGrpc(stream, headers)) return;
      const call = new StreamCall(stream, headers, this.#streamDeps);
      start(call).catch((cause: unknown) => call.fail(errorOf(cause, name, this.#context)));
    };
  }

  async #startMetadata(call: StreamCall): Promise<void> {
    const { MetadataStream } = await import("./metadata-stream.ts");
    if (this.#mayStart(call))
      this.#watchStreams.add(new MetadataStream(call, this.#context, (ended) => this.#watchStreams.delete(ended)));
  }

  async #startEvents(call: StreamCall): Promise<void> {
    const [{ EventStream }, useCases] = await Promise.all([import("./event-stream.ts"), loadAdmin()]);
    const parts = { context: this.#context, useCases };
    if (this.#mayStart(call))
      this.#watchStreams.add(new EventStream(call, parts, (ended) => this.#watchStreams.delete(ended)));
  }

  #mayStart(call: StreamCall): boolean {
    if (!this.#isOpen) call.fail(notOpen());
    return !call.isOver;
  }
}

/** A retriable refusal: the broker is starting or stopping. */
function notOpen(): ApiError {
  return new ApiError("NETWORK_EXCEPTION", "the broker is not serving now");
}

function isAddressInfo(address: string | AddressInfo | null): address is AddressInfo {
  return typeof address === "object" && address !== null;
}
