/** A command line run in this process, with streams of its own: as the executable does, and many times as fast to start. */
import { PassThrough } from "node:stream";
import { runCli } from "../../src/run-cli.ts";
import type { Finished, RunOptions } from "./tidemark.ts";

export async function runInProcess(args: readonly string[], options: Omit<RunOptions, "cwd"> = {}): Promise<Finished> {
  const [stdin, stdout, stderr] = [new PassThrough(), new PassThrough(), new PassThrough()];
  stdin.end(options.stdin ?? "");
  const [out, err] = [gather(stdout), gather(stderr)];
  const stop = { signal: new AbortController().signal, exitCode: () => null };
  const { PATH = "" } = process.env;
  const code = await runCli(args, { env: { PATH, ...options.env }, stdin, stdout, stderr, stop });
  stdout.end();
  stderr.end();
  return { code, stdout: await out, stderr: (await err).toString() };
}

async function gather(stream: PassThrough): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) if (Buffer.isBuffer(chunk)) chunks.push(chunk);
  return Buffer.concat(chunks);
}
