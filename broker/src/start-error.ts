/**
 * Why a broker does not start, in stable codes and words that name the file and the way out. What the disk said becomes
 * one of the rows below; errors that have a code of their own (StorageError, BusyAddressError) stay as they are.
 */
import { DiskFault } from "./ports/index.ts";

/** A start failed in a way that has no error of its own. */
export class BrokerStartError extends Error {
  /** DISK_FULL, DISK_FAULT and so on; METADATA_FAULT. */
  readonly code: string;

  constructor(code: string, message: string, cause: unknown) {
    super(message, { cause });
    this.name = "BrokerStartError";
    this.code = code;
  }
}

interface Row {
  readonly code: string;
  readonly say: (fault: DiskFault, path: string) => string;
}

/** By the fault's kind, or what the operating system calls it where the port has no kind. */
const ROWS: ReadonlyMap<string, Row> = new Map(
  Object.entries<Row>({
    ENOSPC: {
      code: "DISK_FULL",
      say: (fault, path) => `the disk of ${path} is full: no room to start (${fault.operation} ${fault.path})`,
    },
    EROFS: { code: "READ_ONLY_DISK", say: (_, path) => `the file system of ${path} is mounted read-only` },
    EACCES: {
      code: "PERMISSION_DENIED",
      say: ({ operation, path }) => `this user has no permission to ${operation} ${path}`,
    },
    EPERM: {
      code: "PERMISSION_DENIED",
      say: ({ operation, path }) => `the system forbids this user to ${operation} ${path}`,
    },
    EMFILE: {
      code: "TOO_MANY_OPEN_FILES",
      say: ({ path }) => `no file descriptor is left to open ${path}: raise the limit (ulimit -n)`,
    },
    ENAMETOOLONG: {
      code: "PATH_TOO_LONG",
      say: (_, path) => `the path of the data directory is longer than the file system takes: ${path}`,
    },
    EEXIST: { code: "NOT_A_DIRECTORY", say: ({ path }) => `${path} is a file, and a directory is needed there` },
    ENOTDIR: {
      code: "NOT_A_DIRECTORY",
      say: ({ path }) => `${path} leads through a file, and a directory is needed there`,
    },
  }),
);

/** `path` is the data directory. */
export function startErrorOf(cause: unknown, path: string): Error {
  if (cause instanceof DiskFault) {
    const row = ROWS.get(cause.kind === "other" ? (codeOf(cause.cause) ?? "") : cause.kind);
    return row === undefined
      ? new BrokerStartError("DISK_FAULT", `the data directory ${path} failed: ${describeFault(cause)}`, cause)
      : new BrokerStartError(row.code, row.say(cause, path), cause);
  }
  if (codeOf(cause) !== undefined && cause instanceof Error) return cause;
  return new BrokerStartError("UNKNOWN_SERVER_ERROR", messageOf(cause), cause);
}

/** `write /data/t-0/0.log: EIO`; of a fault that has no name, what the operating system said of it. */
export function describeFault(fault: DiskFault): string {
  return fault.kind === "other" && fault.cause !== undefined
    ? `${fault.operation} ${fault.path}: ${messageOf(fault.cause)}`
    : fault.message;
}

export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}

export function codeOf(thrown: unknown): string | undefined {
  if (!(thrown instanceof Error) || !("code" in thrown)) return undefined;
  return typeof thrown.code === "string" ? thrown.code : undefined;
}
