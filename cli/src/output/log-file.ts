/** --log-file: one JSON object a line, appended; readable by its owner only, for messages name topics and addresses. */
import { openSync, writeSync } from "node:fs";
import type { Log } from "../command-context.ts";

/** @throws the system's error when the file cannot be opened */
export function openLog(path: string): Log {
  const descriptor = openSync(path, "a", 0o600);
  return (level, msg, fields = {}) => {
    const line = { ts: new Date().toISOString(), level, msg, ...fields };
    writeSync(descriptor, `${JSON.stringify(line)}\n`);
  };
}
