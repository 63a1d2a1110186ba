/** What is wrong with a running broker and keeps nobody away: a word for machines, a sentence for people. */
import type { HealthCheck } from "./listeners/http/index.ts";
import type { Controller, ReplicaManager } from "./runtime/index.ts";

const HEALTH_CHECKS = ["log-directory", "disk-space", "damaged-partitions", "metadata-store"] as const;
/** Damaged partitions that a health check names. */
const DAMAGED_NAMED_MAX = 5;

export interface HealthParts {
  /** The log directory. */
  readonly path: string;
  /** Null while a start has not made it. */
  readonly replicas: ReplicaManager | null;
  readonly controller: Controller | null;
}

/** A full disk still serves readers and administrators: no reason to send them away (3.8(2)). */
export function healthChecks({ path, replicas, controller }: HealthParts): HealthCheck[] {
  const damaged: string[] = [];
  for (const partition of replicas?.partitions() ?? []) {
    if (partition.isDamaged) damaged.push(`${partition.topic}-${partition.partition}`);
  }
  const named = damaged.slice(0, DAMAGED_NAMED_MAX).join(", ");
  const troubles = {
    "log-directory": replicas?.isOffline === true ? "log-directory-offline" : null,
    "disk-space": replicas?.isFull === true ? "disk-full" : null,
    "damaged-partitions": damaged.length > 0 ? "partitions-damaged" : null,
    "metadata-store": controller?.isSuspended === true ? "metadata-suspended" : null,
  } as const;
  const reasons = {
    "log-directory": `the log directory ${path} is offline`,
    "disk-space": "no room but the reserve: appends are refused",
    "damaged-partitions": `${damaged.length} partitions refuse appends: ${named}`,
    "metadata-store": "no room to store metadata: changes are refused",
  };
  return HEALTH_CHECKS.map((name) => {
    const trouble = troubles[name];
    return { name, trouble, reason: trouble === null ? null : reasons[name] };
  });
}
