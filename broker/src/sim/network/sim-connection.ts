/**
 * One connection of the simulated network: two ends, and in each direction a queue of events that arrive in order. An event is a frame,
 * a question, an answer or the end; what it means is the affair of whoever sent it.
 */
import { PeerError } from "../../ports/index.ts";
import type { SimProcess } from "../sim-world.ts";
import { KEEPALIVE_MS, type SimNetwork, type SimNode } from "./sim-network.ts";

/** `stream`: of replication. */
export type ConnectionKind = "control" | "stream" | "client";

interface PipeEvent {
  readonly arrive: () => void;
  readonly bytes: number;
}

interface Pipe {
  readonly from: SimNode;
  readonly to: SimNode;
  /** In order; the first ones are on their way, unless the link is cut. */
  readonly events: PipeEvent[];
  /** The first one arrives. */
  readonly onArrival: () => void;
  /** How many of them have a time of arrival. */
  scheduledCount: number;
  /** Times of arrival to come of events that have come along with others. */
  pastCount: number;
  lastArrivalMs: number;
}

export class SimConnection {
  readonly #network: SimNetwork;
  readonly #there: Pipe;
  readonly #back: Pipe;
  /** One for each end, in the order (dialler, dialled). */
  readonly #onClosed: readonly [(error: PeerError) => void, (error: PeerError) => void];
  readonly #isTold = [false, false];
  readonly #kind: ConnectionKind;
  #isBroken = false;
  /** Events that still arrive before it is reset. */
  #eventsToReset = Number.POSITIVE_INFINITY;

  constructor(
    network: SimNetwork,
    ends: { readonly dialler: SimNode; readonly dialled: SimNode; readonly kind: ConnectionKind },
    onClosed: readonly [(error: PeerError) => void, (error: PeerError) => void],
  ) {
    this.#network = network;
    this.#kind = ends.kind;
    const { dialler, dialled } = ends;
    this.#there = this.#pipe(dialler, dialled);
    this.#back = this.#pipe(dialled, dialler);
    this.#onClosed = onClosed;
    network.add(this);
  }

  get isBroken(): boolean {
    return this.#isBroken;
  }

  has(node: SimNode): boolean {
    return this.#there.from === node || this.#there.to === node;
  }

  isOf(process: SimProcess): boolean {
    return this.#there.from.process === process || this.#there.to.process === process;
  }

  /** For people. */
  get name(): string {
    return `${this.#kind} connection from ${this.#there.from.address.nodeId} to ${this.#there.to.address.nodeId}`;
  }

