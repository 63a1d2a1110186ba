/**
 * Whether the metadata can have a leader, as far as this node sees: each voter is asked whether it is there. For the words of a
 * command that finds no controller; Raft itself goes by nothing of this.
 */
import type { Clock, PeerAddress, PeerTransport } from "../../ports/index.ts";
import { askMembership } from "./birth.ts";

export interface QuorumLookOptions {
  readonly nodeId: number;
  readonly transport: PeerTransport;
  readonly clock: Clock;
  /** Null: unknown. */
  addressOf(nodeId: number): PeerAddress | null;
  voterIds(): readonly number[];
}

export interface QuorumSeen {
  /** No majority of the voters answers: there will be no leader before others are back. */
  readonly isLost: boolean;
  /** One sentence, for whoever waits for a controller. */
  readonly text: string;
}

/** How long what was seen is gone by. */
const FRESH_MS = 1_000;

export class QuorumLook {
  readonly #options: QuorumLookOptions;
  #seen: (QuorumSeen & { readonly begunAt: number }) | null = null;
  #isLooking = false;

  constructor(options: QuorumLookOptions) {
    this.#options = options;
  }

  /**
   * What was seen by a look that began at `since`, on the monotonic clock, or later; null: none has ended yet. However many ask, the voters
   * are asked once at a time, and once in a while.
   */
  look(since: number): QuorumSeen | null {
    const now = this.#options.clock.monotonicNow();
    const seen = this.#seen;
    if ((seen === null || now - seen.begunAt >= FRESH_MS) && !this.#isLooking) void this.#lookNow(now);
    return seen !== null && seen.begunAt >= since ? seen : null;
  }

  /** Never rejects. */
  async #lookNow(begunAt: number): Promise<void> {
    this.#isLooking = true;
    const { nodeId } = this.#options;
    const voters = [...this.#options.voterIds()].sort((a, b) => a - b);
    const areThere = await Promise.all(voters.map(async (id) => id === nodeId || (await this.#answers(id))));
    this.#isLooking = false;
    const away = voters.filter((_, slot) => areThere[slot] !== true);
    this.#seen = { begunAt, ...quorumSeen(voters.length, away) };
  }

  async #answers(id: number): Promise<boolean> {
    const to = this.#options.addressOf(id);
    return to !== null && (await askMembership(this.#options.transport, to)) !== null;
  }
}

function quorumSeen(voters: number, away: readonly number[]): QuorumSeen {
  const there = voters - away.length;
  const isLost = there <= voters / 2;
  const answering = `${there} of ${voters} voters ${there === 1 ? "answers" : "answer"}`;
  if (away.length === 0) return { isLost, text: `no controller: ${answering}, and none of them leads yet` };
  const text = `no controller: ${answering}; waiting for ${away.length === 1 ? "broker" : "brokers"} ${away.join(", ")}`;
  return { isLost, text: isLost ? text : `${text}, or for the others to choose one` };
}
