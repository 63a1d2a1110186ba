/**
 * A voter's eye on its leader: where nobody listens at any address of his any more, asked twice, he is gone, and there is no need to wait
 * out his silence (semantics 10.4(6)). A connection that breaks, a reset or silence alone prove nothing.
 */
import type { PeerAddress, PeerTransport, Timers } from "../../ports/index.ts";

export interface LeaderWatchOptions {
  readonly transport: Pick<PeerTransport, "watchControl" | "isRefused">;
  readonly timers: Timers;
  /** Between the two dials (`broker.refused.fence.ms`). */
  fenceMs(): number;
  /** The leader, as who he was told, is gone. */
  onGone(): void;
}

/** One leader, from when this node heard of him until it follows another. */
interface Watched {
  readonly leader: PeerAddress;
  isAsking: boolean;
  /** Since it was asked last. */
  isLost: boolean;
}

export class LeaderWatch {
  readonly #options: LeaderWatchOptions;
  #watched: Watched | null = null;
  #unwatch: (() => void) | null = null;

  constructor(options: LeaderWatchOptions) {
    this.#options = options;
  }

  /** Null: nobody leads, or this node does, or it does not vote. */
  follow(leader: PeerAddress | null): void {
    const before = this.#watched?.leader;
    if (before?.nodeId === leader?.nodeId && before?.host === leader?.host && before?.port === leader?.port) return;
    this.#unwatch?.();
    this.#watched = null;
    this.#unwatch = null;
    if (leader === null) return;
    const watched: Watched = { leader, isAsking: false, isLost: false };
    this.#watched = watched;
    this.#unwatch = this.#options.transport.watchControl(leader, () => void this.#onLost(watched));
  }

  /** Never rejects. */
  async #onLost(watched: Watched): Promise<void> {
    // What is lost while a dial is under way may be what that dial was too early for.
    watched.isLost = true;
    if (watched.isAsking) return;
    watched.isAsking = true;
    while (watched.isLost && this.#watched === watched) {
      watched.isLost = false;
      // oxlint-disable-next-line no-await-in-loop
      if ((await this.#isGone(watched)) && this.#watched === watched) this.#options.onGone();
    }
    watched.isAsking = false;
  }

  async #isGone(watched: Watched): Promise<boolean> {
    const { transport } = this.#options;
    if (!(await transport.isRefused(watched.leader))) return false;
    await this.#pause();
    return this.#watched === watched && transport.isRefused(watched.leader);
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => {
      this.#options.timers.after(this.#options.fenceMs(), resolve);
    });
  }
}
