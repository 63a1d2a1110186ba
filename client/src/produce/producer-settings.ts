/** What a producer's options mean in numbers, and which of them contradict each other. */
import { CODEC_NAMES, codecByName, type CodecName, MAX_MESSAGE_BYTES_MAX } from "@tidemark/proto";
import type { QueueOptions } from "../core/partition-queue.ts";
import type { PartitionerChoice } from "../core/topic-queue.ts";
import { parseDuration } from "../duration.ts";
import { BrokerError, invalidArgument } from "../errors.ts";
import { assertOptions, type NamesOf } from "../option-names.ts";
import type { Settings } from "../transport/settings.ts";
import type { ProducerOptions } from "../types.ts";

const BATCH_BYTES = 128 * 1024;
const BUFFER_BYTES = 32 * 1024 * 1024;
/** What a broker remembers of a producer, and so the most that may be in flight without doubt (semantics 11.1(2)). */
const IN_FLIGHT_MAX = 5;

const PRODUCER_OPTIONS: NamesOf<ProducerOptions> = {
  acks: true,
  idempotent: true,
  linger: true,
  batchBytes: true,
  maxBuffered: true,
  maxInFlight: true,
  compression: true,
  deliveryTimeout: true,
  partitioner: true,
};

export interface ProducerSettings {
  readonly acks: "all" | "leader" | "none";
  readonly bufferBytes: number;
  readonly choice: PartitionerChoice;
  readonly queue: QueueOptions;
}

/** @throws BrokerError INVALID_ARGUMENT naming the option; UNSUPPORTED for a codec that is not there */
export function producerSettingsOf(options: ProducerOptions, client: Settings): ProducerSettings {
  assertOptions(options, PRODUCER_OPTIONS);
  if (options.maxBuffered !== undefined) assertOptions(options.maxBuffered, { bytes: true }, "maxBuffered.");
  const acks = oneOf(options.acks ?? "all", ["all", "leader", "none"], "acks");
  const isIdempotent = options.idempotent ?? acks === "all";
  if (isIdempotent && acks !== "all") throw invalidArgument(`an idempotent producer needs acks "all", not "${acks}"`);
  const compression = oneOf(options.compression ?? "none", CODEC_NAMES, "compression");
  const codec = CODEC_NAMES.indexOf(compression);
  if (codec !== 0 && codec !== 1 && codec !== 2 && codec !== 3 && codec !== 4)
    throw invalidArgument(`no codec "${compression}"`);
  assertCodecWorks(compression);
  return {
    acks,
    bufferBytes: whole(options.maxBuffered?.bytes ?? BUFFER_BYTES, {
      name: "maxBuffered.bytes",
      from: 1,
      to: Number.MAX_SAFE_INTEGER,
    }),
    choice: options.partitioner ?? "default",
    queue: {
      batchBytes: whole(options.batchBytes ?? BATCH_BYTES, { name: "batchBytes", from: 1, to: MAX_MESSAGE_BYTES_MAX }),
      lingerMs: options.linger === undefined ? "adaptive" : parseDuration(options.linger, "linger"),
      maxInFlight: whole(options.maxInFlight ?? IN_FLIGHT_MAX, { name: "maxInFlight", from: 1, to: IN_FLIGHT_MAX }),
      codec,
      isIdempotent,
      deliveryTimeoutMs:
        options.deliveryTimeout === undefined
          ? client.deliveryTimeoutMs
          : parseDuration(options.deliveryTimeout, "deliveryTimeout"),
      retry: client.retry,
      random: Math.random,
    },
  };
}

/** A codec that this process does not have is told now, not with the first batch. */
function assertCodecWorks(name: CodecName): void {
  try {
    codecByName(name).compress(Buffer.alloc(0));
  } catch (error: unknown) {
    throw BrokerError.from(error);
  }
}

function whole(value: number, bounds: { readonly name: string; readonly from: number; readonly to: number }): number {
  const { name, from, to } = bounds;
  if (Number.isSafeInteger(value) && value >= from && value <= to) return value;
  throw invalidArgument(`${name} must be a whole number from ${from} to ${to}, and is ${value}`);
}

function oneOf<T extends string>(value: T, known: readonly T[], name: string): T {
  if (known.includes(value)) return value;
  throw invalidArgument(`${name} must be one of ${known.join(", ")}, and is ${JSON.stringify(value)}`);
}
