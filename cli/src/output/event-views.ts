/**
 * How events of the cluster are shown. The objects of the SDK are the JSON shape; people get one line for what happened to one thing,
 * or to many at once: the death of a broker takes a thousand partitions' leaders with it. Pure.
 */
import type { ClusterEvent } from "@tidemark/client";
import type { Column } from "./rows.ts";
import { formatCount, plural } from "./units.ts";

/** Events that say the same of several partitions, at one metadata offset. */
export interface EventLine {
  readonly at: string;
  readonly offset: number;
  readonly event: string;
  readonly what: string;
  readonly text: string;
}

/** Beyond so many, partitions to which the same happened share a line. */
const ALIKE_MAX = 5;
const NAMED_MAX = 3;

export const EVENT_COLUMNS: readonly Column<EventLine>[] = [
  { title: "time", cell: ({ at }) => at },
  { title: "offset", cell: ({ offset }) => offset },
  { title: "event", cell: ({ event }) => event },
  { title: "what", cell: ({ what }) => what },
  { title: "how", cell: ({ text }) => text },
];

export function eventLines(events: readonly ClusterEvent[]): EventLine[] {
  return runsOf(events).flatMap((alike) => {
    const [first] = alike;
    if (first === undefined || alike.length <= ALIKE_MAX) return alike.map(lineOf);
    const named = alike.slice(0, NAMED_MAX).map((event) => tellingOf(event).what);
    const what = `${named.join(", ")} and ${formatCount(alike.length - NAMED_MAX)} more`;
    return [{ ...lineOf(first), what, text: commonText(first) }];
  });
}

/** For a stream, whose widths are not known beforehand. */
export function streamedLine({ at, offset, event, what, text }: EventLine): string {
  return `${at.padEnd(24)}  ${String(offset).padStart(7)}  ${event.padEnd(20)}  ${what.padEnd(14)}  ${text}`.trimEnd();
}

function lineOf(event: ClusterEvent): EventLine {
  const { what, text } = tellingOf(event);
  const at = event.at === null ? "-" : new Date(event.at).toISOString();
  return { at, offset: event.metadataOffset, event: event.type, what, text };
}

/** Neighbours of one offset and type whose reason is the same. */
function runsOf(events: readonly ClusterEvent[]): ClusterEvent[][] {
  const runs: ClusterEvent[][] = [];
  let key = "";
  // What one broker's end does to a partition comes as pairs: a new leader, a shorter ISR.
  for (const event of sortedByKind(events)) {
    const next = `${event.metadataOffset} ${event.type} ${"reason" in event.detail ? event.detail.reason : ""}`;
    const run = runs.at(-1);
    if (run === undefined || next !== key || !("partition" in event.detail)) runs.push([event]);
    else run.push(event);
    key = next;
  }
  return runs;
}

function sortedByKind(events: readonly ClusterEvent[]): ClusterEvent[] {
  const first = new Map<string, number>();
  const kindOf = ({ metadataOffset, type }: ClusterEvent): string => `${metadataOffset} ${type}`;
  for (const [slot, event] of events.entries()) if (!first.has(kindOf(event))) first.set(kindOf(event), slot);
  return [...events].sort((a, b) => (first.get(kindOf(a)) ?? 0) - (first.get(kindOf(b)) ?? 0));
}

/** Of what happened to many only the reason is the same. */
function commonText({ type, detail }: ClusterEvent): string {
  const reason = "reason" in detail ? reasonText(detail.reason) : "";
  return type === "isr-shrunk" || type === "isr-expanded" || type === "leader-changed" ? reason : "";
}

