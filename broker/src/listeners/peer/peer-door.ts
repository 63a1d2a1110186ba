/**
 * The peer door: where other brokers of the cluster reach this one (peer.proto). It stands on a listener of its own, speaks nothing
 * that clients speak, and clients' doors speak nothing of this.
 *
 * A connection is taken only from who names himself as a broker of this cluster, or of none yet, and means this node. What comes
 * behind that is handed to the PeerService; who says anything else is told so and sent away, and who says nothing is.
 *
 * What is under way is bounded by PEER_MESSAGE_BYTES_MAX on each connection and by UNFINISHED_BYTES_MAX on all; credit between the two
 * ends bounds the rest.
 */
import net from "node:net";
import type { AddressInfo, Socket } from "node:net";
import {
  decodePeerHello,
  encodePeerHello,
  foreignVersionsOf,
  mayPeersMeet,
  PEER_VERSIONS,
  PEER_MESSAGE_BYTES_MAX,
  PeerFrameKind,
  PeerPurpose,
  type PeerVersions,
  peerWire,
  type ProtoError,
} from "@tidemark/proto";
import {
  ApiError,
  ConnectionLimits,
  type ConnectionLimitsOptions,
  Refusals,
  toApiError,
  UnfinishedMessages,
  UnknownErrors,
} from "../../api/index.ts";
import type { SlabPool } from "../../api/index.ts";
import { BusyAddressError } from "../../ports/index.ts";
import type { Clock, Logger, PeerIdentity, PeerService } from "../../ports/index.ts";
import { FramedSocket } from "./framed-socket.ts";
import { CallDesk, type PeerEnd, RaftInbox, ReplicationEnd } from "./peer-ends.ts";

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
  readonly aliveMs?: number | undefined;
}

/** How long a connection may be open on which nobody has named himself as a peer (security 2, "login"). */
const STRANGER_MS = 10_000;
const ACCEPT_WAIT_MAX_MS = 5_000;
const SOCKET_BUFFER_BYTES = 64 * 1024;
/** Of all frames that have begun and are not whole: one of the largest size from each of many peers. */
const UNFINISHED_BYTES_MAX = 16 * PEER_MESSAGE_BYTES_MAX;
const LOG_INTERVAL_MS = 60_000;
/** How long connections that were ended may take to say so before they are cut. */
const FAREWELL_MS = 200;

/** One connection, and who is at its other end once that is known. */
interface Visit {
  readonly socket: FramedSocket;
  readonly seenAt: string;
  readonly strangerTimer: NodeJS.Timeout;
  from: PeerIdentity | null;
  end: PeerEnd | null;
}

export class PeerDoor {
  /** Since the start. */
  readonly refusals: Refusals;
  readonly #options: PeerDoorOptions;
  readonly #deps: PeerDoorDeps;
  readonly #errors: UnknownErrors;
  readonly #limits: ConnectionLimits;
  readonly #unfinished = new UnfinishedMessages(UNFINISHED_BYTES_MAX);
  readonly #listener: net.Server;
  readonly #sockets = new Set<Socket>();
  readonly #visits = new Set<Visit>();
  #isClosing = false;
  /** What serves a connection, by its purpose. */
  readonly #ends: Readonly<Record<number, ((socket: FramedSocket, from: PeerIdentity) => PeerEnd) | undefined>>;
  /** By message. */
  readonly #refusedLoggedAt = new Map<string, number>();

