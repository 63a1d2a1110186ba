/** A fresh folder for one measurement, gone afterwards. Under the system's folder for temporary files, or $BENCH_DIR. */
import { mkdtempSync, statfsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ownFolder } from "./left-behind.ts";

export async function withScratch<T>(task: (path: string) => Promise<T>): Promise<T> {
  const path = mkdtempSync(join(process.env["BENCH_DIR"] ?? tmpdir(), "tidemark-bench-"));
  const remove = ownFolder(path);
  try {
    return await task(path);
  } finally {
    remove();
  }
}

/** What was asked for cannot be measured here; its message is for people. */
export class Impossible extends Error {}

/** Before anything is written to `path`: `bytes` must fit its disk. */
export function requireRoom(path: string, bytes: number): void {
  const { bavail, bsize } = statfsSync(path);
  const gigabytes = (count: number): string => `${(count / 1e9).toFixed(1)} GB`;
  if (bavail * bsize >= bytes) return;
  throw new Impossible(
    `${path} has ${gigabytes(bavail * bsize)} free and ${gigabytes(bytes)} are needed; BENCH_DIR names another folder`,
  );
}
