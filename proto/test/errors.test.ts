import { expect } from "chai";
import { ERROR_TABLE, errorCode, errorRow, GrpcStatus, isErrorName, ProtoError } from "../src/index.ts";

/** Apache Kafka's names in the order of their numbers, from -1 (org.apache.kafka.common.protocol.Errors, and semantics 8.2). */
const KAFKA =
  `UNKNOWN_SERVER_ERROR NONE OFFSET_OUT_OF_RANGE CORRUPT_MESSAGE UNKNOWN_TOPIC_OR_PARTITION INVALID_FETCH_SIZE
LEADER_NOT_AVAILABLE NOT_LEADER_OR_FOLLOWER REQUEST_TIMED_OUT BROKER_NOT_AVAILABLE REPLICA_NOT_AVAILABLE MESSAGE_TOO_LARGE
STALE_CONTROLLER_EPOCH OFFSET_METADATA_TOO_LARGE NETWORK_EXCEPTION COORDINATOR_LOAD_IN_PROGRESS COORDINATOR_NOT_AVAILABLE
NOT_COORDINATOR INVALID_TOPIC_EXCEPTION RECORD_LIST_TOO_LARGE NOT_ENOUGH_REPLICAS NOT_ENOUGH_REPLICAS_AFTER_APPEND
INVALID_REQUIRED_ACKS ILLEGAL_GENERATION INCONSISTENT_GROUP_PROTOCOL INVALID_GROUP_ID UNKNOWN_MEMBER_ID
INVALID_SESSION_TIMEOUT REBALANCE_IN_PROGRESS INVALID_COMMIT_OFFSET_SIZE TOPIC_AUTHORIZATION_FAILED
GROUP_AUTHORIZATION_FAILED CLUSTER_AUTHORIZATION_FAILED INVALID_TIMESTAMP UNSUPPORTED_SASL_MECHANISM ILLEGAL_SASL_STATE
UNSUPPORTED_VERSION TOPIC_ALREADY_EXISTS INVALID_PARTITIONS INVALID_REPLICATION_FACTOR INVALID_REPLICA_ASSIGNMENT
INVALID_CONFIG NOT_CONTROLLER INVALID_REQUEST UNSUPPORTED_FOR_MESSAGE_FORMAT POLICY_VIOLATION OUT_OF_ORDER_SEQUENCE_NUMBER
DUPLICATE_SEQUENCE_NUMBER INVALID_PRODUCER_EPOCH INVALID_TXN_STATE INVALID_PRODUCER_ID_MAPPING INVALID_TRANSACTION_TIMEOUT
CONCURRENT_TRANSACTIONS TRANSACTION_COORDINATOR_FENCED TRANSACTIONAL_ID_AUTHORIZATION_FAILED SECURITY_DISABLED
OPERATION_NOT_ATTEMPTED KAFKA_STORAGE_ERROR LOG_DIR_NOT_FOUND SASL_AUTHENTICATION_FAILED UNKNOWN_PRODUCER_ID
REASSIGNMENT_IN_PROGRESS DELEGATION_TOKEN_AUTH_DISABLED DELEGATION_TOKEN_NOT_FOUND DELEGATION_TOKEN_OWNER_MISMATCH
DELEGATION_TOKEN_REQUEST_NOT_ALLOWED DELEGATION_TOKEN_AUTHORIZATION_FAILED DELEGATION_TOKEN_EXPIRED INVALID_PRINCIPAL_TYPE
NON_EMPTY_GROUP GROUP_ID_NOT_FOUND FETCH_SESSION_ID_NOT_FOUND INVALID_FETCH_SESSION_EPOCH LISTENER_NOT_FOUND
TOPIC_DELETION_DISABLED FENCED_LEADER_EPOCH UNKNOWN_LEADER_EPOCH UNSUPPORTED_COMPRESSION_TYPE STALE_BROKER_EPOCH
OFFSET_NOT_AVAILABLE MEMBER_ID_REQUIRED PREFERRED_LEADER_NOT_AVAILABLE GROUP_MAX_SIZE_REACHED FENCED_INSTANCE_ID
ELIGIBLE_LEADERS_NOT_AVAILABLE ELECTION_NOT_NEEDED NO_REASSIGNMENT_IN_PROGRESS GROUP_SUBSCRIBED_TO_TOPIC INVALID_RECORD
UNSTABLE_OFFSET_COMMIT THROTTLING_QUOTA_EXCEEDED PRODUCER_FENCED RESOURCE_NOT_FOUND DUPLICATE_RESOURCE
UNACCEPTABLE_CREDENTIAL INCONSISTENT_VOTER_SET INVALID_UPDATE_VERSION FEATURE_UPDATE_FAILED
PRINCIPAL_DESERIALIZATION_FAILURE SNAPSHOT_NOT_FOUND POSITION_OUT_OF_RANGE UNKNOWN_TOPIC_ID DUPLICATE_BROKER_REGISTRATION
BROKER_ID_NOT_REGISTERED INCONSISTENT_TOPIC_ID INCONSISTENT_CLUSTER_ID TRANSACTIONAL_ID_NOT_FOUND
FETCH_SESSION_TOPIC_ID_ERROR INELIGIBLE_REPLICA NEW_LEADER_ELECTED OFFSET_MOVED_TO_TIERED_STORAGE FENCED_MEMBER_EPOCH
UNRELEASED_INSTANCE_ID UNSUPPORTED_ASSIGNOR STALE_MEMBER_EPOCH MISMATCHED_ENDPOINT_TYPE UNSUPPORTED_ENDPOINT_TYPE
UNKNOWN_CONTROLLER_ID UNKNOWN_SUBSCRIPTION_ID TELEMETRY_TOO_LARGE INVALID_REGISTRATION TRANSACTION_ABORTABLE
INVALID_RECORD_STATE SHARE_SESSION_NOT_FOUND INVALID_SHARE_SESSION_EPOCH FENCED_STATE_EPOCH INVALID_VOTER_KEY
DUPLICATE_VOTER VOTER_NOT_FOUND INVALID_REGULAR_EXPRESSION REBOOTSTRAP_REQUIRED STREAMS_INVALID_TOPOLOGY
STREAMS_INVALID_TOPOLOGY_EPOCH STREAMS_TOPOLOGY_FENCED SHARE_SESSION_LIMIT_REACHED GROUP_DELETION_FAILED
STREAMS_TOPOLOGY_DESCRIPTION_UPDATE_FAILED CONTROLLER_ID_NOT_REGISTERED`.split(/\s+/u);