  constructor(options: PeerDoorOptions, deps: PeerDoorDeps) {
    this.#options = options;
    this.#deps = deps;
    const { logger, clock, service, slabs } = deps;
    this.refusals = new Refusals({ listener: "PEER", logger, now: () => clock.monotonicNow() });
    this.#errors = new UnknownErrors(logger);
    this.#limits = new ConnectionLimits(options.limits, ACCEPT_WAIT_MAX_MS);
    this.#ends = {
      [PeerPurpose.RAFT]: (socket, from) => new RaftInbox(socket, (message) => service.onRaft(message, from)),
      [PeerPurpose.CALLS]: (socket, from) =>
        new CallDesk(
          socket,
          async (method, body) => service.onCall(method, body, from),
          (thrown) => toApiError(thrown, "a call of a peer", this.#errors),
        ),
      [PeerPurpose.REPLICATION]: (socket, from) =>
        new ReplicationEnd(socket, slabs, (end) => service.onReplication(end, from)),
    };
    this.#listener = options.bound ?? net.createServer({ highWaterMark: SOCKET_BUFFER_BYTES });
    this.#listener.removeAllListeners("connection").on("connection", (socket) => this.#accept(socket));
  }

  // ---- life cycle ----

  /** Binds the address; peers are served from then on. Rejects with BusyAddressError. */
  async listen(): Promise<void> {
    if (!this.#listener.listening) await this.#bind();
    // Of a connection that could not be accepted.
    this.#listener.on("error", (cause) => this.#deps.logger.error("the peer door failed", { err: cause }));
  }

  #bind(): Promise<void> {
    const { host, port } = this.#options;
    return new Promise((resolve, reject) => {
      const onError = (cause: NodeJS.ErrnoException): void =>
        reject(new BusyAddressError({ door: "PEER", host, port, code: cause.code ?? "EUNKNOWN", cause }));
      this.#listener.once("error", onError);
      this.#listener.listen({ host, port, backlog: 511 }, () => {
        this.#listener.off("error", onError);
        resolve();
      });
    });
  }

  /** Where the door stands: the port is the real one. Only between `listen` and `close`. */
  get address(): { readonly host: string; readonly port: number } {
    const address = this.#listener.address() as AddressInfo | null;
    return { host: this.#options.host, port: address?.port ?? this.#options.port };
  }

  /** Bytes of frames that have begun and are not whole. */
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
    for (const { end, socket } of this.#visits) {
      if (end === null) socket.destroy();
      else end.end();
    }
    const endsAt = this.#deps.clock.monotonicNow() + FAREWELL_MS;
    while (this.#visits.size > 0 && this.#deps.clock.monotonicNow() < endsAt)
      await new Promise((resolve) => setTimeout(resolve, 5));
    for (const socket of this.#sockets) socket.destroy();
    await isListenerClosed;
  }

  #accept(socket: Socket): void {
    socket.on("error", () => socket.destroy());
    const address = socket.remoteAddress ?? "";
    const admission = this.#limits.admit(address, this.#deps.clock.monotonicNow());
    if (!admission.ok) {
      this.refusals.count("accept", admission.reason);
      socket.destroy();
      return;
    }
    this.#sockets.add(socket);
    const receive = (): void => {
      if (!socket.destroyed) this.#receive(socket, address);
    };
    const wait = admission.delayMs === 0 ? null : setTimeout(receive, admission.delayMs);
    socket.once("close", () => {
      this.#sockets.delete(socket);
      this.#limits.release(address);
      if (wait !== null) clearTimeout(wait);
    });
    if (wait === null) receive();
  }

  #receive(socket: Socket, seenAt: string): void {
    if (this.#isClosing) return void socket.destroy();
    const refuse = (error: ApiError | ProtoError): void => this.#refuse(visit, "message", error);
    const visit: Visit = {
      seenAt,
      socket: FramedSocket.of(
        socket,
        {
          slabs: this.#deps.slabs,
          unfinished: this.#unfinished.of(() =>
            refuse(new ApiError("THROTTLING_QUOTA_EXCEEDED", "too much was begun and not finished at this broker")),
          ),
          aliveMs: this.#deps.aliveMs,
        },
        {
          onFrame: (kind, payload, slab) => this.#onFrame(visit, kind, payload, slab),
          onWritten: () => visit.end?.onWritten(),
          onFault: (error) => refuse(visit.from === null ? notAPeer() : error),
          onClosed: () => {
            this.#visits.delete(visit);
            clearTimeout(visit.strangerTimer);
            visit.end?.onClosed();
          },
        },
      ),
      strangerTimer: setTimeout(() => {
        this.refusals.count("accept", "stranger");
        visit.socket.destroy();
      }, this.#deps.strangerMs ?? STRANGER_MS).unref(),
      from: null,
      end: null,
    };
    this.#visits.add(visit);
  }

  // ---- who comes ----

  #onFrame(visit: Visit, kind: number, payload: Buffer, slab: Buffer | null): void {
    if (visit.end === null || visit.from === null) return this.#onFirstFrame(visit, kind, payload);
    // Since it was met this node may have been born into another cluster.
    if (mayPeersMeet(this.#deps.identity(), visit.from)) return visit.end.onFrame(kind, payload, slab);
    this.#logStranger(visit.from, this.#deps.identity());
    this.refusals.count("peer", "INCONSISTENT_CLUSTER_ID");
    visit.socket.destroy();
  }

  #onFirstFrame(visit: Visit, kind: number, payload: Buffer): void {
    const hello = kind === PeerFrameKind.HELLO ? decodePeerHello(payload) : null;
    if (hello === null)
      return this.#refuse(visit, "peer", notAPeer(kind === PeerFrameKind.HELLO ? foreignVersionsOf(payload) : null));
    const { names, to, purpose } = hello;
    const refusal = this.#judge(names, to, visit.seenAt);
    if (refusal !== null) return this.#refuse(visit, "peer", refusal);
    const makeEnd = this.#ends[purpose];
    if (makeEnd === undefined)
      return this.#refuse(visit, "peer", new ApiError("UNSUPPORTED_VERSION", "the peer door does not serve this"));
    const { socket } = visit;
    clearTimeout(visit.strangerTimer);
    socket.trust();
    socket.send(PeerFrameKind.HELLO, [encodePeerHello(this.#deps.identity())]);
    visit.from = names;
    visit.end = makeEnd(socket, names);
    const { door } = names;
    this.#deps.onHeard?.(
      names,
      door === undefined ? null : { host: door.host === "" ? visit.seenAt : door.host, port: door.port },
    );
  }

  /** Says why, and ends the connection. */
  #refuse({ socket }: Visit, stage: "peer" | "message", { code, message }: ApiError | ProtoError): void {
    if (socket.isOver) return;
    this.refusals.count(stage, code);
    socket.send(PeerFrameKind.REFUSED, [peerWire.failure.encode({ id: 0, code, message })]);
    socket.end();
  }

  /** Why we do not want him; null: we do. */
  #judge(theirs: PeerIdentity, to: number, seenAt: string): ApiError | null {
    const ours = this.#deps.identity();
    if (!mayPeersMeet(ours, theirs)) {
      this.#logStranger(theirs, ours);
      return new ApiError(
        "INCONSISTENT_CLUSTER_ID",
        `node ${ours.nodeId} belongs to cluster ${ours.clusterId}, not to ${theirs.clusterId}`,
      );
    }
    if (to !== ours.nodeId) return new ApiError("INVALID_VOTER_KEY", `this is node ${ours.nodeId}, not node ${to}`);
    if (theirs.nodeId === ours.nodeId && theirs.directoryId !== ours.directoryId)
      return this.#duplicate(theirs, seenAt);
    return null;
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
}

/** `theirs`: of a broker of another release, which is told what would have to be common. */
function notAPeer(theirs: PeerVersions | null = null): ApiError {
  const text = ({ oldest, newest }: PeerVersions): string =>
    oldest === newest ? `${newest}` : `${oldest} to ${newest}`;
  const message =
    theirs === null
      ? "this is the peer door of a Tidemark broker"
      : `this broker speaks version ${text(PEER_VERSIONS)} of the protocol between brokers, not ${text(theirs)}: upgrade by way of a release that speaks both`;
  return new ApiError("UNSUPPORTED_VERSION", message);
}
