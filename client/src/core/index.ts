/**
 * core: what the SDK decides without doing anything: which records go together, what is sent when and as what, what an answer means.
 * Synchronous, and without clock, chance or socket, so that the simulation runs the code that ships. The rest of the package is its
 * shell. Not for users: it may change with any version.
 */
export { createProducerCore } from "./producer-core.ts";
export { createReaderCore } from "./reader-core.ts";
