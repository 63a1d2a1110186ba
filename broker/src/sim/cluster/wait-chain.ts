/**
 * What is told of a cluster that did not come to where it has to be in time (testing.md 3.3): of each partition concerned who should act,
 * and what stands in the way, from the metadata down to what the brokers say of themselves (semantics 15.6). Looked at when the run has
 * failed already: it draws nothing and asks nobody over the network.
 */
import { loadAdmin, type PartitionExplanation } from "../../api/index.ts";
import { type ClusterImage, isReassigning, type PartitionImage } from "../../metadata/index.ts";
import { InvariantViolation } from "../violation.ts";
import { newestImage } from "./at-rest.ts";
import type { ClusterBroker } from "./cluster-broker.ts";

export interface ChainPlace {
  readonly topic: string;
  readonly partition: number;
}

/** RE15, or BO2, of a whole cluster. */
export class NotInTime extends InvariantViolation {
  readonly waitChain: readonly string[];

  constructor(invariant: string, message: string, waitChain: readonly string[]) {
    super(invariant, message);
    this.waitChain = waitChain;
  }
}

/** More are counted: a report is read by people. */
const PLACES_MAX = 6;

/** `clients`: what they wait for, a line each. */
export async function waitChain(
  brokers: readonly ClusterBroker[],
  places: readonly ChainPlace[],
  clients: readonly string[],
): Promise<string[]> {
  try {
    const { handleExplainPartition: explain } = await loadAdmin();
    const image = newestImage(brokers);
    const chains = places.map((place) => new PartitionChain(brokers, image, place, explain));
    // Nothing moves where nobody leads.
    const told = [...chains.filter(({ isLed }) => !isLed), ...chains.filter(({ isLed }) => isLed)];
    const more = told.length - PLACES_MAX;
    return [
      "who waits for what:",
      ...brokers.map((broker) => indent(brokerLine(broker, image))),
      ...brokers.flatMap((broker) => metadataLines(broker).map(indent)),
      ...told.slice(0, PLACES_MAX).flatMap((chain) => chain.lines().map(indent)),
      ...(more > 0 ? [indent(`and ${more} partitions more`)] : []),
      ...clients.map(indent),
    ];
  } catch (error: unknown) {
    // The run has failed of something else.
    return [`who waits for what cannot be told: ${error instanceof Error ? error.stack : String(error)}`];
  }
}

function brokerLine(
  { nodeId, name, state, isPaused, lifeNumber, waitingFor }: ClusterBroker,
  image: ClusterImage | null,
) {
  const standing = image?.brokers.get(nodeId);
  const marks = [
    ...(isPaused ? ["paused"] : []),
    ...(standing === undefined ? ["not registered"] : []),
    ...(standing?.isFenced === true ? ["fenced"] : []),
    ...(standing?.isShuttingDown === true ? ["shutting down"] : []),
    ...(standing?.isFull === true ? ["full"] : []),
    ...(standing?.isOffline === true ? ["offline"] : []),
    ...(standing?.isDraining === true ? ["draining"] : []),
  ];
  const waits = waitingFor.length === 0 ? "" : `, waits for ${waitingFor.join(", ")}`;
  return `${name} is ${[state, ...marks].join(", ")}, life ${lifeNumber}${waits}`;
}

/** None of who has not opened its metadata. */
function metadataLines({ name, context }: ClusterBroker): string[] {
  const quorum = context?.quorum() ?? null;
  if (quorum === null) return [];
  const { role, term, leaderId, leaderlessMs, commitIndex, appliedIndex, lastIndex, isSuspended, nodes } = quorum;
  const leader = leaderId < 0 ? `knows no leader for ${leaderlessMs.toFixed(0)} ms` : `leader ${leaderId}`;
  const voters = nodes
    .filter(({ isVoter }) => isVoter)
    .map(({ id, matchIndex, lastContactMs }) => {
      if (matchIndex < 0) return String(id);
      return `${id} at ${matchIndex}${lastContactMs > 0 ? ` heard ${lastContactMs.toFixed(0)} ms ago` : ""}`;
    });
  return [
    [
      `metadata at ${name}: ${role} in term ${term}, ${leader}`,
      `committed ${commitIndex} of ${lastIndex}, applied ${appliedIndex}`,
      `voters ${voters.join("; ")}`,
      ...(isSuspended ? ["suspended: no room"] : []),
    ].join(", "),
  ];
}

