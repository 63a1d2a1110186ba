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

export class LeaderWatch {
  readonly #options: LeaderWatchOptions;
  #leader: PeerAddress | null = null;
  #unwatch: (() => void) | null = null;
  /** Who is being dialled. */
  #asked: PeerAddress | null = null;

  constructor(options: LeaderWatchOptions) {
    this.#options = options;
  }

  /** Null: nobody leads, or this node does, or it does not vote. */
  follow(leader: PeerAddress | null): void {
    const before = this.#leader;
    if (before?.nodeId === leader?.nodeId && before?.host === leader?.host && before?.port === leader?.port) return;
    this.#unwatch?.();
    this.#leader = leader;
    this.#unwatch =
      leader === null ? null : this.#options.transport.watchControl(leader, () => void this.#onLost(leader));
  }

  /** Never rejects. */
  async #onLost(leader: PeerAddress): Promise<void> {
    if (this.#asked === leader || this.#leader !== leader) return;
    this.#asked = leader;
    try {
      if (!(await this.#options.transport.isRefused(leader))) return;
      await this.#pause();
      if (!(await this.#options.transport.isRefused(leader))) return;
      if (this.#leader === leader) this.#options.onGone();
    } finally {
      if (this.#asked === leader) this.#asked = null;
    }
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => {
      this.#options.timers.after(this.#options.fenceMs(), resolve);
    });
  }
}
