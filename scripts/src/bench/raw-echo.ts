/**
 * The raw side of `e2e`: a process of its own that sends every message back as it came over a TCP socket, on request after
 * it was written to a file and synced. Run by `fork` with "serve" and a path, or no path; elsewhere it is only imported.
 */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { closeSync, fdatasyncSync, openSync, writeSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { fileURLToPath } from "node:url";
import { Histogram } from "./histogram.ts";
import { atRate } from "./pacer.ts";
import { ownProcess } from "./left-behind.ts";

function serve(path: string | undefined): void {
  const descriptor = path === undefined ? null : openSync(path, "w");
  const server = createServer({ noDelay: true }, (socket) => {
    socket.on("data", (bytes) => {
      if (descriptor !== null) {
        writeSync(descriptor, bytes);
        fdatasyncSync(descriptor);
      }
      socket.write(bytes);
    });
  });
  server.listen(0, "127.0.0.1", () => process.send?.(server.address()));
  process.on("disconnect", () => {
    if (descriptor !== null) closeSync(descriptor);
    process.exit(0);
  });
}

export class RawEcho {
  readonly #child: ChildProcess;
  readonly #socket: Socket;

  private constructor(child: ChildProcess, socket: Socket) {
    this.#child = child;
    this.#socket = socket;
  }

  /** `syncedTo`: a file that every message is written to and synced before it goes back. */
  static async start(syncedTo: string | null): Promise<RawEcho> {
    const args = syncedTo === null ? ["serve"] : ["serve", syncedTo];
    const child = ownProcess(fork(fileURLToPath(import.meta.url), args, { stdio: "inherit" }));
    const [{ port }] = (await once(child, "message")) as [{ port: number }];
    const socket = connect({ host: "127.0.0.1", port, noDelay: true });
    await once(socket, "connect");
    return new RawEcho(child, socket);
  }

  /** Times from the intended moment to the echo, of `count` messages of `size` bytes. */
  async measure(size: number, perSecond: number, count: number): Promise<Histogram> {
    const histogram = new Histogram();
    const message = Buffer.alloc(size, 1);
    const sentAt: number[] = [];
    let bytes = 0;
    let answered = 0;
    const all = new Promise<void>((resolve, reject) => {
      this.#socket.removeAllListeners("data").removeAllListeners("error");
      this.#socket.on("error", reject);
      this.#socket.on("data", (chunk: Buffer) => {
        const now = performance.now();
        for (bytes += chunk.length; bytes >= size; bytes -= size, answered += 1) {
          histogram.record((now - (sentAt[answered] ?? now)) * 1000);
        }
        if (answered === count) resolve();
      });
    });
    await atRate(perSecond, count, (intendedAt) => {
      sentAt.push(intendedAt);
      this.#socket.write(message);
    });
    await all;
    return histogram;
  }

  stop(): void {
    this.#socket.destroy();
    this.#child.disconnect();
  }
}

if (process.argv[2] === "serve") serve(process.argv[3]);
