export type { Anomaly, AnomalyReport, CheckOptions, Verdict } from "./check-history.ts";
export { checkHistory } from "./check-history.ts";
export type { ReaderCall, SendCall, SendHandle, SendOutcome } from "./history.ts";
export { History } from "./history.ts";
