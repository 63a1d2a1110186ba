/**
 * The way to one broker: two gRPC channels, one for the streams of data, one for single calls, so that a question about
 * metadata never queues behind a megabyte of records (performance 3.3). Channels connect at first use and again by
 * themselves; what was under way when a connection broke is told to its owner, who decides.
 *
 * Messages cross grpc-js as Buffers, or write themselves into its frames: the codecs of @tidemark/proto are called here and in the streams, not by grpc-js.
 */
import {
  type ChannelOptions,
  Client as GrpcClient,
  type ClientDuplexStream,
  credentials,
  Metadata,
} from "@grpc/grpc-js";
import { GRPC_MAX_RECEIVE_BYTES, GRPC_MAX_SEND_BYTES, type DeferredMessage, type MessageCodec } from "@tidemark/proto";
import { BrokerError } from "../errors.ts";
import type { TlsOptions } from "../types.ts";
import { ProduceStream } from "./produce-stream.ts";
import type { Settings } from "./settings.ts";

/** Request metadata that carries the client id. */
const CLIENT_ID_KEY = "tidemark-client-id";
const WINDOW_BYTES = 8 * 1024 * 1024;
const KEEPALIVE_MS = 20_000;
const KEEPALIVE_TIMEOUT_MS = 10_000;

/** A bidirectional stream of encoded messages. */
export type ByteStream = ClientDuplexStream<Buffer | DeferredMessage, Buffer>;

/** Which promise the records of a produce stream have: a failure of unacknowledged ones ends the stream they share. */
export type ProduceLane = "acked" | "unacked";

/** A single call. */
export interface UnaryMethod<Request, Response> {
  readonly path: string;
  readonly request: Pick<MessageCodec<Request>, "encode">;
  readonly response: Pick<MessageCodec<Response>, "decode">;
}

export class Connection {
  readonly address: string;
  readonly #settings: Settings;
  #data: GrpcClient | null = null;
  #control: GrpcClient | null = null;
  readonly #produce = new Map<ProduceLane, ProduceStream>();
  #isClosed = false;

  constructor(address: string, settings: Settings) {
    this.address = address;
    this.#settings = settings;
  }

  /**
   * One call, once. Rejects with a BrokerError: CONNECTION_LOST when the broker is not reached, TIMEOUT after `timeoutMs`.
   */
  call<Request, Response>(
    method: UnaryMethod<Request, Response>,
    request: Request,
    options: { readonly timeoutMs: number; readonly signal?: AbortSignal | undefined },
  ): Promise<Response> {
    if (this.#isClosed)
      return Promise.reject(new BrokerError("CONNECTION_LOST", `the connection to ${this.address} is closed`));
    this.#control ??= this.#channel();
    const client = this.#control;
    return new Promise<Response>((resolve, reject) => {
      const call = client.makeUnaryRequest(
        method.path,
        (message: Request) => method.request.encode(message),
        (bytes: Buffer) => method.response.decode(bytes),
        request,
        this.#metadata(),
        { deadline: Date.now() + options.timeoutMs },
        (error, response) => {
          options.signal?.removeEventListener("abort", cancel);
          if (error !== null) reject(BrokerError.from(error));
          else if (response === undefined)
            reject(new BrokerError("CONNECTION_LOST", `${this.address} ended ${method.path} without an answer`));
          else resolve(response);
        },
      );
      const cancel = (): void => call.cancel();
      options.signal?.addEventListener("abort", cancel, { once: true });
    });
  }

  /** A new stream of a method of the data service. It is the caller's: to end, and to handle its errors. */
  open(path: string): ByteStream {
    this.#data ??= this.#channel();
    return this.#data.makeBidiStreamRequest(path, asFrame, asIs, this.#metadata());
  }

  /** The same for metadata: beside the records, not behind them. */
  watch(path: string): ByteStream {
    this.#control ??= this.#channel();
    return this.#control.makeBidiStreamRequest(path, asFrame, asIs, this.#metadata());
  }

  /** The one produce stream of this client and broker, per lane. */
  produceStream(lane: ProduceLane): ProduceStream {
    let stream = this.#produce.get(lane);
    if (stream === undefined) {
      stream = new ProduceStream(this, this.#settings);
      this.#produce.set(lane, stream);
    }
    return stream;
  }

  /** What is under way ends with `reason`. */
  close(reason: BrokerError): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const stream of this.#produce.values()) stream.close(reason);
    this.#data?.close();
    this.#control?.close();
  }

  /** How a client names itself to the broker. */
  #metadata(): Metadata {
    const metadata = new Metadata();
    metadata.set(CLIENT_ID_KEY, this.#settings.clientId);
    return metadata;
  }

  #channel(): GrpcClient {
    const { tls, clientId, retry } = this.#settings;
    const options: ChannelOptions = {
      "grpc.primary_user_agent": clientId,
      "grpc.use_local_subchannel_pool": 1,
      "grpc.enable_channelz": 0,
      "grpc.enable_retries": 0,
      "grpc.enable_http_proxy": 0,
      "grpc.service_config_disable_resolution": 1,
      "grpc.initial_reconnect_backoff_ms": retry.initialMs,
      "grpc.max_reconnect_backoff_ms": retry.maxMs,
      "grpc.keepalive_time_ms": KEEPALIVE_MS,
      "grpc.keepalive_timeout_ms": KEEPALIVE_TIMEOUT_MS,
      "grpc.max_receive_message_length": GRPC_MAX_RECEIVE_BYTES,
      "grpc.max_send_message_length": GRPC_MAX_SEND_BYTES,
      "grpc-node.flow_control_window": WINDOW_BYTES,
      ...(tls?.serverName === undefined
        ? {}
        : { "grpc.ssl_target_name_override": tls.serverName, "grpc.default_authority": tls.serverName }),
    };
    return new GrpcClient(this.address, tls === null ? credentials.createInsecure() : tlsCredentials(tls), options);
  }
}

const asIs = (bytes: Buffer): Buffer => bytes;
/** grpc-js asks of a message for its length and to copy itself behind the frame's prefix; a deferred one does both. */
const asFrame = (message: Buffer | DeferredMessage): Buffer => message as Buffer;

function tlsCredentials(tls: TlsOptions): ReturnType<typeof credentials.createSsl> {
  const verify = { rejectUnauthorized: tls.rejectUnauthorized ?? true };
  return credentials.createSsl(pem(tls.ca), pem(tls.key), pem(tls.cert), verify);
}

function pem(content: string | Buffer | undefined): Buffer | null {
  if (content === undefined) return null;
  return typeof content === "string" ? Buffer.from(content) : content;
}
