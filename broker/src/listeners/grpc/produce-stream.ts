/**
 * One produce stream: requests with batches in, answers and credit out (data.proto, `Produce`).
 *
 * The client may have PRODUCE_CREDIT_BYTES of batches unanswered and one request beyond. What a request took comes back with
 * its answer; answers to ACKS_NONE carry credit alone and share one message per turn. Who sends without credit breaks the
 * contract and loses the stream. A request that asks for it may be answered in parts.
 *
 * Reading stops while the broker's request budget is spent (11.4) or the client does not read its answers; what was read is
 * finished. When the client ends its side, the stream ends after the last answer. Answers of one turn leave together.
 */
import { Acks as WireAcks, Durability, errorRow, PRODUCE_CREDIT_BYTES, wire } from "@tidemark/proto";
import { SharedMemory } from "../../base/index.ts";
import { ApiError, handleProduce } from "../../api/index.ts";
import type { ProduceRequest, ProduceResult, ProduceResults, RequestStats, RequestTimes } from "../../api/index.ts";
import { errorOf } from "./door-context.ts";
import type { DoorContext } from "./door-context.ts";
import type { StreamCall, StreamListener } from "./stream-call.ts";

type WireRequest = ReturnType<typeof wire.produceRequest.decode>;
type WireResult = Parameters<typeof wire.produceResponse.encode>[0]["results"][number];

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

/** Answers not yet taken by the socket, above which no further request is read. */
const WRITE_AHEAD_BYTES = 256 * 1024;

interface Asked {
  readonly correlationId: number;
  readonly acks: ProduceRequest["acks"];
  /** Bytes of all batches; and of each, where the answer may come in parts. */
  readonly taken: number;
  readonly bytes: readonly number[] | null;
}

interface Answered {
  readonly correlationId: number;
  readonly times: RequestTimes;
  readonly bytes: number;
}

