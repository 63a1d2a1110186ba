/** Plans of moves between brokers: a door of its own, since nothing needs it but an operator's question. */
export type { MovePlan, PlannedLoad, PlannedMove, PlanRequest } from "./plan-moves.ts";
export { planMoves } from "./plan-moves.ts";
