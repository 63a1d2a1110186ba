/** `generate systemd`: the unit of a broker on this machine. Nothing is asked of a broker. */
import { realpathSync } from "node:fs";
import { isAbsolute } from "node:path";
import { type CommandContext, note } from "../command-context.ts";
import { ExitCode } from "../exit-codes.ts";
import { usageFailure } from "../failure.ts";
import { checkDestination, type Destination, writeGenerated } from "../output/generated-file.ts";
import { unitFile } from "../systemd/unit-file.ts";
import { STANDARD_FILE } from "./server.ts";

export interface SystemdRequest extends Destination {
  readonly config?: string;
  readonly user?: string;
  readonly exec?: string;
}

const USER = "tidemark";

export async function generateSystemd(context: CommandContext, request: SystemdRequest): Promise<ExitCode> {
  checkDestination(context, request);
  const { config = STANDARD_FILE, user = USER, exec } = request;
  for (const [flag, path] of [
    ["--config", config],
    ["--exec", exec ?? "/"],
  ] as const)
    if (!isAbsolute(path))
      throw usageFailure(`${flag} ${path}: expected an absolute path; systemd knows no folder of yours`);
  const flags = [
    ["--config", request.config],
    ["--user", request.user],
    ["--exec", exec],
  ].flatMap(([flag, value]) => (value === undefined ? [] : [flag, value]));
  const text = unitFile({
    // What runs now: this installation, by the Node that it runs on.
    program: exec === undefined ? [process.execPath, realpathSync(process.argv[1] ?? "")] : [exec],
    config,
    user,
    madeBy: ["tidemark generate systemd", ...flags].join(" "),
  });
  const out = writeGenerated(context, text, request);
  if (out !== null)
    note(
      context,
      `wrote ${out}: put it into /etc/systemd/system, then systemctl daemon-reload and systemctl enable --now`,
    );
  return ExitCode.OK;
}
