/**
 * What a command answers: the records that follow from it, none when it is refused or changes nothing, and the response
 * that may leave once those records, and everything the command was decided on, are committed (semantics 10.3).
 */
import type { MetadataRecord } from "./records.ts";

export interface Decision<Response> {
  readonly records: readonly MetadataRecord[];
  readonly response: Response;
}
