/**
 * One value of a row: text to value, and back. Messages say what is allowed, so that a refusal can be mended without the
 * documentation. Units ("10s", "1GiB") are for people: they are read everywhere, and never written.
 */
import { formatListener, formatVoter, parseListener, parseVoter } from "./listeners.ts";
import type { Listener, Profile, Row, Unit, Voter } from "./row.ts";

/** Of an item that a refusal repeats. */
const SHOWN_CHARACTERS = 100;

export type Value = number | boolean | string | readonly string[] | readonly Listener[] | readonly Voter[];

export type ParsedValue =
  | { readonly ok: true; readonly value: Value }
  | { readonly ok: false; readonly message: string };

export function parseValue(row: Row, text: string, profile: Profile): ParsedValue {
  const trimmed = text.trim();
  switch (row.type) {
    case "int":
    case "long":
      return inRange(row, parseInteger(trimmed, row.unit), profile);
    case "double":
      return inRange(row, /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(trimmed) ? Number(trimmed) : null, profile);
    case "boolean": {
      const word = trimmed.toLowerCase();
      return word === "true" || word === "false" ? accept(word === "true") : refuse("expected true or false");
    }
    case "string":
      if (row.values === undefined) return trimmed === "" ? refuse("expected a text") : accept(trimmed);
      return row.values.includes(trimmed) ? accept(trimmed) : refuse(`expected one of ${row.values.join(", ")}`);
    case "list":
      return parseList(row, trimmed);
    case "listeners":
      return parseListeners(row, trimmed);
    case "voters":
      return parseVoters(trimmed);
  }
}

/** Text that parses to the same value; what descriptions show. */
export function formatValue(value: Value): string {
  if (typeof value === "number") return value === Number.MAX_SAFE_INTEGER ? LONG_MAX.toString() : String(value);
  if (typeof value === "boolean" || typeof value === "string") return String(value);
  return value.map(formatItem).join(",");
}

function formatItem(item: string | Listener | Voter): string {
  if (typeof item === "string") return item;
  return "nodeId" in item ? formatVoter(item) : formatListener(item);
}

/** The one text of a value, without units; null: the row does not allow it. */
export function canonicalText(row: Row, text: string, profile: Profile): string | null {
  const parsed = parseValue(row, text, profile);
  return parsed.ok ? formatValue(parsed.value) : null;
}

/** "a whole number from 1 to 2147483647", as refusals and the documentation say it. */
export function allowedRange(row: Row, profile: Profile): string {
  const { min, max } = boundsOf(row, profile);
  const kind = row.type === "double" ? "a number" : "a whole number";
  const unit = row.unit === undefined ? "" : ` (${unitNames[row.unit]})`;
  return `${kind} from ${formatValue(min)} to ${formatValue(max)}${unit}`;
}

const unitNames: Readonly<Record<Unit, string>> = { ms: "milliseconds", s: "seconds", min: "minutes", bytes: "bytes" };

const unitExamples: Readonly<Record<Unit, string>> = {
  ms: "12h or 7d",
  s: "90s or 2h",
  min: "90min or 7d",
  bytes: "64MiB",
};

function accept(value: Value): ParsedValue {
  return { ok: true, value };
}

function refuse(message: string): ParsedValue {
  return { ok: false, message };
}

function boundsOf(row: Row, profile: Profile): { min: number; max: number } {
  const min = (profile === "dev" ? row.dev?.min : undefined) ?? row.min ?? Number.MIN_SAFE_INTEGER;
  return { min, max: row.max ?? Number.MAX_SAFE_INTEGER };
}

function inRange(row: Row, value: number | null, profile: Profile): ParsedValue {
  const { min, max } = boundsOf(row, profile);
  if (value !== null && value >= min && value <= max) return accept(value);
  const units = value === null && row.unit !== undefined ? `, or with a unit, as in ${unitExamples[row.unit]}` : "";
  return refuse(`expected ${allowedRange(row, profile)}${units}`);
}

/** Kafka's Long.MAX_VALUE stands for "never" and "unlimited". */
const LONG_MAX = 2n ** 63n - 1n;

