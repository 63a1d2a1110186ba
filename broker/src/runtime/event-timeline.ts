/**
 * What happened to the cluster lately, as this broker has applied it: the events of the last entries, in a ring of bounded size.
 * Entries without an event are not kept, and nothing is done while nothing is applied.
 *
 * Whoever follows names the metadata offset to go on from, at whichever broker: the same entry has the same events everywhere. What
 * this broker does not have (from before its start, taken in as a snapshot or in one go, or pushed out) is told as a gap and never
 * passed over in silence.
 *
 * Invariant: entries are whole, in order of metadata offset, and every entry from `#firstOffset` on that had events is in the ring
 * or inside a gap.
 */
import { assert } from "../base/index.ts";
import type { ClusterEvent, PartitionEvent } from "../metadata/index.ts";

/** About four hundred bytes each, alone in its entry; four bytes where an entry says the same of many partitions. */
const EVENTS_MAX = 8_192;
/** Fewer are kept as they are. */
const PACKED_MIN = 16;
/** Different ones, beyond which packing gains little and looking for the like of each costs much. */
const KINDS_MAX = 32;
/** Of a row: the kind above, the partition below. */
const PARTITIONS_MAX = 2 ** 27;

/** Events of the entries from `fromOffset` to `metadataOffset` are not known here. */
export interface EventGap {
  readonly type: "gap";
  readonly fromOffset: number;
}

export interface TimelineEntry {
  readonly metadataOffset: number;
  /** Unix ms by the controller's clock; null = not known. */
  readonly at: number | null;
  readonly events: readonly (ClusterEvent | EventGap)[];
}

/** What an array of events has, too. */
interface KeptEvents<Event> {
  readonly length: number;
  at(slot: number): Event | undefined;
}

interface KeptEntry extends Omit<TimelineEntry, "events"> {
  readonly events: KeptEvents<ClusterEvent | EventGap>;
}

/** One event with where it stands. */
export interface PlacedEvent<Event> {
  readonly metadataOffset: number;
  readonly at: number | null;
  readonly event: Event;
}

export class EventTimeline {
  readonly #eventsMax: number;
  readonly #entries: KeptEntry[] = [];
  #eventsCount = 0;
  /** What was before it is not known here. */
  #firstOffset = 1;
  /** Of the last entry applied. */
  #metadataOffset = 0;
  /** Unix ms from which on all that happened is here; null = that is not known. */
  #knownSince: number | null = null;

  constructor(eventsMax = EVENTS_MAX) {
    this.#eventsMax = eventsMax;
  }

  get firstOffset(): number {
    return this.#firstOffset;
  }

  get eventsCount(): number {
    return this.#eventsCount;
  }

