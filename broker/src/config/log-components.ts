/** Who writes lines into the broker's log, by the name in their `component`; `tidemark.log.levels` may set a level for each. */
export const logComponents: readonly string[] = Object.freeze([
  "broker",
  "api",
  "requests",
  "replicas",
  "storage",
  "controller",
  "raft",
  "peers",
  "grpc",
  "http",
  "process",
]);
