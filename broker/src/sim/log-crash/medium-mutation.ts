/**
 * A promise of the disk that is broken, or a step undone that the log has taken, as if the log had left it out: for the proof that the
 * runner can fail. Never on but in its tests and in `npm run sim -- --mutations`.
 */
import type { SimDisk } from "../sim-disk.ts";
import type { FaultRule } from "../sim-faults.ts";

export interface MediumMutation {
  /** Faults of the whole run that report success and do nothing. */
  readonly lies?: readonly FaultRule[];
  /** Done to the medium when a life has ended, before the crash takes its share. */
  beforeRestart?(medium: SimDisk): void;
}
