/**
 * Look-ups over the error table, and the one error class of this package.
 *
 * `ErrorName` is the union of the table's names. A number or name that is not in the table reads as UNKNOWN_SERVER_ERROR,
 * so that a peer of a newer version never makes this side throw.
 */
import { ERROR_ROWS } from "./error-table.ts";

/** Kafka's name of an error, "NONE" included. */
export type ErrorName = (typeof ERROR_ROWS)[number][0];

/** One row of the error table. */
export interface ErrorRow {
  readonly name: ErrorName;
  /** Kafka's number: an int16 on the Kafka door, `error_code` on the gRPC door. */
  readonly code: number;
  /** The status that a failed gRPC call ends with (google.rpc.Code). */
  readonly grpcStatus: number;
  /** The same request may succeed later. */
  readonly retriable: boolean;
  /** The client should refresh its metadata before it retries. Implies `retriable`. */
  readonly metadataStale: boolean;
  /** The SDK's short name of this error; often the same as `name`. */
  readonly clientCode: string;
  /** One sentence: what happened. */
  readonly text: string;
  /** What to do about it; may be empty. */
  readonly hint: string;
}

/** All errors, ascending by number. */
export const ERROR_TABLE: readonly ErrorRow[] = ERROR_ROWS.map(
  ([name, code, grpcStatus, remedy, clientCode, text, hint]) =>
    Object.freeze({
      name,
      code,
      grpcStatus,
      retriable: remedy !== "final",
      metadataStale: remedy === "refresh",
      clientCode: clientCode === "" ? name : clientCode,
      text,
      hint,
    }),
);

const rowByKey = new Map<string | number, ErrorRow>();
for (const row of ERROR_TABLE) rowByKey.set(row.name, row).set(row.code, row);

const [UNKNOWN] = ERROR_TABLE as [ErrorRow, ...ErrorRow[]];

/** The row of a name or number; the row of UNKNOWN_SERVER_ERROR for anything that the table does not know. */
export function errorRow(nameOrCode: ErrorName | number): ErrorRow {
  return rowByKey.get(nameOrCode) ?? UNKNOWN;
}

/** Whether `name` is a name of the error table. */
export function isErrorName(name: string): name is ErrorName {
  return rowByKey.has(name);
}

/** Kafka's number of an error. */
export function errorCode(name: ErrorName): number {
  return errorRow(name).code;
}

/**
 * Bytes or text from outside broke a rule of the contract. Thrown by decoders, `parse…` functions and codecs; its code
 * is the one that the client is told.
 */
export class ProtoError extends Error {
  readonly code: ErrorName;

  constructor(code: ErrorName, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = "ProtoError";
    this.code = code;
  }

  /** The row of the error table for `code`. */
  get row(): ErrorRow {
    return errorRow(this.code);
  }
}
