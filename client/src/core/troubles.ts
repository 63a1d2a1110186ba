/** What is wrong with a cluster, causes before what follows from them: who reads one line reads the first. */
import type { HealthTrouble } from "../types.ts";

/** A code that stands nowhere here comes between those of brokers and those of partitions. */
const RANKS: readonly string[] = [
  "quorum-lost",
  "no-controller",
  "metadata-full",
  "disk-full",
  "directory-offline",
  "damaged",
  "broker-down",
  "broker-unreachable",
  "broker-silent",
  "other",
  "log-not-open",
  "leaderless",
  "under-min-isr",
  "under-replicated",
];

export function causesFirst<Trouble extends HealthTrouble>(troubles: readonly Trouble[]): Trouble[] {
  const rank = ({ code }: HealthTrouble): number => {
    const slot = RANKS.indexOf(code);
    return slot < 0 ? RANKS.indexOf("other") : slot;
  };
  return troubles.toSorted((a, b) => rank(a) - rank(b));
}
