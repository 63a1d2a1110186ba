/** The executable as users start it: real processes through the committed launcher, free ports, fresh directories. */
import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { Readable, Writable } from "node:stream";
import { type InProcessOptions, NO_PROFILES, runInProcess } from "./in-process.ts";

export const launcher = resolve(import.meta.dirname, "../../../bin/tidemark.js");
/** The same, never linked: what it loads can be seen module by module. */
export const modules = resolve(import.meta.dirname, "../../src/main.js");

export interface Finished {
  readonly code: number | null;
  readonly stdout: Buffer;
  readonly stderr: string;
}

export type TidemarkProcess = ChildProcessByStdio<Writable, Readable, Readable>;

export interface RunOptions {
  readonly stdin?: string | Buffer;
  readonly env?: Readonly<Record<string, string>>;
  readonly nodeFlags?: readonly string[];
  /** Default: the launcher. */
  readonly program?: string;
  readonly cwd?: string;
  /** How many descriptors the process may have. */
  readonly openFilesMax?: number;
  /** Where its standard output goes; nothing of it is then seen here. */
  readonly stdoutTo?: string;
}

/** A test that fails half-way leaves no process behind. */
const running = new Set<TidemarkProcess>();
process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

/** Starts a command; its environment names no brokers but those given. */
export function start(args: readonly string[], options: RunOptions = {}): TidemarkProcess {
  const { TIDEMARK_BROKERS: _brokers, TIDEMARK_PROFILE: _profile, ...env } = process.env;
  const command = [process.execPath, ...(options.nodeFlags ?? []), options.program ?? launcher, ...args];
  const limit = options.openFilesMax === undefined ? "" : `ulimit -n ${options.openFilesMax}; `;
  const redirect = options.stdoutTo === undefined ? "" : ` > '${options.stdoutTo}'`;
  const shell = limit + redirect === "" ? [] : ["sh", "-c", `${limit}exec "$@"${redirect}`, "sh"];
  const [file = "", ...rest] = [...shell, ...command];
  const child = spawn(file, rest, {
    stdio: ["pipe", "pipe", "pipe"],
    env: { ...env, XDG_CONFIG_HOME: NO_PROFILES, ...options.env },
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  });
  running.add(child);
  child.once("exit", () => running.delete(child));
  return child;
}

/** Runs a command to its end. */
export async function run(args: readonly string[], options: RunOptions = {}): Promise<Finished> {
  const child = start(args, options);
  child.stdin.on("error", () => undefined);
  child.stdin.end(options.stdin ?? "");
  return finished(child);
}

export async function finished(child: TidemarkProcess): Promise<Finished> {
  const stdout: Buffer[] = [];
  let stderr = "";
  child.stdout.on("data", (chunk: Buffer) => stdout.push(chunk));
  child.stderr.setEncoding("utf8").on("data", (chunk: string) => {
    stderr += chunk;
  });
  const [code] = await once(child, "close");
  return { code: typeof code === "number" ? code : null, stdout: Buffer.concat(stdout), stderr };
}

export interface ReadyEvent {
  readonly event: "ready";
  readonly clusterId: string;
  readonly brokers: readonly {
    readonly id: number;
    readonly pid: number;
    readonly grpc: string;
    readonly http: string;
  }[];
}

/** `tidemark dev -o json` on free ports, up and ready. */
export class DevBroker {
  readonly process: TidemarkProcess;
  readonly ready: ReadyEvent;
  /** When the process has ended: how. */
  readonly ended: Promise<Finished>;

  private constructor(child: TidemarkProcess, ready: ReadyEvent, ended: Promise<Finished>) {
    this.process = child;
    this.ready = ready;
    this.ended = ended;
  }

  static async start(flags: readonly string[], options: RunOptions = {}): Promise<DevBroker> {
    // Of a flag that stands twice the last counts, so a test may name its port.
    const child = start(
      ["dev", "--brokers", "1", "--grpc-port", "0", "--http-port", "0", "-o", "json", ...flags],
      options,
    );
    const ended = finished(child);
    const line = await Promise.race([firstLine(child), ended]);
    if (typeof line !== "string") throw new Error(`dev ended with ${String(line.code)}: ${line.stderr}`);
    return new DevBroker(child, JSON.parse(line), ended);
  }

  get address(): string {
    return this.ready.brokers[0]?.grpc ?? "";
  }

  get grpcPort(): number {
    return Number(this.address.split(":").at(-1));
  }

  /** Runs a command against this broker, in the process of the test: `start` is for what a process does. */
  run(args: readonly string[], options: InProcessOptions = {}): Promise<Finished> {
    return runInProcess([...args, "-b", this.address], options);
  }

  /** Ends it if it still runs; resolves when it is gone. */
  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<Finished> {
    this.process.kill(signal);
    return this.ended;
  }
}

/** Below the ports that systems hand out by themselves (Linux: from 32768). */
const STEADY_PORTS = [12_000, 32_000] as const;

/** A free port that is no other socket's by chance: a broker that gave it up finds it free again. */
export async function steadyPort(): Promise<number> {
  const [from, to] = STEADY_PORTS;
  for (;;) {
    const port = from + Math.floor(Math.random() * (to - from));
    const server = createServer();
    const isFree = await new Promise<boolean>((resolveFree) => {
      server.once("error", () => resolveFree(false));
      server.listen(port, "127.0.0.1", () => server.close(() => resolveFree(true)));
    });
    if (isFree) return port;
  }
}

/** A directory that is removed when the test is over. */
export class ScratchDirectory {
  readonly path = mkdtempSync(join(tmpdir(), "tidemark-cli-"));

  join(name: string): string {
    return join(this.path, name);
  }

  remove(): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

export function firstLine(child: TidemarkProcess): Promise<string> {
  return new Promise((resolveLine) => {
    let text = "";
    child.stdout.on("data", (chunk: Buffer) => {
      text += chunk.toString("utf8");
      const end = text.indexOf("\n");
      if (end >= 0) resolveLine(text.slice(0, end));
    });
  });
}
