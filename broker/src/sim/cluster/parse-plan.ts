/** A plan as a file has it: what is no step is refused, with its place in the list. */
import { isChangeName } from "./changes.ts";
import { isFaultName } from "./fault-rows.ts";
import type { PlanStep } from "./plan.ts";

/** Throws an Error that names the first step that is none. */
export function parsePlan(value: unknown): readonly PlanStep[] {
  if (!Array.isArray(value)) throw new Error("a plan is a list of steps");
  for (const [slot, step] of value.entries())
    if (!isStep(step)) throw new Error(`step ${slot} of the plan is none: ${JSON.stringify(step).slice(0, 200)}`);
  return value as PlanStep[];
}

function isStep(step: unknown): boolean {
  if (typeof step !== "object" || step === null) return false;
  const { atMs, fault, change, send, topic, partition, bytes } = step as Record<string, unknown>;
  if (!isCount(atMs)) return false;
  if (typeof fault === "string") return isFaultName(fault);
  if (typeof change === "string") return isChangeName(change);
  return isCount(send) && typeof topic === "string" && isCount(partition) && isCount(bytes);
}

function isCount(value: unknown): boolean {
  return typeof value === "number" && value >= 0 && value < Number.POSITIVE_INFINITY;
}
