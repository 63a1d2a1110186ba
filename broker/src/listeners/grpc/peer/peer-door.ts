/**
 * The peer door: where other brokers of the cluster reach this one (peer.proto). It stands on a listener of its own, speaks nothing
 * that clients speak, and clients' doors speak nothing of this. All of its calls run on their bare HTTP/2 streams.
 *
 * A call is taken only from who names himself as a broker of this cluster, or of none yet, and means this node. What comes behind
 * that is handed to the PeerService; a connection on which nobody names himself is closed.
 *
 * Reading is never stopped here: what waits for replication must not stop the reports that it waits for (semantics 11.4). What is
 * under way is bounded by the windows and by PEER_MESSAGE_BYTES_MAX; credit between the two ends bounds the rest.
 */
import http2 from "node:http2";
import net from "node:net";
import type { AddressInfo, Socket } from "node:net";
import type { Http2Server, IncomingHttpHeaders, ServerHttp2Session, ServerHttp2Stream } from "node:http2";
import {
  mayPeersMeet,
  PEER_MESSAGE_BYTES_MAX,
  PEER_METHODS,
  peerHeaders,
  peerMeantBy,
  peerNamesFrom,
  peerWire,
} from "@tidemark/proto";
import {
  ApiError,
  ConnectionLimits,
  type ConnectionLimitsOptions,
  Refusals,
  toApiError,
  UnknownErrors,
} from "../../../api/index.ts";
import type { SlabPool } from "../../../api/index.ts";
import { Keepalive } from "../../../base/index.ts";
import type { Clock, Logger, PeerIdentity, PeerService } from "../../../ports/index.ts";
import { BusyAddressError } from "../busy-address-error.ts";
import { PeerCallStream, RaftInbox, ReplicationEnd } from "./peer-streams.ts";
import { isGrpc, refuseCall, StreamCall } from "../stream-call.ts";
import type { StreamCallDeps } from "../stream-call.ts";
import { UnfinishedMessages } from "../unfinished-messages.ts";

export interface PeerDoorOptions {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  /** Listens already, on that address; null: the door binds it. */
  readonly bound?: net.Server | undefined;
  /** Asked for each connection. */
  readonly limits: () => ConnectionLimitsOptions;
}

export interface PeerDoorDeps {
  readonly service: PeerService;
  /** Who this node is, by now. */
  identity(): PeerIdentity;
  /** A broker has named itself, and may be dialled. `host` and `port` are those of its door; null: it does not say. */
  onHeard?(peer: PeerIdentity, door: { readonly host: string; readonly port: number } | null): void;
  readonly slabs: SlabPool;
  readonly clock: Clock;
  readonly logger: Logger;
  /** For tests. */
  readonly strangerMs?: number | undefined;
}

const MAX_CONCURRENT_STREAMS = 64;
/** In MB; counts queued output. */
const MAX_SESSION_MEMORY_MB = 512;
/** What peers may have on their way to us: on one stream, and on one connection. */
const STREAM_WINDOW_BYTES = 8 * 1024 * 1024;
const CONNECTION_WINDOW_BYTES = 32 * 1024 * 1024;
const KEEPALIVE_INTERVAL_MS = 5_000;
/** How long a connection may be open on which nobody has named himself as a peer (security 2, "login"). */
const STRANGER_MS = 10_000;
const ACCEPT_WAIT_MAX_MS = 5_000;
const SOCKET_BUFFER_BYTES = 64 * 1024;
/** Of all messages that have begun and are not whole: one of the largest size from each of many peers. */
const UNFINISHED_BYTES_MAX = 16 * PEER_MESSAGE_BYTES_MAX;
const LOG_INTERVAL_MS = 60_000;
/** How long ended calls may take to say so before connections are cut. */
const FAREWELL_MS = 200;

export class PeerDoor {
  /** Since the start. */
  readonly refusals: Refusals;
  readonly #options: PeerDoorOptions;
  readonly #deps: PeerDoorDeps;
  readonly #errors: UnknownErrors;
  readonly #limits: ConnectionLimits;
  readonly #unfinished = new UnfinishedMessages(UNFINISHED_BYTES_MAX);
  readonly #server: Http2Server;
  readonly #listener: net.Server;
  readonly #sockets = new Set<Socket>();
  /** Of the session that begins in this very stretch. */
  #arriving: Socket | null = null;
  readonly #sessions = new Set<ServerHttp2Session>();
  readonly #streams = new Set<{ end(): void }>();
  #isClosing = false;
  /** By message. */
  readonly #refusedLoggedAt = new Map<string, number>();

