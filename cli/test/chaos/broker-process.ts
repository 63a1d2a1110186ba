/** One `tidemark server start` of a chaos run: killed, paused, stopped and started again on the same addresses and disk. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { launcher } from "../support/tidemark.ts";

const POLL_MS = 50;
const START_LIMIT_MS = 300_000;

export interface BrokerProcessOptions {
  readonly nodeId: number;
  /** Of `ip netns exec` where it has a network of its own. */
  readonly commandPrefix: readonly string[];
  readonly settings: Readonly<Record<string, string>>;
  readonly logPath: string;
  /** host:port */
  readonly http: string;
  /** It ended, and nobody had asked for it. */
  readonly onUnexpectedEnd: (message: string) => void;
}

export class BrokerProcess {
  readonly nodeId: number;
  /** Exit codes that are right now: a broker whose disk fails is meant to end with 74. */
  readonly toleratedExits = new Set<number>();
  readonly #options: BrokerProcessOptions;
  #child: ChildProcess | null = null;
  #isEndAskedFor = false;

  constructor(options: BrokerProcessOptions) {
    this.nodeId = options.nodeId;
    this.#options = options;
  }

  get isRunning(): boolean {
    return this.#child !== null;
  }

  /** Returns at once; `untilReady` waits. */
  start(): void {
    if (this.#child !== null) return;
    const { commandPrefix, settings, logPath } = this.#options;
    const flags = Object.entries(settings).flatMap(([key, value]) => ["--set", `${key}=${value}`]);
    const [file = "", ...args] = [
      ...commandPrefix,
      process.execPath,
      launcher,
      "server",
      "start",
      "-o",
      "json",
      "-v",
      ...flags,
    ];
    const log = openSync(logPath, "a");
    const child = spawn(file, args, { stdio: ["ignore", log, log] });
    closeSync(log);
    this.#child = child;
    this.#isEndAskedFor = false;
    child.once("exit", (code, signal) => this.#ended(child, code, signal));
  }

  /** Resolves when /readyz says so. @throws after a minute, or when the process ended */
  async untilReady(): Promise<void> {
    const limit = performance.now() + START_LIMIT_MS;
    while (!(await this.isReady())) {
      if (this.#child === null) throw new Error(`broker ${this.nodeId} ended before it was ready`);
      if (performance.now() > limit) throw new Error(`broker ${this.nodeId} is not ready after ${START_LIMIT_MS} ms`);
      await sleep(POLL_MS);
    }
  }

  async isReady(): Promise<boolean> {
    try {
      const response = await fetch(`http://${this.#options.http}/readyz`, { signal: AbortSignal.timeout(1_000) });
      await response.arrayBuffer();
      return response.ok;
    } catch {
      return false;
    }
  }

  kill(): Promise<number | null> {
    return this.#end("SIGKILL");
  }

  /** The clean stop; resolves with the exit code. */
  terminate(): Promise<number | null> {
    return this.#end("SIGTERM");
  }

  pause(): void {
    this.#child?.kill("SIGSTOP");
  }

  resume(): void {
    this.#child?.kill("SIGCONT");
  }

  /** Resolves when it has ended by itself. */
  async untilEnded(limitMs: number): Promise<void> {
    const limit = performance.now() + limitMs;
    while (this.#child !== null) {
      if (performance.now() > limit) throw new Error(`broker ${this.nodeId} did not end within ${limitMs} ms`);
      await sleep(POLL_MS);
    }
  }

  async #end(signal: NodeJS.Signals): Promise<number | null> {
    const child = this.#child;
    if (child === null) return null;
    this.#isEndAskedFor = true;
    const ended = once(child, "exit");
    // A process that is stopped takes a SIGTERM only when it goes on.
    child.kill("SIGCONT");
    child.kill(signal);
    await ended;
    return child.exitCode;
  }

  #ended(child: ChildProcess, code: number | null, signal: NodeJS.Signals | null): void {
    if (this.#child === child) this.#child = null;
    if (this.#isEndAskedFor || (code !== null && this.toleratedExits.has(code))) return;
    this.#options.onUnexpectedEnd(
      `broker ${this.nodeId} ended by itself with ${code ?? signal}; see ${this.#options.logPath}`,
    );
  }
}
