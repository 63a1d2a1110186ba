/**
 * Failpoints (testing.md 7): places in the shipping code at which a test or the simulation may let the process die, stand still or meet
 * a fault. Each place calls the `Failpoint` that it was handed with its name; outside of tests that is one function which does nothing,
 * handed down from the composition root, so that two brokers in one process have each their own.
 *
 * A core has none: what it decides is written, sent and told by the shell around it, and there they stand.
 */
import { DiskFault, type DiskFaultKind } from "./disk.ts";

/** Every one, and what a death there must leave: checked by whoever dies there, over the next start. */
export const FAILPOINTS = {
  "storage.append.beforeWrite": "nothing of these batches is acknowledged; the log ends before them",
  "storage.append.afterWrite":
    "the batches are there whole or, after a power failure, in part: the tail is cut to whole ones",
  "storage.roll.beforeCreate":
    "the old segment is the active one, its indexes are made anew where they were being written",
  "storage.roll.afterCreate": "an empty segment at the log end is no gap: the log goes on in it, or begins it again",
  "storage.flush.beforeSync": "what was synced before; nobody was told of more",
  "storage.flush.afterSync": "what was just synced, though nobody was told",
  "storage.recover.afterMarker": "the clean marker is gone, and the next start recovers",
  "storage.recover.afterLoad": "a recovery that was interrupted begins again and ends the same",
  "storage.recover.afterMend": "checkpoints are lower bounds of what the logs hold",
  "storage.truncate.afterCheckpoint": "the recovery point on disk is below the cut, and the log still whole",
  "storage.truncate.afterRemove": "the newest segments are gone, and none below one that is there",
  "storage.truncate.afterCut": "the log ends at the cut, or whole batches behind it that nobody counts",
  "storage.retain.afterLogStart": "the log start is durable, and segments below it go at the next start",
  "storage.retain.afterRename": "segments that come back lie below the durable log start",
  "checkpoint.afterTemp": "the old file; what is left of the new one is tidied away",
  "checkpoint.afterFsync": "the old file",
  "checkpoint.afterRename": "the old file or the new one, whole",
  "raft.vote.beforeWrite": "the old term and vote; no message that says otherwise has left",
  "raft.vote.afterWrite": "the new term and vote, though nobody was told",
  "raft.append.beforeWrite": "the log without these entries; nobody counts them",
  "raft.append.afterWrite": "the log with these entries, though nobody was told",
  "raft.snapshot.beforeWrite": "the log reaches back to the snapshot before",
  "raft.snapshot.afterWrite": "the new snapshot, and a log that is cut behind it at the next start",
  "raft.install.beforeWrite": "the log and snapshot of before; the leader offers its snapshot again",
  "raft.install.afterWrite": "the leader's snapshot, and a log that begins behind it",
  "isr.propose": "the controller never hears of the proposal: the ISR stays, or others propose",
  "isr.confirm": "the ISR that the controller committed, though its leader was not told",
  "shutdown.begin": "no clean marker; logs are recovered",
  "shutdown.afterHandOver": "no clean marker; leadership has moved where there was somebody",
  "shutdown.beforeMarker": "everything is synced, and recovery finds nothing to cut",
  "shutdown.afterMarker": "the clean marker, with the epoch of this life",
} as const satisfies Record<string, string>;

export type FailpointName = keyof typeof FAILPOINTS;

/** Those behind which a message may be lost: who asks there leaves out what follows when the answer is true. */
const DROPPABLE: ReadonlySet<FailpointName> = new Set<FailpointName>(["isr.propose", "isr.confirm"]);
/** Those at which a fault of the disk is met as one of the operation that follows, or came before, would be. */
const FAILABLE =
  /^(?:storage\.(?:recover|truncate|retain)|checkpoint|raft)\.|^storage\.(?:roll\.beforeCreate|flush\.beforeSync)$/u;
const ERROR_KINDS = ["EIO", "ENOSPC", "EMFILE"] as const satisfies readonly DiskFaultKind[];

