/**
 * A binary heap of events ordered by (time, tie key, sequence number). The tie key is drawn from the seed, so that events
 * of one moment run in an order that changes with the seed and never with the machine.
 */
export interface ScheduledEvent {
  readonly atMs: number;
  readonly tieKey: number;
  readonly sequence: number;
  task(): void;
  isDue(): boolean;
}

export class EventHeap {
  readonly #events: ScheduledEvent[] = [];

  get size(): number {
    return this.#events.length;
  }

  /** In no order. */
  get all(): readonly ScheduledEvent[] {
    return this.#events;
  }

  push(event: ScheduledEvent): void {
    const events = this.#events;
    let slot = events.length;
    events.push(event);
    while (slot > 0) {
      const parent = (slot - 1) >> 1;
      if (!isBefore(event, events[parent] as ScheduledEvent)) break;
      events[slot] = events[parent] as ScheduledEvent;
      slot = parent;
    }
    events[slot] = event;
  }

  peek(): ScheduledEvent | undefined {
    return this.#events[0];
  }

  pop(): ScheduledEvent | undefined {
    const events = this.#events;
    const first = events[0];
    const last = events.pop();
    if (first === undefined || last === undefined || events.length === 0) return first;
    let slot = 0;
    for (;;) {
      let child = 2 * slot + 1;
      if (child >= events.length) break;
      const right = child + 1;
      if (right < events.length && isBefore(events[right] as ScheduledEvent, events[child] as ScheduledEvent))
        child = right;
      if (!isBefore(events[child] as ScheduledEvent, last)) break;
      events[slot] = events[child] as ScheduledEvent;
      slot = child;
    }
    events[slot] = last;
    return first;
  }
}

function isBefore(a: ScheduledEvent, b: ScheduledEvent): boolean {
  if (a.atMs !== b.atMs) return a.atMs < b.atMs;
  if (a.tieKey !== b.tieKey) return a.tieKey < b.tieKey;
  return a.sequence < b.sequence;
}
