/** A broker in a process of its own, as it runs in production. */
import { once } from "node:events";
import { type Finished, finished, start, type TidemarkProcess } from "./tidemark.ts";

/** `tidemark server start` with everything from the environment. */
export class ServerProcess {
  readonly id: number;
  readonly grpc: string;
  readonly ended: Promise<Finished>;
  readonly #child: TidemarkProcess;
  #stdout = "";
  #stderr = "";

  constructor(
    id: number,
    env: Record<string, string>,
    ports: { readonly grpc: number; readonly peer: number; readonly http?: number },
  ) {
    this.id = id;
    this.grpc = `127.0.0.1:${ports.grpc}`;
    this.#child = start(["server", "start", "-o", "json"], {
      env: {
        TIDEMARK_NODE_ID: String(id),
        TIDEMARK_LISTENERS: [
          `GRPC://${this.grpc}`,
          `PEER://127.0.0.1:${ports.peer}`,
          ...(ports.http === undefined ? [] : [`HTTP://127.0.0.1:${ports.http}`]),
        ].join(),
        ...env,
      },
    });
    this.#child.stdout.on("data", (chunk: Buffer) => (this.#stdout += chunk.toString()));
    this.#child.stderr.on("data", (chunk: Buffer) => (this.#stderr += chunk.toString()));
    // Each wait listens once more.
    this.#child.stdout.setMaxListeners(0);
    this.#child.stderr.setMaxListeners(0);
    this.ended = finished(this.#child);
  }

  /** Resolves when it is ready. */
  async ready(): Promise<{ readonly clusterId: string }> {
    await this.#says(() => this.#stdout.includes("\n"));
    return JSON.parse(this.#stdout) as { clusterId: string };
  }

  /** Resolves when its standard error holds this. */
  said(text: string): Promise<void> {
    return this.#says(() => this.#stderr.includes(text));
  }

  /** It stands still, and goes on: no signal that ends it. */
  signal(signal: "SIGSTOP" | "SIGCONT"): void {
    this.#child.kill(signal);
  }

  kill(signal: NodeJS.Signals): Promise<Finished> {
    this.#child.kill(signal);
    return this.ended;
  }

  async #says(holds: () => boolean): Promise<void> {
    let hasEnded = false;
    void this.ended.then(() => (hasEnded = true));
    while (!holds()) {
      if (hasEnded) throw new Error(`broker ${this.id} has ended: ${this.#stderr}`);
      // oxlint-disable-next-line no-await-in-loop
      await Promise.race([once(this.#child.stdout, "data"), once(this.#child.stderr, "data"), this.ended]);
    }
  }
}
