/**
 * One fetch stream: subscriptions and credit in, record batches out (data.proto, `Fetch`).
 *
 * A few messages are written ahead of the socket and no more: what a reader does not take stays in the log, not in memory.
 * When the client ends its side the stream ends; what was written before still leaves.
 */
import type { ServerDuplexStream } from "@grpc/grpc-js";
import { errorRow, wire } from "@tidemark/proto";
import type { wire as Wire } from "@tidemark/proto";
import { FetchStream as FetchUseCase, leaderHint } from "../../api/index.ts";
import type { ApiError, BrokerContext, ClientContext, FetchedPart } from "../../api/index.ts";
import { clientOf, errorOf } from "./door-context.ts";
import { Frame } from "./frame.ts";
import { statusOf } from "./status.ts";

type WirePart = Parameters<typeof Wire.fetchResponse.head>[0];

/** Bytes handed to the stream and not yet taken by the socket, above which no further message is made. */
const WRITE_AHEAD_BYTES = 2 * 1024 * 1024;

export class FetchStream {
  readonly #call: ServerDuplexStream<Buffer, Frame>;
  readonly #context: BrokerContext;
  readonly #client: ClientContext;
  readonly #useCase: FetchUseCase;
  readonly #onClosed: (stream: FetchStream) => void;
  /** Sizes of the messages on their way to the socket, oldest first. */
  readonly #aheadSizes: number[] = [];
  #aheadBytes = 0;
  #isOver = false;
  readonly #onWritten = (): void => this.#onMessageWritten();

  constructor(call: ServerDuplexStream<Buffer, Frame>, context: BrokerContext, onClosed: (stream: FetchStream) => void) {
    this.#call = call;
    this.#context = context;
    this.#client = clientOf(call);
    this.#onClosed = onClosed;
    this.#useCase = new FetchUseCase(context, this);
    context.counters.fetchStreams++;
    call.on("data", (bytes: Buffer) => this.#onMessage(bytes));
    call.on("end", () => this.end());
    call.on("cancelled", () => this.#close());
    call.on("close", () => this.#close());
    call.on("error", () => this.#close());
  }

  // ---- FetchSink ----

  get isWritable(): boolean {
    return !this.#isOver && this.#aheadBytes < WRITE_AHEAD_BYTES;
  }

  send(parts: readonly FetchedPart[]): void {
    if (this.#isOver) return;
    const { counters } = this.#context;
    counters.fetchMessages++;
    for (const part of parts) {
      counters.bytesOut += part.records.length;
      if (part.code !== "NONE") counters.fetchErrors++;
    }
    const frame = new Frame();
    for (const part of parts) {
      frame.push(wire.fetchResponse.head(this.#toWire(part), part.records.length));
      if (part.records.length > 0) frame.push(part.records);
    }
    this.#aheadSizes.push(frame.byteLength);
    this.#aheadBytes += frame.byteLength;
    this.#call.write(frame, this.#onWritten);
  }

  onReadFault(cause: unknown): void {
    this.#context.errors.log("Fetch", cause);
  }

  // ---- life ----

  end(): void {
    if (this.#isOver) return;
    this.#close();
    this.#call.end();
  }

  fail(error: ApiError): void {
    if (this.#isOver) return;
    this.#close();
    this.#call.emit("error", statusOf(error));
  }

  #onMessage(bytes: Buffer): void {
    if (this.#isOver) return;
    try {
      this.#useCase.handle(wire.fetchRequest.decode(bytes));
    } catch (thrown: unknown) {
      this.fail(errorOf(thrown, "Fetch", this.#context));
    }
  }

  #onMessageWritten(): void {
    const wasWritable = this.isWritable;
    this.#aheadBytes -= this.#aheadSizes.shift() ?? 0;
    if (!wasWritable && this.isWritable) this.#useCase.onWritable();
  }

  #close(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#useCase.close();
    this.#context.counters.fetchStreams--;
    this.#onClosed(this);
  }

  #toWire(part: FetchedPart): WirePart {
    const { code } = part;
    const needsLeader = code === "NOT_LEADER_OR_FOLLOWER" || code === "FENCED_LEADER_EPOCH";
    const hint = needsLeader ? leaderHint(this.#context, this.#client, part.topic, part.partition) : null;
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
