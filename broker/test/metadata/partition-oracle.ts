/**
 * One partition's registration by the model of the specification, as slowly and plainly as its actions are written there: sets, one rule
 * after the other, brokers 1 to 3 as replicas in this order. What the code of metadata/ makes of the same commands must be the same.
 */

export interface OracleState {
  leader: number;
  leaderEpoch: number;
  partitionEpoch: number;
  uncleanEpoch: number;
  isr: Set<number>;
  elr: Set<number>;
  /** By broker: the directory that held its log. */
  last: Map<number, string>;
  dir: Map<number, string>;
  /** Fenced, shutting down or without a disk. */
  away: Set<number>;
  minIsr: number;
  isSynced: boolean;
}

const ALL = [1, 2, 3];
const NONE = -1;

export class PartitionOracle {
  readonly state: OracleState;

  constructor(minIsr: number, isSynced: boolean, directories: ReadonlyMap<number, string>) {
    this.state = {
      leader: 1,
      leaderEpoch: 0,
      partitionEpoch: 0,
      uncleanEpoch: -1,
      isr: new Set(ALL),
      elr: new Set(),
      last: new Map(directories),
      dir: new Map(directories),
      away: new Set(),
      minIsr,
      isSynced,
    };
  }

  /** `setIsr` of the model: 9(5). */
  #setIsr(isr: Set<number>, unclean: number | null): void {
    const s = this.state;
    const old = s.isr;
    s.isr = isr;
    if (isr.size < s.minIsr) {
      s.elr = new Set([...s.elr, ...old].filter((id) => !isr.has(id) && id !== unclean));
      for (const id of isr) s.last.set(id, s.dir.get(id) ?? "");
    } else {
      s.elr = new Set();
      s.last = new Map([...isr].map((id) => [id, s.dir.get(id) ?? ""]));
    }
  }

  #newLeader(leader: number): void {
    const s = this.state;
    if (leader !== s.leader) s.leaderEpoch += 1;
    s.leader = leader;
  }

  /** `elect` of the model with 9(1)'s order, and the last ISR's only candidate, who need not be asked. */
  #elect(damaged: ReadonlySet<number>): void {
    const s = this.state;
    const mayLead = (id: number): boolean => !s.away.has(id);
    if (s.leader !== NONE && s.isr.has(s.leader) && mayLead(s.leader)) return;
    const inSync = ALL.find((id) => s.isr.has(id) && mayLead(id));
    if (inSync !== undefined) return this.#newLeader(inSync);
    const eligible = s.isr.size > 0 ? undefined : ALL.find((id) => s.elr.has(id) && mayLead(id));
    if (eligible !== undefined) {
      this.#newLeader(eligible);
      return this.#setIsr(new Set([eligible]), null);
    }
    this.#newLeader(NONE);
    const candidates = this.candidates();
    const [only] = candidates;
    if (this.isOpen() && candidates.length === 1 && only !== undefined && mayLead(only) && !damaged.has(only)) {
      this.#recover(only);
    }
  }

  isOpen(): boolean {
    const s = this.state;
    const blocked = ![...s.isr, ...s.elr].some((id) => !s.away.has(id));
    return s.leader === NONE && s.isr.size === 0 && (s.elr.size === 0 || (s.isSynced && blocked));
  }

  candidates(): number[] {
    const s = this.state;
    return ALL.filter((id) => s.last.has(id) && s.last.get(id) === s.dir.get(id));
  }

  #recover(id: number): void {
    const s = this.state;
    this.#newLeader(id);
    this.#setIsr(new Set([id]), null);
    s.elr = new Set();
    s.uncleanEpoch = s.leaderEpoch;
  }

  /** What one command did counts once: epochs rise by one, whatever it passed through. */
  #command(run: () => void, { isLedAnew = false, isRaised = false } = {}): void {
    const s = this.state;
    const before = this.text(false);
    const { leader, leaderEpoch, uncleanEpoch } = s;
    run();
    const isChosen = s.uncleanEpoch !== uncleanEpoch;
    s.leaderEpoch = leaderEpoch + (s.leader !== leader || isLedAnew || isChosen ? 1 : 0);
    if (isChosen) s.uncleanEpoch = s.leaderEpoch;
    if (before !== this.text(false) || s.leaderEpoch !== leaderEpoch || isRaised) s.partitionEpoch += 1;
  }

  restart(id: number, isClean: boolean, directory: string): void {
    const s = this.state;
    this.#command(
      () => {
        s.dir.set(id, directory);
        s.away.add(id);
        if (s.isr.has(id) || (!isClean && s.elr.has(id))) {
          this.#setIsr(new Set([...s.isr].filter((other) => other !== id)), isClean ? null : id);
        }
        this.#elect(new Set());
      },
      { isLedAnew: s.leader === id },
    );
  }

  leave(id: number): void {
    const s = this.state;
    this.#command(() => {
      s.away.add(id);
      if (s.isr.has(id)) this.#setIsr(new Set([...s.isr].filter((other) => other !== id)), null);
      this.#elect(new Set());
    });
  }

  unfence(id: number): void {
    this.#command(() => {
      this.state.away.delete(id);
      this.#elect(new Set());
    });
  }

  alter(isr: readonly number[]): void {
    this.#command(() => this.#setIsr(new Set(isr), null), { isRaised: true });
  }

  setMin(minIsr: number): void {
    const s = this.state;
    if (minIsr === s.minIsr) return;
    this.#command(
      () => {
        s.minIsr = minIsr;
        this.#setIsr(new Set(s.isr), null);
      },
      { isRaised: true },
    );
  }

  choose(id: number, isUnclean: boolean): void {
    this.#command(() => {
      this.#recover(id);
      if (isUnclean) this.state.last = new Map([[id, this.state.dir.get(id) ?? ""]]);
    });
  }

  text(withEpochs = true): string {
    const { leader, isr, elr, last, leaderEpoch, partitionEpoch, uncleanEpoch } = this.state;
    const sorted = (ids: Iterable<number>): string => [...ids].sort((a, b) => a - b).join();
    const members = [...last].sort(([a], [b]) => a - b).map(([id, directory]) => `${id}:${directory}`);
    const epochs = withEpochs ? ` e${leaderEpoch} p${partitionEpoch}` : "";
    return `${leader} [${sorted(isr)}] [${sorted(elr)}] [${members.join()}] u${uncleanEpoch}${epochs}`;
  }
}
