/**
 * What can happen to a cluster: the names of the events, what each says, and the reasons. Brokers make them of the metadata log, WatchEvents
 * carries them (wire/cluster-events.ts), the SDK hands them out. Names, reasons and fields are API: added to, never changed.
 */

/** Why a replica left an ISR, or a leader its partition. */
export type DepartureReason =
  /** The broker's session is over: it was not heard of. */
  | "fenced"
  | "shutting-down"
  /** The broker has registered anew: what its former process promised counts no longer. */
  | "restarted"
  | "directory-failed"
  | "damaged"
  /** Its broker has no room but the reserve, and the others are enough. */
  | "full"
  | "reassigned"
  /** An operator takes its broker out of service, and others may lead. */
  | "drained"
  /** The leader took it out: it was too far behind for `replica.lag.time.max.ms`. */
  | "lagging"
  /** Another one was chosen to lead, and counts from there on. */
  | "longest-log"
  | "unclean";

export type ArrivalReason = "caught-up" | "elected";

export type LeaderChangeReason =
  | DepartureReason
  /** Nobody led, and somebody who may has come back. */
  | "returned"
  /** Leadership was given back to the first replica of the assignment. */
  | "preferred"
  | "elected";

/** Of a start of a broker's process. `unclean`: it did not stop in good order; `emptied`: its directory is another one. */
export type RegistrationReason = "new" | "clean" | "unclean" | "emptied";

export interface BrokerConcerned {
  readonly brokerId: number;
}

export interface PartitionConcerned {
  readonly topic: string;
  readonly partition: number;
}

export interface TopicConcerned {
  readonly topic: string;
  readonly partitions: number;
}

/** A new leader, or none. */
export interface LeaderChange extends PartitionConcerned {
  /** -1: nobody. */
  readonly leaderId: number;
  readonly leaderBefore: number;
  readonly leaderEpoch: number;
  readonly reason: LeaderChangeReason;
}

export interface IsrChange extends PartitionConcerned {
  readonly isr: readonly number[];
  readonly isrBefore: readonly number[];
}

export interface ReassignmentChange extends PartitionConcerned {
  /** The target; of a cancelled one what the partition is left with. */
  readonly replicas: readonly number[];
  readonly adding: readonly number[];
  readonly removing: readonly number[];
}

export interface PartitionEventFields {
  "leader-changed": LeaderChange;
  /** What the new leader lacks is lost. */
  "unclean-election": LeaderChange;
  /** The reason is that of the first replica that left. */
  "isr-shrunk": IsrChange & { readonly reason: DepartureReason };
  /** The reason is that of the first replica that came. */
  "isr-expanded": IsrChange & { readonly reason: ArrivalReason };
  "replica-damaged": PartitionConcerned & BrokerConcerned;
  "replica-repaired": PartitionConcerned & BrokerConcerned;
  "reassignment-started": ReassignmentChange;
  /** The target alone is left. */
  "reassignment-done": ReassignmentChange;
  /** What was before is left. */
  "reassignment-cancelled": ReassignmentChange;
}

/** By type. */
export interface ClusterEventFields extends PartitionEventFields {
  "controller-changed": BrokerConcerned;
  "broker-registered": BrokerConcerned & { readonly reason: RegistrationReason };
  /** Not fenced any more: it may lead and be in sync. */
  "broker-up": BrokerConcerned;
  /** Fenced. `silent`: it was not heard of for its session. */
  "broker-down": BrokerConcerned & { readonly reason: "silent" | "shutdown" | "directory-failed" };
  "broker-shutting-down": BrokerConcerned;
  "directory-failed": BrokerConcerned;
  "broker-unregistered": BrokerConcerned;
  /** An operator takes it out of service. */
  "broker-draining": BrokerConcerned;
  /** And back into it. */
  "broker-undrained": BrokerConcerned;
  /** No room but the reserve. */
  "disk-full": BrokerConcerned;
  "disk-freed": BrokerConcerned;
  "topic-created": TopicConcerned;
  "partitions-added": TopicConcerned;
  "topic-deleted": { readonly topic: string };
  "config-changed": {
    /** `topic/NAME`, `broker/ID`, `cluster`. */
    readonly resource: string;
    /** Names alone: values may be secrets. */
    readonly set: readonly string[];
    readonly unset: readonly string[];
  };
}

/** As brokers make them. */
export type EventOf<Fields, Type extends keyof Fields = keyof Fields> = {
  [One in Type]: { readonly type: One } & Fields[One];
}[Type];

type ShownName<Field> = Field extends "brokerId" ? "broker" : Field extends "leaderId" ? "leader" : Field;
type ShownValue<Field, Value> = Field extends "leaderId" | "leaderBefore"
  ? number | null
  : Value extends readonly (infer Item)[]
    ? Item[]
    : Value;

/** As the SDK hands them out: ids without "Id", and nobody is null. */
export type ShownEvent<Type extends keyof ClusterEventFields = keyof ClusterEventFields> = {
  [One in Type]: {
    type: One;
    detail: {
      -readonly [Field in keyof ClusterEventFields[One] as ShownName<Field>]: ShownValue<
        Field,
        ClusterEventFields[One][Field]
      >;
    };
  };
}[Type];
