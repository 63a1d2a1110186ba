/**
 * Metadata by push (semantics 15.2): the topics that a client watches, whole, whenever one of them changes, and the brokers
 * with every message. Clients learn of a new leader without asking.
 *
 * State is sent, not steps: what changes in one turn, or while the client does not read, goes in one message with the image
 * of the moment it is sent. So there is no gap that a client could miss, and a slow one costs no memory.
 */
import { MAX_PARTITIONS_PER_REQUEST } from "@tidemark/proto";
import type { ClusterImage, MetadataDelta } from "../metadata/index.ts";
import { ApiError } from "./api-error.ts";
import type { BrokerContext } from "./broker-context.ts";
import type { ClientContext } from "./client.ts";
import { currentMetadata, type Metadata } from "./get-metadata.ts";

export interface MetadataSink {
  /** Whether a message would leave now. */
  readonly isWritable: boolean;
  send(metadata: Metadata): void;
}

export class MetadataWatch {
  readonly #context: BrokerContext;
  readonly #client: ClientContext;
  readonly #sink: MetadataSink;
  readonly #watched = new Set<string>();
  /** Of the watched ones: the client has not been told of their newest state. */
  readonly #changed = new Set<string>();
  #haveBrokersChanged = true;
  #toldControllerId = -1;
  #isFlushAsked = false;
  #stopWatching: (() => void) | null;

  constructor(context: BrokerContext, client: ClientContext, sink: MetadataSink) {
    this.#context = context;
    this.#client = client;
    this.#sink = sink;
    this.#stopWatching = context.onMetadata((delta, image) => this.#onApplied(delta, image));
  }

  /** @throws ApiError INVALID_REQUEST when more is watched than one client may */
  handle(request: { readonly watch: readonly string[]; readonly forget: readonly string[] }): void {
    for (const name of request.forget) {
      this.#watched.delete(name);
      this.#changed.delete(name);
    }
    for (const name of request.watch) {
      this.#watched.add(name);
      this.#changed.add(name);
    }
    if (this.#watched.size > MAX_PARTITIONS_PER_REQUEST) {
      throw new ApiError("INVALID_REQUEST", `a client watches at most ${MAX_PARTITIONS_PER_REQUEST} topics`);
    }
    this.#askForFlush();
  }

  /** The client reads again. */
  onWritable(): void {
    if (this.#hasNews) this.#askForFlush();
  }

  close(): void {
    this.#stopWatching?.();
    this.#stopWatching = null;
  }

  get #hasNews(): boolean {
    return this.#haveBrokersChanged || this.#changed.size > 0;
  }

  #onApplied(delta: MetadataDelta, image: ClusterImage): void {
    const note = (name: string): void => {
      if (this.#watched.has(name)) this.#changed.add(name);
    };
    for (const { name } of delta.topicsCreated) note(name);
    for (const { name } of delta.topicsDeleted) note(name);
    for (const { topic } of delta.partitionsChanged) note(topic);
    if (delta.brokersChanged.length > 0 || image.controllerId !== this.#toldControllerId)
      this.#haveBrokersChanged = true;
    if (this.#hasNews) this.#askForFlush();
  }

  #askForFlush(): void {
    if (this.#isFlushAsked) return;
    this.#isFlushAsked = true;
    this.#context.turn.flush(() => {
      this.#isFlushAsked = false;
      this.#flush();
    });
  }

  #flush(): void {
    if (this.#stopWatching === null || !this.#hasNews || !this.#sink.isWritable) return;
    const metadata = currentMetadata(this.#context, this.#changed, this.#client);
    this.#changed.clear();
    this.#haveBrokersChanged = false;
    this.#toldControllerId = metadata.controllerId;
    this.#sink.send(metadata);
  }
}