  constructor(options: PeerDoorOptions, deps: PeerDoorDeps) {
    this.#options = options;
    this.#deps = deps;
    const { logger, clock } = deps;
    this.refusals = new Refusals({ listener: "PEER", logger, now: () => clock.monotonicNow() });
    this.#errors = new UnknownErrors(logger);
    this.#limits = new ConnectionLimits(options.limits, ACCEPT_WAIT_MAX_MS);
    this.#server = http2.createServer({
      settings: { initialWindowSize: STREAM_WINDOW_BYTES, maxConcurrentStreams: MAX_CONCURRENT_STREAMS },
      maxSessionMemory: MAX_SESSION_MEMORY_MB,
    });
    this.#server.on("session", (session) => this.#onSession(session));
    this.#server.on("sessionError", () => undefined);
    this.#listener = options.bound ?? net.createServer({ highWaterMark: SOCKET_BUFFER_BYTES });
    this.#listener.removeAllListeners("connection").on("connection", (socket) => this.#accept(socket));
  }

  // ---- life cycle ----

  /** Binds the address; peers are served from then on. Rejects with BusyAddressError. */
  listen(): Promise<void> {
    const { host, port } = this.#options;
    if (this.#listener.listening) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const onError = (cause: NodeJS.ErrnoException): void =>
        reject(new BusyAddressError({ door: "PEER", host, port, code: cause.code ?? "EUNKNOWN", cause }));
      this.#listener.once("error", onError);
      this.#listener.listen({ host, port, backlog: 511 }, () => {
        this.#listener.off("error", onError);
        this.#listener.on("error", (cause) => this.#deps.logger.error("the peer door failed", { err: cause }));
        resolve();
      });
    });
  }

  /** Where the door stands: the port is the real one. Only between `listen` and `close`. */
  get address(): { readonly host: string; readonly port: number } {
    const address = this.#listener.address() as AddressInfo | null;
    return { host: this.#options.host, port: address?.port ?? this.#options.port };
  }

  /** Bytes of messages that have begun and are not whole. */
  get unfinishedBytes(): number {
    return this.#unfinished.bytes;
  }

  get connectionsCount(): number {
    return this.#limits.count;
  }

  get delayedConnectionsCount(): number {
    return this.#limits.delayedCount;
  }

  async close(): Promise<void> {
    if (this.#isClosing) return;
    this.#isClosing = true;
    const isListenerClosed = new Promise<void>((resolve) => this.#listener.close(() => resolve()));
    for (const stream of this.#streams) stream.end();
    for (const session of this.#sessions) session.close();
    const endsAt = this.#deps.clock.monotonicNow() + FAREWELL_MS;
    while (this.#sessions.size > 0 && this.#deps.clock.monotonicNow() < endsAt)
      await new Promise((resolve) => setTimeout(resolve, 5));
    for (const session of this.#sessions) session.destroy();
    for (const socket of this.#sockets) socket.destroy();
    await isListenerClosed;
  }

  #accept(socket: Socket): void {
    socket.setNoDelay(true);
    socket.on("error", () => socket.destroy());
    const address = socket.remoteAddress ?? "";
    const admission = this.#limits.admit(address, this.#deps.clock.monotonicNow());
    if (!admission.ok) {
      this.refusals.count("accept", admission.reason);
      socket.destroy();
      return;
    }
    this.#sockets.add(socket);
    const serve = (): void => {
      if (socket.destroyed) return;
      this.#arriving = socket;
      this.#server.emit("connection", socket);
      this.#arriving = null;
    };
    const wait = admission.delayMs === 0 ? null : setTimeout(serve, admission.delayMs);
    socket.once("close", () => {
      this.#sockets.delete(socket);
      this.#limits.release(address);
      if (wait !== null) clearTimeout(wait);
    });
    if (wait === null) serve();
  }

  #onSession(session: ServerHttp2Session): void {
    this.#sessions.add(session);
    session.setLocalWindowSize(CONNECTION_WINDOW_BYTES);
    session.on("error", () => session.destroy());
    const keepalive = new Keepalive();
    // The session's own property throws once they are parted, and a session that is destroyed may keep its socket for long.
    const socket = this.#arriving;
    const keepaliveTimer = setInterval(() => {
      const verdict = keepalive.check(socket?.bytesRead ?? 0);
      if (verdict === "dead") {
        session.destroy();
        socket?.destroy();
      } else if (verdict === "ping" && !session.destroyed) session.ping(() => undefined);
    }, KEEPALIVE_INTERVAL_MS);
    keepaliveTimer.unref();
    const strangerTimer = setTimeout(() => {
      this.refusals.count("accept", "stranger");
      session.destroy();
    }, this.#deps.strangerMs ?? STRANGER_MS);
    strangerTimer.unref();
    session.once("close", () => {
      this.#sessions.delete(session);
      clearInterval(keepaliveTimer);
      clearTimeout(strangerTimer);
    });
    session.on("stream", (stream, headers) => {
      // Node hands streams out by a tick of their own; to answer one that was reset by then would throw.
      if (stream.destroyed || stream.closed) return;
      if (this.#onStream(stream, headers)) clearTimeout(strangerTimer);
    });
    if (this.#isClosing) session.close();
  }

  // ---- calls ----

  /** Whether a peer has named itself. */
  #onStream(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): boolean {
    if (!isGrpc(stream, headers)) return false;
    const seenAt = stream.session?.socket.remoteAddress ?? "";
    const from = this.#judge(headers, seenAt);
    if (from instanceof ApiError) {
      this.refusals.count("peer", from.code);
      refuseCall(stream, from);
      return false;
    }
    const { service } = this.#deps;
    const call = (): StreamCall => new StreamCall(stream, headers, this.#callDeps());
    switch (headers[":path"] ?? "") {
      case PEER_METHODS.raft:
        this.#keep(stream, new RaftInbox(call(), (frame) => service.onRaft(frame, from)));
        break;
      case PEER_METHODS.replicate:
        this.#keep(stream, new ReplicationEnd(call(), this.#deps.slabs, (end) => service.onReplication(end, from)));
        break;
      case PEER_METHODS.call:
        this.#keep(
          stream,
          new PeerCallStream(
            call(),
            async (message) => {
              const { method, body } = peerWire.callRequest.decode(message);
              return service.onCall(method, body, from);
            },
            (thrown) => toApiError(thrown, "a call of a peer", this.#errors),
          ),
        );
        break;
      default:
        this.refusals.count("peer", "UNSUPPORTED_VERSION");
        refuseCall(stream, new ApiError("UNSUPPORTED_VERSION", "the peer door does not serve this method"));
    }
    const { door } = from;
    this.#deps.onHeard?.(
      from,
      door === undefined ? null : { host: door.host === "" ? seenAt : door.host, port: door.port },
    );
    return true;
  }

  #keep(stream: ServerHttp2Stream, served: { end(): void }): void {
    this.#streams.add(served);
    stream.once("close", () => this.#streams.delete(served));
  }

  /** Who calls; or why we do not want him. */
  #judge(headers: IncomingHttpHeaders, seenAt: string): PeerIdentity | ApiError {
    const ours = this.#deps.identity();
    const theirs = peerNamesFrom(headers);
    if (theirs === null) return new ApiError("UNSUPPORTED_VERSION", "this is the peer door of a Tidemark broker");
    if (!mayPeersMeet(ours, theirs)) {
      this.#logStranger(theirs, ours);
      return new ApiError(
        "INCONSISTENT_CLUSTER_ID",
        `node ${ours.nodeId} belongs to cluster ${ours.clusterId}, not to ${theirs.clusterId}`,
      );
    }
    if (peerMeantBy(headers) !== ours.nodeId)
      return new ApiError("INVALID_VOTER_KEY", `this is node ${ours.nodeId}, not node ${peerMeantBy(headers) ?? "?"}`);
    if (theirs.nodeId === ours.nodeId && theirs.directoryId !== ours.directoryId)
      return this.#duplicate(theirs, seenAt);
    return theirs;
  }

  /** Two nodes were given one id: each is told of the other. */
  #duplicate(theirs: PeerIdentity, seenAt: string): ApiError {
    const { nodeId, directoryId, door } = this.#deps.identity();
    if (this.#isRefusalLogged("duplicate"))
      this.#deps.logger.error("another broker with the id of this one was refused", {
        brokerId: nodeId,
        directoryId: theirs.directoryId,
        address: seenAt,
      });
    const where = door === undefined || door.host === "" ? "" : ` at ${door.host}:${door.port}`;
    return new ApiError(
      "DUPLICATE_BROKER_REGISTRATION",
      `the id ${nodeId} is taken by the broker${where} with directory ${directoryId}: each broker needs a node.id of its own`,
    );
  }

  #logStranger(theirs: PeerIdentity, ours: PeerIdentity): void {
    if (!this.#isRefusalLogged("stranger")) return;
    this.#deps.logger.error("a broker of another cluster was refused", {
      brokerId: theirs.nodeId,
      theirClusterId: theirs.clusterId,
      clusterId: ours.clusterId,
    });
  }

  /** One that was given the wrong addresses comes again and again. */
  #isRefusalLogged(kind: "duplicate" | "stranger"): boolean {
    const now = this.#deps.clock.monotonicNow();
    if (now - (this.#refusedLoggedAt.get(kind) ?? Number.NEGATIVE_INFINITY) < LOG_INTERVAL_MS) return false;
    this.#refusedLoggedAt.set(kind, now);
    return true;
  }

  #callDeps(): StreamCallDeps {
    return {
      slabs: this.#deps.slabs,
      unfinished: this.#unfinished,
      refusals: this.refusals,
      messageBytesMax: PEER_MESSAGE_BYTES_MAX,
      headers: peerHeaders(this.#deps.identity()),
    };
  }
}
