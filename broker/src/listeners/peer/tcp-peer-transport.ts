/**
 * PeerTransport over TCP: the dialling side. To each peer one connection for Raft, one for control calls, and one for each stream of
 * replication; all of them made when they are needed, and again when they break.
 *
 * What it says of peers in the log is one line per change: away, back, refused and why. Who is back within a moment was never away; who
 * has not been there since this node started is no loss, and whoever leaves says nothing of those that he leaves.
 */
import { lookup } from "node:dns/promises";
import net from "node:net";
import { mayPeersMeet, type PeerNames } from "@tidemark/proto";
import type { SlabPool } from "../../api/index.ts";
import {
  type Logger,
  type PeerAddress,
  PeerError,
  type PeerIdentity,
  type PeerStream,
  type PeerStreamHandlers,
  type PeerTransport,
} from "../../ports/index.ts";
import { CallLink } from "./call-link.ts";
import { nameOf } from "./connection.ts";
import type { LinkDeps } from "./link-deps.ts";
import { RaftLink } from "./raft-link.ts";
import { ReplicationLink } from "./replication-link.ts";

export interface TcpPeerTransportOptions {
  /** Who this node is, by now. */
  identity(): PeerIdentity;
  readonly slabs: SlabPool;
  readonly logger: Logger;
  /** How long a peer is missed before the log says so; for tests. */
  readonly missedAfterMs?: number;
}

/** A connection that broke is made again sooner, where the peer is alive; brokers that stop together are gone sooner. */
const MISSED_AFTER_MS = 1_000;
/** Of one address in `isRefused`: a host that answers at all does it sooner. */
const PLAIN_DIAL_TIMEOUT_MS = 1_000;

type Link = RaftLink | CallLink;

interface Trouble {
  readonly to: PeerAddress;
  readonly error: PeerError;
  readonly what: string;
  /** Until then the log waits for the peer to be back; null where it does not wait. */
  telling: NodeJS.Timeout | null;
  isTold: boolean;
}

export class TcpPeerTransport implements PeerTransport {
  readonly #options: TcpPeerTransportOptions;
  readonly #deps: LinkDeps;
  readonly #raft = new Map<number, RaftLink>();
  readonly #control = new Map<number, CallLink>();
  readonly #replication = new Set<ReplicationLink>();
  /** By node: what is wrong with it; a peer that answers is not in it. */
  readonly #troubles = new Map<number, Trouble>();
  /** Nodes that have answered. */
  readonly #met = new Set<number>();
  #isLeaving = false;
  #isClosed = false;