  /** The next entry. One without events is worth its offset. */
  note(metadataOffset: number, at: number | null, events: readonly ClusterEvent[]): void {
    assert(metadataOffset > this.#metadataOffset, "the timeline goes one way");
    this.#metadataOffset = metadataOffset;
    if (events.length > 0) this.#push({ metadataOffset, at, events: keepEvents(events) });
  }

  /** Everything up to `metadataOffset` was taken in at once, at `now`: what it came to is known, and not what happened. */
  skip(metadataOffset: number, now: number): void {
    const fromOffset = this.#metadataOffset + 1;
    assert(metadataOffset >= fromOffset - 1, "the timeline goes one way");
    if (metadataOffset < fromOffset) return;
    this.#metadataOffset = metadataOffset;
    if (this.#eventsCount === 0) {
      this.#firstOffset = metadataOffset + 1;
      this.#knownSince = now;
    } else {
      const gap: EventGap = { type: "gap", fromOffset };
      this.#push({ metadataOffset, at: now, events: [gap] });
    }
  }

  /**
   * Entries from `fromOffset` on, the oldest first; before them a gap, when some of what was asked for is not known here. The entries
   * of a gap that `fromOffset` lies inside of begin there.
   */
  from(fromOffset: number): TimelineEntry[] {
    const known = this.#entries.slice(this.#slotFrom(fromOffset)).map(unpacked);
    if (fromOffset >= this.#firstOffset) return known;
    const metadataOffset = Math.min(this.#firstOffset - 1, this.#metadataOffset);
    if (metadataOffset < fromOffset) return known;
    return [{ metadataOffset, at: null, events: [{ type: "gap", fromOffset }] }, ...known];
  }

  /** The offset from which on entries are as new as `at`, Unix ms; 1 where older ones among them may be missing here. */
  offsetSince(at: number): number {
    for (let slot = this.#entries.length - 1; slot >= 0; slot--) {
      const entry = this.#entries[slot];
      // A clock that was set back puts a later entry before an earlier one: from the last that is too old.
      if (entry !== undefined && entry.at !== null && entry.at < at) return entry.metadataOffset + 1;
    }
    return this.#knownSince !== null && this.#knownSince <= at ? this.#firstOffset : 1;
  }

  /** What became of one partition lately, the newest first, back to when its topic was made. */
  changesOf(topic: string, partition: number, max: number): PlacedEvent<PartitionEvent>[] {
    const found: PlacedEvent<PartitionEvent>[] = [];
    for (const { metadataOffset, at, event } of this.#newestFirst()) {
      if (event.type === "topic-created" && event.topic === topic) break;
      if (!("partition" in event) || event.partition !== partition || event.topic !== topic) continue;
      found.push({ metadataOffset, at, event });
      if (found.length >= max) break;
    }
    return found;
  }

  /** The newest event that `isIt` holds for; null: none is known. */
  last(isIt: (event: ClusterEvent | EventGap) => boolean): PlacedEvent<ClusterEvent | EventGap> | null {
    for (const placed of this.#newestFirst()) if (isIt(placed.event)) return placed;
    return null;
  }

  *#newestFirst(): Generator<PlacedEvent<ClusterEvent | EventGap>> {
    for (let slot = this.#entries.length - 1; slot >= 0; slot--) {
      const { metadataOffset, at, events } = this.#entries[slot] as KeptEntry;
      for (let i = events.length - 1; i >= 0; i--) yield { metadataOffset, at, event: events.at(i) as ClusterEvent };
    }
  }

  #push(entry: KeptEntry): void {
    this.#entries.push(entry);
    this.#eventsCount += entry.events.length;
    let dropped = 0;
    // The newest stays however large it is: it is no larger than the cluster.
    while (this.#eventsCount > this.#eventsMax && dropped < this.#entries.length - 1) {
      const { metadataOffset, at, events } = this.#entries[dropped] as KeptEntry;
      this.#firstOffset = metadataOffset + 1;
      this.#knownSince = at;
      this.#eventsCount -= events.length;
      dropped += 1;
    }
    if (dropped > 0) this.#entries.splice(0, dropped);
  }

  /** The first slot whose entry reaches `fromOffset`. */
  #slotFrom(fromOffset: number): number {
    let low = 0;
    let high = this.#entries.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#entries[middle]?.metadataOffset ?? 0) < fromOffset) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function unpacked({ metadataOffset, at, events }: KeptEntry): TimelineEntry {
  const { length } = events;
  return {
    metadataOffset,
    at,
    events: Array.from({ length }, (_, slot) => events.at(slot) as ClusterEvent | EventGap),
  };
}

// ---- how they are kept

/**
 * The end of a broker says the same of thousands of partitions: what differs in the partition alone is kept once, with four bytes for
 * each partition, in the order in which it was told.
 */
function keepEvents(events: readonly ClusterEvent[]): KeptEvents<ClusterEvent> {
  if (events.length < PACKED_MIN) return events;
  const kinds: ClusterEvent[] = [];
  const rows = new Uint32Array(events.length);
  for (const [slot, event] of events.entries()) {
    let kind = kinds.findIndex((known) => isSameButPartition(known, event));
    if (kind < 0) kind = kinds.push(event) - 1;
    const partition = "partition" in event ? event.partition : 0;
    if (kind >= KINDS_MAX || partition >= PARTITIONS_MAX) return events;
    rows[slot] = kind * PARTITIONS_MAX + partition;
  }
  return new PackedEvents(kinds, rows);
}

class PackedEvents implements KeptEvents<ClusterEvent> {
  readonly #kinds: readonly ClusterEvent[];
  readonly #rows: Uint32Array;

  constructor(kinds: readonly ClusterEvent[], rows: Uint32Array) {
    this.#kinds = kinds;
    this.#rows = rows;
  }

  get length(): number {
    return this.#rows.length;
  }

  at(slot: number): ClusterEvent | undefined {
    const row = this.#rows[slot];
    if (row === undefined) return undefined;
    const kind = this.#kinds[Math.floor(row / PARTITIONS_MAX)];
    return kind !== undefined && "partition" in kind ? { ...kind, partition: row % PARTITIONS_MAX } : kind;
  }
}

function isSameButPartition(left: ClusterEvent, right: ClusterEvent): boolean {
  if (left.type !== right.type) return false;
  const others = right as unknown as Readonly<Record<string, unknown>>;
  for (const [field, value] of Object.entries(left))
    if (field !== "partition" && !isSame(value, others[field])) return false;
  return true;
}

/** Values, or lists of values. An object is only like itself. */
function isSame(left: unknown, right: unknown): boolean {
  if (left === right) return true;
  if (!Array.isArray(left) || !Array.isArray(right) || left.length !== right.length) return false;
  return left.every((item, slot) => item === right[slot]);
}
