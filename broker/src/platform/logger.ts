/**
 * Log lines as JSON (pino), one per line: `ts`, `level`, `node`, `component`, `msg` and the line's fields, which docs/logging.md
 * lists. Written at once and in order, so that the last line before an exit is there. Pino is loaded with the first line that
 * is really written; where it cannot be (no descriptor is left to read it with), a line is written as plain JSON, and the next
 * one tries again: what goes wrong is told, and telling it ends nobody. At a terminal the same lines are laid out for people.
 *
 * Messages are constants, so a fault that repeats is known by its message: of one message of one component a burst is written,
 * then one line a second, which says how many were suppressed. A full disk does not fill itself with lines about it.
 *
 * Fields named like a password, token or secret are redacted at any depth; an error shows its name, code and message.
 */
import { createRequire } from "node:module";
import { TokenBucket } from "../base/index.ts";
import { DiskFault } from "../ports/index.ts";
import type { LogFields, Logger } from "../ports/index.ts";
import { type LogLevel, LogLevels, logRanks } from "./log-levels.ts";
import { prettyLine } from "./pretty-line.ts";

export interface LoggerOptions {
  /** A level for good, or levels that may change. */
  readonly level: LogLevel | LogLevels;
  readonly nodeId: number;
  /** Where lines go, as JSON; default: standard error, since standard output carries data. */
  readonly write?: (line: string) => void;
  /** Monotonic ms; for tests. */
  readonly now?: () => number;
  /** How pino comes in; for tests. */
  readonly load?: (name: "pino") => typeof import("pino");
}

type PinoLogger = import("pino").Logger;
type Level = "debug" | "info" | "warn" | "error";

/** Of one message of one component. */
const BURST_LINES = 200;
const LINES_PER_SECOND = 1;
/** Messages are constants of the program: there are fewer. */
const MESSAGES_MAX = 1000;

export function createLogger(options: LoggerOptions): Logger {
  const levels = options.level instanceof LogLevels ? options.level : new LogLevels(options.level);
  return new PinoBackedLogger(levels, "broker", new Sink(options));
}

class PinoBackedLogger implements Logger {
  readonly #levels: LogLevels;
  readonly #component: string;
  readonly #sink: Sink;
  #rank = 0;
  /** Of the levels, when the rank was looked up. */
  #version = -1;

  constructor(levels: LogLevels, component: string, sink: Sink) {
    this.#levels = levels;
    this.#component = component;
    this.#sink = sink;
  }

  debug(message: string, fields?: LogFields): void {
    this.#write("debug", message, fields);
  }

  info(message: string, fields?: LogFields): void {
    this.#write("info", message, fields);
  }

  warn(message: string, fields?: LogFields): void {
    this.#write("warn", message, fields);
  }

  error(message: string, fields?: LogFields): void {
    this.#write("error", message, fields);
  }

  child(component: string): Logger {
    return new PinoBackedLogger(this.#levels, component, this.#sink);
  }

  #write(level: Level, message: string, fields: LogFields = {}): void {
    if (this.#version !== this.#levels.version) {
      this.#version = this.#levels.version;
      this.#rank = this.#levels.rankOf(this.#component);
    }
    if (logRanks[level] >= this.#rank) this.#sink.write(level, this.#component, message, fields);
  }
}

/** What is known of one message: how often it may be written, and how often it was not. */
interface Repeats {
  readonly bucket: TokenBucket;
  suppressed: number;
}

/** Where the lines of all components come together. */
class Sink {
  readonly #options: LoggerOptions;
  readonly #now: () => number;
  readonly #repeats = new Map<string, Repeats>();
  #pino: PinoLogger | null = null;

  constructor(options: LoggerOptions) {
    this.#options = options;
    this.#now = options.now ?? ((): number => performance.now());
  }

