/**
 * Log lines as JSON (pino), one per line: `ts`, `level`, `node`, `component`, `msg` and the line's fields. Written at once
 * and in order, so that the last line before an exit is there. Pino is loaded with the first line that is really written.
 *
 * Fields named like a password, token or secret are redacted at any depth; an error shows its name, code and message.
 */
import { createRequire } from "node:module";
import type { LogFields, Logger } from "../ports/index.ts";

export type LogLevel = "debug" | "info" | "warn" | "error" | "silent";

export interface LoggerOptions {
  readonly level: LogLevel;
  readonly nodeId: number;
  /** Where lines go; default: standard error, since standard output carries data. */
  readonly write?: (line: string) => void;
}

type PinoLogger = import("pino").Logger;

const ranks: Readonly<Record<LogLevel, number>> = { debug: 0, info: 1, warn: 2, error: 3, silent: 4 };

export function createLogger(options: LoggerOptions): Logger {
  let root: PinoLogger | null = null;
  return new PinoBackedLogger(options.level, "broker", () => {
    root ??= loadPino(options);
    return root;
  });
}

class PinoBackedLogger implements Logger {
  readonly #level: LogLevel;
  readonly #component: string;
  readonly #root: () => PinoLogger;

  constructor(level: LogLevel, component: string, root: () => PinoLogger) {
    this.#level = level;
    this.#component = component;
    this.#root = root;
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
    return new PinoBackedLogger(this.#level, component, this.#root);
  }

  #write(level: "debug" | "info" | "warn" | "error", message: string, fields: LogFields = {}): void {
    if (ranks[level] < ranks[this.#level]) return;
    this.#root()[level]({ component: this.#component, ...redactFields(fields) }, message);
  }
}

function loadPino({ level, nodeId, write }: LoggerOptions): PinoLogger {
  // Synchronously, since a line must not wait for a module: the process may end right behind it.
  const pino: typeof import("pino") = createRequire(import.meta.url)("pino");
  const destination = write === undefined ? pino.destination({ dest: 2, sync: true }) : { write };
  return pino.pino(
    {
      level,
      base: { node: nodeId },
      messageKey: "msg",
      timestamp: () => `,"ts":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
      // Errors come here as plain fields; pino's own serializer would join their messages.
      serializers: { err: (shown: unknown) => shown },
    },
    destination,
  );
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
  const code = "code" in error ? { code: error.code } : {};
  const cause = error.cause === undefined ? {} : { cause: shownValue(error.cause, depth + 1) };
  // The stack is for errors that nobody expected: those without a code.
  const stack = "code" in error ? {} : { stack: error.stack };
  return { name: error.name, ...code, message: error.message, ...stack, ...cause };
}
