/**
 * A broker that leads: drives the real leader core, sends to followers what they may have, parks acks=all, carries proposals
 * to the controller.
 */
import { asBrokerId, asBrokerIds, asLeaderEpoch, asOffset } from "../../base/index.ts";
import { PartitionLeader } from "../../replication/index.ts";
import type { IsrProposal, LeaderEffect, Membership, ReplicaReport } from "../../replication/index.ts";
import type { Link } from "./link.ts";
import type { ClusterState } from "./model-controller.ts";
import type { ModelBatch } from "./model-log.ts";
import type { ReplicaHost } from "./replica-host.ts";

const ANSWER_TIMEOUT_MS = 60;
const ANSWER_BACKOFF_MS = 5;

/** Where a stream stands. */
interface Source {
  readonly generation: number;
  position: number;
  sentMark: number;
  sentStart: number;
  isMarkDue: boolean;
}

export class LeaderSide {
  readonly core: PartitionLeader;
  readonly #host: ReplicaHost;
  readonly #sources = new Map<Link, Source>();
  #state: ClusterState;
  #deleteTo = -1;
  #isClosed = false;

  constructor(host: ReplicaHost, state: ClusterState) {
    const { log } = host;
    this.#host = host;
    this.#state = state;
    log.startEpoch(asLeaderEpoch(state.leaderEpoch));
    this.core = new PartitionLeader(
      {
        brokerId: asBrokerId(host.brokerId),
        leaderEpoch: asLeaderEpoch(state.leaderEpoch),
        logStartOffset: log.logStartOffset,
        logEndOffset: log.logEndOffset,
        endOffset: host.countedEnd,
        highWatermark: log.highWatermark,
        membership: membershipOf(state),
        countsSynced: state.isSynced,
        lagTimeMaxMs: host.world.options.lagTimeMaxMs,
      },
      log,
      {
        ownBrokerEpoch: () => host.brokerEpoch,
        broker: (brokerId) => {
          const broker = this.#state.brokers.get(brokerId);
          return broker && { ...broker, isFull: false, isShuttingDown: false };
        },
      },
      host.now,
    );
  }

  begin(): void {
    this.#host.log.highWatermark = this.core.highWatermark;
    this.#perform(this.core.onEndOffset(this.#host.countedEnd, this.#host.now));
    this.#tick();
  }

  close(): void {
    this.#isClosed = true;
  }

  // ---- writers ----

