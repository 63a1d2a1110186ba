/** The shipped broker as a process of its own, started through the committed launcher as a user would. */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { resolve } from "node:path";
import { cpuSecondsOf, memoryMiBOf } from "./measure.ts";

const launcher = resolve(import.meta.dirname, "../../../../cli/bin/tidemark.js");

interface ReadyLine {
  readonly event: string;
  readonly brokers: readonly { readonly pid: number; readonly grpc: string; readonly http: string }[];
}

export class BrokerProcess {
  readonly grpc: string;
  readonly http: string;
  /** From spawn to the ready line, in ms. */
  readonly startMs: number;
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, ready: ReadyLine, startMs: number) {
    this.#child = child;
    this.grpc = ready.brokers[0]?.grpc ?? "";
    this.http = ready.brokers[0]?.http ?? "";
    this.startMs = startMs;
  }

  /** Starts `tidemark dev` with the given flags on free ports and resolves at its ready line. */
  static async start(flags: readonly string[]): Promise<BrokerProcess> {
    const before = performance.now();
    const args = [launcher, "dev", ...flags, "--grpc-port", "0", "--http-port", "0", "-o", "json"];
    const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
    const ready = await new Promise<ReadyLine>((resolveReady, reject) => {
      let text = "";
      child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
        text += chunk;
        const line = text.split("\n").find((candidate) => candidate.includes('"event":"ready"'));
        if (line !== undefined) resolveReady(JSON.parse(line) as ReadyLine);
      });
      child.once("exit", (code, signal) =>
        reject(new Error(`the broker ended with ${code ?? signal} before it was ready`)),
      );
    });
    return new BrokerProcess(child, ready, performance.now() - before);
  }

  get #pid(): number {
    return this.#child.pid ?? 0;
  }

  cpuSeconds(): number {
    return cpuSecondsOf(this.#pid);
  }

  residentMiB(): number {
    return memoryMiBOf(this.#pid, "VmRSS");
  }

  peakMiB(): number {
    return memoryMiBOf(this.#pid, "VmHWM");
  }

  async stop(): Promise<void> {
    const ended = once(this.#child, "exit");
    this.#child.kill("SIGTERM");
    await ended;
  }
}
