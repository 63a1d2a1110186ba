/**
 * One produce stream: requests with batches in, answers and credit out (data.proto, `Produce`).
 *
 * The client may have PRODUCE_CREDIT_BYTES of batches unanswered and one request beyond. What a request took comes back with
 * its answer; answers to ACKS_NONE carry credit alone and share one message per turn. Who sends without credit breaks the
 * contract and loses the stream.
 *
 * Reading stops while the broker's request budget is spent (11.4) or the client does not read its answers; what was read is
 * finished. When the client ends its side, the stream ends after the last answer.
 */
import type { ServerDuplexStream } from "@grpc/grpc-js";
import { Acks as WireAcks, Durability, errorRow, PRODUCE_CREDIT_BYTES, wire } from "@tidemark/proto";
import type { wire as Wire } from "@tidemark/proto";
import { ApiError, handleProduce } from "../../api/index.ts";
import type { BrokerContext, ClientContext, ProduceRequest, ProduceResult } from "../../api/index.ts";
import { clientOf, errorOf } from "./door-context.ts";
import { statusOf } from "./status.ts";

type WireRequest = ReturnType<typeof Wire.produceRequest.decode>;
type WireResult = Parameters<typeof Wire.produceResponse.encode>[0]["results"][number];

const acksByWire = new Map<number, ProduceRequest["acks"]>([
  [WireAcks.UNSPECIFIED, "all"],
  [WireAcks.ALL, "all"],
  [WireAcks.LEADER, "leader"],
  [WireAcks.NONE, "none"],
]);

const wireDurability = {
  none: Durability.NONE,
  "page-cache": Durability.PAGE_CACHE,
  "group-commit": Durability.GROUP_COMMIT,
  "fsync-each": Durability.FSYNC_EACH,
} as const;

