/**
 * The events of one entry as they are kept. The end of a broker says the same of thousands of partitions: what differs in the partition
 * alone is kept once, with eight bytes for each partition, in the order in which it was told.
 */
import type { ClusterEvent } from "../metadata/index.ts";

/** What an array of events has, too. */
export interface KeptEvents<Event> {
  readonly length: number;
  at(slot: number): Event | undefined;
}

/** Fewer are kept as they are. */
const PACKED_MIN = 16;
/** Different ones, beyond which packing gains little and looking for the like of each costs much. */
const KINDS_MAX = 32;
/** Of a row: the kind above, the partition below. */
const PARTITIONS_MAX = 2 ** 27;

export function keepEvents(events: readonly ClusterEvent[]): KeptEvents<ClusterEvent> {
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
