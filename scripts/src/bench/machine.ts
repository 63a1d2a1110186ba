/**
 * What the machine gave while a benchmark ran: how fast one core was at a fixed piece of work before and after, and what its
 * host took away. A shared machine is twice as fast in one hour as in another, and a figure without this says nothing.
 */
import { readFileSync } from "node:fs";
import { crc32cJs } from "@tidemark/proto";
import { median } from "./measure.ts";

/** What a core of the machine did at which the absolute marks of docs/performance.md were first seen. */
const REFERENCE_GB_PER_SECOND = 1.7;
const BLOCK = Buffer.alloc(64 * 1024, 7);
const BLOCKS_PER_ROUND = 500;
const ROUNDS = 7;

export interface Machine {
  /** GB per CPU second of CRC-32C in JavaScript, one thread. */
  readonly before: number;
  readonly after: number;
  /** Share of the time that processes wanted to run in which the host did not let them; null where it is not told. */
  readonly steal: number | null;
}

/** Begins; the returned function ends. */
export function watchMachine(): () => Machine {
  const before = coreSpeed();
  const ticksBefore = ticks();
  return () => {
    const ticksAfter = ticks();
    const busy = ticksAfter.busy - ticksBefore.busy;
    return { before, after: coreSpeed(), steal: busy > 0 ? (ticksAfter.steal - ticksBefore.steal) / busy : null };
  };
}

export function machineLine({ before, after, steal }: Machine): string {
  const speed = `CRC-32C in JavaScript ${before.toFixed(2)} GB/s before, ${after.toFixed(2)} after`;
  const stolen = steal === null ? "" : `; the host took ${(steal * 100).toFixed(1)} %`;
  return `machine: ${speed} (${REFERENCE_GB_PER_SECOND} where the marks were set)${stolen}`;
}

function coreSpeed(): number {
  const rounds = Array.from({ length: ROUNDS }, () => {
    const began = process.cpuUsage();
    for (let block = 0; block < BLOCKS_PER_ROUND; block += 1) crc32cJs(BLOCK);
    const { user, system } = process.cpuUsage(began);
    return (BLOCKS_PER_ROUND * BLOCK.length) / ((user + system) * 1e3);
  });
  // The first rounds are compiled only.
  return median(rounds.slice(2));
}

/** Of all cores since the machine started: busy with steal, and steal alone. Zeros where /proc is not there. */
function ticks(): { readonly busy: number; readonly steal: number } {
  try {
    const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = readFileSync("/proc/stat", "utf8")
      .slice("cpu ".length, 200)
      .trim()
      .split(/\s+/)
      .map(Number);
    return { busy: user + nice + system + irq + softirq + steal, steal };
  } catch {
    return { busy: 0, steal: 0 };
  }
}
