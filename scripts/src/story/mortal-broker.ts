/**
 * A broker of the story: `tidemark dev` as a process of its own, started through the committed launcher. It can be
 * killed with SIGKILL and started again on the same directory and the same ports; its stderr is kept in a file.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

export const launcher = resolve(import.meta.dirname, "../../../../cli/bin/tidemark.js");

/** After a kill the kernel may still hold the port for a reconnecting client that met itself on it. */
const START_ATTEMPTS = 5;
const START_RETRY_MS = 200;

interface ReadyEvent {
  readonly event: "ready";
  readonly clusterId: string;
  readonly brokers: readonly {
    readonly id: number;
    readonly pid: number;
    readonly grpc: string;
    readonly http: string;
  }[];
}

export class MortalBroker {
  readonly #folder: string;
  readonly #logPath: string;
  #child: ChildProcess | null = null;
  #grpc = "";
  #http = "";
  #logBytesBefore = 0;

  constructor(folder: string) {
    this.#folder = folder;
    this.#logPath = join(folder, "broker.log");
  }

  /** host:port of the gRPC door; the same after every restart. */
  get address(): string {
    return this.#grpc;
  }

  get dataDirectory(): string {
    return join(this.#folder, "data");
  }

  get logPath(): string {
    return this.#logPath;
  }

  /** What the broker has said on stderr since its last start. */
  logSinceStart(): string {
    return readFileSync(this.#logPath).subarray(this.#logBytesBefore).toString("utf8");
  }

  /** Starts, or starts again; resolves at the ready line with the ms it took. */
  async start(): Promise<number> {
    const before = performance.now();
    for (let attempt = 1; ; attempt += 1) {
      if (await this.#tryStart()) return performance.now() - before;
      if (attempt === START_ATTEMPTS)
        throw new Error(`the broker did not start; see ${this.#logPath}\n${this.logSinceStart()}`);
      await sleep(START_RETRY_MS);
    }
  }

  /** SIGKILL, as the machine's owner or the kernel would. Resolves when the process is gone. */
  async kill(): Promise<void> {
    await this.#end("SIGKILL");
  }

  /** SIGTERM; resolves with the exit code. */
  async terminate(): Promise<number | null> {
    return this.#end("SIGTERM");
  }

  async #tryStart(): Promise<boolean> {
    const log = openSync(this.#logPath, "a");
    this.#logBytesBefore = readFileSync(this.#logPath).length;
    const args = [launcher, "dev", "--brokers", "1", "--data-dir", this.dataDirectory, "-o", "json", "-v"];
    args.push("--grpc-port", portOf(this.#grpc), "--http-port", portOf(this.#http));
    const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", log] });
    closeSync(log);
    const ready = await readyEvent(child);
    if (ready === null) return false;
    this.#child = child;
    this.#grpc = ready.brokers[0]?.grpc ?? "";
    this.#http = ready.brokers[0]?.http ?? "";
    return true;
  }

  async #end(signal: NodeJS.Signals): Promise<number | null> {
    const child = this.#child;
    if (child === null) return null;
    this.#child = null;
    const ended = child.exitCode === null && child.signalCode === null ? once(child, "exit") : null;
    child.kill(signal);
    if (ended !== null) await ended;
    return child.exitCode;
  }
}

/** Null when the process ended before it was ready. */
function readyEvent(child: ChildProcess): Promise<ReadyEvent | null> {
  return new Promise((resolveReady) => {
    let text = "";
    child.stdout?.setEncoding("utf8").on("data", (chunk: string) => {
      text += chunk;
      const line = text.split("\n").find((candidate) => candidate.startsWith('{"event":"ready"'));
      if (line !== undefined) resolveReady(JSON.parse(line));
    });
    child.once("exit", () => resolveReady(null));
  });
}

function portOf(address: string): string {
  return address.slice(address.lastIndexOf(":") + 1) || "0";
}
