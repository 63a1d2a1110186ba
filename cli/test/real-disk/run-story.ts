/** A process in a mount namespace of its own that tells one story of stories.ts: `run-story.js TITLE`. */
import { stories } from "./stories.ts";

const [, , title = ""] = process.argv;
const story = stories[title];
if (story === undefined) throw new Error(`no such story: ${title}`);
await story.tell();
// A broker that a failed story leaves behind would keep the mounts; those of a good one are stopped.
process.exit(0);
