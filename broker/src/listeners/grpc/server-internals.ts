/**
 * The two places where this door reaches into grpc-js, because a server offers no option for its receive windows: it ignores
 * `grpc-node.flow_control_window`, and with HTTP/2's default of 64 KiB per stream and connection, what clients push is capped at
 * 64 KiB per round trip. Asserted at start: another version of grpc-js may have moved them.
 */
import type { Server } from "@grpc/grpc-js";
import type { ServerHttp2Session } from "node:http2";
import type { EventEmitter } from "node:events";

/** What one stream may have on its way to us. */
const STREAM_WINDOW_BYTES = 4 * 1024 * 1024;
/** What all streams of a connection may have together. */
const CONNECTION_WINDOW_BYTES = 32 * 1024 * 1024;

interface Internals {
  readonly commonServerOptions: { settings?: { initialWindowSize?: number } };
  readonly http2Servers: ReadonlyMap<EventEmitter, unknown>;
}

/** Raises the window of streams. Before the first connection injector is made: it copies the settings. */
export function raiseStreamWindow(server: Server): void {
  const { commonServerOptions } = internalsOf(server);
  commonServerOptions.settings = { ...commonServerOptions.settings, initialWindowSize: STREAM_WINDOW_BYTES };
}

/** Calls `onSession` for every connection, its window raised. After the connection injector is made. */
export function onSessions(server: Server, onSession: (session: ServerHttp2Session) => void): void {
  const http2Servers = [...internalsOf(server).http2Servers.keys()];
  if (http2Servers.length === 0) throw new Error(`${MISFIT}: the server has no HTTP/2 server`);
  for (const http2Server of http2Servers) {
    http2Server.on("session", (session: ServerHttp2Session) => {
      session.setLocalWindowSize(CONNECTION_WINDOW_BYTES);
      onSession(session);
    });
    // A session that fails ends by itself; without a listener the reason would be nobody's.
    http2Server.on("sessionError", () => undefined);
    http2Server.on("error", () => undefined);
  }
}

const MISFIT = "this version of @grpc/grpc-js is not the one that the gRPC door was built for";

function internalsOf(server: Server): Internals {
  const commonServerOptions: unknown = Reflect.get(server, "commonServerOptions");
  const http2Servers: unknown = Reflect.get(server, "http2Servers");
  if (typeof commonServerOptions !== "object" || commonServerOptions === null || !(http2Servers instanceof Map)) {
    throw new Error(`${MISFIT}: its server has no commonServerOptions or http2Servers`);
  }
  return { commonServerOptions, http2Servers };
}
