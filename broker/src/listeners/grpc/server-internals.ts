/**
 * The private fields of a grpc-js server, and of its calls, that this door reaches for. Those of the server are asserted at start:
 * another version may have moved them.
 *
 * Windows: a server ignores `grpc-node.flow_control_window`, and with HTTP/2's default of 64 KiB per stream and connection, what
 * clients push is capped at 64 KiB per round trip. Streams: the methods that carry records are served on their bare HTTP/2
 * streams (stream-call.ts), all others by grpc-js.
 */
import type { EventEmitter } from "node:events";
import type { IncomingHttpHeaders, ServerHttp2Session, ServerHttp2Stream } from "node:http2";
import type { Server } from "@grpc/grpc-js";

/** What one stream may have on its way to us. */
const STREAM_WINDOW_BYTES = 4 * 1024 * 1024;

export type StreamHandler = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void;

export interface Diversion {
  /** By path: streams that grpc-js does not see. */
  readonly streams: ReadonlyMap<string, StreamHandler>;
  /** What all streams of one more connection may have together. */
  windowOf(session: ServerHttp2Session): number;
  /** Every connection, its window raised. */
  onSession(session: ServerHttp2Session): void;
  /** A stream that grpc-js serves; it listens to it already. */
  onForeignStream(stream: ServerHttp2Stream, path: string): void;
}

/** Raises the window of streams. Before the first connection injector is made: it copies the settings. */
export function raiseStreamWindow(server: Server): void {
  const { commonServerOptions } = internalsOf(server);
  commonServerOptions.settings = { ...commonServerOptions.settings, initialWindowSize: STREAM_WINDOW_BYTES };
}

/** Puts `diversion` before grpc-js. After the connection injector is made. */
export function divert(server: Server, diversion: Diversion): void {
  const http2Servers = [...internalsOf(server).http2Servers.keys()];
  if (http2Servers.length === 0) throw new Error(`${MISFIT}: the server has no HTTP/2 server`);
  for (const http2Server of http2Servers) {
    http2Server.on("session", (session: ServerHttp2Session) => {
      session.setLocalWindowSize(diversion.windowOf(session));
      diversion.onSession(session);
    });
    divertStreams(http2Server, diversion);
    // A session that fails ends by itself; without a listener the reason would be nobody's.
    http2Server.on("sessionError", () => undefined);
    http2Server.on("error", () => undefined);
  }
}

function divertStreams(http2Server: EventEmitter, diversion: Diversion): void {
  const listeners = http2Server.listeners("stream");
  if (listeners.length === 0) throw new Error(`${MISFIT}: nobody serves its streams`);
  http2Server.removeAllListeners("stream");
  http2Server.on("stream", (stream: ServerHttp2Stream, headers: IncomingHttpHeaders, ...rest: unknown[]) => {
    // Node hands streams out by a tick of their own; to answer one that was reset by then would throw.
    if (stream.destroyed || stream.closed) return;
    const path = headers[":path"] ?? "";
    const handler = diversion.streams.get(path);
    if (handler !== undefined) return handler(stream, headers);
    for (const listener of listeners) Reflect.apply(listener, http2Server, [stream, headers, ...rest]);
    if (!stream.destroyed && !stream.closed) diversion.onForeignStream(stream, path);
  });
}

/** The stream of a call that grpc-js serves. */
export function streamOf(call: object): ServerHttp2Stream {
  const inner: unknown = Reflect.get(call, "call");
  const stream: unknown = typeof inner === "object" && inner !== null ? Reflect.get(inner, "stream") : undefined;
  if (typeof stream !== "object" || stream === null) throw new Error(`${MISFIT}: its calls have no stream`);
  return stream as ServerHttp2Stream;
}

const MISFIT = "this version of @grpc/grpc-js is not the one that the gRPC door was built for";

interface Internals {
  readonly commonServerOptions: { settings?: { initialWindowSize?: number } };
  readonly http2Servers: ReadonlyMap<EventEmitter, unknown>;
}

function internalsOf(server: Server): Internals {
  const commonServerOptions: unknown = Reflect.get(server, "commonServerOptions");
  const http2Servers: unknown = Reflect.get(server, "http2Servers");
  if (typeof commonServerOptions !== "object" || commonServerOptions === null || !(http2Servers instanceof Map)) {
    throw new Error(`${MISFIT}: its server has no commonServerOptions or http2Servers`);
  }
  return { commonServerOptions, http2Servers };
}
