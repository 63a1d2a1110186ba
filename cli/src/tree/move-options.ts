/** Options of all commands that move partitions. */
import type { Option } from "commander";
import { usageFailure } from "../failure.ts";
import { parseThrottle } from "../parse/numbers.ts";
import { parsed } from "./options.ts";

export const WAIT_FLAG = "--wait";

export function throttleOption(): Option {
  return parsed("--throttle <rate>", "what each broker sends and takes for it, such as 50MB/s", parseThrottle);
}

export function rollbackOption(): Option {
  return parsed("--rollback <file>", "a new file for the way back, which --plan of reassign takes", (path) => path);
}

/** `a,b`. @throws CliFailure USAGE */
export function parseTopics(text: string): string[] {
  const names = text.split(",").map((name) => name.trim());
  if (names.includes("")) throw usageFailure("expected names of topics, such as orders,payments");
  return [...new Set(names)];
}
