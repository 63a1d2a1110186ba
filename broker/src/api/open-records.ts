/**
 * What only the records of a produced batch can tell (11.3(2), 11.5): that they are all there and well-formed, and the time
 * of each. Most topics never ask; where one does, its batches are inflated here, bounded, on the way in.
 */
import type { ErrorName } from "@tidemark/proto";
import { NO_TIMESTAMP, ProtoError, RecordCursor } from "@tidemark/proto";
import type { PartitionSettings } from "../runtime/index.ts";

export interface RecordsRefusal {
  readonly code: ErrorName;
  readonly message: string;
}

/** Whether batches of such a topic have to be opened: what is asked of them does not stand in their headers. */
export function needsRecords(settings: PartitionSettings): boolean {
  return settings.validatesRecords || (boundsThePast(settings) && !settings.isLogAppendTime);
}

/**
 * The first thing that is wrong with the records of `batch`, whose header and CRC are good already; null = nothing.
 * `now` is Unix time. Inflates at most `maxDecompressedBytes`.
 */
export function refusalOfRecords(
  batch: Buffer,
  settings: PartitionSettings,
  now: number,
  maxDecompressedBytes: number,
): RecordsRefusal | null {
  const cursor = new RecordCursor(batch, { verifyCrc: false, maxDecompressedBytes });
  try {
    while (cursor.next()) {
      const message = settings.isLogAppendTime ? null : refusalOfTime(cursor.timestamp, settings, now);
      if (message !== null) return { code: "INVALID_TIMESTAMP", message: `record ${cursor.offset}: ${message}` };
    }
    return null;
  } catch (cause: unknown) {
    if (cause instanceof ProtoError) return { code: cause.code, message: cause.message };
    throw cause;
  }
}

/** 11.5; `timestamp` -1: the record has none, and is not judged. */
export function refusalOfTime(timestamp: number, settings: PartitionSettings, now: number): string | null {
  const { timestampAfterMaxMs, timestampBeforeMaxMs } = settings;
  if (timestamp === NO_TIMESTAMP) return null;
  if (timestamp - now > timestampAfterMaxMs) {
    return `timestamp ${timestamp} is more than ${timestampAfterMaxMs} ms ahead of the broker's clock`;
  }
  if (boundsThePast(settings) && now - timestamp > timestampBeforeMaxMs) {
    return `timestamp ${timestamp} is more than ${timestampBeforeMaxMs} ms behind the broker's clock`;
  }
  return null;
}

/** The default is Kafka's Long.MAX_VALUE, which no age reaches. */
function boundsThePast({ timestampBeforeMaxMs }: PartitionSettings): boolean {
  return timestampBeforeMaxMs < Number.MAX_SAFE_INTEGER;
}