  constructor(options: TcpPeerTransportOptions) {
    this.#options = options;
    this.#deps = {
      slabs: options.slabs,
      identity: () => options.identity(),
      meet: (to, names) => this.#meet(to, names),
      note: (to, error) => this.#note(to, error),
    };
  }

  sendRaft(to: PeerAddress, frame: Uint8Array): void {
    if (!this.#isClosed) this.#link(this.#raft, RaftLink, to).send(frame);
  }

  call(to: PeerAddress, method: string, body: Uint8Array, timeoutMs: number): Promise<Uint8Array> {
    if (this.#isClosed) return Promise.reject(closedError());
    return this.#link(this.#control, CallLink, to).call(method, body, timeoutMs);
  }

  openReplication(to: PeerAddress, handlers: PeerStreamHandlers): PeerStream {
    const link = new ReplicationLink(to, this.#deps, handlers, (over) => this.#replication.delete(over));
    this.#replication.add(link);
    if (this.#isClosed) link.abort(closedError());
    return link;
  }

  watchControl(to: PeerAddress, onLost: () => void): () => void {
    if (this.#isClosed) return () => undefined;
    return this.#link(this.#control, CallLink, to).watch(onLost);
  }

  async isRefused({ host, port }: PeerAddress): Promise<boolean> {
    if (this.#isClosed) return false;
    // By itself each: the joint error of several addresses hides what each of them said.
    const addresses = await lookup(host, { all: true }).catch(() => []);
    const verdicts = await Promise.all(addresses.map(({ address }) => isDialRefused(address, port)));
    return verdicts.length > 0 && verdicts.every((isDialled) => isDialled);
  }

  /** The node has made itself heard: what waits to dial it does so now. */
  onPeerHeard(nodeId: number): void {
    this.#raft.get(nodeId)?.channel.retryNow();
    this.#control.get(nodeId)?.channel.retryNow();
  }

  /** Peers that do not answer, or refuse this node, and what was heard of them last. */
  awayPeers(): { readonly to: PeerAddress; readonly error: PeerError }[] {
    return [...this.#troubles.values()].map(({ to, error }) => ({ to, error }));
  }

  /** This broker stops, and so may the others: what becomes of them is not told any more. */
  leave(): void {
    this.#isLeaving = true;
    for (const { telling } of this.#troubles.values()) clearTimeout(telling ?? undefined);
  }

  async close(): Promise<void> {
    this.leave();
    this.#isClosed = true;
    const error = closedError();
    for (const link of [...this.#raft.values(), ...this.#control.values()]) link.channel.close(error);
    for (const link of this.#replication) link.abort(error);
    this.#raft.clear();
    this.#control.clear();
    // Sockets say that they are closed in a turn of their own; so do the streams on them.
    await new Promise((resolve) => setImmediate(resolve));
  }

  /** A node that has moved is dialled where it is now. */
  #link<L extends Link>(links: Map<number, L>, make: new (to: PeerAddress, deps: LinkDeps) => L, to: PeerAddress): L {
    const link = links.get(to.nodeId);
    if (link !== undefined) {
      const { host, port } = link.channel.to;
      if (host === to.host && port === to.port) return link;
      link.channel.close(new PeerError("closed", `${nameOf(link.channel.to)} is at another address now`));
    }
    const made = new make(to, this.#deps);
    links.set(to.nodeId, made);
    return made;
  }

  #meet(to: PeerAddress, theirs: PeerNames | null): void {
    const ours = this.#options.identity();
    if (theirs === null) throw new PeerError("refused", `no peer of this version stands at ${to.host}:${to.port}`);
    if (!mayPeersMeet(ours, theirs))
      throw new PeerError("refused", `${nameOf(to)} belongs to cluster ${theirs.clusterId}, not to ${ours.clusterId}`, {
        code: "INCONSISTENT_CLUSTER_ID",
      });
    if (theirs.nodeId !== to.nodeId)
      throw new PeerError("refused", `node ${theirs.nodeId} stands at the address of ${nameOf(to)}`, {
        code: "INVALID_VOTER_KEY",
      });
    const isFirst = !this.#met.has(to.nodeId);
    this.#met.add(to.nodeId);
    const trouble = this.#troubles.get(to.nodeId);
    if (trouble === undefined) return;
    this.#troubles.delete(to.nodeId);
    clearTimeout(trouble.telling ?? undefined);
    if (!trouble.isTold) return;
    const { logger } = this.#options;
    if (isFirst) logger.info("a peer is there", { brokerId: to.nodeId });
    else logger.info("a peer is there again", { brokerId: to.nodeId });
  }

  #note(to: PeerAddress, error: PeerError): void {
    if (this.#isLeaving) return;
    const what = error.kind === "refused" ? `refused ${error.message}` : "away";
    const before = this.#troubles.get(to.nodeId);
    if (before?.what === what) return;
    clearTimeout(before?.telling ?? undefined);
    const trouble: Trouble = { to, error, what, telling: null, isTold: before?.isTold === true };
    this.#troubles.set(to.nodeId, trouble);
    const tell = (): void => {
      trouble.isTold = true;
      this.#tell(to, error);
    };
    if (error.kind === "refused") return tell();
    trouble.telling = setTimeout(tell, this.#options.missedAfterMs ?? MISSED_AFTER_MS).unref();
  }

  #tell(to: PeerAddress, error: PeerError): void {
    const { logger } = this.#options;
    const fields = {
      brokerId: to.nodeId,
      address: `${to.host}:${to.port}`,
      code: error.code ?? undefined,
      reason: error.message,
    };
    if (error.kind === "refused") logger.error("a peer and this broker refuse each other", fields);
    else if (this.#met.has(to.nodeId)) logger.warn("a peer is away", fields);
    else logger.info("a peer is not there yet", fields);
  }
}

function closedError(): PeerError {
  return new PeerError("closed", "this broker's peer transport is closed");
}

function isDialRefused(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect({ host, port });
    const timer = setTimeout(() => settle(false), PLAIN_DIAL_TIMEOUT_MS);
    timer.unref();
    const settle = (isRefused: boolean): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(isRefused);
    };
    socket.once("connect", () => settle(false));
    socket.on("error", (error: NodeJS.ErrnoException) => settle(error.code === "ECONNREFUSED"));
  });
}
