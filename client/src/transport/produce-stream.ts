/**
 * The produce stream to one broker: many requests in flight, answers by correlation id, credit in bytes granted by the
 * broker (data.proto). It opens when somebody has something to send, tells its users when there is room, and after a
 * failure opens again with growing pauses for as long as somebody wants it.
 *
 *     idle -> opening -> open -> idle (the call ended; a pause runs before the next opening)
 *
 * What was sent and not answered when the call ends is told as lost, in the order of sending. An answer that does not come
 * within the request timeout (the broker's own, and a grace) ends the call: a silent connection is a dead one.
 */
import { DATA_SERVICE, type ProducePartition, type ProducePartitionResult, wire } from "@tidemark/proto";
import { backoffMs } from "../core/backoff.ts";
import { BrokerError } from "../errors.ts";
import type { ByteStream } from "./connection.ts";
import type { Settings } from "./settings.ts";

/** How much later than the broker's own timeout an answer may come. */
const ANSWER_GRACE_MAX_MS = 5_000;

/** One request under way. */
export interface Ticket {
  /**
   * With a result for each partition, in order; those that are pending come with another answer, or are lost. Requests without
   * acks are answered with no results when they are written.
   */
  onAnswer(results: readonly ProducePartitionResult[]): void;
  /** What was not answered. Nothing is called after it. */
  onLost(error: BrokerError): void;
}

/** Told when there may be room again. */
export interface StreamUser {
  onRoom(): void;
  /** The stream to this broker could not be opened, or ended. */
  onStreamError(broker: { readonly address: string }): void;
}

export interface Outgoing {
  readonly acks: number;
  readonly timeoutMs: number;
  readonly partitions: ProducePartition[];
  readonly wantsAnswer: boolean;
}

interface Pending {
  readonly ticket: Ticket;
  readonly sentAt: number;
  /** Partitions without a result. */
  left: number;
}

export class ProduceStream {
  readonly #connection: { readonly address: string; open(path: string): ByteStream };
  readonly #settings: Settings;
  #call: ByteStream | null = null;
  /** Bytes that may be sent; one request may take it below zero. Meaningless while not open. */
  #credit = 0;
  #isOpen = false;
  #isBlocked = false;
  #isClosed = false;
  /** Somebody asked for room since the last call ended. */
  #isWanted = false;
  #failures = 0;
  #pause: NodeJS.Timeout | null = null;
  #watchdog: NodeJS.Timeout | null = null;
  #nextCorrelationId = 1;
  /** By correlation id, in the order of sending. */
  readonly #pending = new Map<number, Pending>();
  readonly #users = new Set<StreamUser>();

  constructor(connection: { readonly address: string; open(path: string): ByteStream }, settings: Settings) {
    this.#connection = connection;
    this.#settings = settings;
  }

  /** Whether a request may be sent now, and the socket is not behind. */
  get hasRoom(): boolean {
    return this.hasCredit && !this.#isBlocked;
  }

  /** Whether the broker takes a request now. */
  get hasCredit(): boolean {
    return this.#isOpen && this.#credit > 0;
  }

