/**
 * What the cluster's metadata can be asked to do: plain-data requests and answers, so that a command runs on the node that leads
 * Raft whoever asks. The controller implements it there, a channel to it everywhere else.
 *
 * Every answer names the metadata offset that it was decided on: whoever must see the outcome waits until that is applied
 * where he looks. All of these reject with ProtoError: NOT_CONTROLLER (`NotController`) where Raft is not led, or no longer;
 * KAFKA_STORAGE_ERROR while metadata cannot be stored. What was asked may have been done then. Refusals of single items are in
 * the answers.
 */
import { ProtoError } from "@tidemark/proto";
import type {
  AlterConfigsResult,
  AlterPartitionsRequest,
  BrokerHeartbeat,
  BrokerRegistration,
  BrokerResult,
  ConfigAlteration,
  CreatedTopic,
  CreatePartitionsSpec,
  CreateTopicSpec,
  DamageReport,
  DamageVerdict,
  DeleteTopicResult,
  ElectionResult,
  ElectionTarget,
  ElectionType,
  HeartbeatResponse,
  IsrVerdict,
  ReassignmentChange,
  ReassignmentResult,
  TopicTarget,
} from "../metadata/index.ts";
import type { ErrorName } from "@tidemark/proto";

/** Of an answer: the offset that it was decided on. */
export interface Decided {
  readonly metadataOffset: number;
}

export interface Results<Result> extends Decided {
  /** One per item of the request, in order. */
  readonly results: readonly Result[];
}

export interface TopicResult {
  readonly name: string;
  readonly error: ErrorName;
  /** Empty without an error. */
  readonly message: string;
  /** Made, or that would be made; null with an error. */
  readonly topic: CreatedTopic | null;
}

export interface GrownTopic extends TopicResult {
  /** Partitions that it had before. */
  readonly before: number;
}

export interface LeaderTransfer extends Decided {
  readonly leaderId: number;
  readonly term: number;
}

export interface VoterChangeRequest {
  readonly nodeId: number;
  readonly isVoter: boolean;
  readonly timeoutMs: number;
}

export interface SeatedVoters extends Decided {
  /** Node ids, ascending. */
  readonly voters: readonly number[];
}

export interface ControllerCommands {
  /** Rejects with INVALID_REGISTRATION, DUPLICATE_BROKER_REGISTRATION, INCONSISTENT_CLUSTER_ID too. */
  registerBroker(request: BrokerRegistration): Promise<Decided & { readonly brokerEpoch: number }>;
  heartbeat(request: BrokerHeartbeat): Promise<Decided & HeartbeatResponse>;
  alterPartitions(request: AlterPartitionsRequest): Promise<Results<IsrVerdict>>;
  reportDamage(request: DamageReport): Promise<Results<DamageVerdict>>;
  /** A block of producer ids that nobody else has or will have. */
  allocateProducerIds(request: {
    readonly brokerId: number;
  }): Promise<Decided & { readonly firstId: number; readonly count: number }>;

  createTopics(request: {
    readonly specs: readonly CreateTopicSpec[];
    /** Decides and stores nothing. */
    readonly isValidateOnly: boolean;
    /** A topic that is there already is a success. */
    readonly isIfAbsent?: boolean;
  }): Promise<Results<TopicResult>>;
  createPartitions(request: {
    readonly specs: readonly CreatePartitionsSpec[];
    readonly isValidateOnly: boolean;
  }): Promise<Results<GrownTopic>>;
  deleteTopics(request: {
    readonly targets: readonly TopicTarget[];
    /** Decides and stores nothing. */
    readonly isValidateOnly: boolean;
  }): Promise<Results<DeleteTopicResult>>;
  alterConfigs(request: {
    readonly alterations: readonly ConfigAlteration[];
    readonly isValidateOnly: boolean;
  }): Promise<Results<AlterConfigsResult>>;
  /** No targets: every partition. An unclean election is answered when its outcome is known. */
  electLeaders(request: {
    readonly type: ElectionType;
    readonly targets: readonly ElectionTarget[] | null;
  }): Promise<Results<ElectionResult>>;
  alterReassignments(request: {
    readonly changes: readonly ReassignmentChange[];
    readonly isValidateOnly: boolean;
  }): Promise<Results<ReassignmentResult>>;
  drainBrokers(request: {
    readonly brokerIds: readonly number[];
    readonly isDraining: boolean;
  }): Promise<Results<BrokerResult>>;
  /** One result. */
  unregisterBroker(request: { readonly brokerId: number }): Promise<Results<BrokerResult>>;
  /**
   * Waits until every partition of the topic from `first` on has a leader that has its log open (15.3(1)); those that do not when
   * the time is over are the results.
   */
  awaitTopic(request: {
    readonly topicId: string;
    readonly first: number;
    /** Of the answer that made them. */
    readonly metadataOffset: number;
    readonly timeoutMs: number;
  }): Promise<Results<number>>;
  /**
   * Answered when this node leads the metadata quorum, and at once where it does. Rejects with BROKER_ID_NOT_REGISTERED, VOTER_NOT_FOUND,
   * BROKER_NOT_AVAILABLE, INELIGIBLE_REPLICA too.
   */
  transferLeadership(request: { readonly nodeId: number }): Promise<LeaderTransfer>;
  /**
   * Answered when the seat is given or taken, and at once where it is so already. Rejects with BROKER_ID_NOT_REGISTERED, VOTER_NOT_FOUND,
   * BROKER_NOT_AVAILABLE, INCONSISTENT_VOTER_SET (those that are left would be no majority), REQUEST_TIMED_OUT too.
   */
  changeVoter(request: VoterChangeRequest): Promise<SeatedVoters>;
}

/** The names of the commands, as the wire calls them. */
export const CONTROLLER_COMMANDS = [
  "registerBroker",
  "heartbeat",
  "alterPartitions",
  "reportDamage",
  "allocateProducerIds",
  "createTopics",
  "createPartitions",
  "deleteTopics",
  "alterConfigs",
  "electLeaders",
  "alterReassignments",
  "drainBrokers",
  "unregisterBroker",
  "awaitTopic",
  "transferLeadership",
  "changeVoter",
] as const satisfies readonly (keyof ControllerCommands)[];

/** This node does not lead Raft. `leaderId` is who does, as far as known; -1 = unknown. */
export class NotController extends ProtoError {
  readonly leaderId: number;
  /** The change was proposed: the next leader commits it, or it is gone. */
  readonly mayBeDone: boolean;

  constructor(
    message: string,
    leaderId = -1,
    { mayBeDone = false, ...options }: { readonly cause?: unknown; readonly mayBeDone?: boolean } = {},
  ) {
    super("NOT_CONTROLLER", message, options);
    this.leaderId = leaderId;
    this.mayBeDone = mayBeDone;
  }
}
