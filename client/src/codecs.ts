/**
 * The codecs that come with the SDK, and `topic()`. Numbers are big-endian, byte for byte what Kafka's Java serializers
 * write (IntegerSerializer, LongSerializer, DoubleSerializer, UUIDSerializer writes text, so `uuid` does too).
 *
 * Values that are null (tombstones) are for `bytes` and `nullable` only: read through another codec they are a CODEC error,
 * not a made-up value.
 */
import { validateTopicName } from "@tidemark/proto";
import { CodecError, invalidArgument } from "./errors.ts";
import type { Bytes, Codec, CodecContext, StandardSchema, TopicDef } from "./types.ts";

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

const bytes: Codec<Bytes | null> = {
  contentType: "application/octet-stream",
  encode: (value) => value,
  decode: (value) => value,
};

const string: Codec<string> = {
  contentType: "text/plain; charset=utf-8",
  encode: (value) => Buffer.from(value),
  // Keys are optional: a record without one has the empty text for a key. Its `raw.key` tells the two apart.
  decode: (value, context) =>
    value === null && context.part === "key" ? "" : asBuffer(present(value, context)).toString(),
};

const int32: Codec<number> = fixed(4, {
  write: (into, value: number) => into.writeInt32BE(value),
  read: (from) => from.readInt32BE(),
});

const int64: Codec<bigint> = fixed(8, {
  write: (into, value: bigint) => into.writeBigInt64BE(value),
  read: (from) => from.readBigInt64BE(),
});

const double: Codec<number> = fixed(8, {
  write: (into, value: number) => into.writeDoubleBE(value),
  read: (from) => from.readDoubleBE(),
});

const uuid: Codec<string> = {
  contentType: "text/plain; charset=utf-8",
  encode: (value) => Buffer.from(checkUuid(value)),
  decode: (value, context) => checkUuid(asBuffer(present(value, context)).toString("latin1")),
};

/** JSON, checked by any Standard Schema validator both before it is written and after it is read. */
function json<T>(schema?: StandardSchema<T>): Codec<T> {
  return {
    contentType: "application/json",
    encode: (value) => {
      if (schema === undefined) return encodeJson(value);
      const checked = validate(schema, value);
      return checked instanceof Promise ? checked.then(encodeJson) : encodeJson(checked);
    },
    decode: (value, context) => {
      const parsed: unknown = JSON.parse(asBuffer(present(value, context)).toString());
      // Without a schema the type is the caller's word; there is nothing to check it against.
      return schema === undefined ? (parsed as T) : validate(schema, parsed);
    },
  };
}

/** null as no bytes at all; everything else as `inner` has it. */
function nullable<T>(inner: Codec<T>): Codec<T | null> {
  return {
    ...(inner.contentType === undefined ? {} : { contentType: inner.contentType }),
    encode: (value, context) => (value === null ? null : inner.encode(value, context)),
    decode: (value, context) => (value === null ? null : inner.decode(value, context)),
  };
}

export const codecs = { bytes, string, json, int32, int64, double, uuid, nullable } as const;

/**
 * Names a topic and says what its keys and values are: text keys and values of bytes by default.
 * @throws BrokerError INVALID_ARGUMENT when the name is not legal
 */
export function topic<K = string, V = Bytes>(
  name: string,
  options: { key?: Codec<K>; value?: Codec<V> } = {},
): TopicDef<K, V> {
  const reason = validateTopicName(name);
  if (reason !== null) throw invalidArgument(`the topic name ${reason}`, { topic: name });
  return Object.freeze({
    name,
    // The defaults of K and V are the types of these two codecs; naming other types without a codec is the caller's error.
    key: options.key ?? (string as unknown as Codec<K>),
    value: options.value ?? (bytes as unknown as Codec<V>),
  });
}

/** The codec whose encoding is the UTF-8 of the text: the producer writes it straight into the batch. */
export function isTextCodec(codec: unknown): boolean {
  return codec === string;
}

/** The codec whose encoding is the value itself. */
export function isBytesCodec(codec: unknown): boolean {
  return codec === bytes;
}

function fixed<T>(size: number, access: { write(into: Buffer, value: T): void; read(from: Buffer): T }): Codec<T> {
  return {
    contentType: "application/octet-stream",
    encode: (value) => {
      const into = Buffer.allocUnsafe(size);
      access.write(into, value);
      return into;
    },
    decode: (value, context) => {
      const from = asBuffer(present(value, context));
      if (from.length !== size)
        throw new CodecError(`the ${context.part} has ${from.length} bytes where its codec wants ${size}`);
      return access.read(from);
    },
  };
}

function present(value: Bytes | null, context: CodecContext): Bytes {
  if (value === null)
    throw new CodecError(`the ${context.part} is null; wrap the codec in codecs.nullable to allow that`);
  return value;
}

function asBuffer(value: Bytes): Buffer {
  return Buffer.isBuffer(value) ? value : Buffer.from(value.buffer, value.byteOffset, value.byteLength);
}

function checkUuid(text: string): string {
  if (!UUID.test(text)) throw new CodecError(`not a UUID: ${JSON.stringify(text.slice(0, 40))}`);
  return text;
}

function encodeJson(value: unknown): Buffer {
  const text = JSON.stringify(value);
  if (text === undefined) throw new CodecError(`a value of type ${typeof value} has no JSON`);
  return Buffer.from(text);
}

function validate<T>(schema: StandardSchema<T>, value: unknown): T | Promise<T> {
  const result = schema["~standard"].validate(value);
  return result instanceof Promise ? result.then((settled: unknown) => outputOf<T>(settled)) : outputOf<T>(result);
}

/** A Standard Schema result is `{ value }` or `{ issues }`; the schema vouches for the type of the value. */
function outputOf<T>(result: unknown): T {
  if (typeof result === "object" && result !== null) {
    if ("issues" in result && Array.isArray(result.issues))
      throw new CodecError(`the value breaks its schema: ${issuesText(result.issues)}`);
    if ("value" in result) return result.value as T;
  }
  throw new CodecError("the schema's validate() returned neither a value nor issues");
}

function issuesText(issues: readonly unknown[]): string {
  return issues
    .map((issue) => (typeof issue === "object" && issue !== null && "message" in issue ? String(issue.message) : ""))
    .join("; ");
}
