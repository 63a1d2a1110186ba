/** A fresh directory for one test; the caller removes it. */
import fs from "node:fs";
import os from "node:os";
import path from "node:path";

export function makeTempDirectory(): string {
  return fs.mkdtempSync(path.join(os.tmpdir(), "tidemark-test-"));
}

export function removeDirectory(directory: string): void {
  fs.rmSync(directory, { recursive: true, force: true });
}