class PartitionChain {
  readonly #brokers: readonly ClusterBroker[];
  readonly #metadata: ClusterImage | null;
  readonly #place: ChainPlace;
  readonly #image: PartitionImage | undefined;
  readonly #told: readonly { readonly broker: ClusterBroker; readonly says: PartitionExplanation }[];

  constructor(
    brokers: readonly ClusterBroker[],
    metadata: ClusterImage | null,
    place: ChainPlace,
    explain: Awaited<ReturnType<typeof loadAdmin>>["handleExplainPartition"],
  ) {
    this.#brokers = brokers;
    this.#metadata = metadata;
    this.#place = place;
    this.#image = metadata?.topics.get(place.topic)?.partitions[place.partition];
    this.#told = brokers.flatMap((broker) => {
      if (broker.context === null) return [];
      const says = explain(broker.context, place);
      return "code" in says ? [] : [{ broker, says }];
    });
  }

  get isLed(): boolean {
    return (this.#image?.leaderId ?? -1) >= 0;
  }

  lines(): string[] {
    const name = `${this.#place.topic}-${this.#place.partition}`;
    return [
      `${name}: ${this.#whoActs()}`,
      indent(this.#imageLine()),
      ...this.#told.flatMap(({ broker, says }) => replicaLines(broker, says, this.#metadata)).map(indent),
    ];
  }

  #imageLine(): string {
    const image = this.#image;
    if (image === undefined) return "nobody has heard of it";
    const { replicas, addingReplicas, removingReplicas, isr, elr, lastIsr, leaderId, leaderEpoch, partitionEpoch } =
      image;
    return [
      `metadata ${this.#metadata?.metadataOffset}: leader ${leaderId < 0 ? "none" : leaderId} in epoch ${leaderEpoch}`,
      `isr ${list(isr)}`,
      `elr ${list(elr)}`,
      `last isr ${list(lastIsr.map(({ brokerId }) => brokerId))}`,
      `replicas ${list(replicas)}`,
      ...(isReassigning(image) ? [`adding ${list(addingReplicas)}, removing ${list(removingReplicas)}`] : []),
      ...(image.isRecovering ? ["recovering"] : []),
      `partition epoch ${partitionEpoch}`,
    ].join(", ");
  }

  /** In the order in which one thing needs the other: a controller, a leader, its followers, its proposals. */
  #whoActs(): string {
    const controller = this.#controller;
    if (controller === null) return "the voters of the metadata have to elect a controller";
    const image = this.#image;
    if (image === undefined) return `${controller.name} has to make it, as controller`;
    const { leaderId } = image;
    if (leaderId < 0) return `${controller.name} has to choose a leader, as controller${this.#choice()}`;
    const leader = this.#find(leaderId);
    if (leader?.state !== "ready")
      return `${nameOf(leader, leaderId)} has to lead it or ${controller.name} to choose another leader, as controller`;
    const says = this.#told.find(({ broker }) => broker === leader)?.says;
    const replica = says?.replica ?? null;
    if (replica === null || replica.led === null)
      return `${leader.name} has to take the lead, and has applied metadata ${says?.metadataOffset ?? "of before it"}`;
    const { led, damage } = replica;
    if (damage !== null) return `${leader.name} has to give up the lead, or mend what is damaged`;
    const out = led.followers.filter(({ isInIsr }) => !isInIsr);
    if (led.proposedIsr !== null)
      return `${controller.name} has to answer the proposal ${list(led.proposedIsr)} of ${leader.name}, as controller`;
    const able = out.filter(({ bar }) => bar === "none");
    if (able.length > 0)
      return `${leader.name} has to propose ${list(able.map(({ brokerId }) => brokerId))} for the ISR`;
    const late = led.followers.filter(
      ({ isInIsr, isWaitedFor, endOffset }) => !isInIsr || (isWaitedFor && endOffset < led.logEndOffset),
    );
    if (late.length > 0) {
      const names = late.map(({ brokerId }) => nameOf(this.#find(brokerId), brokerId));
      return `${names.join(" and ")} ${late.length === 1 ? "has" : "have"} to catch up with ${leader.name}`;
    }
    if (led.endOffset < led.logEndOffset) return `${leader.name} has to ${led.countsSynced ? "sync" : "write"} its log`;
    if (isReassigning(image)) return `${controller.name} has to end its move, as controller`;
    return `nobody, as far as ${leader.name} knows`;
  }

  get #controller(): ClusterBroker | null {
    let newest: { readonly broker: ClusterBroker; readonly term: number } | null = null;
    for (const broker of this.#brokers) {
      const quorum = broker.context?.quorum() ?? null;
      if (quorum?.role === "leader" && quorum.term > (newest?.term ?? -1)) newest = { broker, term: quorum.term };
    }
    return newest?.broker ?? null;
  }

  /** Who may lead, and what is known of them. */
  #choice(): string {
    const image = this.#image;
    if (image === undefined) return "";
    const sure = [...image.isr, ...image.elr];
    const lastIds = image.lastIsr.map(({ brokerId }) => brokerId);
    const able = sure.length > 0 ? sure : lastIds;
    const names = able.map((id) => nameOf(this.#find(id), id));
    return ` among ${sure.length > 0 ? "ISR and ELR" : "the last ISR"}: ${names.join(", ") || "nobody"}`;
  }

  #find(nodeId: number): ClusterBroker | undefined {
    return this.#brokers.find((broker) => broker.nodeId === nodeId);
  }
}

