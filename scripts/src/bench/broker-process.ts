/** The shipped broker as a process of its own, started through the committed launcher as a user would. */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { resolve } from "node:path";
import { ownProcess } from "./left-behind.ts";
import { cpuSecondsOf, memoryMiBOf } from "./measure.ts";

/** What a broker that was started with `isObserved` says of itself (inside.ts). */
export interface Inside {
  /** As it came upon the broker, with what V8 had not collected yet. */
  readonly standingRssBytes: number;
  /** After forced collections, as all below. */
  readonly rssBytes: number;
  readonly externalBytes: number;
  readonly heapUsedBytes: number;
  readonly openFiles: number;
  /** What they are. */
  readonly openPaths: readonly string[];
}

const launcher = resolve(import.meta.dirname, "../../../../cli/bin/tidemark.js");

/** What the launcher says where nothing was imported before it: a broker that is observed has the pool that any other has. */
export const POOL = { UV_THREADPOOL_SIZE: "16" } as const;

interface ReadyLine {
  readonly event: string;
  readonly brokers: readonly { readonly pid: number; readonly grpc: string; readonly http: string }[];
}

export class BrokerProcess {
  readonly grpc: string;
  readonly http: string;
  /** From spawn to the ready line, in ms. */
  readonly startMs: number;
  /** CPU that this took. */
  readonly startCpuSeconds: number;
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, ready: ReadyLine, startMs: number) {
    this.#child = child;
    this.grpc = ready.brokers[0]?.grpc ?? "";
    this.http = ready.brokers[0]?.http ?? "";
    this.startMs = startMs;
    this.startCpuSeconds = cpuSecondsOf(child.pid ?? 0);
  }

  /** Starts `tidemark dev` with the given flags, and `env` besides its own, on free ports and resolves at its ready line. */
  static async start(
    flags: readonly string[],
    options: { isObserved?: boolean; env?: Readonly<Record<string, string>> } = {},
  ): Promise<BrokerProcess> {
    const before = performance.now();
    const isObserved = options.isObserved ?? false;
    const hook = isObserved ? ["--import", new URL("inside.js", import.meta.url).href] : [];
    const args = [
      ...hook,
      launcher,
      "dev",
      "--brokers",
      "1",
      ...flags,
      "--grpc-port",
      "0",
      "--http-port",
      "0",
      "-o",
      "json",
    ];
    const child = ownProcess(
      spawn(process.execPath, args, {
        env: { ...POOL, ...process.env, ...options.env },
        stdio: ["ignore", "pipe", "inherit", ...(isObserved ? ["ipc" as const] : [])],
      }),
    );
    const ready = await new Promise<ReadyLine>((resolveReady, reject) => {
      let text = "";
      child.stdout?.setEncoding("utf8").on("data", (chunk: string) => {
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

  cpu(): { readonly broker: number } {
    return { broker: this.cpuSeconds() };
  }

  residentMiB(): number {
    return memoryMiBOf(this.#pid, "VmRSS");
  }

  peakMiB(): number {
    return memoryMiBOf(this.#pid, "VmHWM");
  }

  /** Only when it was started with `isObserved`. */
  async inside(): Promise<Inside> {
    const answer = once(this.#child, "message");
    this.#child.send("inside");
    return ((await answer) as [Inside])[0];
  }

  /** Starts to watch the delay of the event loop, or ends it: the 99th percentile in ms since it began. */
  async loopDelay(isBegun: boolean): Promise<number> {
    const answer = once(this.#child, "message");
    this.#child.send(isBegun ? "watch" : "watched");
    return ((await answer) as [number])[0];
  }

  async stop(signal: "SIGTERM" | "SIGKILL" = "SIGTERM"): Promise<void> {
    const ended = once(this.#child, "exit");
    this.#child.kill(signal);
    await ended;
  }
}
