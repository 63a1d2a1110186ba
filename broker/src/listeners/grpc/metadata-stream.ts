/** One stream of pushed metadata (data.proto, `WatchMetadata`): names in, whole topics out. */
import { wire } from "@tidemark/proto";
import { MetadataWatch } from "../../api/index.ts";
import type { ApiError, Metadata, MetadataSink } from "../../api/index.ts";
import { errorOf } from "./door-context.ts";
import type { DoorContext } from "./door-context.ts";
import type { StreamCall, StreamListener } from "./stream-call.ts";
import { toWireMetadata } from "./unary.ts";

/** Bytes handed to the stream and not yet taken by the socket, above which news waits. */
const WRITE_AHEAD_BYTES = 256 * 1024;

export class MetadataStream implements StreamListener, MetadataSink {
  readonly #call: StreamCall;
  readonly #context: DoorContext;
  readonly #watch: MetadataWatch;
  readonly #onClosed: (stream: MetadataStream) => void;

  constructor(call: StreamCall, context: DoorContext, onClosed: (stream: MetadataStream) => void) {
    this.#call = call;
    this.#context = context;
    this.#onClosed = onClosed;
    this.#watch = new MetadataWatch(context, call.client, this);
    call.listen(this);
  }

  get isWritable(): boolean {
    return !this.#call.isOver && this.#call.aheadBytes < WRITE_AHEAD_BYTES;
  }

  send(metadata: Metadata): void {
    this.#call.send([wire.metadataResponse.encode(toWireMetadata(metadata))], () => this.#watch.onWritable());
  }

  onMessage(message: Buffer, slab: Buffer | null): void {
    try {
      this.#watch.handle(wire.watchMetadataRequest.decode(message));
    } catch (thrown: unknown) {
      this.fail(errorOf(thrown, "WatchMetadata", this.#context));
    }
    if (slab !== null) this.#context.slabs.give(slab);
  }

  onEnd(): void {
    this.#call.end();
  }

  onClosed(): void {
    this.#watch.close();
    this.#onClosed(this);
  }

  fail(error: ApiError): void {
    this.#call.fail(error);
  }
}
