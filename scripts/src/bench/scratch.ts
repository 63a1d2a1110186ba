/** A fresh folder for one measurement, gone afterwards. Under the system's folder for temporary files, or $BENCH_DIR. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export async function withScratch<T>(task: (path: string) => Promise<T>): Promise<T> {
  const path = mkdtempSync(join(process.env["BENCH_DIR"] ?? tmpdir(), "tidemark-bench-"));
  try {
    return await task(path);
  } finally {
    rmSync(path, { recursive: true, force: true });
  }
}
