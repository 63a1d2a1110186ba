/** A command's context with streams of the test instead of the process's. */
import { PassThrough } from "node:stream";
import type { CommandContext } from "../../src/command-context.ts";
import type { GlobalFlags } from "../../src/global-flags.ts";

export type TestStream = PassThrough & { isTTY?: boolean };

export interface TestContext extends CommandContext {
  readonly stdin: TestStream;
  readonly stdout: TestStream;
  readonly stderr: TestStream;
}

/** No broker listens on port 1; a command that gets so far ends with CONNECTION_LOST at once. */
const FLAGS: GlobalFlags = {
  broker: "127.0.0.1:1",
  profile: null,
  settings: [],
  output: null,
  template: "",
  columns: null,
  hasHeaders: true,
  isQuiet: false,
  isVerbose: false,
  isVeryVerbose: false,
  hasColor: false,
  timeoutMs: 200,
  watchMs: null,
  isYes: false,
  isDryRun: false,
};

export function testContext(options: { isTerminal?: boolean; flags?: Partial<GlobalFlags> } = {}): TestContext {
  const stream = (): TestStream => Object.assign(new PassThrough(), options.isTerminal === true ? { isTTY: true } : {});
  return {
    env: {},
    stdin: stream(),
    stdout: stream(),
    stderr: stream(),
    log: null,
    flags: { ...FLAGS, ...options.flags },
    signal: new AbortController().signal,
  };
}

/** What was written to a stream so far. */
export function textOf(stream: TestStream): string {
  const chunk: unknown = stream.read();
  return Buffer.isBuffer(chunk) ? chunk.toString("utf8") : "";
}