/**
 * Called at a place. Answers whether what follows is left out, which only places that say so do. May throw DiskFault where a disk
 * operation follows; dies otherwise.
 */
export type Failpoint = (name: FailpointName) => boolean;

export const noFailpoint: Failpoint = () => false;

export type FailpointAction =
  | { readonly kind: "crash" | "drop" }
  | { readonly kind: "pause"; readonly ms: number }
  | { readonly kind: "error"; readonly code: DiskFaultKind };

export interface ArmedFailpoint {
  readonly name: FailpointName;
  readonly action: FailpointAction;
  /** The passage at which it acts, once; the first is 1. */
  readonly nth: number;
}

/** What the world does of an action. */
export interface FailpointWorld {
  /** Does not return, or throws what nobody handles. */
  crash(name: FailpointName): void;
  /** The whole process stands still. */
  pause(ms: number): void;
}

export class FailpointRegistry {
  readonly #world: FailpointWorld;
  readonly #armed = new Map<FailpointName, { readonly action: FailpointAction; left: number }>();
  /** Called often, and handed to many. */
  readonly failpoint: Failpoint = (name) => this.#pass(name);

  constructor(world: FailpointWorld, armed: readonly ArmedFailpoint[] = []) {
    this.#world = world;
    for (const each of armed) this.arm(each);
  }

  /** In the place of what it was armed with before. */
  arm({ name, action, nth }: ArmedFailpoint): void {
    this.#armed.set(name, { action, left: nth });
  }

  clear(): void {
    this.#armed.clear();
  }

  #pass(name: FailpointName): boolean {
    const armed = this.#armed.get(name);
    if (armed === undefined || --armed.left > 0) return false;
    this.#armed.delete(name);
    const { action } = armed;
    if (action.kind === "crash") this.#world.crash(name);
    else if (action.kind === "pause") this.#world.pause(action.ms);
    else if (action.kind === "error") throw new DiskFault(action.code, "failpoint", name);
    return action.kind === "drop";
  }
}

export function isFailpointName(name: string): name is FailpointName {
  return Object.hasOwn(FAILPOINTS, name);
}

export type ParsedFailpoints =
  | { readonly ok: true; readonly armed: readonly ArmedFailpoint[] }
  | { readonly ok: false; readonly reason: string };

/** `name=action[:nth]`, several between commas; actions are crash, pause(ms), error(code) and drop. */
export function parseFailpoints(text: string): ParsedFailpoints {
  const armed: ArmedFailpoint[] = [];
  for (const part of text.split(",")) {
    const [, name = "", action = "", argument = "", nth = "1"] =
      /^\s*([\w.]+)=([a-z]+)(?:\((\w+)\))?(?::(\d{1,9}))?\s*$/u.exec(part) ?? [];
    if (name === "") return { ok: false, reason: `${JSON.stringify(part)} is not name=action[:nth]` };
    if (!isFailpointName(name)) return { ok: false, reason: `there is no failpoint ${name}` };
    const parsed = parseAction(name, action, argument);
    if (typeof parsed === "string") return { ok: false, reason: parsed };
    if (Number(nth) < 1) return { ok: false, reason: `the first passage of ${name} is number 1` };
    armed.push({ name, action: parsed, nth: Number(nth) });
  }
  return { ok: true, armed };
}

/** Or why it is none. */
function parseAction(name: FailpointName, action: string, argument: string): FailpointAction | string {
  if (action === "crash" && argument === "") return { kind: "crash" };
  if (action === "drop" && argument === "")
    return DROPPABLE.has(name) ? { kind: "drop" } : `nothing can be dropped at ${name}`;
  if (action === "pause" && /^\d{1,6}$/u.test(argument)) return { kind: "pause", ms: Number(argument) };
  const code = ERROR_KINDS.find((kind) => kind === argument);
  if (action === "error" && code !== undefined)
    return FAILABLE.test(name) ? { kind: "error", code } : `no operation of a disk follows ${name}`;
  return `${name} wants crash, pause(ms), error(${ERROR_KINDS.join("|")}) or drop, not ${action}${argument === "" ? "" : `(${argument})`}`;
}