  produce(count: number, isAcksAll: boolean): void {
    const { log, world } = this.#host;
    if (isAcksAll && this.core.admitAcksAll() !== null) return;
    const base = log.logEndOffset;
    const value = world.nextValue();
    const epoch = this.core.leaderEpoch;
    const previousChain = log.lastChain;
    const chain = (Math.imul(previousChain ^ value, 0x01000193) ^ Math.imul(epoch, 0x85ebca6b)) >>> 0;
    const batch: ModelBatch = {
      baseOffset: base,
      lastOffset: asOffset(base + count - 1),
      epoch,
      value,
      chain,
      previousChain,
    };
    log.append([batch]);
    if (isAcksAll) this.#host.waits.push({ batch });
    this.core.onAppended(log.logEndOffset, this.#host.now);
    this.#host.writeAppended();
  }

  onWritten(isFailed: boolean): void {
    const { log } = this.#host;
    if (isFailed) {
      // 5.1(1): its epoch begins at the lower end now.
      if (log.latestEpoch < this.core.leaderEpoch) log.startEpoch(this.core.leaderEpoch);
      this.core.onCut(log.logEndOffset);
    }
    this.#perform(this.core.onEndOffset(this.#host.countedEnd, this.#host.now));
    this.#pumpAll();
  }

  onSynced(): void {
    if (this.#host.countsSynced) this.#perform(this.core.onEndOffset(this.#host.countedEnd, this.#host.now));
  }

  /** DeleteRecords, to `to` at most. */
  deleteBefore(to: number): void {
    const { log, world } = this.#host;
    const start = Math.min(to, log.highWatermark);
    if (start <= log.logStartOffset) return;
    log.logStartOffset = asOffset(start);
    this.#deleteTo = start;
    world.checks.onDeleted(start);
    this.#host.keepLogStart();
    this.#pumpAll();
  }

  onLogStartKept(): void {
    const { log, world } = this.#host;
    const least = this.core.leastLogStart(log.durableLogStartOffset);
    if (this.#deleteTo === -1 || least === null || least < this.#deleteTo) return;
    world.checks.count("deleted everywhere");
    world.checks.onDeletedEverywhere(this.#host, this.#deleteTo);
    this.#deleteTo = -1;
  }

  // ---- metadata ----

  onState(state: ClusterState): void {
    const isRaised = state.isSynced && !this.#state.isSynced;
    this.#state = state;
    if (isRaised) this.core.onModeRaised(this.#host.countedEnd);
    this.#perform(this.core.onMetadata(membershipOf(state), this.#host.now));
    this.#perform(this.core.onBrokersChanged(this.#host.now));
  }

  onApplied(offset: number): void {
    this.#perform(this.core.onApplied(offset, this.#host.now));
  }

  // ---- followers ----

  onReport(link: Link, report: ReplicaReport): void {
    const { log, world } = this.#host;
    const { verdict, effects } = this.core.onReplicaReport(report, this.#host.now);
    if (verdict.kind === "serve") {
      this.#sources.set(link, {
        generation: report.generation,
        position: verdict.readFrom,
        sentMark: -1,
        sentStart: -1,
        isMarkDue: false,
      });
    } else if (report.ask !== null && verdict.kind !== "none") {
      this.#sources.delete(link);
      const askedFrom = report.ask.readFrom;
      const answer =
        verdict.kind === "diverging"
          ? { kind: "diverging" as const, end: verdict.end }
          : { ...verdict, logStartOffset: log.logStartOffset, logEndOffset: verdict.logEndOffset };
      world.checks.count(verdict.kind === "diverging" ? "diverging" : `refused ${verdict.code}`);
      link.sendDown({ leaderEpoch: report.leaderEpoch, generation: report.generation, askedFrom, answer });
    }
    const counted = this.core.followers.find(({ brokerId }) => brokerId === report.follower);
    if (counted !== undefined && counted.endOffset >= 0) {
      world.checks.onCounted(this.#host, report.follower, counted.endBrokerEpoch, counted.endOffset);
    }
    this.#perform(effects);
    this.#pump(link);
  }

  onLinkLost(link: Link): void {
    this.#sources.delete(link);
    const isReplaced = [...this.#sources.keys()].some((other) => other.follower === link.follower);
    if (!isReplaced) this.core.onStreamLost(asBrokerId(link.follower.brokerId), this.#host.now);
  }

  onDelivered(link: Link): void {
    this.#pump(link);
  }

  #pumpAll(): void {
    for (const link of this.#sources.keys()) this.#pump(link);
  }

  #pump(link: Link): void {
    const source = this.#sources.get(link);
    const { log, world } = this.#host;
    if (source === undefined || this.#isClosed) return;
    while (link.isOpen && link.down.length < world.options.framesMax) {
      const records = log.read(asOffset(source.position), world.options.frameBatchesMax);
      const last = records.at(-1);
      if (last === undefined) break;
      const to = asOffset(last.lastOffset + 1);
      this.core.onSent(asBrokerId(link.follower.brokerId), source.generation, to);
      this.#send(link, source, records);
      source.position = to;
    }
    const isNews = source.sentMark !== log.highWatermark || source.sentStart !== log.logStartOffset;
    if (!isNews || source.isMarkDue) return;
    source.isMarkDue = true;
    world.schedule(this.#host, world.disks.float() * world.options.markMeanMs, () => {
      source.isMarkDue = false;
      const isStill = source.sentMark !== log.highWatermark || source.sentStart !== log.logStartOffset;
      if (isStill && this.#sources.get(link) === source && !this.#isClosed) this.#send(link, source, null);
    });
  }

  #send(link: Link, source: Source, records: readonly ModelBatch[] | null): void {
    const { highWatermark, logStartOffset } = this.#host.log;
    source.sentMark = highWatermark;
    source.sentStart = logStartOffset;
    const askedFrom = asOffset(source.position);
    const firstBaseOffset = records?.[0]?.baseOffset ?? askedFrom;
    link.sendDown({
      leaderEpoch: this.core.leaderEpoch,
      generation: source.generation,
      askedFrom,
      answer: { kind: "records", records, firstBaseOffset, highWatermark, logStartOffset },
    });
  }

  // ---- effects ----

  #perform(effects: readonly LeaderEffect[]): void {
    for (const effect of effects) {
      if (effect.kind === "proposeIsr") this.#propose(effect.proposal);
      else if (effect.kind === "logStartsMoved") this.onLogStartKept();
      else {
        this.#host.log.highWatermark = effect.to;
        this.#answer();
        this.#pumpAll();
      }
    }
  }

  #answer(): void {
    const { log, world } = this.#host;
    const waits = this.#host.waits;
    this.#host.waits = waits.filter(({ batch }) => batch.lastOffset >= log.highWatermark);
    for (const { batch } of waits) {
      if (batch.lastOffset < log.highWatermark && this.core.committed() === null)
        world.checks.onAcked(this.#host, batch);
    }
  }

  #tick(): void {
    const { world } = this.#host;
    world.schedule(this.#host, world.options.lagTimeMaxMs / 2, () => {
      if (this.#isClosed) return;
      this.#perform(this.core.onTick(this.#host.now));
      this.#tick();
    });
  }

  #propose(proposal: IsrProposal): void {
    const { world } = this.#host;
    world.checks.count(proposal.isr.length > this.core.isr.length ? "expansion proposed" : "shrink proposed");
    let isAnswered = false;
    world.alterPartition(this.#host, proposal, (code, metadataOffset) => {
      isAnswered = true;
      if (this.#isClosed) return;
      if (code === "NOT_CONTROLLER") {
        world.schedule(this.#host, ANSWER_BACKOFF_MS, () => {
          this.#retry(proposal.proposalId);
        });
        return;
      }
      const appliedOffset = this.#host.state?.offset ?? 0;
      const answer = { proposalId: proposal.proposalId, metadataOffset, appliedOffset };
      this.#perform(this.core.onProposalAnswered(answer, this.#host.now));
    });
    world.schedule(this.#host, ANSWER_TIMEOUT_MS, () => {
      if (!isAnswered) this.#retry(proposal.proposalId);
    });
  }

  #retry(proposalId: number): void {
    if (this.#isClosed) return;
    const again = this.core.retryProposal(proposalId);
    if (again === null) return;
    this.#host.world.checks.count("proposal sent again");
    this.#propose(again);
  }
}

function membershipOf(state: ClusterState): Membership {
  return {
    partitionEpoch: state.partitionEpoch,
    replicas: asBrokerIds(state.replicas),
    isr: asBrokerIds(state.isr),
    minInsyncReplicas: state.minIsr,
    isRecovering: state.isRecovering,
  };
}
