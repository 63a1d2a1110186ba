/**
 * What was done to a cluster in its safety phase, step by step: faults, what administrators asked for, what was sent. All that chance
 * decided stands in a step, so that a list of steps says what happens without the generator that drew them.
 */
import type { ChangeName } from "./changes.ts";
import type { FaultName } from "./fault-rows.ts";

/** Plain values: a step is a line of JSON. */
export type StepValue = string | number | boolean | readonly number[];
export type StepValues = Readonly<Record<string, StepValue>>;

/** A record. `send`: the number of the producer; `bytes`: of what follows its value. */
export interface SendStep {
  readonly send: number;
  readonly topic: string;
  readonly partition: number;
  readonly bytes: number;
}

/** Beside the name its values. */
export type Deed = { readonly fault: FaultName } | { readonly change: ChangeName } | SendStep;

/** `atMs`: of virtual time, since the safety phase began. */
export type PlanStep = { readonly atMs: number } & Deed;

/** What a fault or a change is done with. */
export function valuesOf(step: PlanStep): StepValues {
  const isName = (key: string): boolean => key === "atMs" || key === "fault" || key === "change";
  return Object.fromEntries(Object.entries(step).filter(([key]) => !isName(key))) as StepValues;
}
