/** Brokers for end-to-end tests: in this process on any free port, or in a process of their own that can be killed. */
import { fork } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { loadConfig } from "../../../src/config/index.ts";
import type { BrokerConfig } from "../../../src/config/index.ts";
import { createBroker } from "../../../src/index.ts";
import type { Broker, BrokerOptions } from "../../../src/index.ts";

export function freshDirectory(): string {
  return fs.mkdtempSync(path.join(os.tmpdir(), "tidemark-e2e-"));
}

export function removeDirectory(directory: string): void {
  fs.rmSync(directory, { recursive: true, force: true });
}

/** The dev profile on free ports, quiet, under `flags`. */
export function testConfig(flags: Readonly<Record<string, string>> = {}): BrokerConfig {
  const loaded = loadConfig({
    profile: "dev",
    env: {},
    flags: { listeners: "GRPC://127.0.0.1:0,HTTP://127.0.0.1:0", "log.level": "silent", ...flags },
  });
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
  return loaded.config;
}

export async function startBroker(
  flags: Readonly<Record<string, string>> = {},
  options: Partial<BrokerOptions> = {},
): Promise<Broker> {
  const broker = await createBroker({ config: testConfig(flags), ...options });
  await broker.start();
  return broker;
}

export function startMemoryBroker(flags: Readonly<Record<string, string>> = {}): Promise<Broker> {
  return startBroker(flags, { memory: true });
}

/** A broker in a process of its own. */
export class BrokerProcess {
  readonly grpcAddress: string;
  readonly pid: number;
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, grpcAddress: string) {
    this.#child = child;
    this.grpcAddress = grpcAddress;
    this.pid = child.pid ?? -1;
  }

  static start(flags: Readonly<Record<string, string>>): Promise<BrokerProcess> {
    const child = fork(new URL("./broker-process.js", import.meta.url), [JSON.stringify(flags)], {
      stdio: ["ignore", "inherit", "inherit", "ipc"],
    });
    return new Promise((resolve, reject) => {
      child.once("message", (message) => resolve(new BrokerProcess(child, typeof message === "string" ? message : "")));
      child.once("exit", (code, signal) => reject(new Error(`the broker's process ended: ${code ?? signal}`)));
    });
  }

  /** kill -9. */
  kill(): Promise<void> {
    return this.#end("SIGKILL");
  }

  /** SIGTERM and the clean stop that it starts. */
  stop(): Promise<void> {
    return this.#end("SIGTERM");
  }

  #end(signal: NodeJS.Signals): Promise<void> {
    return new Promise((resolve) => {
      this.#child.once("exit", () => resolve());
      this.#child.kill(signal);
    });
  }
}
