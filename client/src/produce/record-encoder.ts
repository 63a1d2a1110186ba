/**
 * From what the user gives to what a batch takes: key, value and headers of records of one topic, encoded. Text and bytes
 * pass as they are (the batch writes UTF-8 itself); other codecs are called, and may be asynchronous.
 */
import type { RecordHeader } from "@tidemark/proto";
import { isBytesCodec, isTextCodec } from "../codecs.ts";
import type { Encoded } from "../core/topic-queue.ts";
import { CodecError } from "../errors.ts";
import { encodeHeaders, HeaderList } from "../record-headers.ts";
import type { Codec, ProducerRecord, TopicDef } from "../types.ts";

type Kind = "text" | "bytes" | "codec";

export class RecordEncoder<K, V> {
  readonly #topic: string;
  readonly #key: Codec<K> | null;
  readonly #value: Codec<V> | null;
  readonly #keyKind: Kind;
  readonly #valueKind: Kind;

  /** A name alone: keys and values are bytes, text or null. */
  constructor(topic: TopicDef<K, V> | string) {
    const isNamed = typeof topic !== "string";
    this.#topic = isNamed ? topic.name : topic;
    this.#key = isNamed ? topic.key : null;
    this.#value = isNamed ? topic.value : null;
    this.#keyKind = kindOf(this.#key);
    this.#valueKind = kindOf(this.#value);
  }

  /** @throws CodecError */
  key(record: ProducerRecord<K, V>): Encoded | Promise<Encoded> {
    const { key } = record;
    if (key === undefined) return null;
    if (this.#keyKind !== "codec") return this.#asIs(key, "key", this.#keyKind);
    return this.#encode(this.#key, key, "key", record);
  }

  /** @throws CodecError */
  value(record: ProducerRecord<K, V>): Encoded | Promise<Encoded> {
    const { value } = record;
    if (value === null) return null;
    if (this.#valueKind !== "codec") return this.#asIs(value, "value", this.#valueKind);
    return this.#encode(this.#value, value, "value", record);
  }

  headers(record: ProducerRecord<K, V>): readonly RecordHeader[] | null {
    return encodeHeaders(record.headers);
  }

  #asIs(content: unknown, part: "key" | "value", kind: Kind): Encoded {
    if (typeof content === "string" && (kind === "text" || this.#key === null)) return content;
    if (content instanceof Uint8Array && kind === "bytes") return content;
    if (content === null) return null;
    throw new CodecError(
      `the ${part} of a record for ${this.#topic} is ${typeof content} where its codec takes ${kind}`,
      { topic: this.#topic },
    );
  }

  #encode<T>(
    codec: Codec<T> | null,
    content: T,
    part: "key" | "value",
    record: ProducerRecord<K, V>,
  ): Encoded | Promise<Encoded> {
    if (codec === null) throw new CodecError(`the ${part} of a record for ${this.#topic} has no codec`);
    try {
      const headers =
        record.headers === undefined ? HeaderList.NONE : new HeaderList(encodeHeaders(record.headers) ?? []);
      const encoded = codec.encode(content, { topic: this.#topic, part, headers });
      if (!(encoded instanceof Promise)) return encoded;
      return encoded.catch((error: unknown) => {
        throw this.#failed(part, error);
      });
    } catch (error: unknown) {
      throw this.#failed(part, error);
    }
  }

  #failed(part: string, cause: unknown): CodecError {
    const reason = cause instanceof Error ? cause.message : "its codec failed";
    return new CodecError(`the ${part} of a record for ${this.#topic} could not be encoded: ${reason}`, {
      topic: this.#topic,
      cause,
    });
  }
}

function kindOf(codec: unknown): Kind {
  if (codec === null || isBytesCodec(codec)) return "bytes";
  return isTextCodec(codec) ? "text" : "codec";
}
