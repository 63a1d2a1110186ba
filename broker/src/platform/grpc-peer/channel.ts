/**
 * A connection to one peer that comes back: dialled when its user wants it, again when it breaks while it is still wanted, at once
 * after one that had worked and with growing rests after failures. While nobody wants it nothing is dialled.
 *
 *     idle → dialling → open → idle          closed while open
 *            dialling → resting → idle       could not be made; with `want` the rest is waited for
 */
import type { ClientHttp2Session } from "node:http2";
import { BackOff } from "../../base/index.ts";
import type { PeerAddress, PeerError } from "../../ports/index.ts";
import { PeerConnection } from "./connection.ts";

export interface ChannelUser {
  /** Whether the connection is to be made again when it broke. */
  readonly isWanted: boolean;
  onOpen(session: ClientHttp2Session): void;
  /** It broke, or could not be made. */
  onLost(error: PeerError): void;
}

const BACK_OFF = { firstMs: 50, maxMs: 1_000 };
/** A connection that lived for less has proved nothing: whoever breaks it at once is not to be dialled without rest. */
const PROVEN_MS = 1_000;

export class PeerChannel {
  readonly to: PeerAddress;
  readonly #user: ChannelUser;
  readonly #backOff = new BackOff(BACK_OFF);
  #connection: PeerConnection | null = null;
  #rest: NodeJS.Timeout | null = null;
  #isClosed = false;

  constructor(to: PeerAddress, user: ChannelUser) {
    this.to = to;
    this.#user = user;
  }

  /** Null unless it is open. */
  get session(): ClientHttp2Session | null {
    return this.#connection?.session ?? null;
  }

  get isResting(): boolean {
    return this.#rest !== null;
  }

  /** Dials, if that is not under way, done, or due after a rest. */
  want(): void {
    if (this.#isClosed || this.#connection !== null || this.#rest !== null) return;
    const connection = new PeerConnection(this.to, {
      onOpen: (session) => this.#user.onOpen(session),
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

  /** Breaks the connection off. */
  drop(error: PeerError): void {
    this.#connection?.close(error);
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
