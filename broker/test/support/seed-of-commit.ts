/** A seed that belongs to the code as it was committed: every change meets one that no change before it has met, and can be asked for again. */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";

const root = new URL("../../../../", import.meta.url);

export interface SeedOfCommit {
  readonly seed: number;
  /** What it was made of. */
  readonly of: string;
}

export function seedOfCommit(): SeedOfCommit {
  const of = commit() ?? version();
  return { seed: createHash("sha256").update(of).digest().readUInt32LE() >>> 1, of };
}

/** Null: this is no checkout. */
function commit(): string | null {
  try {
    const stdio = ["ignore", "pipe", "ignore"] as const;
    return `commit ${execFileSync("git", ["rev-parse", "HEAD"], { cwd: root, encoding: "utf8", stdio: [...stdio] }).slice(0, 12)}`;
  } catch {
    return null;
  }
}

function version(): string {
  const { version } = JSON.parse(readFileSync(new URL("package.json", root), "utf8")) as { version: string };
  return `version ${version}`;
}
