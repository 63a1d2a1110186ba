/**
 * Whether the replicas of a partition hold the same: each broker reads and digests its own, a stretch at a time, and the digests
 * are compared here, batch by batch. The leader's is the measure, as far as it is whole; from there on it is that of another replica.
 * Bytes whose own CRC is wrong are damage wherever they lie, and the broker that holds them has them repaired.
 */
import { type DigestReplicaResponse, errorRow } from "@tidemark/proto";
import { askEach } from "./admin-call.ts";
import { BrokerError, brokerErrorOf } from "./errors.ts";
import type { Limits } from "./pause.ts";
import type { Cluster } from "./transport/cluster.ts";
import type { Offset, PartitionDescription, ReplicaVerdict, VerifiedPartition } from "./types.ts";

interface Compared {
  verdict: ReplicaVerdict["verdict"];
  /** First offset that is not known to be the leader's; of a bad or different batch, its first. */
  at: Offset;
  message: string;
}

/** Reads what is committed as the leader knows it now, and no further. */
export async function verifyReplicas(
  cluster: Cluster,
  { topic, partition, leader, replicas }: PartitionDescription,
  limits: Limits,
  onProgress: (bytes: number) => void,
): Promise<VerifiedPartition> {
  if (leader === null)
    throw new BrokerError("LEADER_NOT_AVAILABLE", `nobody leads ${topic}:${partition}`, { topic, partition });
  const states = new Map(
    replicas.map((broker): [number, Compared] => [broker, { verdict: "same", at: 0, message: "" }]),
  );
  let active = [...replicas];
  /** Whose batches the others are held against. */
  let measuredBy = leader;
  let start = -1;
  let end = -1;
  for (let from = 0; ; ) {
    const answers = await askEach(
      cluster,
      "digestReplica",
      () => ({ topic, partition, fromOffset: from }),
      active,
      limits,
      DIGEST_TIMEOUT_MS,
    );
    const told = new Map<number, DigestReplicaResponse>();
    for (const [broker, answer] of answers) {
      const refused = answer instanceof BrokerError ? answer : refusalOf(answer);
      if (refused === null) told.set(broker, answer as DigestReplicaResponse);
      else states.set(broker, { verdict: "silent", at: from, message: refused.message });
    }
    const measure = told.get(measuredBy);
    if (measure === undefined) {
      const who = measuredBy === leader ? "the leader, broker" : "broker";
      const message = `${who} ${measuredBy}: ${states.get(measuredBy)?.message ?? "no answer"}`;
      throw new BrokerError("LEADER_NOT_AVAILABLE", message, { topic, partition });
    }
    // Retention may be further on one of them: compared is what all have.
    const begun = Math.max(...[...told.values()].map(({ logStartOffset }) => logStartOffset));
    if (begun > from) {
      // What they told begins at different batches: they are asked again, from where all have records.
      from = begun;
      if (end < 0 || from < end) continue;
      for (const [broker, { highWatermark }] of told)
        states.set(broker, { verdict: "same", at: Math.min(from, highWatermark), message: "" });
      break;
    }
    if (start < 0) start = from;
    if (end < 0) end = measure.highWatermark;
    onProgress([...told.values()].reduce((sum, { bytes }) => sum + bytes, 0));
    const next = compare(measure, told, states, { from, end, measuredBy, leader });
    // Who has nothing to tell yet is behind, and holds up nobody.
    active = [...told].flatMap(([broker, { digests }]) =>
      states.get(broker)?.verdict === "same" && digests.length > 0 ? [broker] : [],
    );
    const other = states.get(measuredBy)?.verdict === "damaged" ? active[0] : undefined;
    if (other !== undefined) {
      measuredBy = other;
      // What is damaged may know of nothing behind its damage.
      end = Math.max(end, told.get(other)?.highWatermark ?? end);
    } else if (next <= from || !active.includes(measuredBy)) break;
    if (next >= end) break;
    from = next;
  }
  return {
    topic,
    partition,
    leader,
    start,
    end,
    replicas: replicas.map((broker): ReplicaVerdict => {
      const { verdict, at, message } = states.get(broker) ?? { verdict: "silent", at: 0, message: "" };
      const isBehind = verdict === "same" && at < end;
      return { broker, verdict: isBehind ? "behind" : verdict, offset: at, message };
    }),
  };
}

const DIGEST_TIMEOUT_MS = 30_000;
const DAMAGED = "its bytes do not match their own checksum; the broker repairs them where another has the records";

/** Holds everybody's batches against the measure's; answers up to where all that go on were. */
function compare(
  measure: DigestReplicaResponse,
  told: ReadonlyMap<number, DigestReplicaResponse>,
  states: Map<number, Compared>,
  { from, end, measuredBy, leader }: Readonly<Record<"from" | "end" | "measuredBy" | "leader", number>>,
): Offset {
  let reached = Number.POSITIVE_INFINITY;
  for (const [broker, { nextOffsets, digests, badOffset }] of told) {
    const state: Compared = { verdict: "same", at: from, message: "" };
    states.set(broker, state);
    for (let slot = 0; slot < Math.min(digests.length, measure.digests.length) && state.at < end; slot += 1) {
      const isSame = nextOffsets[slot] === measure.nextOffsets[slot] && digests[slot] === measure.digests[slot];
      if (!isSame) state.verdict = "different";
      if (!isSame)
        state.message = `its batch is not that of ${measuredBy === leader ? "the leader, " : ""}broker ${measuredBy}`;
      if (!isSame) break;
      state.at = nextOffsets[slot] ?? state.at;
    }
    if (state.verdict === "same" && badOffset === state.at) {
      state.verdict = "damaged";
      state.message = DAMAGED;
    } else if (state.verdict === "same" && digests.length > 0) reached = Math.min(reached, state.at);
  }
  return Number.isFinite(reached) ? reached : from;
}

function refusalOf({ errorCode, errorMessage }: DigestReplicaResponse): BrokerError | null {
  return errorCode === 0 ? null : brokerErrorOf(errorRow(errorCode), errorMessage);
}
