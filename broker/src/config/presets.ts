/** Ready-made sets of values, by key, to be handed in as flags. */

/**
 * Makes segments, indexes and intervals so small that ordinary tests cross every boundary. For the dev profile: the
 * server profile refuses such segments.
 */
export const testTiny: Readonly<Record<string, string>> = Object.freeze({
  "log.segment.bytes": "4096",
  "log.index.size.max.bytes": "96",
  "log.index.interval.bytes": "256",
  "message.max.bytes": "4096",
  "log.segment.delete.delay.ms": "100",
  "log.flush.offset.checkpoint.interval.ms": "50",
  "log.flush.start.offset.checkpoint.interval.ms": "50",
  "replica.high.watermark.checkpoint.interval.ms": "50",
  "queued.max.requests": "8",
  "queued.max.request.bytes": "65536",
  "tidemark.fetch.memory.bytes": "262144",
});
