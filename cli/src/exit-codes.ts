/**
 * What the process says to the shell when it ends. Stable interface: scripts branch on these numbers. A killed process
 * follows the shell's own convention, 128 + signal.
 */
export const ExitCode = {
  OK: 0,
  FAILED: 1,
  /** Wrong flag, argument or command; also what this version refuses to do. */
  USAGE: 2,
  NOT_FOUND: 3,
  /** Exists already, or is held by somebody else. */
  CONFLICT: 4,
  /** Authentication or authorization. */
  AUTH: 5,
  /** No broker answered. */
  CONNECT: 6,
  TIMEOUT: 7,
  /** A part was done; the message says how far it got. */
  PARTIAL: 8,
  UNHEALTHY: 9,
  /** The broker in this process lost its disk: EX_IOERR of sysexits.h. */
  DISK_FAULT: 74,
  INTERRUPTED: 130,
  TERMINATED: 143,
} as const;

export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];
