/**
 * The questions of semantics 15.6 about one partition, answered from facts: whether it is so, the cause in one sentence, whom it waits
 * for, what to do. Pure: who is asked, and in what order, is admin-explain.ts.
 */
import type { Blocker, Explanation, ExplanationCode } from "../../explain-types.ts";
import type { Offset, TopicPartition } from "../../types.ts";
import type { Facts } from "./facts.ts";
import { behindInSync, brokerTrouble, outOfSync, slowDisk, span, worstFirst } from "./replicas.ts";

interface Answer {
  readonly holds: boolean;
  readonly code: ExplanationCode;
  /** Behind "T:P offset N is not …": the cause; or the whole where that is null. */
  readonly cause: string;
  readonly since?: number | null;
  readonly blockers?: readonly Blocker[];
  readonly advice?: readonly string[];
}

export type Question =
  | { readonly kind: "acked"; readonly offset: Offset }
  | { readonly kind: "visible"; readonly offset: Offset }
  | { readonly kind: "isr" };

export function explain(partition: TopicPartition, question: Question, facts: Facts): Explanation {
  const name = `${partition.topic}:${partition.partition}`;
  const answer = question.kind === "isr" ? isr(facts) : ofOffset(question.kind, question.offset, facts);
  const { holds, code, cause, since = null, blockers = [], advice = [] } = answer;
  const offset = question.kind === "isr" ? null : question.offset;
  const head = offset === null ? name : `${name} offset ${offset}`;
  const { topic, partition: number } = partition;
  return {
    topic,
    partition: number,
    question: question.kind,
    offset,
    holds,
    code,
    text: `${head} ${cause}`,
    since: since ?? blockers[0]?.since ?? null,
    blockers: [...blockers],
    advice: advice.map((line) => line.replace("topic/NAME", `topic/${topic}`).replace("TOPIC:PARTITION", name)),
    state: facts.state,
  };
}

// ---- an offset ----

function ofOffset(kind: "acked" | "visible", offset: Offset, facts: Facts): Answer {
  const what = kind === "acked" ? "acknowledged" : "visible";
  const { led } = facts;
  if (led === null) return withoutLeader(facts, `is not known to be ${what}`);
  const { logStartOffset, highWatermark, damagedFrom } = led;
  const { logEndOffset } = led.led;
  if (offset < logStartOffset) {
    const cause = `was deleted: the log begins at ${logStartOffset} (retention or DeleteRecords)`;
    return { holds: false, code: "BELOW_LOG_START", cause, advice: [`read from ${logStartOffset} on`] };
  }
  if (damagedFrom >= 0 && offset >= damagedFrom && kind === "visible" && offset < highWatermark) {
    const cause = `is not visible: the leader's log is damaged at ${damagedFrom} (${led.damage})`;
    return { holds: false, code: "DAMAGED", cause, advice: DAMAGE_ADVICE };
  }
  if (offset < highWatermark) {
    const cause = `is ${what}: it is below the high watermark ${highWatermark}, on every replica in sync [${facts.base.isr.join(", ")}]`;
    return { holds: true, code: kind === "acked" ? "ACKED" : "VISIBLE", cause };
  }
  if (offset >= logEndOffset) return notWritten(facts, logEndOffset);
  const held = heldBack(facts, offset);
  return { ...held, cause: `is not ${what} yet: ${held.cause}` };
}

/** Nobody has written it; whether somebody could. */
function notWritten(facts: Facts, end: Offset): Answer {
  const nobody = `is not written: the log ends at ${end}`;
  const { base, leaderView } = facts;
  if (leaderView?.full === true) {
    const cause = `${nobody}, and nothing is appended: the disk of broker ${base.leaderId}, its leader, is full`;
    const full: Blocker = { ...diskFull(base.leaderId) };
    return { holds: false, code: "DISK_FULL", cause, blockers: [full], advice: FULL_ADVICE };
  }
  const short = underMinIsr(facts);
  if (short !== null) return { ...short, cause: `${nobody}, and acks=all is refused: ${short.cause}` };
  const slow = slowDisk(facts, base.leaderId);
  if (slow !== null) {
    const cause = `${nobody}; what is written waits long: ${slow.text}`;
    return { holds: false, code: "NOT_WRITTEN", cause, blockers: [slow], advice: SLOW_ADVICE };
  }
  // Who cannot be reached from here may follow all the same: the leader knows.
  const cutOff = (facts.led?.led.followers ?? []).filter(({ waitedFor, live }) => waitedFor && !live);
  if (cutOff.length > 0) {
    const blockers = worstFirst(cutOff.map(({ brokerId }) => behindInSync(facts, brokerId)));
    const cause = `${nobody}; what is written with acks=all waits: ${undecided(facts)}${listed(blockers)}`;
    return {
      holds: false,
      code: "NOT_WRITTEN",
      cause,
      blockers,
      advice: [...deciderAdvice(facts), ...adviceFor(blockers)],
    };
  }
  return { holds: false, code: "NOT_WRITTEN", cause: `${nobody}, and nothing stands in the way of more` };
}

