/**
 * How long requests take, by API and listener, and a log line for those that take too long. One request's way:
 *
 *     arrived ── queue ── started ── handler ── taken ── remote ── done ── response ── answered
 *
 * queue: whole in memory, waiting for the turn that works on it. handler: checked and written. remote: parked for what its
 * acks wait for, a sync or other brokers. response: until the answer is handed to the socket, or taken by it where the
 * client decides how fast it reads.
 *
 * Slow is judged without the response: a reader that takes its time is no fault of the broker. Lines are limited, so that a
 * slow disk does not fill the next one; the line after a pause says how many were left out.
 */
import { BYTES_BOUNDS, Histogram, SECONDS_BOUNDS, TokenBucket } from "../base/index.ts";
import type { LogFields, Logger } from "../ports/index.ts";

/** Milliseconds of one monotonic clock, ascending. */
export interface RequestTimes {
  readonly arrivedAt: number;
  readonly startedAt: number;
  readonly takenAt: number;
  readonly doneAt: number;
}

/** Of one API at one listener. */
export class RequestStats {
  readonly api: string;
  readonly listener: string;
  readonly durations = new Histogram(SECONDS_BOUNDS);
  readonly queue = new Histogram(SECONDS_BOUNDS);
  readonly handler = new Histogram(SECONDS_BOUNDS);
  readonly remote = new Histogram(SECONDS_BOUNDS);
  readonly response = new Histogram(SECONDS_BOUNDS);
  readonly sizes = new Histogram(BYTES_BOUNDS);

  constructor(api: string, listener: string) {
    this.api = api;
    this.listener = listener;
  }
}

export interface RequestLogOptions {
  readonly logger: Logger;
  /** `tidemark.slow.request.ms`; 0 = no request is slow. */
  readonly slowMs: number;
}

const LINES_BURST = 10;
const LINES_PER_SECOND = 0.2;

export class RequestLog {
  readonly #logger: Logger;
  readonly #stats: RequestStats[] = [];
  readonly #lines = new TokenBucket({ perSecond: LINES_PER_SECOND, burst: LINES_BURST });
  /** Lines left out since the last one. */
  #suppressed = 0;
  #slowCount = 0;
  /** May be changed at any time. */
  slowMs: number;

  constructor(options: RequestLogOptions) {
    this.#logger = options.logger;
    this.slowMs = options.slowMs;
  }

  /** Asked for once per door and API, not per request. */
  of(api: string, listener: string): RequestStats {
    const known = this.#stats.find((stats) => stats.api === api && stats.listener === listener);
    if (known !== undefined) return known;
    const stats = new RequestStats(api, listener);
    this.#stats.push(stats);
    return stats;
  }

  get all(): readonly RequestStats[] {
    return this.#stats;
  }

  /** Slow requests since the start, those without a line among them. */
  get slowCount(): number {
    return this.#slowCount;
  }

  /** One request was answered at `answeredAt`. `fields` is asked only where it was slow. */
  record(stats: RequestStats, times: RequestTimes, answeredAt: number, bytes: number, fields: () => LogFields): void {
    const { arrivedAt, startedAt, takenAt, doneAt } = times;
    stats.durations.observe((answeredAt - arrivedAt) / 1000);
    stats.queue.observe((startedAt - arrivedAt) / 1000);
    stats.handler.observe((takenAt - startedAt) / 1000);
    stats.remote.observe((doneAt - takenAt) / 1000);
    stats.response.observe((answeredAt - doneAt) / 1000);
    stats.sizes.observe(bytes);
    if (this.slowMs > 0 && doneAt - arrivedAt >= this.slowMs) this.#onSlow(stats, times, answeredAt, bytes, fields());
  }

  #onSlow(stats: RequestStats, times: RequestTimes, answeredAt: number, bytes: number, fields: LogFields): void {
    this.#slowCount++;
    if (!this.#lines.take(answeredAt)) {
      this.#suppressed++;
      return;
    }
    const { arrivedAt, startedAt, takenAt, doneAt } = times;
    this.#logger.warn("slow request", {
      api: stats.api,
      listener: stats.listener,
      durationMs: Math.round(answeredAt - arrivedAt),
      queueMs: Math.round(startedAt - arrivedAt),
      handlerMs: Math.round(takenAt - startedAt),
      remoteMs: Math.round(doneAt - takenAt),
      responseMs: Math.round(answeredAt - doneAt),
      bytes,
      ...fields,
      ...(this.#suppressed === 0 ? {} : { suppressed: this.#suppressed }),
    });
    this.#suppressed = 0;
  }
}
