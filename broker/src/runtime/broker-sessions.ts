/**
 * The sessions of brokers, by the controller's own clock (semantics 10.4(4)-(6)): one ends when its broker was silent for
 * `broker.session.timeout.ms`, or when nobody listens at its address any more. Its own node's broker has none: it lives and dies with
 * this process.
 *
 * A clock that stood still (a paused process, a long stop of the loop) proves nothing of others: when a tick comes late by more than
 * half a session, all sessions begin anew.
 */
import type { BrokerConfig } from "../config/index.ts";
import type { ClusterImage } from "../metadata/index.ts";
import type { Clock, Logger, TimerHandle, Timers } from "../ports/index.ts";
import type { ControllerPeers } from "./controller-duties.ts";

/** Nobody listens at its address; or nothing was heard of it for so long. */
export type SessionEnd = { readonly kind: "gone" } | { readonly kind: "silent"; readonly silentMs: number };

export interface BrokerSessionsOptions {
  readonly nodeId: number;
  readonly config: () => BrokerConfig;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly peers: ControllerPeers;
  readonly logger: Logger;
  /** The broker is to be fenced, if this incarnation is the registered one still. */
  readonly endSession: (brokerId: number, brokerEpoch: number, why: SessionEnd) => void;
}

interface Session {
  readonly brokerEpoch: number;
  heardAt: number;
  readonly unwatch: () => void;
  /** Whether nobody listens is being found out, or was: then it is about to be over. */
  isDialled: boolean;
  isOver: boolean;
}

const TICKS_PER_SESSION = 8;

export class BrokerSessions {
  readonly #options: BrokerSessionsOptions;
  /** Of brokers that are not fenced. */
  readonly #sessions = new Map<number, Session>();
  /** Of those that are: when they spoke last. */
  readonly #heardAt = new Map<number, number>();
  #timer: TimerHandle | null = null;
  #tickedAt = 0;
  #isStopped = false;

  constructor(options: BrokerSessionsOptions) {
    this.#options = options;
  }

  start(image: ClusterImage): void {
    this.onBrokers(image);
  }

  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
    for (const session of this.#sessions.values()) end(session);
    this.#sessions.clear();
  }

  onHeard(brokerId: number): void {
    const now = this.#now();
    this.#heardAt.set(brokerId, now);
    const session = this.#sessions.get(brokerId);
    if (session !== undefined) session.heardAt = now;
  }

  /** Since it was heard last; -1 = not by this controller. */
  silentMs(brokerId: number): number {
    const heardAt = this.#sessions.get(brokerId)?.heardAt ?? this.#heardAt.get(brokerId);
    return heardAt === undefined ? -1 : this.#now() - heardAt;
  }

  isAlive(brokerId: number): boolean {
    const heardAt = this.#sessions.get(brokerId)?.heardAt ?? this.#heardAt.get(brokerId);
    return heardAt !== undefined && this.#now() - heardAt <= this.#sessionMs;
  }

  /** A session for each broker that is not fenced; one of an earlier incarnation is over. */
  onBrokers({ brokers }: ClusterImage): void {
    for (const [brokerId, session] of this.#sessions) {
      const broker = brokers.get(brokerId);
      if (broker !== undefined && !broker.isFenced && broker.brokerEpoch === session.brokerEpoch) continue;
      end(session);
      this.#sessions.delete(brokerId);
    }
    for (const { brokerId, brokerEpoch, isFenced } of brokers.values()) {
      if (isFenced || brokerId === this.#options.nodeId || this.#sessions.has(brokerId)) continue;
      const session: Session = {
        brokerEpoch,
        heardAt: this.#now(),
        unwatch: this.#options.peers.watch(brokerId, () => void this.#onLost(brokerId, session)),
        isDialled: false,
        isOver: false,
      };
      this.#sessions.set(brokerId, session);
    }
    this.#tickAsNeeded();
  }

  /** 10.4(6): two dials, and both refused by every address. Never rejects. */
  async #onLost(brokerId: number, session: Session): Promise<void> {
    if (session.isDialled || session.isOver) return;
    session.isDialled = true;
    try {
      session.isDialled = await this.#isGone(brokerId, session);
    } catch (cause: unknown) {
      session.isDialled = false;
      this.#options.logger.debug("a broker could not be dialled", { brokerId, err: cause });
    }
    // Once: what is lost until that is committed says nothing new. A broker that comes back meanwhile registers, or goes on showing that
    // it lives; one whose end is not committed is silent, and that ends it (10.4(4)).
    if (session.isDialled) this.#options.endSession(brokerId, session.brokerEpoch, { kind: "gone" });
  }

  async #isGone(brokerId: number, session: Session): Promise<boolean> {
    if (!(await this.#isRefused(brokerId, session))) return false;
    await this.#pause(this.#options.config().brokerRefusedFenceMs);
    return this.#isRefused(brokerId, session);
  }

  async #isRefused(brokerId: number, session: Session): Promise<boolean> {
    const isRefused = await this.#options.peers.isRefused(brokerId);
    return isRefused && !session.isOver && !this.#isStopped;
  }

  #pause(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      this.#options.timers.after(delayMs, resolve);
    });
  }

  #tickAsNeeded(): void {
    if (this.#isStopped || this.#timer !== null || this.#sessions.size === 0) return;
    const intervalMs = this.#sessionMs / TICKS_PER_SESSION;
    this.#tickedAt = this.#now();
    this.#timer = this.#options.timers.after(intervalMs, () => {
      this.#timer = null;
      this.#tick(intervalMs);
      this.#tickAsNeeded();
    });
  }

  #tick(intervalMs: number): void {
    const now = this.#now();
    const lateMs = now - this.#tickedAt - intervalMs;
    if (lateMs > this.#sessionMs / 2) {
      this.#options.logger.warn("the controller stood still: all sessions begin anew", { delayMs: Math.round(lateMs) });
      for (const session of this.#sessions.values()) session.heardAt = now;
      return;
    }
    for (const [brokerId, { heardAt, brokerEpoch }] of this.#sessions) {
      if (now - heardAt > this.#sessionMs) {
        this.#options.endSession(brokerId, brokerEpoch, { kind: "silent", silentMs: Math.round(now - heardAt) });
      }
    }
  }

  get #sessionMs(): number {
    return this.#options.config().brokerSessionTimeoutMs;
  }

  #now(): number {
    return this.#options.clock.monotonicNow();
  }
}

function end(session: Session): void {
  session.isOver = true;
  session.unwatch();
}
