/**
 * grpc.health.v1, which probes and load balancers speak: Check, and a minimal Watch that says the state and its changes.
 * The messages have one field each, so their codec stands here.
 *
 *     HealthCheckRequest  { string service = 1 }      "" = the whole broker
 *     HealthCheckResponse { ServingStatus status = 1 }  1 serving, 2 not serving, 3 service unknown
 *
 * The `.proto` of the data service is not used for it: the protocol is another project's (grpc/doc/health-checking.md).
 */
import { status as GrpcCode } from "@grpc/grpc-js";
import type { sendUnaryData, ServerUnaryCall, ServerWritableStream } from "@grpc/grpc-js";

const SERVING = 1;
const NOT_SERVING = 2;
const SERVICE_UNKNOWN = 3;

export const HEALTH_CHECK_PATH = "/grpc.health.v1.Health/Check";
export const HEALTH_WATCH_PATH = "/grpc.health.v1.Health/Watch";

const services: ReadonlySet<string> = new Set(["", "tidemark.v1.Data", "tidemark.v1.Admin"]);

type WatchCall = ServerWritableStream<Buffer, Buffer>;

export class Health {
  #isServing = false;
  readonly #watchers = new Set<WatchCall>();

  set isServing(isServing: boolean) {
    if (isServing === this.#isServing) return;
    this.#isServing = isServing;
    for (const watcher of this.#watchers) watcher.write(response(this.#status()));
  }

  check(call: ServerUnaryCall<Buffer, Buffer>, callback: sendUnaryData<Buffer>): void {
    const service = serviceOf(call.request);
    if (service === null) callback({ code: GrpcCode.INVALID_ARGUMENT, details: "not a HealthCheckRequest" });
    else if (!services.has(service)) callback({ code: GrpcCode.NOT_FOUND, details: "unknown service" });
    else callback(null, response(this.#status()));
  }

  watch(call: WatchCall): void {
    const service = serviceOf(call.request);
    if (service === null || !services.has(service)) {
      call.write(response(SERVICE_UNKNOWN));
      // An unknown service may appear later, says the protocol; ours never do, and the stream stays as it asks.
      return;
    }
    this.#watchers.add(call);
    call.on("cancelled", () => this.#watchers.delete(call));
    call.on("close", () => this.#watchers.delete(call));
    call.write(response(this.#status()));
  }

  /** Ends all watches. */
  close(): void {
    for (const watcher of this.#watchers) watcher.end();
    this.#watchers.clear();
  }

  #status(): number {
    return this.#isServing ? SERVING : NOT_SERVING;
  }
}

function response(status: number): Buffer {
  return Buffer.from([0x08, status]);
}

/** The `service` of a request that holds nothing else, as every client sends it; null for anything else. */
function serviceOf(request: Buffer): string | null {
  if (request.length === 0) return "";
  const length = request[1];
  if (request[0] !== 0x0a || length === undefined || length >= 0x80 || request.length !== 2 + length) return null;
  return request.toString("utf8", 2);
}
