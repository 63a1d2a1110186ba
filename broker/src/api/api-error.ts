/**
 * The one way in which a use case fails as a whole: an error with a code of the error table. Thrown in api and listeners
 * only; each listener maps it once. Failures of single items travel as values in the answer.
 */
import type { ErrorName } from "@tidemark/proto";
import { ProtoError } from "@tidemark/proto";
import type { Logger } from "../ports/index.ts";

export class ApiError extends Error {
  readonly code: ErrorName;
  readonly topic: string;
  /** -1: none. */
  readonly partition: number;

  constructor(code: ErrorName, message: string, options: { topic?: string; partition?: number; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "ApiError";
    this.code = code;
    this.topic = options.topic ?? "";
    this.partition = options.partition ?? -1;
  }
}

/**
 * Whatever was thrown, as an ApiError. What is neither ours nor the contract's becomes UNKNOWN_SERVER_ERROR: its cause is
 * logged under an id and the client is told the id alone.
 */
export function toApiError(thrown: unknown, during: string, errors: UnknownErrors): ApiError {
  if (thrown instanceof ApiError) return thrown;
  if (thrown instanceof ProtoError) return new ApiError(thrown.code, thrown.message, { cause: thrown });
  return new ApiError("UNKNOWN_SERVER_ERROR", `${during} failed; error id ${errors.log(during, thrown)}`, {
    cause: thrown,
  });
}

/** Logs unexpected errors and numbers them, so that a client's report finds its line. */
export class UnknownErrors {
  readonly #logger: Logger;
  #count = 0;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  get count(): number {
    return this.#count;
  }

  /** The id of the logged error. */
  log(during: string, thrown: unknown): number {
    this.#count++;
    const err = thrown instanceof Error ? thrown : new Error(String(thrown));
    this.#logger.error("request failed unexpectedly", { errorId: this.#count, api: during, err });
    return this.#count;
  }
}
