/**
 * How the descriptors that a process may have are shared out, so that a storm of connections leaves the log its files and the
 * program the modules that it loads later: Node never tries again to load a module that it found no descriptor for.
 */
import { readFileSync } from "node:fs";

interface DescriptorShares {
  /** Files of the log that are kept open. */
  readonly files: number;
  /** Connections at the gRPC door, and at the HTTP door. */
  readonly grpc: number;
  readonly http: number;
}

/** For the metadata store, checkpoints, modules, and connections between their accept and their refusal. */
const RESERVED = 96;
const LEAST = 32;

/** Shares of `max` descriptors. Whoever has a bound of his own as well takes the smaller one. */
export function shareDescriptors(max: number): DescriptorShares {
  const free = Math.max(LEAST, max - RESERVED);
  const files = Math.floor(free / 3);
  const http = Math.floor(free / 6);
  return { files, http, grpc: free - files - http };
}

/** What this process may have: without end where the system sets no limit or does not say. Node has raised it as far as it may. */
export function descriptorsMax(): number {
  const endless = Number.MAX_SAFE_INTEGER;
  try {
    return Math.min(endless, openFilesLimit(readFileSync("/proc/self/limits", "utf8")) ?? endless);
  } catch {
    return endless;
  }
}

/** The soft limit in the text of /proc/PID/limits; null when it is not there. */
export function openFilesLimit(text: string): number | null {
  const soft = /^Max open files\s+(\S+)/m.exec(text)?.[1];
  if (soft === undefined) return null;
  return soft === "unlimited" ? Number.POSITIVE_INFINITY : Number(soft);
}
