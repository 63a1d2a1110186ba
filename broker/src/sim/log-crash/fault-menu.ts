/** Faults that a run injects while a log works or starts, drawn from the seed. */
import type { SeededRandom } from "../../base/index.ts";
import type { SimDisk } from "../sim-disk.ts";
import type { FaultRule } from "../sim-faults.ts";

const LOGS = /\.log$/;
const INDEXES = /index$/;
const CHECKPOINTS = /checkpoint/;

/** Those that the log gets over by itself, and those that end an append or the whole directory. */
const MENU: readonly FaultRule[] = [
  { operation: "write", effect: "short", path: LOGS, times: 3 },
  { operation: "write", effect: "short", times: 5 },
  { operation: "read", effect: "short", times: 10 },
  { operation: "datasync", effect: "stall", stallMs: 1000 },
  { operation: "datasync", effect: "stall", stallMs: 30_000 },
  { operation: "syncDirectory", effect: "stall", stallMs: 5000 },
  { operation: "read", effect: "stall", stallMs: 500 },
  { operation: "write", effect: "ENOSPC", path: LOGS },
  { operation: "write", effect: "ENOSPC", path: LOGS, times: 3 },
  { operation: "write", effect: "ENOSPC", path: INDEXES },
  { operation: "write", effect: "ENOSPC", path: CHECKPOINTS },
  { operation: "write", effect: "ENOSPC", path: /\.snapshot/ },
  { operation: "write", effect: "EIO", path: LOGS },
  { operation: "write", effect: "EIO" },
  { operation: "read", effect: "EIO" },
  { operation: "datasync", effect: "EIO", path: LOGS },
  { operation: "datasync", effect: "EIO" },
  { operation: "datasync", effect: "ENOSPC" },
  { operation: "syncDirectory", effect: "EIO" },
  { operation: "open", effect: "EMFILE" },
  { operation: "open", effect: "EIO" },
  { operation: "truncate", effect: "EIO" },
  { operation: "rename", effect: "EIO" },
  { operation: "unlink", effect: "EIO" },
  { operation: "list", effect: "EIO" },
  { operation: "mkdir", effect: "ENOSPC" },
];

/** Adds one fault; describes it for the trace. */
export function injectFault(random: SeededRandom, medium: SimDisk): string {
  if (random.chance(0.1)) {
    medium.capacityBytes = medium.usedBytes() + random.below(3000);
    return "disk nearly full";
  }
  const rule = random.pick(MENU);
  medium.faults.add({ ...rule, skipCount: random.below(6) });
  return `${rule.operation} ${rule.effect} ${rule.path?.source ?? ""}`;
}
