/** Files that a command was told to read: what is wrong with one is said with its name. */
import { readFileSync, type Stats, statSync } from "node:fs";
import { CliFailure } from "../failure.ts";

/** @throws CliFailure FILE_NOT_FOUND, or EISDIR for a directory */
export function requireFile(path: string): Stats {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined) throw new CliFailure("FILE_NOT_FOUND", `${path}: no such file`);
  if (stat.isDirectory()) throw new CliFailure("EISDIR", `${path} is a directory`, { hint: "name a file in it" });
  return stat;
}

/** @throws CliFailure FILE_NOT_FOUND, EISDIR; what the operating system says, with the path */
export function readTextFile(path: string): string {
  requireFile(path);
  return readFileSync(path, "utf8");
}
