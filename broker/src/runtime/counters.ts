/**
 * What the broker counts on its hot paths: plain fields, read when somebody asks for metrics. Totals since the start.
 */
import { BYTES_BOUNDS, Histogram } from "../base/index.ts";

/** What went through one topic, or through all of them. */
export class Traffic {
  /** Records and bytes of batches appended, duplicates not among them; bytes as stored. */
  recordsIn = 0;
  bytesIn = 0;
  /** Bytes of batches sent to readers. */
  bytesOut = 0;
  /** Of the broker: requests. Of a topic: batches offered to it, or answers with something of it. */
  produceRequests = 0;
  produceRequestsFailed = 0;
  fetchRequests = 0;
  fetchRequestsFailed = 0;
}

export class BrokerCounters extends Traffic {
  /** Batches appended, and batches answered as duplicates. */
  batchesIn = 0;
  duplicatesIn = 0;
  readonly batchBytes = new Histogram(BYTES_BOUNDS);
  /** Streams open now. */
  produceStreams = 0;
  fetchStreams = 0;
}
