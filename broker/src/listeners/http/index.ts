/**
 * listeners/http: the HTTP door: health for whoever starts and stops brokers, metrics for Prometheus, the version.
 *
 * Inputs: HTTP/1.1 from peers nobody vouches for; a BrokerView. Outputs: status, text, JSON. Invariants: whatever arrives
 * ends in an answer or a closed connection, never in a fault of the process; bodies and headers are bounded (security 2,
 * "HTTP"); nothing here changes the broker. Whether the door may stand open to other hosts is decided by the
 * configuration, before it opens.
 *
 * Not here: the console and its API; what the numbers are (platform); TLS and logins.
 */
export type { BrokerView, HealthCheck } from "./broker-view.ts";
export type { DebugMode } from "./debug.ts";
export type { HttpDoorOptions } from "./http-door.ts";
export { HttpDoor, openHttpDoor } from "./http-door.ts";
