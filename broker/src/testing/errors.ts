/** What the kit says when it is used in a way that cannot work, or when what was waited for did not come. */

export type TestClusterErrorCode =
  /** A value that no option takes. */
  | "INVALID_OPTION"
  | "UNKNOWN_BROKER"
  /** By `records`: there is none of this name. */
  | "UNKNOWN_TOPIC"
  /** A port that was asked for cannot be had. */
  | "PORT_IN_USE"
  /** The broker is in a state in which this cannot be done; the message says in which, and what to do. */
  | "BROKER_DOWN"
  | "BROKER_UP"
  | "BROKER_PAUSED"
  | "BROKER_NOT_PAUSED"
  /** It was killed while it was waited for. */
  | "BROKER_KILLED"
  /** The clock of this cluster walks with the real one. */
  | "REAL_CLOCK"
  /** The storage of this cluster cannot do that. */
  | "WRONG_STORAGE"
  /** A snapshot of a cluster with other brokers, or with another storage. */
  | "WRONG_SNAPSHOT"
  /** What was waited for did not come in time; the message says how far it came. */
  | "TIMEOUT"
  | "CLUSTER_STOPPED";

export class TestClusterError extends Error {
  readonly code: TestClusterErrorCode;

  constructor(code: TestClusterErrorCode, message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.name = "TestClusterError";
    this.code = code;
  }
}