function replicaLines(
  { name }: ClusterBroker,
  { replica, inquiry, candidates, metadataOffset, isFull, syncRunningMs }: PartitionExplanation,
  newest: ClusterImage | null,
): string[] {
  const lines: string[] = [];
  const behind = metadataOffset === newest?.metadataOffset ? [] : [`has applied metadata ${metadataOffset}`];
  const marks = [
    ...behind,
    ...(isFull ? ["its disk is full"] : []),
    ...(syncRunningMs > 0 ? [`syncs for ${syncRunningMs.toFixed(0)} ms`] : []),
  ];
  if (replica === null) {
    if (marks.length > 0) lines.push(`${name} has no open log of it: ${marks.join(", ")}`);
  } else {
    const { role, leaderEpoch, logStartOffset, writtenEndOffset, syncedEndOffset, highWatermark, damage, led } =
      replica;
    lines.push(
      [
        `${name}: ${role} in epoch ${leaderEpoch}, from ${logStartOffset} to ${writtenEndOffset}`,
        `synced ${syncedEndOffset}, high watermark ${highWatermark}`,
        ...(replica.lag > 0 ? [`lags by ${replica.lag}`] : []),
        ...(damage === null ? [] : [`damaged from ${damage.offset} on (${damage.reason})`]),
        ...(replica.isRepairing ? ["is being repaired"] : []),
        ...(replica.isStopped ? ["has stopped following"] : []),
        ...(replica.proposalAgeMs >= 0 ? [`its proposal is ${replica.proposalAgeMs.toFixed(0)} ms old`] : []),
        ...marks,
      ].join(", "),
    );
    for (const { brokerId, endOffset, isInIsr, isLive, isWaitedFor, bar } of led?.followers ?? [])
      lines.push(
        indent(
          [
            `follower ${brokerId} ${isInIsr ? "in" : "out of"} sync at ${endOffset}`,
            ...(isLive ? [] : ["no stream"]),
            ...(isWaitedFor && endOffset < writtenEndOffset ? ["waited for"] : []),
            ...(isInIsr ? [] : [`kept out by: ${bar}`]),
          ].join(", "),
        ),
      );
  }
  return [...lines, ...inquiryLines(name, inquiry, candidates)];
}

/** Of the controller, of a partition without a leader. */
function inquiryLines(
  name: string,
  inquiry: PartitionExplanation["inquiry"],
  candidates: PartitionExplanation["candidates"],
): string[] {
  if (inquiry === null) return [];
  const answers = inquiry.answers.map(
    ({ brokerId, latestEpoch, logEndOffset }) => `${brokerId} (epoch ${latestEpoch}, end ${logEndOffset})`,
  );
  const since = inquiry.waitedMs < 0 ? "" : `, the first ${inquiry.waitedMs.toFixed(0)} ms ago`;
  const asked = `${name} asks how far the logs go, as controller`;
  return [`${asked}: answers of ${answers.join(", ") || "nobody"}${since}, may lead: ${list(candidates)}`];
}

function nameOf(broker: ClusterBroker | undefined, nodeId: number): string {
  if (broker === undefined) return `broker ${nodeId} (unknown)`;
  return broker.state === "ready" ? broker.name : `${broker.name} (${broker.state})`;
}

function list(ids: readonly number[]): string {
  return ids.length === 0 ? "-" : ids.join(",");
}

function indent(line: string): string {
  return `  ${line}`;
}
