/**
 * The plan of a chaos run: which faults, in which order, each with a seed of its own. One seed gives one plan; what the
 * operating system does meanwhile is its own affair.
 */
import { SeededRandom } from "@tidemark/broker/base";

export interface PlannedFault {
  readonly fault: string;
  /** Of all chances that the fault takes. */
  readonly seed: number;
  /** Peace before it, ms. */
  readonly restMs: number;
}

const REST_MAX_MS = 3_000;

/** Every fault once, shuffled, then all again in another order, `count` in all. */
export function makePlan(seed: number, faults: readonly string[], count: number): PlannedFault[] {
  const random = new SeededRandom(seed);
  const plan: PlannedFault[] = [];
  let round: string[] = [];
  while (plan.length < count) {
    if (round.length === 0) round = [...faults];
    const [fault] = round.splice(random.below(round.length), 1);
    if (fault === undefined) break;
    plan.push({ fault, seed: random.uint32(), restMs: random.below(REST_MAX_MS) });
  }
  return plan;
}
