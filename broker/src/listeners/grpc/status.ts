/** How a failed call ends on the gRPC door: status and text from the error table, the coded error in a trailer. */
import { Metadata } from "@grpc/grpc-js";
import type { ServiceError } from "@grpc/grpc-js";
import { ERROR_DETAIL_TRAILER, errorRow, wire } from "@tidemark/proto";
import type { ApiError } from "../../api/index.ts";

/** Trailers share a header block of a few KiB with everything else: a text is cut here. */
const DETAILS_MAX_CHARACTERS = 1_000;
/** The encoder of `grpc-message` throws at half a surrogate pair, which cutting a text can leave. */
const LONE_SURROGATE = /\p{Surrogate}/gu;

export function statusOf(error: ApiError): ServiceError {
  const row = errorRow(error.code);
  const details = (error.message === "" ? row.text : error.message)
    .slice(0, DETAILS_MAX_CHARACTERS)
    .replace(LONE_SURROGATE, "\ufffd");
  const metadata = new Metadata();
  const { code, name, retriable } = row;
  metadata.set(
    ERROR_DETAIL_TRAILER,
    wire.errorDetail.encode({
      code,
      name,
      message: details,
      retriable,
      topic: error.topic,
      partition: error.partition,
    }),
  );
  return Object.assign(new Error(details), { code: row.grpcStatus, details, metadata });
}