  isBetween(one: number, other: number): boolean {
    const [a, b] = [this.#there.from.address.nodeId, this.#there.to.address.nodeId];
    return (a === one && b === other) || (a === other && b === one);
  }

  /** `arrive` runs at the other end, behind what was sent before in the same direction; never once the connection broke. */
  send(from: SimNode, arrive: () => void, bytes = 0): void {
    if (this.#isBroken) return;
    const pipe = from === this.#there.from ? this.#there : this.#back;
    pipe.events.push({ arrive, bytes });
    this.#schedule(pipe);
  }

  /** The end of `node` is gone: the other one hears of it. */
  breakOff(node: SimNode): void {
    if (this.#isBroken) return;
    this.#break();
    const side = node === this.#there.from ? 0 : 1;
    const other = side === 0 ? this.#there.to : this.#there.from;
    if (this.#network.isOpen(node.address.nodeId, other.address.nodeId))
      this.#tellSoon(1 - side, "the connection closed");
    else this.#tell(1 - side, KEEPALIVE_MS, "nobody answers any more");
    if (node.process.isAlive) this.#tellSoon(side, "the connection was closed here");
  }

  /** Both ends see it break. */
  reset(): void {
    if (this.#isBroken) return;
    this.#break();
    this.#tellSoon(0, "ECONNRESET");
    this.#tellSoon(1, "ECONNRESET");
  }

  /** It breaks where the `count`-th event from now on would have arrived: what was sent behind that is lost as well. */
  resetAfter(count: number): void {
    this.#eventsToReset = count;
  }

  isStreamBetween(one: number, other: number): boolean {
    return this.#kind === "stream" && this.isBetween(one, other);
  }

  /** Something was cut: what is still cut when keepalive gives up breaks. */
  suspect(): void {
    if (this.#isPassable()) return;
    const { world } = this.#network;
    world.schedule(
      KEEPALIVE_MS,
      () => {
        if (this.#isBroken || this.#isPassable()) return;
        this.#break();
        this.#tellSoon(0, "nobody answers any more");
        this.#tellSoon(1, "nobody answers any more");
      },
      () => true,
    );
  }

  /** Something was healed: what was held back is sent again. */
  flush(): void {
    this.#schedule(this.#there);
    this.#schedule(this.#back);
  }

  #pipe(from: SimNode, to: SimNode): Pipe {
    const onArrival = (): void => this.#arrive(pipe);
    const pipe: Pipe = { from, to, events: [], onArrival, scheduledCount: 0, pastCount: 0, lastArrivalMs: 0 };
    return pipe;
  }

  #isPassable(): boolean {
    const [a, b] = [this.#there.from.address.nodeId, this.#there.to.address.nodeId];
    return this.#network.isOpen(a, b) && this.#network.isOpen(b, a);
  }

  #schedule(pipe: Pipe): void {
    const { world } = this.#network;
    if (!this.#mayPass(pipe)) return;
    const [from, to] = [pipe.from.address.nodeId, pipe.to.address.nodeId];
    while (pipe.scheduledCount < pipe.events.length) {
      const bytes = pipe.events[pipe.scheduledCount]?.bytes ?? 0;
      pipe.scheduledCount++;
      const delayMs = this.#network.delayMs() + this.#network.clogMs(from, to);
      // Not at the same time as the one before: events of one time have no order.
      pipe.lastArrivalMs = Math.max(pipe.lastArrivalMs + 1e-6, world.nowMs + delayMs) + this.#network.transferMs(bytes);
      world.schedule(pipe.lastArrivalMs - world.nowMs, pipe.onArrival, isAlwaysDue);
    }
  }

  #arrive(pipe: Pipe): void {
    if (this.#isBroken) return;
    if (pipe.pastCount > 0) {
      pipe.pastCount--;
      return;
    }
    pipe.scheduledCount--;
    // Cut on the way: it is sent again, with all behind it, when that heals.
    if (!this.#mayPass(pipe)) {
      pipe.lastArrivalMs = 0;
      return;
    }
    this.#take(pipe);
    // One read of the other end takes all that is there, whole frames and parts of them.
    while (this.#kind === "stream" && pipe.scheduledCount > 0 && !this.#isBroken && this.#network.comesAlong()) {
      pipe.scheduledCount--;
      pipe.pastCount++;
      this.#take(pipe);
    }
  }

  #take(pipe: Pipe): void {
    if (--this.#eventsToReset === 0) return this.reset();
    const event = pipe.events.shift();
    if (pipe.to.process.isAlive) event?.arrive();
  }

  #mayPass({ from, to }: Pipe): boolean {
    const [one, other] = [from.address.nodeId, to.address.nodeId];
    if (!this.#network.isOpen(one, other)) return false;
    return this.#kind !== "stream" || !this.#network.isStreamStalled(one, other);
  }

  #break(): void {
    this.#isBroken = true;
    this.#there.events.length = 0;
    this.#back.events.length = 0;
    this.#network.remove(this);
  }

  #tellSoon(side: number, reason: string): void {
    this.#tell(side, this.#network.delayMs(), reason);
  }

  #tell(side: number, delayMs: number, reason: string): void {
    if (this.#isTold[side] === true) return;
    this.#isTold[side] = true;
    const { process } = side === 0 ? this.#there.from : this.#there.to;
    this.#network.world.schedule(
      delayMs,
      () => this.#onClosed[side === 0 ? 0 : 1](new PeerError("closed", reason)),
      () => process.isAlive,
    );
  }
}

function isAlwaysDue(): boolean {
  return true;
}
