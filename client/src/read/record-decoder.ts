/** From the bytes of a record to what its topic says they are. Text and bytes need no call into a codec. */
import type { RecordCursor } from "@tidemark/proto";
import { isBytesCodec, isTextCodec } from "../codecs.ts";
import { CodecError } from "../errors.ts";
import { HeaderList } from "../record-headers.ts";
import type { Codec, ConsumerRecord, TopicDef } from "../types.ts";
import { type Place, ReadRecord } from "./read-record.ts";

type Kind = "bytes" | "text" | "codec";

export class RecordDecoder<K, V> {
  readonly #topic: TopicDef<K, V>;
  readonly #keyKind: Kind;
  readonly #valueKind: Kind;

  constructor(topic: TopicDef<K, V>) {
    this.#topic = topic;
    this.#keyKind = kindOf(topic.key);
    this.#valueKind = kindOf(topic.value);
  }

  /**
   * The record at the cursor, which may move on afterwards.
   * @throws CodecError; the promise rejects with it where a codec is asynchronous
   */
  decode(place: Place, cursor: RecordCursor): ConsumerRecord<K, V> | Promise<ConsumerRecord<K, V>> {
    const rawKey = cursor.key;
    const rawValue = cursor.value;
    try {
      const key = this.#part(this.#topic.key, this.#keyKind, "key", rawKey, cursor);
      const value = this.#part(this.#topic.value, this.#valueKind, "value", rawValue, cursor);
      if (!(key instanceof Promise) && !(value instanceof Promise))
        return new ReadRecord(place, cursor, rawKey, rawValue, key, value);
      return whenDecoded(new ReadRecord(place, cursor, rawKey, rawValue, key, value));
    } catch (error: unknown) {
      throw undecodable(new ReadRecord(place, cursor, rawKey, rawValue, rawKey, rawValue), error);
    }
  }

  #part<T>(
    codec: Codec<T>,
    kind: Kind,
    part: "key" | "value",
    raw: Buffer | null,
    cursor: RecordCursor,
  ): T | Promise<T> {
    // The codecs of these two kinds are known: their values are the bytes themselves, or their text.
    if (kind === "bytes") return raw as unknown as T;
    if (kind === "text" && raw !== null) return raw.toString() as unknown as T;
    const headers = cursor.headersCount === 0 ? HeaderList.NONE : new HeaderList(cursor.headers);
    return codec.decode(raw, { topic: this.#topic.name, part, headers });
  }
}

function kindOf(codec: unknown): Kind {
  if (isBytesCodec(codec)) return "bytes";
  return isTextCodec(codec) ? "text" : "codec";
}

async function whenDecoded<K, V>(record: ReadRecord<K | Promise<K>, V | Promise<V>>): Promise<ConsumerRecord<K, V>> {
  try {
    const [key, value] = await Promise.all([record.key, record.value]);
    return record.withContent(key, value);
  } catch (error: unknown) {
    const { key, value } = record.raw;
    throw undecodable(record.withContent(key, value), error);
  }
}

function undecodable(record: ConsumerRecord, cause: unknown): CodecError {
  const { topic, partition, offset } = record;
  const reason = cause instanceof Error ? cause.message : "its codec failed";
  return new CodecError(`record ${offset} of ${topic}-${partition} could not be decoded: ${reason}`, {
    topic,
    partition,
    cause,
    record,
  });
}