  /** Asks for room: opens the stream if need be. `user` is told of room and failures from now on, until it leaves. */
  want(user: StreamUser): void {
    if (this.#isClosed) return;
    this.#users.add(user);
    this.#isWanted = true;
    if (this.#call === null && this.#pause === null) this.#open();
  }

  leave(user: StreamUser): void {
    this.#users.delete(user);
  }

  /** Sends a request. Only while there is room, or behind another one that was sent in the same stretch while there is credit. */
  send(outgoing: Outgoing, ticket: Ticket): void {
    const call = this.#call;
    if (call === null || !this.hasCredit) throw new Error("a request is sent only while there is room");
    const correlationId = this.#nextCorrelationId;
    this.#nextCorrelationId += 1;
    const { acks, timeoutMs, partitions } = outgoing;
    for (const { records } of partitions) this.#credit -= records.length;
    this.#pending.set(correlationId, { ticket, sentAt: performance.now(), left: partitions.length });
    const inParts = outgoing.wantsAnswer && partitions.length > 1;
    const request = wire.produceRequest.defer({ correlationId, acks, timeoutMs, partitions, inParts });
    const onWritten = (error?: Error | null): void => {
      if (error === null || error === undefined) this.#answer(correlationId, []);
    };
    const isBehind = !call.write(request, outgoing.wantsAnswer ? undefined : onWritten);
    if (isBehind && !this.#isBlocked) {
      this.#isBlocked = true;
      call.once("drain", () => {
        if (call !== this.#call) return;
        this.#isBlocked = false;
        this.#tellRoom();
      });
    }
    this.#armWatchdog();
  }

  /** For good: what was not answered is lost, for `reason`. */
  close(reason: BrokerError): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    if (this.#pause !== null) clearTimeout(this.#pause);
    if (this.#call !== null) this.#fail(this.#call, reason);
    this.#users.clear();
  }

  #open(): void {
    const call = this.#connection.open(DATA_SERVICE.produce.path);
    this.#call = call;
    call.on("data", (bytes: Buffer) => this.#onMessage(call, bytes));
    call.on("error", (error: unknown) => this.#ended(call, BrokerError.from(error)));
    call.on("end", () =>
      this.#ended(call, new BrokerError("CONNECTION_LOST", `${this.#connection.address} ended the produce stream`)),
    );
    this.#armWatchdog();
  }

  #onMessage(call: ByteStream, bytes: Buffer): void {
    if (call !== this.#call) return;
    let response: ReturnType<typeof wire.produceResponse.decode>;
    try {
      response = wire.produceResponse.decode(bytes);
    } catch (error: unknown) {
      this.#fail(call, BrokerError.from(error));
      return;
    }
    const hadRoom = this.hasRoom;
    if (!this.#isOpen) {
      this.#isOpen = true;
      this.#failures = 0;
      this.#armWatchdog();
    }
    this.#credit += response.creditBytes;
    if (response.correlationId !== 0) this.#answer(response.correlationId, response.results);
    if (!hadRoom) this.#tellRoom();
  }

  #answer(correlationId: number, results: readonly ProducePartitionResult[]): void {
    const pending = this.#pending.get(correlationId);
    if (pending === undefined) return;
    for (const result of results) if (!result.pending) pending.left -= 1;
    if (results.length === 0 || pending.left <= 0) this.#pending.delete(correlationId);
    pending.ticket.onAnswer(results);
  }

  #tellRoom(): void {
    if (this.hasRoom) for (const user of this.#users) user.onRoom();
  }

  /** Gives the call up. */
  #fail(call: ByteStream, error: BrokerError): void {
    this.#ended(call, error);
    call.cancel();
  }

  #ended(call: ByteStream, error: BrokerError): void {
    if (call !== this.#call) return;
    this.#call = null;
    this.#logEnd(error);
    this.#isOpen = false;
    this.#isBlocked = false;
    this.#credit = 0;
    if (this.#watchdog !== null) clearTimeout(this.#watchdog);
    this.#watchdog = null;
    const lost = [...this.#pending.values()];
    this.#pending.clear();
    for (const { ticket } of lost) ticket.onLost(error);
    this.#isWanted = false;
    if (!this.#isClosed) this.#startPause();
    for (const user of this.#users) user.onStreamError(this.#connection);
  }

  /** A loss is told once; that the broker is still away is not news. */
  #logEnd(error: BrokerError): void {
    const { logger } = this.#settings;
    const fields = {
      broker: this.#connection.address,
      code: error.code,
      message: error.message,
      attempt: this.#failures + 1,
    };
    if (this.#isClosed) return;
    if (this.#isOpen || this.#failures === 0) logger.warn(fields, "the produce stream ended");
    else logger.debug(fields, "the produce stream could not be opened");
  }

  /** What is wanted during the pause is opened at its end. */
  #startPause(): void {
    this.#failures += 1;
    const delay = backoffMs(this.#settings.retry, this.#failures, Math.random());
    this.#pause = setTimeout(() => {
      this.#pause = null;
      if (this.#isWanted) this.#open();
    }, delay);
  }

  /** One timer: for the first message of a call that opens, then for the oldest request without an answer. */
  #armWatchdog(): void {
    if (this.#watchdog !== null && this.#isOpen && this.#pending.size > 1) return;
    if (this.#watchdog !== null) clearTimeout(this.#watchdog);
    this.#watchdog = null;
    const call = this.#call;
    if (call === null) return;
    if (!this.#isOpen) {
      this.#watchdog = setTimeout(
        () => this.#onSilence(call, "did not open the produce stream"),
        this.#settings.connectTimeoutMs,
      );
      return;
    }
    const [oldest] = this.#pending.values();
    if (oldest === undefined) return;
    const { requestTimeoutMs } = this.#settings;
    const limit = requestTimeoutMs + Math.min(requestTimeoutMs, ANSWER_GRACE_MAX_MS);
    const left = Math.max(oldest.sentAt + limit - performance.now(), 0);
    this.#watchdog = setTimeout(() => this.#checkOldest(call, limit), left);
  }

  #checkOldest(call: ByteStream, limit: number): void {
    this.#watchdog = null;
    const [oldest] = this.#pending.values();
    if (oldest === undefined) return;
    if (performance.now() - oldest.sentAt >= limit) this.#onSilence(call, "did not answer a produce request");
    else this.#armWatchdog();
  }

  #onSilence(call: ByteStream, what: string): void {
    this.#fail(call, new BrokerError("CONNECTION_LOST", `${this.#connection.address} ${what} in time`));
  }
}
