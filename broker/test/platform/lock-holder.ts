/** A process that takes the lock of a data directory, says so on standard output, and holds it until its input ends. */
import { FileDirectoryLocks } from "../../src/platform/index.ts";

const result = await new FileDirectoryLocks().acquire(process.argv[2] ?? "");
process.stdout.write(`${JSON.stringify({ ok: result.ok, ownerPid: result.ok ? null : result.ownerPid })}\n`);
process.stdin.resume();
process.stdin.on("end", () => {
  if (result.ok) void result.lock.release();
});
