/**
 * One fetch stream: subscriptions and credit in, record batches out (data.proto, `Fetch`).
 *
 * A few messages are written ahead of the socket and no more: what a reader does not take stays in the log, not in memory.
 * Nor are its requests read meanwhile: refused subscriptions are answers too.
 * Records are written from the memory they were read into. When the client ends its side the stream ends; what was written
 * before still leaves.
 */
import { errorRow, wire } from "@tidemark/proto";
import { ApiError, FetchStream as FetchUseCase, leaderHint } from "../../api/index.ts";
import type { FetchedPart, FetchMessage, FetchSink, RequestStats } from "../../api/index.ts";
import { errorOf } from "./door-context.ts";
import type { DoorContext } from "./door-context.ts";
import type { StreamCall, StreamListener } from "./stream-call.ts";

type WirePart = Parameters<typeof wire.fetchResponse.head>[0];

/** Bytes handed to the stream and not yet taken by the socket, above which no further message is made. */
const WRITE_AHEAD_BYTES = 2 * 1024 * 1024;
/** The same for the memory that those messages were lent: a small batch alone has a slab of its own. */
const LENT_AHEAD_BYTES = 6 * 1024 * 1024;

export class FetchStream implements StreamListener, FetchSink {
  readonly #call: StreamCall;
  readonly #context: DoorContext;
  readonly #stats: RequestStats;
  readonly #useCase: FetchUseCase;
  readonly #onClosed: (stream: FetchStream) => void;
  #lentBytes = 0;
  /** The client has ended its side: nothing more is said, and the stream ends when all of it was taken. */
  #isEnding = false;

  constructor(call: StreamCall, context: DoorContext, onClosed: (stream: FetchStream) => void) {
    this.#call = call;
    this.#context = context;
    this.#onClosed = onClosed;
    this.#useCase = new FetchUseCase(context, this);
    this.#stats = context.requests.of("Fetch", "GRPC");
    context.counters.fetchStreams++;
    call.listen(this);
  }

  // ---- FetchSink ----

  get isWritable(): boolean {
    const call = this.#call;
    return !call.isOver && call.aheadBytes < WRITE_AHEAD_BYTES && this.#lentBytes < LENT_AHEAD_BYTES;
  }

  send(message: FetchMessage): void {
    const { counters, clock } = this.#context;
    counters.fetchRequests++;
    counters.bytesOut += message.bytes;
    const sentAt = clock.monotonicNow();
    const pieces: Buffer[] = [];
    for (const part of message.parts) {
      let bytes = 0;
      for (const piece of part.records) bytes += piece.length;
      this.#count(part, bytes);
      pieces.push(wire.fetchResponse.head(this.#toWire(part), bytes), ...part.records);
    }
    this.#lentBytes += message.lentBytes;
    this.#call.send(pieces, () => {
      this.#lentBytes -= message.lentBytes;
      message.release();
      this.#record(message.startedAt, sentAt, message.bytes);
      this.#useCase.onWritable();
      if (this.isWritable) this.#call.resume();
      this.#maybeEnd();
    });
  }

  #count(part: FetchedPart, bytes: number): void {
    const { counters, refusals } = this.#context;
    const { traffic } = part;
    if (part.code !== "NONE") {
      counters.fetchRequestsFailed++;
      refusals.count("fetch", part.code);
      if (traffic !== null) traffic.fetchRequestsFailed++;
    }
    if (traffic === null) return;
    traffic.fetchRequests++;
    traffic.bytesOut += bytes;
  }

  /** Of the broker's pushing; how long the reader waited for something to be there is not in it. */
  #record(startedAt: number, sentAt: number, bytes: number): void {
    const { clock, requests } = this.#context;
    const times = { arrivedAt: startedAt, startedAt, takenAt: sentAt, doneAt: sentAt };
    const { clientId } = this.#call.client;
    requests.record(this.#stats, times, clock.monotonicNow(), bytes, () => ({ clientId }));
  }

  onTooSlow(): void {
    this.#call.abort(
      new ApiError("THROTTLING_QUOTA_EXCEEDED", "nothing that was sent was taken, and others waited for its memory"),
    );
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
    this.#isEnding = true;
    this.#useCase.finish();
    this.#maybeEnd();
  }

  /** Not before: a stream that is over counts for nothing, and a reader that stands still would hold what no bound knows of. */
  #maybeEnd(): void {
    if (this.#isEnding && this.#lentBytes === 0) this.#call.end();
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