  write(level: Level, component: string, message: string, fields: LogFields): void {
    const repeats = this.#repeatsOf(`${component} ${message}`);
    if (!repeats.bucket.take(this.#now())) {
      repeats.suppressed += 1;
      return;
    }
    const suppressed = repeats.suppressed === 0 ? {} : { suppressed: repeats.suppressed };
    repeats.suppressed = 0;
    const shown = { component, ...redactFields(fields), ...suppressed };
    const pino = this.#loaded();
    if (pino !== null) pino[level](shown, message);
    else this.#writePlain({ level, ts: new Date().toISOString(), node: this.#options.nodeId, ...shown, msg: message });
  }

  /** Null while it cannot be loaded. */
  #loaded(): PinoLogger | null {
    try {
      this.#pino ??= loadPino(this.#options);
    } catch {
      return null;
    }
    return this.#pino;
  }

  #writePlain(line: object): void {
    const text = `${JSON.stringify(line)}\n`;
    const write = this.#options.write ?? ((own: string): void => void process.stderr.write(own));
    write(text);
  }

  #repeatsOf(key: string): Repeats {
    let repeats = this.#repeats.get(key);
    if (repeats === undefined) {
      if (this.#repeats.size >= MESSAGES_MAX) this.#repeats.clear();
      repeats = { bucket: new TokenBucket({ perSecond: LINES_PER_SECOND, burst: BURST_LINES }), suppressed: 0 };
      this.#repeats.set(key, repeats);
    }
    return repeats;
  }
}

// Synchronously, since a line must not wait for a module: the process may end right behind it.
const requirePino: NonNullable<LoggerOptions["load"]> = createRequire(import.meta.url);

function loadPino({ nodeId, write, load = requirePino }: LoggerOptions): PinoLogger {
  const pino = load("pino");
  return pino.pino(
    {
      level: "debug",
      base: { node: nodeId },
      messageKey: "msg",
      timestamp: () => `,"ts":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
      // Errors come here as plain fields; pino's own serializer would join their messages.
      serializers: { err: (shown: unknown) => shown },
    },
    destinationOf(pino, write),
  );
}

function destinationOf(pino: typeof import("pino"), write: LoggerOptions["write"]): import("pino").DestinationStream {
  if (write !== undefined) return { write };
  const standardError = pino.destination({ dest: 2, sync: true });
  return process.stderr.isTTY ? { write: (line) => standardError.write(prettyLine(line)) } : standardError;
}

const SECRET = /password|token|secret/i;
const DEPTH_MAX = 6;

function redactFields(fields: LogFields): Record<string, unknown> {
  const shown = Object.entries(fields).map(([key, value]) => [
    key,
    SECRET.test(key) ? "[redacted]" : shownValue(value, 1),
  ]);
  return Object.fromEntries(shown);
}

function shownValue(value: unknown, depth: number): unknown {
  if (typeof value === "bigint") return String(value);
  if (typeof value !== "object" || value === null) return value;
  if (depth >= DEPTH_MAX) return "[deep]";
  if (value instanceof Error) return shownError(value, depth);
  if (value instanceof Uint8Array) return `[${value.length} bytes]`;
  if (Array.isArray(value)) return value.map((item: unknown) => shownValue(item, depth + 1));
  const pairs = value instanceof Map ? [...value] : Object.entries(value);
  return Object.fromEntries(
    pairs.map(([key, item]) => [key, SECRET.test(String(key)) ? "[redacted]" : shownValue(item, depth + 1)]),
  );
}

function shownError(error: Error, depth: number): Record<string, unknown> {
  const code = error instanceof DiskFault ? { code: error.kind } : "code" in error ? { code: error.code } : {};
  const cause = error.cause === undefined ? {} : { cause: shownValue(error.cause, depth + 1) };
  // The stack is for errors that nobody expected: those without a code.
  const stack = "code" in code ? {} : { stack: error.stack };
  return { name: error.name, ...code, message: error.message, ...stack, ...cause };
}