/** What Kafka's Java clients refresh metadata for (subclasses of InvalidMetadataException). */
const STALE = [3, 5, 6, 9, 13, 56, 72, 74, 80, 83, 84, 100, 103];
/** What they retry besides (subclasses of RetriableException). */
const RETRIABLE = [2, 7, 14, 15, 16, 19, 20, 41, 51, 70, 71, 75, 78, 88, 89, 106, 122, 123, 133];

describe("the error table", () => {
  it("has Kafka's names under Kafka's numbers, without a gap", () => {
    const rows = ERROR_TABLE.slice(0, KAFKA.length);
    expect(rows.map((row) => row.name)).to.deep.equal(KAFKA);
    expect(rows.map((row) => row.code)).to.deep.equal(KAFKA.map((_, at) => at - 1));
  });

  it("has its own far behind Kafka's", () => {
    const own = ERROR_TABLE.slice(KAFKA.length);
    expect(own.map(({ name, code }) => [name, code])).to.deep.equal([["EXPECTED_OFFSET_MISMATCH", 10_000]]);
  });

  it("names no error twice", () => {
    expect(new Set(ERROR_TABLE.map((row) => row.name)).size).to.equal(ERROR_TABLE.length);
    expect(new Set(ERROR_TABLE.map((row) => row.code)).size).to.equal(ERROR_TABLE.length);
  });

  it("calls retriable and stale what Kafka's clients do", () => {
    expect(ERROR_TABLE.filter((row) => row.metadataStale).map((row) => row.code)).to.deep.equal(STALE);
    expect(ERROR_TABLE.filter((row) => row.retriable && !row.metadataStale).map((row) => row.code)).to.deep.equal(
      RETRIABLE,
    );
  });

  it("maps every failure to a gRPC failure, and says what happened in a sentence", () => {
    const statuses: readonly number[] = Object.values(GrpcStatus);
    for (const row of ERROR_TABLE) {
      expect(statuses).to.include(row.grpcStatus);
      expect(row.grpcStatus === GrpcStatus.OK, row.name).to.equal(row.name === "NONE");
      expect(row.text, row.name).to.match(/^[A-Z].*\.$/u);
      if (row.hint !== "") expect(row.hint, row.name).to.match(/[^ ]\S*$/u);
    }
  });

  it("gives the SDK's short names", () => {
    const short = (code: number): string => errorRow(code).clientCode;
    expect([6, 10, 18, 2, 7, 90, 47, 58, 29, 35, 76, 13, 120, 1, 3].map(short)).to.deep.equal([
      "NOT_LEADER",
      "RECORD_TOO_LARGE",
      "RECORD_TOO_LARGE",
      "CORRUPT",
      "TIMEOUT",
      "FENCED",
      "FENCED",
      "AUTHENTICATION_FAILED",
      "AUTHORIZATION_FAILED",
      "UNSUPPORTED",
      "UNSUPPORTED",
      "CONNECTION_LOST",
      "ABORTED",
      "OFFSET_OUT_OF_RANGE",
      "UNKNOWN_TOPIC_OR_PARTITION",
    ]);
  });

  it("finds rows by name and number, and reads what it does not know as UNKNOWN_SERVER_ERROR", () => {
    expect(errorRow("NOT_LEADER_OR_FOLLOWER")).to.equal(errorRow(6));
    expect(errorCode("INVALID_RECORD")).to.equal(87);
    for (const unknown of [-2, 9999, Number.NaN]) expect(errorRow(unknown).name).to.equal("UNKNOWN_SERVER_ERROR");
    expect(isErrorName("CORRUPT_MESSAGE")).to.equal(true);
    expect(isErrorName("CORRUPT")).to.equal(false);
    expect(isErrorName("constructor")).to.equal(false);
  });
});

describe("ProtoError", () => {
  it("carries its code, its row, its message and its cause", () => {
    const cause = new Error("inner");
    const error = new ProtoError("CORRUPT_MESSAGE", "the CRC is wrong", { cause });
    expect(error).to.be.instanceOf(Error);
    expect([error.name, error.code, error.message, error.cause]).to.deep.equal([
      "ProtoError",
      "CORRUPT_MESSAGE",
      "the CRC is wrong",
      cause,
    ]);
    expect(error.row.code).to.equal(2);
  });
});
