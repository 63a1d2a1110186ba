/**
 * Which operation of the simulated disk goes wrong, and how: rules by operation and path, fired by count or by chance. The
 * disk asks before each operation; rules are tried in the order they were added.
 */
import type { SeededRandom } from "../base/index.ts";
import type { DiskFaultKind } from "../ports/index.ts";

export type DiskOperation =
  | "open"
  | "read"
  | "write"
  | "datasync"
  | "truncate"
  | "list"
  | "rename"
  | "unlink"
  | "mkdir"
  | "rmdir"
  | "syncDirectory";

/**
 * A DiskFault of that kind; or `short`: fewer bytes than asked; `stall`: an operation off the loop, or a write on it, takes
 * `stallMs`; `lie`: it reports success and has done nothing (syncs, `rename`, `unlink`), or nothing yet (a write off the loop).
 */
export type FaultEffect = DiskFaultKind | "short" | "stall" | "lie";

export interface FaultRule {
  readonly operation: DiskOperation;
  readonly effect: FaultEffect;
  /** Every path without it. */
  readonly path?: RegExp;
  /** Matching operations let through first; default 0. */
  readonly skipCount?: number;
  /** Times it fires at most; default 1, or without bound when it fires by chance. */
  readonly times?: number;
  readonly probability?: number;
  readonly stallMs?: number;
}

export interface FaultHandle {
  readonly firedCount: number;
  remove(): void;
}

interface ArmedRule extends FaultHandle {
  readonly rule: FaultRule;
  skipsLeft: number;
  timesLeft: number;
  firedCount: number;
}

export class SimFaults {
  readonly #random: SeededRandom;
  #rules: ArmedRule[] = [];
  /** Faults that fired, by "operation effect". */
  readonly fired = new Map<string, number>();
  #failuresCount = 0;

  constructor(random: SeededRandom) {
    this.#random = random;
  }

  /** Operations that failed, and those told to: what falls short, waits or lies does not count. */
  get failuresCount(): number {
    return this.#failuresCount;
  }

  add(rule: FaultRule): FaultHandle {
    const armed: ArmedRule = {
      rule,
      skipsLeft: rule.skipCount ?? 0,
      timesLeft: rule.times ?? (rule.probability === undefined ? 1 : Number.POSITIVE_INFINITY),
      firedCount: 0,
      remove: () => {
        this.#rules = this.#rules.filter((other) => other !== armed);
      },
    };
    this.#rules.push(armed);
    return armed;
  }

  removeAll(): void {
    this.#rules = [];
  }

  /** The rule that strikes this operation, if any; a rule that has struck often enough is gone. */
  strike(operation: DiskOperation, path: string): FaultRule | undefined {
    for (const armed of this.#rules) {
      const { rule } = armed;
      if (rule.operation !== operation || (rule.path !== undefined && !rule.path.test(path))) continue;
      if (armed.skipsLeft > 0) {
        armed.skipsLeft -= 1;
        continue;
      }
      if (rule.probability !== undefined && !this.#random.chance(rule.probability)) continue;
      armed.firedCount += 1;
      armed.timesLeft -= 1;
      if (armed.timesLeft <= 0) armed.remove();
      this.count(`${operation} ${rule.effect}`);
      if (isKind(rule.effect)) this.#failuresCount += 1;
      return rule;
    }
    return undefined;
  }

  /** The disk is full by itself, not by a rule. */
  countFull(): void {
    this.count("write full");
    this.#failuresCount += 1;
  }

  count(what: string): void {
    this.fired.set(what, (this.fired.get(what) ?? 0) + 1);
  }
}

/** True when the effect of a rule is a DiskFault. */
export function isKind(effect: FaultEffect | undefined): effect is DiskFaultKind {
  return effect !== undefined && effect !== "short" && effect !== "stall" && effect !== "lie";
}