const unitFactors: Readonly<Record<"time" | "size", Readonly<Record<string, number>>>> = {
  time: { ms: 1, s: 1000, m: 60_000, min: 60_000, h: 3_600_000, d: 86_400_000 },
  size: { B: 1, kB: 1000, KB: 1000, MB: 1e6, GB: 1e9, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30, TiB: 2 ** 40 },
};
const unitMs: Readonly<Record<"ms" | "s" | "min", number>> = { ms: 1, s: 1000, min: 60_000 };

/**
 * A whole number, with a unit when `unit` says which one the key counts in. Null for anything else, among it a number
 * that does not come out whole in the key's unit. Beyond 2^53 - 1, up to Long.MAX_VALUE, is read as 2^53 - 1.
 */
function parseInteger(text: string, unit: Unit | undefined): number | null {
  const match = /^([+-]?\d+)\s*([A-Za-z]*)$/.exec(text);
  if (match === null) return null;
  const [, digits = "", suffix = ""] = match;
  const exact = BigInt(digits.startsWith("+") ? digits.slice(1) : digits);
  if (suffix === "") return toSafe(exact);
  if (unit === undefined) return null;
  const factor = unitFactors[unit === "bytes" ? "size" : "time"][suffix];
  if (factor === undefined) return null;
  const base = exact * BigInt(factor);
  const divisor = unit === "bytes" ? 1n : BigInt(unitMs[unit]);
  return base % divisor === 0n ? toSafe(base / divisor) : null;
}

function toSafe(exact: bigint): number | null {
  if (exact > LONG_MAX || exact < BigInt(Number.MIN_SAFE_INTEGER)) return null;
  return exact > BigInt(Number.MAX_SAFE_INTEGER) ? Number.MAX_SAFE_INTEGER : Number(exact);
}

/** Items between commas, as they stand; none of an empty text. */
export function itemsOf(text: string): string[] {
  return text === "" ? [] : text.split(",").map((item) => item.trim());
}

function parseList(row: Row, text: string): ParsedValue {
  const items = itemsOf(text);
  if (items.includes("")) return refuse("expected items separated by single commas");
  const { values } = row;
  const unknown = values === undefined ? undefined : items.find((item) => !values.includes(item));
  if (unknown !== undefined)
    return refuse(`"${unknown.slice(0, SHOWN_CHARACTERS)}" is not one of ${values?.join(", ")}`);
  if (new Set(items).size !== items.length) return refuse("an item stands twice");
  if (values !== undefined && items.length === 0) return refuse(`expected at least one of ${values.join(", ")}`);
  return accept(Object.freeze(items));
}

function parseListeners(row: Row, text: string): ParsedValue {
  const listeners: Listener[] = [];
  for (const item of itemsOf(text)) {
    const listener = parseListener(item);
    if (listener === null)
      return refuse(`"${item.slice(0, SHOWN_CHARACTERS)}" is not NAME://host:port with a port from 0 to 65535`);
    if (row.values !== undefined && !row.values.includes(listener.name)) {
      return refuse(`there is no listener ${listener.name}; known are ${row.values.join(", ")}`);
    }
    if (listeners.some(({ name }) => name === listener.name))
      return refuse(`the listener ${listener.name} stands twice`);
    listeners.push(listener);
  }
  if (listeners.length === 0) return refuse("expected at least one listener, as in GRPC://127.0.0.1:9192");
  return accept(Object.freeze(listeners));
}

function parseVoters(text: string): ParsedValue {
  const voters: Voter[] = [];
  for (const item of itemsOf(text)) {
    const voter = parseVoter(item);
    if (typeof voter === "string")
      return refuse(`"${item.slice(0, SHOWN_CHARACTERS)}" ${voter}; expected id@host:port, as in 1@broker-1:9392`);
    for (const { nodeId, host, port } of voters) {
      if (nodeId === voter.nodeId) return refuse(`node ${nodeId} stands twice`);
      if (host === voter.host && port === voter.port)
        return refuse(`nodes ${nodeId} and ${voter.nodeId} have one address, ${host} port ${port}`);
    }
    voters.push(voter);
  }
  if (voters.length === 0) return refuse("expected at least one voter, as in 1@broker-1:9392");
  return accept(Object.freeze(voters));
}