export class ProduceStream {
  readonly #call: ServerDuplexStream<Buffer, Buffer>;
  readonly #context: BrokerContext;
  readonly #client: ClientContext;
  readonly #onClosed: (stream: ProduceStream) => void;
  /** Requests without an answer. */
  #unanswered = 0;
  /** What the client may still send; one request may take it below 0. */
  #credit = PRODUCE_CREDIT_BYTES;
  /** Credit of ACKS_NONE that waits for the end of the turn. */
  #creditDue = 0;
  #isCreditAsked = false;
  /** The client has ended its side, or the broker stops: no more requests, answers still leave. */
  #isEnding = false;
  #isOver = false;
  #isBudgetAwaited = false;
  #isDrainAwaited = false;
  readonly #sendCredit = (): void => this.#flushCredit();
  readonly #onBudget = (): void => {
    this.#isBudgetAwaited = false;
    this.#maybeResume();
  };

  constructor(call: ServerDuplexStream<Buffer, Buffer>, context: BrokerContext, onClosed: (stream: ProduceStream) => void) {
    this.#call = call;
    this.#context = context;
    this.#client = clientOf(call);
    this.#onClosed = onClosed;
    context.counters.produceStreams++;
    call.on("data", (bytes: Buffer) => this.#onMessage(bytes));
    call.on("end", () => this.end());
    call.on("cancelled", () => this.#close());
    call.on("close", () => this.#close());
    call.on("error", () => this.#close());
    call.on("drain", () => {
      this.#isDrainAwaited = false;
      this.#maybeResume();
    });
    this.#send(wire.produceResponse.encode({ correlationId: 0, results: [], creditBytes: PRODUCE_CREDIT_BYTES }));
  }

  /** No more requests; the stream ends after the last answer. */
  end(): void {
    if (this.#isOver || this.#isEnding) return;
    this.#isEnding = true;
    this.#maybeFinish();
  }

  /** Ends the stream now; unanswered requests stay so. */
  fail(error: ApiError): void {
    if (this.#isOver) return;
    const call = this.#call;
    this.#close();
    call.emit("error", statusOf(error));
  }

  get isQuiet(): boolean {
    return this.#unanswered === 0;
  }

  #onMessage(bytes: Buffer): void {
    if (this.#isOver || this.#isEnding) return;
    try {
      this.#onRequest(wire.produceRequest.decode(bytes));
    } catch (thrown: unknown) {
      this.fail(errorOf(thrown, "Produce", this.#context));
    }
  }

  #onRequest(request: WireRequest): void {
    if (this.#credit <= 0) throw new ApiError("INVALID_REQUEST", "the request was sent without credit");
    let taken = 0;
    for (const { records } of request.partitions) taken += records.length;
    this.#credit -= taken;
    const acks = acksByWire.get(request.acks);
    if (acks === undefined) {
      const refused = request.partitions.map(() => refusal("INVALID_REQUIRED_ACKS"));
      this.#credit += taken;
      this.#send(wire.produceResponse.encode({ correlationId: request.correlationId, results: refused, creditBytes: taken }));
      return;
    }
    this.#unanswered++;
    this.#dispatch(request, acks, taken);
    if (this.#context.budget.isExhausted) this.#awaitBudget();
  }

  /** Apart from `#onRequest`, so that the answer's closure holds numbers and not the request with its bytes. */
  #dispatch(request: WireRequest, acks: ProduceRequest["acks"], taken: number): void {
    const { timeoutMs, partitions } = request;
    handleProduce(this.#context, { acks, timeoutMs, partitions }, this.#client, this.#answerTo(request.correlationId, acks, taken));
  }

  #answerTo(correlationId: number, acks: ProduceRequest["acks"], taken: number): (results: readonly ProduceResult[]) => void {
    return (results) => {
      this.#unanswered--;
      if (this.#isOver) return;
      this.#credit += taken;
      if (acks === "none") this.#answerNone(results, taken);
      else this.#send(wire.produceResponse.encode({ correlationId, results: results.map(toWire), creditBytes: taken }));
      this.#maybeFinish();
    };
  }

  /** 8.1: no answer, and on any error the end of the stream, so that the client refreshes its metadata. */
  #answerNone(results: readonly ProduceResult[], taken: number): void {
    const failed = results.find(({ code }) => code !== "NONE");
    if (failed !== undefined) return this.fail(new ApiError(failed.code, failed.message));
    this.#creditDue += taken;
    if (this.#isCreditAsked) return;
    this.#isCreditAsked = true;
    this.#context.turn.flush(this.#sendCredit);
  }

  #flushCredit(): void {
    this.#isCreditAsked = false;
    if (this.#isOver || this.#creditDue === 0) return;
    const creditBytes = this.#creditDue;
    this.#creditDue = 0;
    this.#send(wire.produceResponse.encode({ correlationId: 0, results: [], creditBytes }));
    this.#maybeFinish();
  }

  #send(message: Buffer): void {
    if (this.#call.write(message)) return;
    this.#isDrainAwaited = true;
    this.#call.pause();
  }

  #awaitBudget(): void {
    this.#call.pause();
    if (this.#isBudgetAwaited) return;
    this.#isBudgetAwaited = true;
    this.#context.budget.whenFree(this.#onBudget);
  }

  #maybeResume(): void {
    if (this.#isOver || this.#isBudgetAwaited || this.#isDrainAwaited) return;
    this.#call.resume();
  }

  #maybeFinish(): void {
    if (!this.#isEnding || this.#isOver || this.#unanswered > 0 || this.#isCreditAsked) return;
    const call = this.#call;
    this.#close();
    call.end();
  }

  #close(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#context.counters.produceStreams--;
    this.#onClosed(this);
  }
}

function toWire(result: ProduceResult): WireResult {
  return {
    errorCode: result.code === "NONE" ? 0 : errorRow(result.code).code,
    errorMessage: result.message,
    baseOffset: result.baseOffset,
    logAppendTime: result.logAppendTime,
    logStartOffset: result.logStartOffset,
    duplicate: result.isDuplicate,
    durability: result.durability === null ? Durability.UNSPECIFIED : wireDurability[result.durability],
    leader: result.leader === null ? null : { ...result.leader },
  };
}

function refusal(code: ProduceResult["code"]): WireResult {
  return toWire({ code, message: "", baseOffset: 0, logAppendTime: -1, logStartOffset: 0, isDuplicate: false, durability: null, leader: null });
}
