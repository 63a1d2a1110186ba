/**
 * Clients that have made one call and then do nothing, in a process of their own: run by `fork` with "open" and the address of a
 * gRPC door, holds as many as its parent last said ({ wanted: N }), and answers when they are there.
 *
 * Each is an HTTP/2 connection that asked for metadata, as a client does first. They come from several loopback addresses, since
 * a broker takes a thousand from one (Linux has all of 127.0.0.0/8).
 */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import http2, { type ClientHttp2Session } from "node:http2";
import { connect } from "node:net";
import { fileURLToPath } from "node:url";
import { DATA_SERVICE } from "@tidemark/proto";
import { ask } from "./ask.ts";
import { ownProcess } from "./left-behind.ts";

const PER_ADDRESS = 200;
/** Opened at the same time. */
const AT_ONCE = 32;
/** An empty message, uncompressed. */
const EMPTY_FRAME = Buffer.alloc(5);

type Answer = { readonly open: number } | { readonly error: string };

async function hold(sessions: ClientHttp2Session[], wanted: number, target: URL): Promise<void> {
  for (const session of sessions.splice(wanted)) {
    const closed = once(session, "close");
    session.close();
    await closed;
  }
  while (sessions.length < wanted) {
    const slots = Array.from({ length: Math.min(AT_ONCE, wanted - sessions.length) }, (_, at) => sessions.length + at);
    sessions.push(...(await Promise.all(slots.map((slot) => open(slot, target)))));
  }
}

function open(slot: number, target: URL): Promise<ClientHttp2Session> {
  return new Promise((resolve, reject) => {
    const session = http2.connect(target, {
      createConnection: () =>
        connect({
          host: target.hostname,
          port: Number(target.port),
          localAddress: `127.0.0.${2 + Math.floor(slot / PER_ADDRESS)}`,
          noDelay: true,
        }),
    });
    session.on("error", reject);
    session.once("close", () => reject(new Error("the broker closed a connection")));
    const call = session.request({
      ":method": "POST",
      ":path": DATA_SERVICE.getMetadata.path,
      "content-type": "application/grpc",
      te: "trailers",
    });
    let status: unknown = "none";
    call.on("error", reject);
    call.on("trailers", (trailers) => (status = trailers["grpc-status"]));
    call.on("end", () => {
      if (status === "0") resolve(session);
      else reject(new Error(`GetMetadata ended with status ${String(status)}`));
    });
    call.resume();
    call.end(EMPTY_FRAME);
  });
}

function serve(address: string): void {
  const sessions: ClientHttp2Session[] = [];
  process.on("message", ({ wanted }: { wanted: number }) => {
    hold(sessions, wanted, new URL(`http://${address}`)).then(
      () => process.send?.({ open: sessions.filter(({ closed }) => !closed).length } satisfies Answer),
      (error: unknown) => process.send?.({ error: String(error) } satisfies Answer),
    );
  });
  process.on("disconnect", () => process.exit(0));
}

export class IdleConnections {
  readonly #child: ChildProcess;

  /** `address`: of a gRPC door. */
  constructor(address: string) {
    this.#child = ownProcess(fork(fileURLToPath(import.meta.url), ["open", address], { stdio: "inherit" }));
  }

  /** Resolves when exactly `wanted` are open, those that were already among them. */
  async hold(wanted: number): Promise<void> {
    const answer = await ask<Answer>(this.#child, { wanted });
    if ("error" in answer) throw new Error(`${wanted} connections: ${answer.error}`);
    if (answer.open !== wanted) throw new Error(`${wanted} connections: ${answer.open} of them are still open`);
  }

  stop(): void {
    if (this.#child.connected) this.#child.disconnect();
  }
}

if (process.argv[2] === "open") serve(process.argv[3] ?? "");
