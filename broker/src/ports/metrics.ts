/**
 * What a room tells of itself in numbers. Rooms count in plain fields and typed arrays (`Histogram`) on their hot paths;
 * the composition root reads them when somebody asks, and the platform names them. Nothing is kept between two askings.
 */

/** `summary`: what exists per broker and topic. `detail`: also what exists per partition, of which there may be thousands. */
export type MetricsScope = "summary" | "detail";

/** What a door has refused, by stage (security 2) and reason. Stages and reasons are constants: their number is bounded. */
export interface Refusal {
  readonly stage: string;
  readonly reason: string;
  readonly count: number;
}

/** A door as its metrics see it. */
export interface CountedDoor {
  readonly connectionsCount: number;
  /** Since the start. */
  readonly delayedConnectionsCount: number;
  readonly refusals: Iterable<Refusal>;
  /** Bytes of messages that are not whole. */
  readonly unfinishedBytes: number;
}