function tellingOf(event: ClusterEvent): { readonly what: string; readonly text: string } {
  switch (event.type) {
    case "controller-changed":
      return ofBroker(event.detail, "decides on the metadata from here on");
    case "broker-registered":
      return ofBroker(event.detail, REGISTERED[event.detail.reason] ?? "");
    case "broker-up":
      return ofBroker(event.detail, "may lead and be in sync");
    case "broker-down":
      return ofBroker(event.detail, DOWN[event.detail.reason] ?? "");
    case "broker-shutting-down":
      return ofBroker(event.detail, "hands over what it leads");
    case "broker-draining":
      return ofBroker(event.detail, "is taken out of service");
    case "broker-undrained":
      return ofBroker(event.detail, "is back in service");
    case "broker-unregistered":
      return ofBroker(event.detail, "is forgotten by the cluster");
    case "directory-failed":
      return ofBroker(event.detail, "its log directory failed");
    case "disk-full":
      return ofBroker(event.detail, "has no room but its reserve: appends are refused");
    case "disk-freed":
      return ofBroker(event.detail, "has room again");
    case "topic-created":
      return { what: event.detail.topic, text: plural(event.detail.partitions, "partition") };
    case "partitions-added":
      return { what: event.detail.topic, text: `${plural(event.detail.partitions, "partition")} more` };
    case "topic-deleted":
      return { what: event.detail.topic, text: "" };
    case "config-changed": {
      const { resource, set, unset } = event.detail;
      const said = [
        ...(set.length > 0 ? [`set ${set.join(", ")}`] : []),
        ...(unset.length > 0 ? [`deleted ${unset.join(", ")}`] : []),
      ];
      return { what: resource, text: said.join("; ") };
    }
    case "leader-changed":
    case "unclean-election": {
      const { leader, leaderBefore, leaderEpoch, reason } = event.detail;
      const text = `leader ${leaderBefore ?? "none"} -> ${leader ?? "none"}, epoch ${leaderEpoch}: ${reasonText(reason)}`;
      return ofPartition(event.detail, text);
    }
    case "isr-shrunk":
    case "isr-expanded": {
      const { isr, isrBefore, reason } = event.detail;
      return ofPartition(event.detail, `ISR ${isrBefore.join(",")} -> ${isr.join(",")}: ${reasonText(reason)}`);
    }
    case "replica-damaged":
      return ofPartition(event.detail, `bad bytes on the disk of broker ${event.detail.broker}`);
    case "replica-repaired":
      return ofPartition(event.detail, `the replica on broker ${event.detail.broker} is whole again`);
    case "reassignment-started":
      return ofPartition(event.detail, `to ${event.detail.replicas.join(",")}${movesOf(event.detail)}`);
    case "reassignment-done":
      return ofPartition(event.detail, `on ${event.detail.replicas.join(",")}${movesOf(event.detail)}`);
    case "reassignment-cancelled":
      return ofPartition(event.detail, `stays on ${event.detail.replicas.join(",")}`);
    case "gap": {
      const { fromOffset, toOffset } = event.detail;
      const which = fromOffset === toOffset ? `offset ${fromOffset}` : `offsets ${fromOffset} to ${toOffset}`;
      return {
        what: "-",
        text: `${which}: no broker that answers knows them (any more)`,
      };
    }
    // Of a newer broker.
    default:
      return { what: "-", text: "" };
  }
}

const REGISTERED: Readonly<Record<string, string>> = {
  new: "registered for the first time",
  clean: "started anew after a clean stop",
  unclean: "started anew after an unclean stop",
  emptied: "started anew on another, empty directory",
};

const DOWN: Readonly<Record<string, string>> = {
  silent: "fenced: it was not heard of",
  shutdown: "gone after its shutdown",
  "directory-failed": "fenced: its log directory failed",
};

const REASONS: Readonly<Record<string, string>> = {
  fenced: "its broker was fenced",
  "shutting-down": "its broker shuts down",
  restarted: "its broker started anew",
  "directory-failed": "the log directory of its broker failed",
  damaged: "bad bytes on disk",
  full: "its broker has no room",
  reassigned: "moved to other brokers",
  drained: "its broker is taken out of service",
  lagging: "too far behind its leader",
  "longest-log": "the longest log of the last ISR leads",
  unclean: "what the new leader lacks is lost",
  returned: "a replica that may lead is back",
  preferred: "given back to the preferred replica",
  elected: "elected",
  "caught-up": "caught up with its leader",
};

function reasonText(reason: string): string {
  return REASONS[reason] ?? reason;
}

function movesOf({ adding, removing }: { readonly adding: number[]; readonly removing: number[] }): string {
  const moves = [
    ...(adding.length > 0 ? [`adds ${adding.join(",")}`] : []),
    ...(removing.length > 0 ? [`removes ${removing.join(",")}`] : []),
  ];
  return moves.length === 0 ? "" : `: ${moves.join(", ")}`;
}

function ofBroker({ broker }: { readonly broker: number }, text: string): { what: string; text: string } {
  return { what: `broker ${broker}`, text };
}

function ofPartition(
  { topic, partition }: { readonly topic: string; readonly partition: number },
  text: string,
): { what: string; text: string } {
  return { what: `${topic}:${partition}`, text };
}