function diskFull(broker: number): Blocker {
  return { broker, code: "DISK_FULL", text: `broker ${broker} has no room on its disk`, since: null };
}

/** 6(2), 6(3): who keeps the high watermark from passing the offset. */
function heldBack(facts: Facts, offset: Offset): Answer {
  const short = underMinIsr(facts);
  if (short !== null) return short;
  const { base, led } = facts;
  const behind = (led?.led.followers ?? []).filter(({ waitedFor, endOffset }) => waitedFor && endOffset <= offset);
  const isLeaderBehind = led !== null && led.led.endOffset <= offset;
  const ownDisk = isLeaderBehind ? leaderDisk(facts) : null;
  if (behind.length > 0) {
    const blockers = worstFirst(behind.map(({ brokerId }) => behindInSync(facts, brokerId)));
    const all = ownDisk === null ? blockers : [...blockers, ownDisk];
    const cause = `the high watermark stands at ${led?.highWatermark}: ${undecided(facts)}${listed(all)}`;
    const limit = span(led?.led.lagTimeMaxMs ?? 0);
    const inTime = `a replica that does not catch up within replica.lag.time.max.ms (${limit}), or whose session ends, leaves the ISR; then it goes on`;
    const advice = [...deciderAdvice(facts), ...adviceFor(all), ...(facts.isDecided ? [inTime] : [])];
    return { holds: false, code: "WAITS_FOR_REPLICAS", cause, blockers: all, advice };
  }
  if (ownDisk !== null) {
    const cause = `the leader, broker ${base.leaderId}, has not synced it: ${ownDisk.text}`;
    return { holds: false, code: "WAITS_FOR_LEADER_DISK", cause, blockers: [ownDisk], advice: SLOW_ADVICE };
  }
  return {
    holds: false,
    code: "ON_ITS_WAY",
    cause: "nothing holds it back, a moment later it is",
    advice: ["ask again"],
  };
}

function leaderDisk(facts: Facts): Blocker {
  const broker = facts.base.leaderId;
  const text = `broker ${broker} has a write or a sync of it under way`;
  return slowDisk(facts, broker) ?? { broker, code: "BEHIND", text, since: null };
}

/** acks=all is refused, and the high watermark stands still. */
function underMinIsr(facts: Facts): Answer | null {
  const { base, led } = facts;
  const { isr, minInsyncReplicas: minIsr, replicas } = base;
  if (isr.length >= minIsr) return null;
  const blockers = missing(facts);
  const isAll = minIsr === replicas.length && replicas.length > 1;
  const configured = led?.led.configuredMinIsr ?? minIsr;
  const wants = isAll ? `all ${minIsr} replicas` : `${minIsr} of ${replicas.length} replicas`;
  const cause = `min.insync.replicas=${configured} wants ${wants} in sync, ${isr.length} ${isr.length === 1 ? "is" : "are"}: ${listed(blockers)}`;
  const lower = `or lower the minimum, which gives up a copy: tidemark configs set topic/NAME min.insync.replicas=${Math.max(1, replicas.length - 1)}`;
  return {
    holds: false,
    code: "UNDER_MIN_ISR",
    cause,
    since: facts.shorterSince(minIsr),
    blockers,
    advice: [...adviceFor(blockers), ...(isAll ? [lower] : [])],
  };
}

function missing(facts: Facts): Blocker[] {
  const { replicas, isr } = facts.base;
  return worstFirst(replicas.filter((id) => !isr.includes(id)).map((id) => outOfSync(facts, id)));
}

// ---- the ISR ----

function isr(facts: Facts): Answer {
  const { base, led } = facts;
  const { isr: members, replicas } = base;
  if (base.leaderId < 0) return leaderless(facts);
  const isFull = members.length === replicas.length;
  if (led === null && isFull) return withoutLeader(facts, "cannot be told for certain");
  const short = underMinIsr(facts);
  const told = `[${members.join(", ")}] of [${replicas.join(", ")}] in sync`;
  if (short !== null) return { ...short, cause: `has too few, ${told}: ${short.cause}` };
  if (isFull) {
    const cause = `has all replicas in sync [${members.join(", ")}], the leader is broker ${base.leaderId}`;
    const doubtful = members.flatMap((id) => (id === base.leaderId ? [] : (brokerTrouble(facts, id) ?? [])));
    return {
      holds: true,
      code: "ISR_FULL",
      cause: doubtful.length === 0 ? cause : `${cause}; but ${undecided(facts)}${listed(doubtful)}`,
      blockers: doubtful,
      advice: doubtful.length === 0 ? [] : deciderAdvice(facts),
    };
  }
  const blockers = missing(facts);
  return {
    holds: false,
    code: "ISR_SHORT",
    cause: `has ${told}: ${listed(blockers)}`,
    since: facts.shorterSince(replicas.length),
    blockers,
    advice: adviceFor(blockers),
  };
}

// ---- nobody answers for it ----

