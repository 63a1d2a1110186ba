/**
 * One failure of a command: a stable code, one sentence, what to do next, and the exit code. Everything that ends a
 * command badly becomes one of these, and is printed in one of two shapes (both on stderr):
 *
 *     error: CODE: sentence                 {"code":…,"message":…,"hint":…,"see":…,"exitCode":…,"details":…}
 *     hint: what to do
 *     see: tidemark explain CODE
 *
 * `toFailure` is total: it knows the SDK's errors by their shape, so that this file, which every command needs, loads
 * neither the SDK nor gRPC.
 */
import { ExitCode } from "./exit-codes.ts";

export interface FailureOptions {
  readonly hint?: string | undefined;
  readonly exitCode?: ExitCode | undefined;
  /** Facts for machines: printed with `-o json` only. */
  readonly details?: Readonly<Record<string, unknown>> | undefined;
  readonly cause?: unknown;
}

export class CliFailure extends Error {
  readonly code: string;
  readonly hint: string | null;
  readonly exitCode: ExitCode;
  readonly details: Readonly<Record<string, unknown>> | null;

  constructor(code: string, message: string, options: FailureOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "CliFailure";
    this.code = code;
    this.hint = options.hint ?? null;
    this.exitCode = options.exitCode ?? exitCodeOf(code);
    this.details = options.details ?? null;
  }
}

/** A flag, argument or input that makes no sense. Exit code 2. */
export function usageFailure(message: string, hint?: string): CliFailure {
  return new CliFailure("USAGE", message, { hint, exitCode: ExitCode.USAGE });
}

/** Codes of the SDK and of the command line that end with something else than 1. */
const EXIT_CODES: ReadonlyMap<string, ExitCode> = new Map<string, ExitCode>([
  ["USAGE", ExitCode.USAGE],
  ["NOT_IN_THIS_VERSION", ExitCode.USAGE],
  ["NEEDS_CONFIRMATION", ExitCode.USAGE],
  ["INVALID_CONFIG", ExitCode.USAGE],
  ["INVALID_ARGUMENT", ExitCode.USAGE],
  ["INVALID_PROFILES", ExitCode.USAGE],
  ["INVALID_PLAN", ExitCode.USAGE],
  ["UNSUPPORTED", ExitCode.USAGE],
  ["UNKNOWN_TOPIC_OR_PARTITION", ExitCode.NOT_FOUND],
  ["UNKNOWN_TOPIC_ID", ExitCode.NOT_FOUND],
  ["BROKER_ID_NOT_REGISTERED", ExitCode.NOT_FOUND],
  ["VOTER_NOT_FOUND", ExitCode.NOT_FOUND],
  ["UNKNOWN_CODE", ExitCode.NOT_FOUND],
  ["UNKNOWN_PROFILE", ExitCode.NOT_FOUND],
  ["NO_REASSIGNMENT_IN_PROGRESS", ExitCode.NOT_FOUND],
  ["FILE_NOT_FOUND", ExitCode.NOT_FOUND],
  // There is something of that name, and not what was to be found there.
  ["EISDIR", ExitCode.NOT_FOUND],
  ["ENOTDIR", ExitCode.NOT_FOUND],
  ["NOT_A_DATA_DIRECTORY", ExitCode.NOT_FOUND],
  ["INCONSISTENT_VOTER_SET", ExitCode.CONFLICT],
  ["TOPIC_ALREADY_EXISTS", ExitCode.CONFLICT],
  ["PROFILE_EXISTS", ExitCode.CONFLICT],
  ["FILE_EXISTS", ExitCode.CONFLICT],
  ["PORT_IN_USE", ExitCode.CONFLICT],
  ["DIRECTORY_LOCKED", ExitCode.CONFLICT],
  ["WRONG_BROKER_COUNT", ExitCode.CONFLICT],
  ["BROKER_SUPERSEDED", ExitCode.CONFLICT],
  ["METADATA_TOO_NEW", ExitCode.CONFLICT],
  ["BROKER_IN_USE", ExitCode.CONFLICT],
  ["BROKER_RUNNING", ExitCode.CONFLICT],
  ["REASSIGNMENT_IN_PROGRESS", ExitCode.CONFLICT],
  ["AUTHENTICATION_FAILED", ExitCode.AUTH],
  ["AUTHORIZATION_FAILED", ExitCode.AUTH],
  ["CONNECTION_LOST", ExitCode.CONNECT],
  ["TIMEOUT", ExitCode.TIMEOUT],
  ["REQUEST_TIMED_OUT", ExitCode.TIMEOUT],
  ["PARTIAL", ExitCode.PARTIAL],
  ["UNHEALTHY", ExitCode.UNHEALTHY],
  ["DISK_FAULT", ExitCode.DISK_FAULT],
  ["DISK_FULL", ExitCode.DISK_FAULT],
  ["METADATA_FAULT", ExitCode.DISK_FAULT],
]);

