/**
 * A connection to one peer that comes back: dialled when its user wants it, again when it breaks while it is still wanted, at once
 * after one that had worked and with growing rests after failures. While nobody wants it nothing is dialled.
 *
 *     idle → dialling → open → idle          closed while open
 *            dialling → resting → idle       could not be made; with `want` the rest is waited for
 */
import type { PeerPurpose } from "@tidemark/proto";
import { BackOff } from "../../base/index.ts";
import { type PeerAddress, PeerError } from "../../ports/index.ts";
import { nameOf, PeerConnection } from "./connection.ts";
import type { LinkDeps } from "./link-deps.ts";

export interface ChannelUser {
  /** Whether the connection is to be made again when it broke. */
  readonly isWanted: boolean;
  onOpen(): void;
  onFrame(kind: number, payload: Buffer): void;
  /** It broke, or could not be made. */
  onLost(error: PeerError): void;
  /** This node names itself anew, on a connection that is made when it is wanted: what is under way on this one is not answered. */
  onRenewed(error: PeerError): void;
}

const BACK_OFF = { firstMs: 50, maxMs: 1_000 };
/** A connection that lived for less has proved nothing: whoever breaks it at once is not to be dialled without rest. */
const PROVEN_MS = 1_000;

export class PeerChannel {
  readonly to: PeerAddress;
  readonly #purpose: PeerPurpose;
  readonly #deps: LinkDeps;
  readonly #user: ChannelUser;
  readonly #backOff = new BackOff(BACK_OFF);
  #connection: PeerConnection | null = null;
  #rest: NodeJS.Timeout | null = null;
  #isClosed = false;

  constructor(to: PeerAddress, purpose: PeerPurpose, deps: LinkDeps, user: ChannelUser) {
    this.to = to;
    this.#purpose = purpose;
    this.#deps = deps;
    this.#user = user;
  }

  /** What frames are sent on now; null while it is not open. */
  current(): PeerConnection | null {
    const connection = this.#connection;
    if (connection === null || !connection.isOpen) return null;
    if (!connection.isOutdated) return connection;
    const renewed = new PeerError("closed", `this node names itself anew to ${nameOf(this.to)}`);
    this.#connection = null;
    connection.close(renewed);
    this.#user.onRenewed(renewed);
    return null;
  }

  get isResting(): boolean {
    return this.#rest !== null;
  }

  /** Dials, if that is not under way, done, or due after a rest. */
  want(): void {
    if (this.#isClosed || this.#connection !== null || this.#rest !== null) return;
    const user = this.#user;
    const connection = new PeerConnection(this.to, this.#purpose, this.#deps, {
      onOpen: () => user.onOpen(),
      onFrame: (kind, payload) => {
        if (this.#connection === connection) user.onFrame(kind, payload);
      },
      onWritten: () => undefined,
      onClosed: (error) => this.#onClosed(connection, error),
    });
    this.#connection = connection;
  }

  /** The peer was heard of: no use to rest any longer. */
  retryNow(): void {
    this.#backOff.reset();
    if (this.#rest === null) return;
    clearTimeout(this.#rest);
    this.#onRested();
  }

  /** For good. */
  close(error: PeerError): void {
    this.#isClosed = true;
    if (this.#rest !== null) clearTimeout(this.#rest);
    this.#rest = null;
    if (this.#connection === null) this.#user.onLost(error);
    else this.#connection.close(error);
  }

  #onClosed(connection: PeerConnection, error: PeerError): void {
    if (this.#connection !== connection) return;
    this.#connection = null;
    const hasWorked = connection.provenMs >= PROVEN_MS && error.kind !== "refused";
    if (hasWorked) this.#backOff.reset();
    else if (!this.#isClosed) {
      this.#rest = setTimeout(() => this.#onRested(), this.#backOff.onFailure(Math.random()));
      this.#rest.unref();
    }
    this.#user.onLost(error);
    if (this.#user.isWanted) this.want();
  }

  #onRested(): void {
    this.#rest = null;
    if (this.#user.isWanted) this.want();
  }
}