function withoutLeader(facts: Facts, what: string): Answer {
  const { base, leaderView } = facts;
  if (base.leaderId < 0) {
    const none = leaderless(facts);
    return { ...none, cause: `${what}: the partition ${none.cause}` };
  }
  const trouble = brokerTrouble(facts, base.leaderId);
  if (trouble !== null && leaderView === null) {
    const nobody = facts.isDecided ? "" : "no controller is known, and nobody else is chosen without one; ";
    const cause = `${what}: ${nobody}its leader does not answer; ${trouble.text}`;
    const advice = [...deciderAdvice(facts), ...adviceFor([trouble])];
    return { holds: false, code: "LEADER_SILENT", cause, blockers: [trouble], advice };
  }
  const cause = `${what}: broker ${base.leaderId} is to lead it in epoch ${base.leaderEpoch}, and does not yet: its log is being opened, or its metadata is behind`;
  return {
    holds: false,
    code: "LEADER_NOT_OPEN",
    cause,
    advice: [`ask again; then look at the log of broker ${base.leaderId}`],
  };
}

/** 9(2), 9(3): who is waited for. */
function leaderless(facts: Facts): Answer {
  const { base, controllerView } = facts;
  const since = facts.leaderlessSince();
  const answered = new Set((controllerView?.inquiry?.answers ?? []).map(({ brokerId }) => brokerId));
  const whyOf = (broker: number): Blocker =>
    brokerTrouble(facts, broker) ?? {
      broker,
      code: "NOT_ANSWERED",
      text: answered.has(broker)
        ? `broker ${broker} has told how far its log goes`
        : `broker ${broker} has not told yet how far its log goes`,
      since: null,
    };
  const eligible = base.isr.length > 0 ? base.isr : base.elr;
  const waitsFor = eligible.length > 0 ? eligible : base.candidates;
  const blockers = worstFirst(waitsFor.map(whyOf));
  const controller = deciderAdvice(facts);
  if (waitsFor.length === 0) {
    const cause = "has no leader, and nobody can have its records any more: the disks that held them were emptied";
    return { holds: false, code: "LEADERLESS", cause, since, advice: [...controller, UNCLEAN_ADVICE] };
  }
  const isAny = eligible.length > 0;
  const who = isAny ? "one that has all its records" : "all that can have its last records, to compare their logs";
  return {
    holds: false,
    code: "LEADERLESS",
    cause: `has no leader: it waits for ${who}: ${listed(blockers)}`,
    since,
    blockers,
    advice: [...controller, ...adviceFor(blockers), UNCLEAN_ADVICE],
  };
}

// ---- words ----

const BLOCKERS_NAMED_MAX = 3;

function listed(blockers: readonly Blocker[]): string {
  if (blockers.length === 0) return "nobody knows why";
  const named = blockers.slice(0, BLOCKERS_NAMED_MAX).map(({ text }) => text);
  const rest = blockers.length - named.length;
  return `${named.join("; ")}${rest > 0 ? `; and ${rest} more` : ""}`;
}

/** Before those who are waited for: while nobody decides, they stay in the ISR. */
function undecided({ isDecided }: Facts): string {
  return isDecided ? "" : "no controller is known, and nobody leaves the ISR without one; ";
}

function deciderAdvice({ isDecided }: Facts): readonly string[] {
  return isDecided ? [] : ["no controller is known: `tidemark cluster health` says why"];
}

const FULL_ADVICE = ["delete topics, lower retention, or give it a larger disk; appends go on by themselves"];
const SLOW_ADVICE = [
  "find what else writes to that disk, or use a local SSD: in a synced mode every record waits for a sync",
];
const DAMAGE_ADVICE = [
  "it is repaired from the other replicas by itself; with none left, from a copy: tidemark logs verify DIR",
];
const UNCLEAN_ADVICE =
  "if they never come back: tidemark partitions elect-leader unclean TOPIC:PARTITION, which loses what the chosen one lacks";

/** What to do about each, once. */
function adviceFor(blockers: readonly Blocker[]): string[] {
  return [...new Set(blockers.flatMap(({ broker, code }) => adviceOf(broker, code)))];
}

function adviceOf(broker: number, code: Blocker["code"]): readonly string[] {
  switch (code) {
    case "DOWN":
    case "STOPPED":
      return [`start broker ${broker}`];
    case "FENCED":
      return [`look at broker ${broker}: stopped process, network between the brokers; tidemark doctor`];
    case "SILENT":
      return [`look at broker ${broker}: tidemark doctor tries its address from here`];
    case "NOT_REGISTERED":
      return [`start broker ${broker}, or move the replica to another one`];
    case "OFFLINE":
      return [`mend the disk of broker ${broker}, then restart it`];
    case "DISK_FULL":
      return FULL_ADVICE;
    case "SLOW_DISK":
      return SLOW_ADVICE;
    case "DAMAGED":
      return DAMAGE_ADVICE;
    case "NOT_FOLLOWING":
    case "LOG_START":
      return [`look at the log of broker ${broker}`];
    case "SHUTTING_DOWN":
      return [`broker ${broker} is stopped on purpose: start it again when it may`];
    case "BEHIND":
    case "EMPTIED":
    case "JOINING":
    case "NOT_ANSWERED":
    case "UNHEARD":
      return [];
  }
}
