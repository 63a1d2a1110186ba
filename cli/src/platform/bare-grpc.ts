/**
 * gRPC calls on a bare HTTP/2 connection, for the few that a broker's own process makes to its own door before it says that
 * it is ready. A channel with resolver, balancer and retries, and the SDK above it, take longer to load than the broker
 * needs to open its logs. Nothing is retried here: whoever starts has nobody to wait for.
 *
 * Framing (grpc/doc/PROTOCOL-HTTP2.md): a byte 0 (not compressed), the length in four, the message. The status comes with the
 * trailers, or with the headers where nothing else does.
 */
import { type ClientHttp2Session, type ClientHttp2Stream, connect, type IncomingHttpHeaders } from "node:http2";

const PREFIX_BYTES = 5;
const STATUS_OK = "0";

/** What a method of @tidemark/proto's DATA_SERVICE has of use here. */
export interface BareMethod<Request, Response> {
  readonly path: string;
  readonly request: { encode(message: Request): Buffer };
  readonly response: { decode(bytes: Buffer): Response };
}

export class BareConnection {
  readonly #session: ClientHttp2Session;
  readonly #clientId: string;

  /** `address` is "host:port". With `signal` everything under way ends. */
  constructor(address: string, options: { readonly clientId: string; readonly signal: AbortSignal }) {
    this.#clientId = options.clientId;
    const { signal } = options;
    const session = connect(`http://${address}`);
    // Each call hears of it too.
    session.on("error", () => undefined);
    const abort = (): void => session.destroy(signal.reason instanceof Error ? signal.reason : undefined);
    if (signal.aborted) abort();
    else signal.addEventListener("abort", abort, { once: true });
    this.#session = session;
  }

  /** A stream of requests and answers, in the order of the answers. */
  open<Request, Response>(method: BareMethod<Request, Response>): BareCall<Request, Response> {
    const stream = this.#session.request({
      ":method": "POST",
      ":path": method.path,
      "content-type": "application/grpc+proto",
      te: "trailers",
      "tidemark-client-id": this.#clientId,
    });
    return new BareCall(stream, method);
  }

  /** @throws Error of the connection, or with the status and message that the broker refused the call with */
  async ask<Request, Response>(method: BareMethod<Request, Response>, request: Request): Promise<Response> {
    const call = this.open(method);
    call.send(request);
    call.end();
    return call.next();
  }

  close(): void {
    this.#session.destroy();
  }
}

export class BareCall<Request, Response> {
  readonly #stream: ClientHttp2Stream;
  readonly #method: BareMethod<Request, Response>;
  readonly #chunks: AsyncIterator<Buffer>;
  #received: Buffer = Buffer.alloc(0);
  #status: IncomingHttpHeaders = {};

  constructor(stream: ClientHttp2Stream, method: BareMethod<Request, Response>) {
    this.#stream = stream;
    this.#method = method;
    this.#chunks = stream[Symbol.asyncIterator]();
    const onHeaders = (headers: IncomingHttpHeaders): void => {
      if (headers["grpc-status"] !== undefined) this.#status = headers;
    };
    stream.once("response", onHeaders).once("trailers", onHeaders);
  }

  send(request: Request): void {
    const message = this.#method.request.encode(request);
    const frame = Buffer.alloc(PREFIX_BYTES + message.length);
    frame.writeUInt32BE(message.length, 1);
    message.copy(frame, PREFIX_BYTES);
    this.#stream.write(frame);
  }

  end(): void {
    this.#stream.end();
  }

  /**
   * The next answer.
   * @throws Error of the connection, or with the status and message that the call ended with
   */
  async next(): Promise<Response> {
    for (;;) {
      const message = this.#takeMessage();
      if (message !== null) return this.#method.response.decode(message);
      // oxlint-disable-next-line no-await-in-loop -- one chunk after the other
      const chunk = await this.#chunks.next();
      if (chunk.done === true) throw this.#ended();
      this.#received = Buffer.concat([this.#received, chunk.value]);
    }
  }

  #takeMessage(): Buffer | null {
    const received = this.#received;
    if (received.length < PREFIX_BYTES) return null;
    const end = PREFIX_BYTES + received.readUInt32BE(1);
    if (received.length < end) return null;
    this.#received = received.subarray(end);
    return received.subarray(PREFIX_BYTES, end);
  }

  #ended(): Error {
    const { "grpc-status": status = "none", "grpc-message": message = "" } = this.#status;
    const said = message === "" ? "" : `: ${decodeURIComponent(String(message))}`;
    const how = status === STATUS_OK ? "without an answer" : `with gRPC status ${String(status)}${said}`;
    return new Error(`${this.#method.path} ended ${how}`);
  }
}
