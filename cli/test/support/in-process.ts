/** A command line run in this process, with streams of its own: as the executable does, and many times as fast to start. */
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { runCli } from "../../src/run-cli.ts";
import type { Finished, RunOptions } from "./tidemark.ts";

/** Nobody's profiles: whoever runs the tests may have some. */
export const NO_PROFILES = join(tmpdir(), "tidemark-no-profiles");

export type InProcessOptions = Pick<RunOptions, "stdin" | "env">;

export async function runInProcess(args: readonly string[], options: InProcessOptions = {}): Promise<Finished> {
  const [stdin, stdout, stderr] = [new PassThrough(), new PassThrough(), new PassThrough()];
  stdin.end(options.stdin ?? "");
  const [out, err] = [gather(stdout), gather(stderr)];
  const stop = { signal: new AbortController().signal, exitCode: () => null };
  const { PATH = "" } = process.env;
  const code = await runCli(args, {
    env: { PATH, XDG_CONFIG_HOME: NO_PROFILES, ...options.env },
    stdin,
    stdout,
    stderr,
    stop,
  });
  stdout.end();
  stderr.end();
  return { code, stdout: await out, stderr: (await err).toString() };
}

async function gather(stream: PassThrough): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) if (Buffer.isBuffer(chunk)) chunks.push(chunk);
  return Buffer.concat(chunks);
}
