/**
 * One fetch stream: subscriptions and credit in, record batches out (data.proto, `Fetch`).
 *
 * A few messages are written ahead of the socket and no more: what a reader does not take stays in the log, not in memory.
 * Nor are its requests read meanwhile: refused subscriptions are answers too.
 * Records are written from the memory they were read into. When the client ends its side the stream ends; what was written
 * before still leaves.
 */
import { errorRow, wire } from "@tidemark/proto";
import { FetchStream as FetchUseCase, leaderHint } from "../../api/index.ts";
import type { ApiError, BrokerContext, FetchedPart, FetchMessage, FetchSink } from "../../api/index.ts";
import { errorOf } from "./door-context.ts";
import type { StreamCall, StreamListener } from "./stream-call.ts";

type WirePart = Parameters<typeof wire.fetchResponse.head>[0];

/** Bytes handed to the stream and not yet taken by the socket, above which no further message is made. */
const WRITE_AHEAD_BYTES = 2 * 1024 * 1024;
/** The same for the memory that those messages were lent: a small batch alone has a slab of its own. */
const LENT_AHEAD_BYTES = 6 * 1024 * 1024;

export class FetchStream implements StreamListener, FetchSink {
  readonly #call: StreamCall;
  readonly #context: BrokerContext;
  readonly #useCase: FetchUseCase;
  readonly #onClosed: (stream: FetchStream) => void;
  #lentBytes = 0;

  constructor(call: StreamCall, context: BrokerContext, onClosed: (stream: FetchStream) => void) {
    this.#call = call;
    this.#context = context;
    this.#onClosed = onClosed;
    this.#useCase = new FetchUseCase(context, this);
    context.counters.fetchStreams++;
    call.listen(this);
  }

  // ---- FetchSink ----

  get isWritable(): boolean {
    const call = this.#call;
    return !call.isOver && call.aheadBytes < WRITE_AHEAD_BYTES && this.#lentBytes < LENT_AHEAD_BYTES;
  }

  send(message: FetchMessage): void {
    const { counters } = this.#context;
    counters.fetchMessages++;
    counters.bytesOut += message.bytes;
    const pieces: Buffer[] = [];
    for (const part of message.parts) {
      if (part.code !== "NONE") counters.fetchErrors++;
      pieces.push(wire.fetchResponse.head(this.#toWire(part), part.records.length));
      if (part.records.length > 0) pieces.push(part.records);
    }
    this.#lentBytes += message.lentBytes;
    this.#call.send(pieces, () => {
      this.#lentBytes -= message.lentBytes;
      message.release();
      this.#useCase.onWritable();
      if (this.isWritable) this.#call.resume();
    });
  }

  onReadFault(cause: unknown): void {
    this.#context.errors.log("Fetch", cause);
  }

  // ---- StreamListener ----

  onMessage(message: Buffer, slab: Buffer | null): void {
    try {
      this.#useCase.handle(wire.fetchRequest.decode(message));
    } catch (thrown: unknown) {
      this.fail(errorOf(thrown, "Fetch", this.#context));
    }
    if (slab !== null) this.#context.slabs.give(slab);
    if (!this.isWritable && !this.#call.isOver) this.#call.pause();
  }

  onEnd(): void {
    this.#call.end();
  }

  onClosed(): void {
    this.#useCase.close();
    this.#context.counters.fetchStreams--;
    this.#onClosed(this);
  }

  fail(error: ApiError): void {
    this.#call.fail(error);
  }

  #toWire(part: FetchedPart): WirePart {
    const { code } = part;
    const needsLeader = code === "NOT_LEADER_OR_FOLLOWER" || code === "FENCED_LEADER_EPOCH";
    const hint = needsLeader ? leaderHint(this.#context, this.#call.client, part.topic, part.partition) : null;
    return {
      subscriptionId: part.subscriptionId,
      errorCode: code === "NONE" ? 0 : errorRow(code).code,
      errorMessage: part.message,
      fetchOffset: part.fetchOffset,
      highWatermark: part.highWatermark,
      lastStableOffset: part.lastStableOffset,
      logStartOffset: part.logStartOffset,
      leaderEpoch: part.leaderEpoch,
      leader: hint === null ? null : { ...hint },
    };
  }
}
