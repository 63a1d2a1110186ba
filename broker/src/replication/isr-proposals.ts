/**
 * What a leader has proposed about its ISR and not seen the end of (semantics 7(6), 7(7); KIP-497).
 *
 *     none --propose--> in flight --retry--> in flight, once more
 *     in flight --refused, and the metadata it was decided on is applied--> none
 *     any --metadata of a higher partition epoch--> none
 *
 * An answer ends only the proposal that it answers (P80), and only when the metadata offset that it names is applied here
 * (P52). An attempt without an answer may still commit: if the proposal is refused while one is out, its members stay in
 * the maximal ISR until a higher partition epoch.
 */
import type { BrokerId, LeaderEpoch } from "../base/index.ts";

export interface IsrMember {
  readonly brokerId: BrokerId;
  readonly brokerEpoch: number;
}

/** Body of an AlterPartition but for the sender's broker epoch, which is whoever sends it. */
export interface IsrProposal {
  /** Names the proposal to this leader: the answer to an attempt goes to `onProposalAnswered` with it. */
  readonly proposalId: number;
  readonly leaderEpoch: LeaderEpoch;
  /** That it was decided on. */
  readonly partitionEpoch: number;
  /** What was checked: the broker epochs are those of the check (7(5)). */
  readonly isr: readonly IsrMember[];
  /** Always false: a leader that recovers is done when it first proposes (7(7)). */
  readonly isRecovering: false;
}

interface InFlight {
  readonly proposal: IsrProposal;
  attempts: number;
  /** It is over when this metadata offset is applied; null: nothing is known. */
  endsAt: number | null;
}

const NOBODY: readonly BrokerId[] = [];

export class IsrProposals {
  #inFlight: InFlight | null = null;
  /** Members of refused proposals of which an attempt may still commit. */
  #lingering: readonly BrokerId[] = NOBODY;
  #lastId = 0;

  get inFlight(): IsrProposal | null {
    return this.#inFlight?.proposal ?? null;
  }

  /** A refused proposal may still commit: only a higher partition epoch ends that. */
  get isLingering(): boolean {
    return this.#lingering.length > 0;
  }

  /** Does a proposal keep this replica in the maximal ISR? */
  holds(brokerId: BrokerId): boolean {
    const proposed = this.#inFlight?.proposal.isr.some((member) => member.brokerId === brokerId) ?? false;
    return proposed || this.#lingering.includes(brokerId);
  }

  propose(leaderEpoch: LeaderEpoch, partitionEpoch: number, isr: readonly IsrMember[]): IsrProposal {
    this.#lastId += 1;
    const proposal = { proposalId: this.#lastId, leaderEpoch, partitionEpoch, isr, isRecovering: false as const };
    this.#inFlight = { proposal, attempts: 1, endsAt: null };
    return proposal;
  }

  /** No answer, or one that says nothing (41): the same again; null: it is over. */
  retry(proposalId: number): IsrProposal | null {
    const inFlight = this.#find(proposalId);
    if (inFlight === null || inFlight.endsAt !== null) return null;
    inFlight.attempts += 1;
    return inFlight.proposal;
  }

  /** True: the proposal is over. */
  onAnswered(proposalId: number, metadataOffset: number, appliedOffset: number): boolean {
    const inFlight = this.#find(proposalId);
    if (inFlight === null) return false;
    inFlight.endsAt ??= metadataOffset;
    return this.onApplied(appliedOffset);
  }

  /** Metadata up to here is applied. True: the proposal is over, and its records, had it any, would have replaced it. */
  onApplied(metadataOffset: number): boolean {
    const inFlight = this.#inFlight;
    if (inFlight === null || inFlight.endsAt === null || metadataOffset < inFlight.endsAt) return false;
    if (inFlight.attempts > 1) {
      const members = inFlight.proposal.isr.map(({ brokerId }) => brokerId);
      this.#lingering = [...this.#lingering, ...members.filter((member) => !this.#lingering.includes(member))];
    }
    this.#inFlight = null;
    return true;
  }

  /** A higher partition epoch was applied: it replaces committed and pending state. */
  clear(): void {
    this.#inFlight = null;
    this.#lingering = NOBODY;
  }

  #find(proposalId: number): InFlight | null {
    return this.#inFlight?.proposal.proposalId === proposalId ? this.#inFlight : null;
  }
}
