/** What a broker of the simulation is configured with. */
import { testTiny } from "../../config/index.ts";
import type { PeerAddress } from "../../ports/index.ts";
import { DATA } from "./cluster-broker.ts";
import type { ClusterOptions } from "./run-options.ts";

export function rackOf({ nodeId }: PeerAddress, { racksCount }: ClusterOptions): number {
  return (nodeId - 1) % racksCount;
}

/** Keys of docs/configuration.md. */
export function keysOf(
  address: PeerAddress,
  all: readonly PeerAddress[],
  options: ClusterOptions,
): Readonly<Record<string, string>> {
  const { isTiny, sessionTimeoutMs, segmentBytes, scrubIntervalMs } = options;
  return {
    ...(isTiny ? testTiny : { "log.index.size.max.bytes": "65536" }),
    "log.segment.bytes": String(segmentBytes),
    "log.retention.check.interval.ms": "1000",
    "tidemark.scrub.interval.ms": String(scrubIntervalMs),
    "broker.rack": `rack-${rackOf(address, options)}`,
    "log.dirs": DATA,
    "node.id": String(address.nodeId),
    listeners: `GRPC://${address.host}:${address.port - 200}`,
    ...(all.length === 1
      ? {}
      : {
          "controller.quorum.voters": all.map(({ nodeId, host, port }) => `${nodeId}@${host}:${port}`).join(","),
          listeners: `GRPC://${address.host}:${address.port - 200},PEER://${address.host}:${address.port}`,
        }),
    "tidemark.host": `host-${address.nodeId}`,
    "broker.session.timeout.ms": String(sessionTimeoutMs),
    "broker.heartbeat.interval.ms": String(Math.round(sessionTimeoutMs / 4)),
    "leader.imbalance.check.interval.seconds": "4",
    "log.level": "info",
  };
}