export class ProduceStream implements StreamListener {
  readonly #call: StreamCall;
  readonly #context: DoorContext;
  readonly #stats: RequestStats;
  readonly #onClosed: (stream: ProduceStream) => void;
  /** Requests without an answer. */
  #unanswered = 0;
  /** What the client may still send; one request may take it below 0. */
  #credit = PRODUCE_CREDIT_BYTES;
  /** Answers for the end of the turn, and the credit of ACKS_NONE among them. */
  #answers: Buffer[] = [];
  #creditDue = 0;
  /** Requests whose answers leave at the end of the turn. */
  readonly #answered: Answered[] = [];
  #isFlushAsked = false;
  /** The client has ended its side, or the broker stops: no more requests, answers still leave. */
  #isEnding = false;
  #isPaused = false;
  #isBudgetAwaited = false;
  readonly #flush = (): void => this.#flushAnswers();
  readonly #onWritten = (): void => this.#maybeResume();
  readonly #onBudget = (): void => {
    this.#isBudgetAwaited = false;
    this.#maybeResume();
  };

  constructor(call: StreamCall, context: DoorContext, onClosed: (stream: ProduceStream) => void) {
    this.#call = call;
    this.#context = context;
    this.#onClosed = onClosed;
    this.#stats = context.requests.of("Produce", "GRPC");
    context.counters.produceStreams++;
    this.#answer(wire.produceResponse.encode({ correlationId: 0, results: [], creditBytes: PRODUCE_CREDIT_BYTES }));
    call.listen(this);
  }

  /** No more requests; the stream ends after the last answer. */
  end(): void {
    this.#isEnding = true;
    this.#maybeFinish();
  }

  /** Ends the stream behind the answers that are due; other requests stay unanswered. */
  fail(error: ApiError): void {
    this.#sendAnswers();
    this.#call.fail(error);
  }

  onEnd(): void {
    this.end();
  }

  onClosed(): void {
    this.#context.counters.produceStreams--;
    this.#onClosed(this);
  }

  // ---- requests ----

  onMessage(message: Buffer, slab: Buffer | null): void {
    if (this.#isEnding) return;
    try {
      this.#onRequest(wire.produceRequest.decode(message), slab);
    } catch (thrown: unknown) {
      this.fail(errorOf(thrown, "Produce", this.#context));
    }
  }

  #onRequest(request: WireRequest, slab: Buffer | null): void {
    if (this.#credit <= 0) throw new ApiError("INVALID_REQUEST", "the request was sent without credit");
    let taken = 0;
    for (const { records } of request.partitions) taken += records.length;
    const { correlationId } = request;
    const acks = acksByWire.get(request.acks);
    if (acks === undefined) {
      const refused = request.partitions.map(() => refusal("INVALID_REQUIRED_ACKS"));
      this.#context.refusals.count("produce", "INVALID_REQUIRED_ACKS");
      this.#answer(wire.produceResponse.encode({ correlationId, results: refused, creditBytes: taken }));
      return;
    }
    this.#credit -= taken;
    this.#unanswered++;
    this.#dispatch(request, acks, taken, slab);
    if (this.#context.budget.isExhausted) this.#awaitBudget();
  }

  /** Apart from `#onRequest`, so that the answer's closure holds numbers and not the request with its bytes. */
  #dispatch(request: WireRequest, acks: ProduceRequest["acks"], taken: number, slab: Buffer | null): void {
    const { timeoutMs, partitions, correlationId } = request;
    const memory =
      slab === null
        ? new SharedMemory(partitions[0]?.records.buffer.byteLength ?? 0, taken, null)
        : new SharedMemory(slab.length, taken, this.#giver(slab));
    const bytes = request.inParts ? partitions.map(({ records }) => records.length) : null;
    const asked = { correlationId, acks, taken, bytes };
    handleProduce(
      this.#context,
      { acks, timeoutMs, partitions, memory },
      this.#call.client,
      this.#answerTo(asked),
      request.inParts ? this.#partTo(asked) : null,
    );
  }

  #giver(slab: Buffer): () => void {
    return () => this.#context.slabs.give(slab);
  }

  // ---- answers ----

  #answerTo(asked: Asked): (results: ProduceResults, times: RequestTimes) => void {
    const { correlationId, acks, taken } = asked;
    return (results, times) => {
      this.#unanswered--;
      this.#countRefused(results);
      this.#answered.push({ correlationId, times, bytes: taken });
      if (this.#call.isOver) return;
      if (acks !== "none") return this.#answerResults(asked, results);
      this.#credit += taken;
      this.#answerNone(results, taken);
    };
  }

  #partTo(asked: Asked): (results: ProduceResults) => void {
    return (results) => {
      this.#countRefused(results);
      if (!this.#call.isOver) this.#answerResults(asked, results);
    };
  }

  /** With the credit of the batches whose results these are. */
  #answerResults({ correlationId, taken, bytes }: Asked, results: ProduceResults): void {
    const creditBytes = bytes?.reduce((sum, size, slot) => (results[slot] === null ? sum : sum + size), 0) ?? taken;
    this.#credit += creditBytes;
    this.#answer(wire.produceResponse.encode({ correlationId, results: results.map(toWire), creditBytes }));
  }

  #countRefused(results: ProduceResults): void {
    for (const result of results)
      if (result !== null && result.code !== "NONE") this.#context.refusals.count("produce", result.code);
  }

  /** 8.1: no answer, and on any error the end of the stream, so that the client refreshes its metadata. */
  #answerNone(results: ProduceResults, taken: number): void {
    const failed = results.find((result) => result !== null && result.code !== "NONE");
    if (failed !== undefined && failed !== null) {
      this.fail(new ApiError(failed.code, failed.message));
      return;
    }
    this.#creditDue += taken;
    this.#askForFlush();
  }

  #answer(message: Buffer): void {
    this.#answers.push(message);
    this.#askForFlush();
  }

  #askForFlush(): void {
    if (this.#isFlushAsked) return;
    this.#isFlushAsked = true;
    this.#context.turn.flush(this.#flush);
  }

  #flushAnswers(): void {
    this.#isFlushAsked = false;
    this.#sendAnswers();
    if (this.#call.aheadBytes > WRITE_AHEAD_BYTES) this.#pause();
    this.#maybeFinish();
  }

  #sendAnswers(): void {
    if (this.#creditDue > 0) {
      this.#answers.push(wire.produceResponse.encode({ correlationId: 0, results: [], creditBytes: this.#creditDue }));
      this.#creditDue = 0;
    }
    const call = this.#call;
    call.cork();
    for (const message of this.#answers.splice(0)) call.send([message], this.#onWritten);
    call.uncork();
    if (this.#answered.length > 0) this.#recordAnswered();
  }

  #recordAnswered(): void {
    const { clock, requests } = this.#context;
    const now = clock.monotonicNow();
    for (const { times, bytes, correlationId } of this.#answered) {
      const { clientId } = this.#call.client;
      requests.record(this.#stats, times, now, bytes, () => ({ clientId, requestId: correlationId }));
    }
    this.#answered.length = 0;
  }

  // ---- flow and end ----

  #awaitBudget(): void {
    this.#pause();
    if (this.#isBudgetAwaited) return;
    this.#isBudgetAwaited = true;
    this.#context.budget.whenFree(this.#onBudget);
  }

  #pause(): void {
    if (this.#isPaused) return;
    this.#isPaused = true;
    this.#call.pause();
  }

  #maybeResume(): void {
    if (!this.#isPaused || this.#isBudgetAwaited || this.#call.isOver || this.#call.aheadBytes > WRITE_AHEAD_BYTES)
      return;
    this.#isPaused = false;
    this.#call.resume();
  }

  #maybeFinish(): void {
    if (this.#isEnding && this.#unanswered === 0 && !this.#isFlushAsked) this.#call.end();
  }
}

function toWire(result: ProduceResult | null): WireResult {
  if (result === null) return PENDING;
  return {
    pending: false,
    errorCode: result.code === "NONE" ? 0 : errorRow(result.code).code,
    errorMessage: result.message,
    baseOffset: result.baseOffset,
    logAppendTime: result.logAppendTime,
    logStartOffset: result.logStartOffset,
    duplicate: result.isDuplicate,
    durability: result.durability === null ? Durability.UNSPECIFIED : wireDurability[result.durability],
    leader: result.leader === null ? null : { ...result.leader },
    unwritten: result.isUnwritten,
    logEnd: result.logEnd === null ? null : { ...result.logEnd },
  };
}

function refusal(code: ProduceResult["code"]): WireResult {
  return toWire({
    code,
    message: "",
    baseOffset: 0,
    logAppendTime: -1,
    logStartOffset: 0,
    isDuplicate: false,
    durability: null,
    leader: null,
    isUnwritten: false,
    logEnd: null,
  });
}

const PENDING: WireResult = { ...refusal("NONE"), pending: true };