function exitCodeOf(code: string): ExitCode {
  return EXIT_CODES.get(code) ?? ExitCode.FAILED;
}

/** Turns whatever was thrown into a failure. An error nobody foresaw becomes INTERNAL and keeps its stack as cause. */
export function toFailure(error: unknown): CliFailure {
  if (error instanceof CliFailure) return error;
  if (error instanceof Error) {
    const code = stringField(error, "code");
    if (code !== null && isSdkError(error)) {
      return new CliFailure(code, sentence(error.message, code), {
        hint: nearestHint(error.message) ?? stringField(error, "hint") ?? undefined,
        details: sdkDetails(error),
        cause: error,
      });
    }
    if (code === "ENOENT") return new CliFailure("FILE_NOT_FOUND", fileSentence(error), { cause: error });
    if (code !== null && /^E[A-Z0-9]+$/.test(code)) return new CliFailure(code, fileSentence(error), { cause: error });
    if (code !== null && /^[A-Z][A-Z_]+$/.test(code) && !code.startsWith("ERR_"))
      return new CliFailure(code, sentence(error.message, code), { cause: error });
    return new CliFailure("INTERNAL", error.message, {
      hint: "this is a defect of tidemark; run again with -v and report the stack",
      cause: error,
    });
  }
  return new CliFailure("INTERNAL", String(error), { cause: error });
}

/** The text that goes to stderr, with its final LF. */
export function renderFailure(failure: CliFailure, options: { asJson: boolean; verbose: boolean }): string {
  const see = `tidemark explain ${failure.code}`;
  if (options.asJson) {
    const object = {
      code: failure.code,
      message: failure.message,
      hint: failure.hint,
      see,
      exitCode: failure.exitCode,
      details: failure.details,
    };
    return `${JSON.stringify(object)}\n`;
  }
  const lines = [`error: ${failure.code}: ${failure.message}`];
  if (failure.hint !== null) lines.push(`hint: ${failure.hint}`);
  lines.push(`see: ${see}`);
  if (options.verbose) lines.push(...stackOf(failure));
  return `${lines.join("\n")}\n`;
}

function stackOf(failure: CliFailure): string[] {
  const stacks: string[] = [];
  for (let error: unknown = failure; error instanceof Error; error = error.cause)
    stacks.push(error.stack ?? String(error));
  return stacks;
}

/** The SDK's errors carry `code` and `retriable`; Node's own carry `code` alone. */
function isSdkError(error: Error): boolean {
  return "retriable" in error && typeof error.retriable === "boolean";
}

function sdkDetails(error: Error): Record<string, unknown> {
  const details: Record<string, unknown> = {};
  for (const name of ["topic", "partition", "kafkaCode", "grpcCode", "retriable", "outcome", "attempts", "elapsedMs"]) {
    const value: unknown = Reflect.get(error, name);
    if (value !== undefined) details[name] = value;
  }
  return details;
}

function stringField(error: Error, name: string): string | null {
  const value: unknown = Reflect.get(error, name);
  return typeof value === "string" && value !== "" ? value : null;
}

/** A broker names the key that was meant at the end of its refusal; as a hint it is seen. */
function nearestHint(message: string): string | null {
  const near = /; the nearest is (\S+)$/.exec(message)?.[1];
  return near === undefined ? null : `did you mean ${near}?`;
}

/** The SDK may lead its message with the code; the line that is printed names it once. */
function sentence(message: string, code: string): string {
  return message.startsWith(`${code}: `) ? message.slice(code.length + 2) : message;
}

/** `ENOENT: no such file or directory, open 'x'` as people write it. */
function fileSentence(error: Error): string {
  const path = stringField(error, "path");
  return path === null ? fileReason(error) : `${path}: ${fileReason(error)}`;
}

/** Why a file could not be used, by what Node threw: `permission denied`. */
export function fileReason(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (stringField(error, "code") === "EISDIR") return "is a directory";
  return /^[A-Z0-9]+: ([^,]+)/.exec(error.message)?.[1] ?? error.message;
}
