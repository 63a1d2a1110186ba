/** What a topic's durability mode means for acknowledgement (semantics 15.1). */
import type { LogConfig } from "../storage/index.ts";

/** Whether only what is synced counts as kept (15.1(2)). */
export function countsSynced(durability: LogConfig["durability"]): boolean {
  return durability === "group-commit" || durability === "fsync-each";
}
