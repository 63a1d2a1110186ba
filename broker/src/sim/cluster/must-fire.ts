/** What a long series of seeds has to have counted, or it did not try what it says: faults, changes, and that they were noticed. */
import { CHANGE_NAMES } from "./changes.ts";
import { FAULT_NAMES } from "./fault-rows.ts";

export const MUST_FIRE: readonly string[] = [
  ...FAULT_NAMES.map((name) => `fault ${name}`),
  ...CHANGE_NAMES.map((name) => `change ${name}`),
  ...["closed", "active"].flatMap((kind) =>
    ["running", "at rest"].map((when) => `rot of ${kind === "active" ? "an" : "a"} ${kind} segment, ${when}`),
  ),
  ...["bytes", "disk", "tail"].map((hurt) => `whole again: ${hurt}`),
  "power lost behind a sync that lied",
  "all died while damage was known",
  "rolled to the end",
  "rolled in part",
  "came as another voter",
  "bad bytes found",
  "streams broken inside a frame",
  "leadership given back",
  "produce: acked by all",
  "produce: acked by leader",
  "produce: not asked",
  "produce: duplicate",
  "produce: lost",
  "fetch: OFFSET_OUT_OF_RANGE",
];
