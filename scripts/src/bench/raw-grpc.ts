/**
 * The raw pipeline beside the gRPC door: grpc-js streams with pass-through serializers, windows raised as the broker
 * raises them, and nothing behind them. Run as a process of its own, so that both sides are measured like broker and
 * client: serves until its parent goes.
 *
 * Push: the client streams messages, the server answers each with 8 bytes. Pull: the client sends 8 bytes (size, count as
 * uint32) and the server streams that many messages of that size.
 */
import {
  Client,
  credentials,
  Server,
  ServerCredentials,
  type ClientDuplexStream,
  type ServerDuplexStream,
  type ServiceDefinition,
} from "@grpc/grpc-js";
import { randomBytes } from "node:crypto";
import { fork, type ChildProcess } from "node:child_process";
import { fileURLToPath } from "node:url";
import { PAYLOADS } from "./batches.ts";
import { cpuSecondsOf, memoryMiBOf, type Sample } from "./measure.ts";
import { ownProcess } from "./left-behind.ts";

type Stream = ServerDuplexStream<Buffer, Buffer>;

const identity = (bytes: Buffer): Buffer => bytes;
const method = (name: string) => ({
  path: `/raw.Raw/${name}`,
  requestStream: true,
  responseStream: true,
  requestSerialize: identity,
  requestDeserialize: identity,
  responseSerialize: identity,
  responseDeserialize: identity,
});
const service: ServiceDefinition = { push: method("Push"), pull: method("Pull") };
const windowBytes = 32 * 2 ** 20;

/** What the raw server does with each HTTP/2 session: the broker's door does the same. */
interface Http2Side {
  readonly http2Servers: Map<
    { on(event: "session", listener: (session: { setLocalWindowSize(size: number): void }) => void): void },
    unknown
  >;
  readonly commonServerOptions: { settings?: object };
}

async function serve(): Promise<void> {
  const server = new Server({ "grpc.enable_channelz": 0, "grpc.max_receive_message_length": 64 * 2 ** 20 });
  const side = server as unknown as Http2Side;
  side.commonServerOptions.settings = { ...side.commonServerOptions.settings, initialWindowSize: 4 * 2 ** 20 };
  server.addService(service, { push, pull });
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    );
  });
  for (const http2 of side.http2Servers.keys())
    http2.on("session", (session) => session.setLocalWindowSize(windowBytes));
  process.send?.({ port });
  process.on("disconnect", () => process.exit(0));
}

function push(stream: Stream): void {
  const ack = Buffer.alloc(8);
  stream.on("data", () => stream.write(ack));
  stream.on("end", () => stream.end());
  stream.on("error", () => {});
}

function pull(stream: Stream): void {
  stream.on("error", () => {});
  stream.on("data", (request: Buffer) => {
    const message = Buffer.alloc(request.readUInt32BE(0), 1);
    let left = request.readUInt32BE(4);
    const pump = (): void => {
      while (left > 0) {
        left--;
        // A fresh buffer per message, as a broker that reads a file into its message has.
        if (!stream.write(Buffer.from(message))) {
          stream.once("drain", pump);
          return;
        }
      }
      stream.end();
    };
    pump();
  });
}

/** The raw server as a child process, with a client on it. */
export class RawGrpc {
  readonly #child: ChildProcess;
  readonly #client: Client;

  private constructor(child: ChildProcess, port: number) {
    this.#child = child;
    this.#client = new Client(`127.0.0.1:${port}`, credentials.createInsecure(), {
      "grpc.enable_channelz": 0,
      "grpc.enable_retries": 0,
      "grpc-node.flow_control_window": 8 * 2 ** 20,
      "grpc.max_receive_message_length": 64 * 2 ** 20,
    });
  }

  static async start(): Promise<RawGrpc> {
    const child = ownProcess(fork(fileURLToPath(import.meta.url), ["serve"], { stdio: "inherit" }));
    const { port } = await new Promise<{ port: number }>((resolve, reject) => {
      child.once("message", (message) => resolve(message as { port: number }));
      child.once("exit", (code) => reject(new Error(`the raw server ended with ${code}`)));
    });
    return new RawGrpc(child, port);
  }

  /** Streams `count` messages of `size` bytes in, at most `inFlight` without their answer. */
  push(size: number, count: number, inFlight: number): Promise<Sample> {
    // As many different messages as our side sends batches: one that stays in the processor's cache would flatter.
    const messages = Array.from({ length: PAYLOADS }, () => randomBytes(size));
    return this.#measured((stream, done) => {
      let sent = 0;
      let acked = 0;
      const pump = (): void => {
        while (sent < count && sent - acked < inFlight) {
          sent++;
          stream.write(messages[sent % PAYLOADS] ?? Buffer.alloc(0));
        }
      };
      stream.on("data", () => {
        if (++acked === count) {
          stream.end();
          done();
        } else pump();
      });
      pump();
    }, "/raw.Raw/Push");
  }

  /** Takes `count` messages of `size` bytes from the server. */
  pull(size: number, count: number): Promise<Sample> {
    return this.#measured((stream, done) => {
      let left = count;
      stream.on("data", () => {
        if (--left === 0) done();
      });
      const request = Buffer.alloc(8);
      request.writeUInt32BE(size, 0);
      request.writeUInt32BE(count, 4);
      stream.write(request);
    }, "/raw.Raw/Pull");
  }

  async #measured(
    task: (stream: ClientDuplexStream<Buffer, Buffer>, done: () => void) => void,
    path: string,
  ): Promise<Sample> {
    const pid = this.#child.pid ?? 0;
    const serverBefore = cpuSecondsOf(pid);
    const clientBefore = process.cpuUsage();
    const before = performance.now();
    const stream = this.#client.makeBidiStreamRequest(path, identity, identity);
    await new Promise<void>((resolve, reject) => {
      stream.on("error", reject);
      task(stream, resolve);
    });
    const seconds = (performance.now() - before) / 1000;
    const { user, system } = process.cpuUsage(clientBefore);
    stream.end();
    stream.removeAllListeners("error").on("error", () => {});
    return {
      seconds,
      cpu: { broker: cpuSecondsOf(pid) - serverBefore, client: (user + system) / 1e6 },
      peakRssMiB: memoryMiBOf(pid, "VmHWM"),
    };
  }

  stop(): void {
    this.#client.close();
    this.#child.disconnect();
  }
}

if (process.argv[2] === "serve") await serve();
