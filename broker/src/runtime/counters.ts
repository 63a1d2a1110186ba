/**
 * What the broker counts on its hot paths: plain fields, read when somebody asks for metrics. Totals since the start.
 */
export class BrokerCounters {
  /** Produce requests, and those of them with at least one refused batch. */
  produceRequests = 0;
  produceRequestsFailed = 0;
  /** Batches and records appended, duplicates not among them; bytes as stored. */
  batchesIn = 0;
  recordsIn = 0;
  bytesIn = 0;
  /** Batches answered as duplicates. */
  duplicatesIn = 0;
  /** Messages of fetch streams with at least one part, parts that carried an error, bytes of records sent. */
  fetchMessages = 0;
  fetchErrors = 0;
  bytesOut = 0;
  /** Streams open now. */
  produceStreams = 0;
  fetchStreams = 0;
}
