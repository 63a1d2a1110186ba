/** Where a generated file goes: standard output, or a file of its own, which is whole or not there. */
import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeFileSync } from "node:fs";
import type { CommandContext } from "../command-context.ts";
import { CliFailure, usageFailure } from "../failure.ts";

export interface Destination {
  /** Default "-": standard output. */
  readonly out?: string;
  /** Replace what is there. */
  readonly force?: boolean;
}

/** What can be said before anything is made. @throws CliFailure USAGE */
export function checkDestination(context: CommandContext, { out = "-", force = false }: Destination): void {
  if (context.flags.broker !== null)
    throw usageFailure("generate asks no broker", `did you mean --brokers ${context.flags.broker}?`);
  if (force && out === "-") throw usageFailure("--force replaces a file, and none is named", "add --out FILE");
}

/**
 * The path that was written; null: standard output.
 * @throws CliFailure FILE_EXISTS
 */
export function writeGenerated(
  context: CommandContext,
  text: string | Uint8Array,
  { out = "-", force = false }: Destination,
): string | null {
  if (out === "-") {
    context.stdout.write(text);
    return null;
  }
  if (force) replace(out, text);
  else create(out, text);
  return out;
}

/** @throws CliFailure FILE_EXISTS */
function create(path: string, text: string | Uint8Array): void {
  let descriptor: number;
  try {
    descriptor = openSync(path, "wx");
  } catch (error: unknown) {
    if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
    throw new CliFailure("FILE_EXISTS", `${path} is there already, and stays as it is`, {
      hint: "add --force to replace it, or name another file",
      cause: error,
    });
  }
  fill(path, descriptor, text);
}

/** Whoever dies in the middle leaves the old file. */
function replace(path: string, text: string | Uint8Array): void {
  const next = `${path}.${process.pid}.tmp`;
  fill(next, openSync(next, "w"), text);
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
