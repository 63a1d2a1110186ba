/**
 * The raw side of `replicate`: processes in a chain of TCP sockets. Each writes what it receives to a file of its own, hands it on to
 * the next, and says how far it and all behind it are; on request only what is synced counts, one `fdatasync` in flight. No
 * checksum, no record, no offset. Run by `fork` with "serve", a path, the port of the next or 0, and "synced" or nothing.
 */
import { type ChildProcess, fork } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { closeSync, fdatasync, ftruncateSync, openSync, writeSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { PAYLOADS } from "./batches.ts";
import { cpuSecondsOf, memoryMiBOf, type Sample } from "./measure.ts";
import { ownProcess } from "./left-behind.ts";

/** What is said of how far one is: bytes since the connection began, float64. */
const ACK_BYTES = 8;
const SOCKET_BUFFER_BYTES = 64 * 1024;

/** Calls back with the last whole acknowledgement that has arrived. */
function onAcks(socket: Socket, onAck: (bytes: number) => void): void {
  let rest: Buffer = Buffer.alloc(0);
  socket.on("data", (chunk: Buffer) => {
    const all = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    const whole = all.length - (all.length % ACK_BYTES);
    rest = all.subarray(whole);
    if (whole > 0) onAck(all.readDoubleBE(whole - ACK_BYTES));
  });
}

/** One connection to one link of the chain: what is written, what is synced, what those behind it have. */
class Hop {
  readonly #upstream: Socket;
  readonly #downstream: Socket | null;
  readonly #descriptor: number;
  readonly #isSynced: boolean;
  #written = 0;
  #synced = 0;
  #behind: number;
  #told = 0;
  #isSyncing = false;
  #isTellDue = false;

  constructor(upstream: Socket, downstream: Socket | null, descriptor: number, isSynced: boolean) {
    this.#upstream = upstream;
    this.#downstream = downstream;
    this.#descriptor = descriptor;
    this.#isSynced = isSynced;
    this.#behind = downstream === null ? Number.POSITIVE_INFINITY : 0;
    upstream.on("data", (chunk: Buffer) => this.#onChunk(chunk));
    upstream.on("close", () => downstream?.destroy());
    upstream.on("error", () => undefined);
    if (downstream === null) return;
    downstream.on("error", () => upstream.destroy());
    onAcks(downstream, (bytes) => {
      this.#behind = bytes;
      this.#tellSoon();
    });
  }

  #onChunk(chunk: Buffer): void {
    // On its way before it is written here, as a leader sends before its own sync.
    this.#downstream?.write(chunk);
    for (let at = 0; at < chunk.length; )
      at += writeSync(this.#descriptor, chunk, at, chunk.length - at, this.#written + at);
    this.#written += chunk.length;
    if (this.#isSynced) this.#sync();
    else this.#tellSoon();
  }

  #sync(): void {
    if (this.#isSyncing) return;
    this.#isSyncing = true;
    const upTo = this.#written;
    fdatasync(this.#descriptor, (error) => {
      if (error !== null) throw error;
      this.#isSyncing = false;
      this.#synced = upTo;
      if (this.#written > upTo) this.#sync();
      this.#tellSoon();
    });
  }

  /** Once a turn. */
  #tellSoon(): void {
    if (this.#isTellDue) return;
    this.#isTellDue = true;
    setImmediate(() => {
      this.#isTellDue = false;
      const reached = Math.min(this.#isSynced ? this.#synced : this.#written, this.#behind);
      if (reached === this.#told || this.#upstream.destroyed) return;
      this.#told = reached;
      const ack = Buffer.allocUnsafe(ACK_BYTES);
      ack.writeDoubleBE(reached);
      this.#upstream.write(ack);
    });
  }
}

function serve(path: string, nextPort: number, isSynced: boolean): void {
  const descriptor = openSync(path, "w");
  const options = { noDelay: true, highWaterMark: SOCKET_BUFFER_BYTES };
  const server = createServer(options, (socket) => {
    ftruncateSync(descriptor, 0);
    const next = nextPort === 0 ? null : connect({ host: "127.0.0.1", port: nextPort, ...options });
    new Hop(socket, next, descriptor, isSynced);
  });
  server.listen(0, "127.0.0.1", () => process.send?.(server.address()));
  process.on("disconnect", () => {
    closeSync(descriptor);
    process.exit(0);
  });
}

export class RawChain {
  readonly #children: readonly ChildProcess[];
  readonly #port: number;

  private constructor(children: readonly ChildProcess[], port: number) {
    this.#children = children;
    this.#port = port;
  }

  /** `length` processes that write below `root`. */
  static async start(root: string, length: number, isSynced: boolean): Promise<RawChain> {
    const children: ChildProcess[] = [];
    let nextPort = 0;
    for (let link = length; link > 0; link--) {
      const args = ["serve", join(root, `link-${link}`), String(nextPort), isSynced ? "synced" : ""];
      const child = ownProcess(fork(fileURLToPath(import.meta.url), args, { stdio: "inherit" }));
      children.push(child);
      const [{ port }] = (await once(child, "message")) as [{ port: number }];
      nextPort = port;
    }
    return new RawChain(children, nextPort);
  }

  /** Sends `count` messages of `size` bytes down the chain, at most `inFlightBytes` of which are not known at its end. */
  async push(size: number, count: number, inFlightBytes: number): Promise<Sample> {
    const messages = Array.from({ length: PAYLOADS }, () => randomBytes(size));
    const socket = connect({ host: "127.0.0.1", port: this.#port, noDelay: true });
    await once(socket, "connect");
    const brokersBefore = this.#cpuSeconds();
    const clientBefore = process.cpuUsage();
    const before = performance.now();
    await new Promise<void>((resolve, reject) => {
      let sent = 0;
      let acked = 0;
      const pump = (): void => {
        while (sent < count && sent * size - acked < inFlightBytes)
          socket.write(messages[sent++ % PAYLOADS] ?? Buffer.alloc(0));
      };
      socket.on("error", reject);
      onAcks(socket, (bytes) => {
        acked = bytes;
        if (acked === count * size) resolve();
        else pump();
      });
      pump();
    });
    const seconds = (performance.now() - before) / 1000;
    const { user, system } = process.cpuUsage(clientBefore);
    const cluster = this.#cpuSeconds() - brokersBefore;
    socket.destroy();
    const peaks = this.#children.map(({ pid }) => memoryMiBOf(pid ?? 0, "VmHWM"));
    return { seconds, cpu: { cluster, client: (user + system) / 1e6 }, peakRssMiB: Math.max(...peaks) };
  }

  #cpuSeconds(): number {
    return this.#children.reduce((sum, { pid }) => sum + cpuSecondsOf(pid ?? 0), 0);
  }

  stop(): void {
    for (const child of this.#children) child.disconnect();
  }
}

if (process.argv[2] === "serve") serve(process.argv[3] ?? "", Number(process.argv[4]), process.argv[5] === "synced");
