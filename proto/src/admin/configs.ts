/** Messages of the admin service about the settings of topics, brokers and the cluster. */
export interface ConfigEntry {
  name: string;
  /** Absent for a value that is not shown (sensitive) or not set. */
  value?: string;
  /** default, static, cluster, broker or topic. */
  source: string;
  sensitive: boolean;
  readOnly: boolean;
  doc: string;
  /** Every layer that has a value, the one in force first; only in an answer to describeConfigs. */
  synonyms: ConfigSynonym[];
  /** int, long, double, boolean, string, list or listeners. */
  type: string;
  /** Of a broker's key: read-only, per-broker, cluster-wide or cluster-only; of a topic's: topic. */
  updateMode: string;
  /** What whoever set this value should know, such as that it has no effect yet; empty: nothing. */
  note: string;
}

export interface ConfigSynonym {
  /** The key that this layer knows it by. */
  name: string;
  /** Absent for a value that is not shown. */
  value?: string;
  source: string;
}

export interface DescribeConfigsRequest {
  resources: DescribedResource[];
}

export interface DescribedResource {
  /** topic, broker or cluster. */
  type: string;
  /** Of the topic; the broker's id; empty for the cluster. */
  name: string;
  /** None: all. */
  keys: string[];
}

export interface DescribeConfigsResponse {
  results: ConfigsResult[];
  metadataOffset: number;
  /** As of DescribeCluster. */
  withoutControllerMs: number;
}

export interface ConfigsResult {
  type: string;
  name: string;
  errorCode: number;
  errorMessage: string;
  entries: ConfigEntry[];
}

export interface AlterConfigsRequest {
  resources: AlteredResource[];
  validateOnly: boolean;
}

export interface AlteredResource {
  /** As in DescribedResource. */
  type: string;
  name: string;
  /** Each key once. */
  changes: ConfigChange[];
}

export interface ConfigChange {
  name: string;
  /** One of ConfigOperation. */
  operation: number;
  /** Not for DELETE; items with commas for APPEND and SUBTRACT. */
  value: string;
}

/** What becomes of a key; Kafka's numbers. */
export const ConfigOperation = { SET: 0, DELETE: 1, APPEND: 2, SUBTRACT: 3 } as const;

export interface AlterConfigsResponse {
  results: ConfigsResult[];
  metadataOffset: number;
}
