/** What is the matter with one replica: why it is not in sync, or does not have a record yet. The worst first. */
import type { Blocker, BlockerCode } from "../../explain-types.ts";
import type { Facts } from "./facts.ts";

/** A disk that takes as long for a sync holds up what waits for it. */
const SLOW_SYNC_MS = 100;

/** In order: what explains the others first. */
const RANKS: readonly BlockerCode[] = [
  "NOT_REGISTERED",
  "DOWN",
  "STOPPED",
  "FENCED",
  "OFFLINE",
  "DISK_FULL",
  "DAMAGED",
  "EMPTIED",
  "SHUTTING_DOWN",
  "SILENT",
  "SLOW_DISK",
  "NOT_FOLLOWING",
  "LOG_START",
  "BEHIND",
  "UNHEARD",
  "JOINING",
  "NOT_ANSWERED",
];

export function worstFirst(blockers: readonly Blocker[]): Blocker[] {
  return blockers.toSorted((a, b) => RANKS.indexOf(a.code) - RANKS.indexOf(b.code) || a.broker - b.broker);
}

/** Of its broker, whatever the replica does; null: nothing is known against it. */
export function brokerTrouble(facts: Facts, broker: number): Blocker | null {
  const known = facts.brokerOf(broker);
  const since = known === null || known.fencedMs < 0 ? facts.leftAt(broker) : facts.now - known.fencedMs;
  const of = (code: BlockerCode, text: string, at = since): Blocker => ({
    broker,
    code,
    text: `broker ${broker} ${text}`,
    since: at,
  });
  if (known === null || !known.registered) return of("NOT_REGISTERED", "is not registered in this cluster");
  if (known.offline) return of("OFFLINE", "has lost its log directory");
  if (known.fenced) return of(...fencing(facts, broker, known.fencedWhy));
  if (known.shuttingDown) return of("SHUTTING_DOWN", "is shutting down");
  if (known.damaged) return of("DAMAGED", damageOf(facts, broker));
  const silence = facts.silenceOf(broker);
  if (silence !== null) {
    const how = silence.isRefused ? "cannot be reached from here" : "does not answer";
    return of("SILENT", `is alive by the metadata, and ${how} (${silence.message})`, null);
  }
  const view = facts.viewOf(broker);
  if (known.full || view?.full === true) return of("DISK_FULL", "has no room on its disk", null);
  return null;
}

function fencing(facts: Facts, broker: number, why: string): [BlockerCode, string] {
  if (facts.viewOf(broker) !== null)
    return ["FENCED", "runs and is fenced: the controller does not hear it (look at its PEER listener and its clock)"];
  switch (why) {
    case "stopped":
      return ["STOPPED", "was stopped"];
    case "gone":
      return ["DOWN", "is down: nobody listens at its address"];
    case "silent":
      return ["FENCED", "is fenced: the controller hears nothing from it"];
    default:
      return ["DOWN", "is down (fenced)"];
  }
}

function damageOf(facts: Facts, broker: number): string {
  const replica = facts.viewOf(broker)?.replica ?? null;
  if (replica?.repairing === true) return "fetches again what was damaged in its replica";
  if (replica !== null && replica.damagedFrom >= 0)
    return `has a damaged replica: bad from offset ${replica.damagedFrom} (${replica.damage})`;
  return "has a damaged replica, which is not in sync again";
}

/** Its disk holds up what waits for a sync; null: it does not, or nobody knows. */
export function slowDisk(facts: Facts, broker: number): Blocker | null {
  const view = facts.viewOf(broker);
  if (view === null || !facts.base.countsSynced) return null;
  const { syncRunningMs, syncMeanMs } = view;
  if (syncRunningMs < SLOW_SYNC_MS && syncMeanMs < SLOW_SYNC_MS) return null;
  const figures = [
    ...(syncRunningMs >= SLOW_SYNC_MS ? [`a sync runs for ${span(syncRunningMs)}`] : []),
    ...(syncMeanMs >= SLOW_SYNC_MS ? [`syncs take ${span(syncMeanMs)} in the mean`] : []),
  ];
  const since = syncRunningMs >= SLOW_SYNC_MS ? facts.now - syncRunningMs : null;
  return { broker, code: "SLOW_DISK", text: `the disk of broker ${broker} is slow: ${figures.join(", ")}`, since };
}

/** Why this follower is not in sync. */
export function outOfSync(facts: Facts, broker: number): Blocker {
  const trouble = brokerTrouble(facts, broker);
  if (trouble !== null) return trouble;
  const since = facts.leftAt(broker);
  const of = (code: BlockerCode, text: string): Blocker => ({ broker, code, text: `broker ${broker} ${text}`, since });
  const replica = facts.viewOf(broker)?.replica ?? null;
  const follower = facts.followerOf(broker);
  if (replica !== null && replica.damagedFrom >= 0) return of("DAMAGED", damageOf(facts, broker));
  if (replica?.repairing === true) return of("DAMAGED", damageOf(facts, broker));
  if (replica?.stopped === true)
    return of("NOT_FOLLOWING", "keeps its bytes and follows no more: they part from the leader's; look at its log");
  if (follower === null) return of("UNHEARD", "is out of sync; its leader, which knows why, did not answer");
  if (follower.proposed) return of("JOINING", "is joining: the controller has not answered yet");
  if (!follower.live)
    return of("NOT_FOLLOWING", "is alive, and does not follow: no stream from it is open at the leader");
  switch (follower.bar) {
    case "unheard":
      return of("UNHEARD", "has not reported in this leader epoch yet");
    case "broker":
      return of("UNHEARD", "was started anew: the leader has not heard the new process yet");
    case "log-start":
      return of("LOG_START", "has not made the deletion of the oldest records durable yet");
    case "behind":
      return slowDisk(facts, broker) ?? of("BEHIND", lagOf(facts, broker));
    default:
      return of("JOINING", "has caught up and is about to join");
  }
}

/** Why a member of the ISR does not have what the leader has. */
export function behindInSync(facts: Facts, broker: number): Blocker {
  const follower = facts.followerOf(broker);
  const ago = follower?.caughtUpAgoMs ?? -1;
  const since = ago > 0 ? facts.now - ago : null;
  const trouble = brokerTrouble(facts, broker) ?? slowDisk(facts, broker);
  if (trouble !== null) return { ...trouble, since: trouble.since ?? since };
  const live = follower?.live === false ? "; no stream from it is open at the leader" : "";
  return { broker, code: "BEHIND", text: `broker ${broker} ${lagOf(facts, broker)}${live}`, since };
}

function lagOf(facts: Facts, broker: number): string {
  const follower = facts.followerOf(broker);
  const end = facts.led?.led.logEndOffset ?? null;
  if (follower === null || end === null) return "is behind";
  if (follower.endOffset < 0) return "has not reported in this leader epoch yet";
  const lag = end - follower.endOffset;
  const ago = follower.caughtUpAgoMs;
  const when = ago < 0 ? "it has not caught up in this leader epoch" : `it was caught up ${span(ago)} ago`;
  return `is ${lag} ${lag === 1 ? "record" : "records"} behind; ${when}`;
}

/** `412 ms`, `3.2 s`, `4 m 10 s`. */
export function span(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1_000).toFixed(1)} s`;
  const minutes = Math.floor(ms / 60_000);
  if (minutes < 60) return `${minutes} m ${Math.round((ms % 60_000) / 1_000)} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} m`;
}
