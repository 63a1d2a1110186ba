/** A process in a mount namespace of its own that tells stories of stories.ts: of each line, a title, it says in a line how it went. */
import { createInterface } from "node:readline";
import { stories } from "./stories.ts";

for await (const title of createInterface(process.stdin)) {
  const failure = await stories[title]?.tell().then(
    () => null,
    (error: unknown) => String(error instanceof Error ? error.stack : error),
  );
  process.stdout.write(`${JSON.stringify(failure === undefined ? "there is no such story" : failure)}\n`);
}
// A broker that a failed story leaves behind would keep the mounts; those of a good one are stopped.
process.exit(0);
