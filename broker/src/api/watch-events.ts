/**
 * One client that follows what happens to the cluster (admin.proto, `WatchEvents`). Events are taken from the broker's timeline when
 * they can leave, a limited number at a time: a slow client costs no memory, and one that falls behind what is kept is told so.
 */
import type { EventTimeline, TimelineEntry } from "../runtime/index.ts";
import { ApiError } from "./api-error.ts";
import type { BrokerContext } from "./broker-context.ts";

export interface EventSink {
  /** Whether a message would leave now. */
  readonly isWritable: boolean;
  /** Whoever asks from `nextOffset` goes on behind these. */
  send(entries: readonly TimelineEntry[], nextOffset: number): void;
  /** All that was asked for was sent. */
  end(): void;
}

export interface EventWish {
  /** 0: all that is known; -1: from now on. */
  readonly fromOffset: number;
  /** 0: however old. */
  readonly maxAgeMs: number;
  readonly follow: boolean;
}

const FROM_NOW_ON = -1;
/** In one message; an entry is never cut. */
const EVENTS_PER_MESSAGE = 500;

export class EventWatch {
  readonly #context: BrokerContext;
  readonly #sink: EventSink;
  #wish: EventWish | null = null;
  #nextOffset = 0;
  #isFirst = true;
  #isFlushAsked = false;
  #stopWatching: (() => void) | null = null;

  constructor(context: BrokerContext, sink: EventSink) {
    this.#context = context;
    this.#sink = sink;
  }

  /** @throws ApiError INVALID_REQUEST for a second wish, or an offset that is none */
  handle(wish: EventWish): void {
    if (this.#wish !== null) throw new ApiError("INVALID_REQUEST", "a stream of events is asked for once");
    if (wish.fromOffset < FROM_NOW_ON)
      throw new ApiError("INVALID_REQUEST", `${wish.fromOffset} is no metadata offset`);
    this.#wish = wish;
    this.#nextOffset = this.#firstWanted(wish);
    this.#stopWatching = this.#context.onMetadata(() => this.#askForFlush());
    this.#askForFlush();
  }

  /** The client reads again. */
  onWritable(): void {
    if (this.#hasMore) this.#askForFlush();
  }

  close(): void {
    this.#stopWatching?.();
    this.#stopWatching = null;
  }

  get #timeline(): EventTimeline {
    return this.#context.timeline();
  }

  get #applied(): number {
    return this.#context.image().metadataOffset;
  }

  get #hasMore(): boolean {
    return this.#isFirst || this.#nextOffset <= this.#applied;
  }

  #firstWanted({ fromOffset, maxAgeMs }: EventWish): number {
    if (fromOffset === FROM_NOW_ON) return this.#applied + 1;
    const timeline = this.#timeline;
    const asked = fromOffset === 0 && maxAgeMs === 0 ? timeline.firstOffset : fromOffset;
    return maxAgeMs === 0 ? asked : Math.max(asked, timeline.offsetSince(this.#context.clock.wallNow() - maxAgeMs));
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
    if (this.#stopWatching === null || !this.#hasMore || !this.#sink.isWritable) return;
    const known = this.#timeline.from(this.#nextOffset);
    let count = 0;
    let eventsCount = 0;
    while (count < known.length && (count === 0 || eventsCount < EVENTS_PER_MESSAGE)) {
      eventsCount += known[count]?.events.length ?? 0;
      count += 1;
    }
    const isAll = count === known.length;
    // Behind entries without events, too: whoever goes on elsewhere need not be told of a gap there.
    const nextOffset = isAll ? Math.max(this.#applied + 1, this.#nextOffset) : offsetBehind(known[count - 1]);
    const isNews = this.#isFirst || count > 0;
    this.#isFirst = false;
    this.#nextOffset = nextOffset;
    if (isNews) this.#sink.send(known.slice(0, count), nextOffset);
    if (!isAll) this.#askForFlush();
    else if (this.#wish?.follow !== true) {
      this.close();
      this.#sink.end();
    }
  }
}

function offsetBehind(entry: TimelineEntry | undefined): number {
  return (entry?.metadataOffset ?? 0) + 1;
}
