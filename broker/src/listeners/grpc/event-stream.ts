/** One stream of the cluster's events (admin.proto, `WatchEvents`): one request in, events out. */
import { type WireClusterEvent, watchEvents } from "@tidemark/proto";
import type { AdminUseCases, ApiError, EventSink, EventWatch, TimelineEntry } from "../../api/index.ts";
import { errorOf } from "./door-context.ts";
import type { DoorContext } from "./door-context.ts";
import type { StreamCall, StreamListener } from "./stream-call.ts";

/** Bytes handed to the stream and not yet taken by the socket, above which events wait. */
const WRITE_AHEAD_BYTES = 256 * 1024;

export class EventStream implements StreamListener, EventSink {
  readonly #call: StreamCall;
  readonly #context: DoorContext;
  readonly #watch: EventWatch;
  readonly #onClosed: (stream: EventStream) => void;

  constructor(
    call: StreamCall,
    { context, useCases }: { readonly context: DoorContext; readonly useCases: AdminUseCases },
    onClosed: (stream: EventStream) => void,
  ) {
    this.#call = call;
    this.#context = context;
    this.#onClosed = onClosed;
    this.#watch = new useCases.EventWatch(context, this);
    call.listen(this);
  }

  get isWritable(): boolean {
    return !this.#call.isOver && this.#call.aheadBytes < WRITE_AHEAD_BYTES;
  }

  send(entries: readonly TimelineEntry[], nextOffset: number): void {
    const events = entries.flatMap(toWireEvents);
    const message = { events, nextOffset, brokerId: this.#context.config.current.nodeId };
    this.#call.send([watchEvents.response.encode(message)], () => this.#watch.onWritable());
  }

  end(): void {
    this.#call.end();
  }

  onMessage(message: Buffer, slab: Buffer | null): void {
    try {
      this.#watch.handle(watchEvents.request.decode(message));
    } catch (thrown: unknown) {
      this.fail(errorOf(thrown, "WatchEvents", this.#context));
    }
    if (slab !== null) this.#context.slabs.give(slab);
  }

  /** It has said all that there is to ask; the answers go on. */
  onEnd(): void {
    return;
  }

  onClosed(): void {
    this.#watch.close();
    this.#onClosed(this);
  }

  fail(error: ApiError): void {
    this.#call.fail(error);
  }
}

const NOTHING: WireClusterEvent = {
  metadataOffset: 0,
  atMs: 0,
  type: "",
  reason: "",
  brokerId: 0,
  topic: "",
  partition: 0,
  partitions: 0,
  leaderId: 0,
  leaderBefore: 0,
  leaderEpoch: 0,
  isr: [],
  isrBefore: [],
  resource: "",
  keysSet: [],
  keysUnset: [],
  fromOffset: 0,
  replicas: [],
  adding: [],
  removing: [],
};

function toWireEvents({ metadataOffset, at, events }: TimelineEntry): WireClusterEvent[] {
  return events.map((event): WireClusterEvent => {
    const head = { ...NOTHING, metadataOffset, atMs: at ?? 0 };
    if (event.type === "config-changed") {
      const { type, resource, set, unset } = event;
      return { ...head, type, resource, keysSet: [...set], keysUnset: [...unset] };
    }
    if ("isr" in event) return { ...head, ...event, isr: [...event.isr], isrBefore: [...event.isrBefore] };
    if ("replicas" in event) {
      const { replicas, adding, removing } = event;
      return { ...head, ...event, replicas: [...replicas], adding: [...adding], removing: [...removing] };
    }
    return { ...head, ...event };
  });
}
