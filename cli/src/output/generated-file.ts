/** Where a generated file goes: standard output, or a file of its own, which is whole or not there. */
import { closeSync, existsSync, fsyncSync, openSync, renameSync, rmSync, writeFileSync } from "node:fs";
import type { CommandContext } from "../command-context.ts";
import { CliFailure, usageFailure } from "../failure.ts";

export interface Destination {
  /** Default "-": standard output. */
  readonly out?: string;
  /** Replace what is there. */
  readonly force?: boolean;
  /** Of a new file; default: what the process makes. */
  readonly mode?: number;
}

/** What can be said before anything is made. @throws CliFailure USAGE */
export function checkDestination(context: CommandContext, { out = "-", force = false }: Destination): void {
  if (context.flags.broker !== null)
    throw usageFailure("generate asks no broker", `did you mean --brokers ${context.flags.broker}?`);
  if (force && out === "-") throw usageFailure("--force replaces a file, and none is named", "add --out FILE");
}

/** The same, said before work that takes long. @throws CliFailure FILE_EXISTS */
export function refuseExisting({ out = "-", force = false }: Destination): void {
  if (out !== "-" && !force && existsSync(out)) throw fileExists(out);
}

/**
 * The path that was written; null: standard output.
 * @throws CliFailure FILE_EXISTS
 */
export function writeGenerated(
  context: CommandContext,
  text: string | Uint8Array,
  { out = "-", force = false, mode = 0o666 }: Destination,
): string | null {
  if (out === "-") {
    context.stdout.write(text);
    return null;
  }
  if (force) replace(out, text, mode);
  else create(out, text, mode);
  return out;
}

/** @throws CliFailure FILE_EXISTS */
function create(path: string, text: string | Uint8Array, mode: number): void {
  let descriptor: number;
  try {
    descriptor = openSync(path, "wx", mode);
  } catch (error: unknown) {
    if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
    throw fileExists(path, error);
  }
  fill(path, descriptor, text);
}

function fileExists(path: string, cause?: unknown): CliFailure {
  const hint = "add --force to replace it, or name another file";
  return new CliFailure("FILE_EXISTS", `${path} is there already, and stays as it is`, { hint, cause });
}

/** Whoever dies in the middle leaves the old file. */
function replace(path: string, text: string | Uint8Array, mode: number): void {
  const next = `${path}.${process.pid}.tmp`;
  fill(next, openSync(next, "w", mode), text);
  try {
    renameSync(next, path);
  } catch (error: unknown) {
    rmSync(next, { force: true });
    throw error;
  }
}

/** All of it, or no file. */
function fill(path: string, descriptor: number, text: string | Uint8Array): void {
  try {
    writeFileSync(descriptor, text);
    fsyncSync(descriptor);
  } catch (error: unknown) {
    rmSync(path, { force: true });
    throw error;
  } finally {
    closeSync(descriptor);
  }
}
