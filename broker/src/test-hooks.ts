/**
 * What a server that is started with --test-hooks lets tests do to it: die, stand still or meet a fault at the failpoints that
 * TIDEMARK_FAILPOINTS names, `name=action[:nth]`, several between commas. Loaded by nobody else.
 */
import { processFailpoints } from "./platform/process-failpoints.ts";
import { type Failpoint, parseFailpoints } from "./ports/index.ts";

export { FAILPOINTS } from "./ports/index.ts";

/** Throws an Error that says what is wrong with the text. */
export function failpointsOf(text: string): Failpoint {
  const parsed = parseFailpoints(text);
  if (!parsed.ok) throw new Error(parsed.reason);
  return processFailpoints(parsed.armed);
}
