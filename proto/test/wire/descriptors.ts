/**
 * What proto-loader knows of data.proto, for holding the hand-written tables against it: its codec, its fields, and random
 * messages made from those fields alone.
 */
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { loadDescriptors } from "../../src/control.ts";
import { type MessageCodec, wire } from "../../src/index.ts";

export interface FieldDescriptor {
  readonly name: string;
  readonly number: number;
  readonly label: string;
  readonly type: string;
  readonly typeName: string;
}

/** A message type as proto-loader describes and encodes it. */
export interface LoadedMessage {
  readonly type: { readonly field: readonly FieldDescriptor[] };
  serialize(value: object): Buffer;
  deserialize(bytes: Buffer): object;
}

export interface Pair {
  readonly name: string;
  readonly loaded: LoadedMessage;
  readonly ours: MessageCodec<object>;
}

const definitions = loadDescriptors({ keepCase: false });

/** Names of the messages in the file, in its order. */
export function messageNames(): string[] {
  const text = readFileSync(new URL("../../../tidemark/v1/data.proto", import.meta.url), "utf8");
  return [...text.matchAll(/^message (\w+)/gmu)].map(([, name]) => name as string);
}

export function loadedMessage(name: string): LoadedMessage {
  return definitions[`tidemark.v1.${name}`] as unknown as LoadedMessage;
}

/** Every message of data.proto with both codecs. */
export function pairs(): Pair[] {
  const codecs = new Map(Object.entries(wire)) as unknown as Map<string, MessageCodec<object>>;
  return messageNames().map((name) => {
    const ours = codecs.get(name.charAt(0).toLowerCase() + name.slice(1));
    if (ours === undefined) throw new Error(`no codec for ${name}`);
    return { name, loaded: loadedMessage(name), ours };
  });
}

/** Random messages of a type: numbers at the edges of their types among them, absent nested messages as null. */
export function messages(name: string): fc.Arbitrary<object> {
  const fields = loadedMessage(name).type.field;
  return fc.record(Object.fromEntries(fields.map((field) => [field.name, valuesOf(field)])));
}

function valuesOf(field: FieldDescriptor): fc.Arbitrary<unknown> {
  const one = scalarsOf(field);
  if (field.label === "LABEL_REPEATED") return fc.array(one, { maxLength: 4 });
  return field.type === "TYPE_MESSAGE" ? fc.option(one) : one;
}

function scalarsOf(field: FieldDescriptor): fc.Arbitrary<unknown> {
  switch (field.type) {
    case "TYPE_UINT32":
      return fc.oneof(fc.nat(200), fc.integer({ min: 0, max: 2 ** 32 - 1 }));
    case "TYPE_INT32":
    case "TYPE_SINT32":
      return fc.oneof(fc.integer({ min: -200, max: 200 }), fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }));
    case "TYPE_UINT64":
      return fc.oneof(fc.nat(200), fc.maxSafeNat());
    case "TYPE_SINT64":
      return fc.oneof(fc.integer({ min: -200, max: 200 }), fc.maxSafeInteger());
    case "TYPE_BOOL":
      return fc.boolean();
    case "TYPE_STRING":
      return fc.oneof(fc.string(), fc.string({ unit: "grapheme" }));
    case "TYPE_BYTES":
      return fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes));
    case "TYPE_ENUM":
      return fc.nat(2);
    case "TYPE_MESSAGE":
      return messages(field.typeName.replace(/^.*\./u, ""));
    default:
      throw new Error(`${field.name} has type ${field.type}, which no table uses yet`);
  }
}
