/**
 * RE3, RE4, RE5 and RE6 with the eyes of one who sees every disk: what was once below a high watermark is the same for ever, on every replica
 * that has it below its own, and whoever leads has it. Files are read, not brokers asked; batches are known by epoch and sum.
 *
 * Not exempt: loss that faults were allowed to cause. None is, as long as faults keep to 3.2 and nobody allows an unclean choice. Of a
 * replica with bad bytes that nobody has mended yet, what lies before them is compared.
 */
import { BatchField } from "@tidemark/proto";
import type { Partition } from "../../runtime/index.ts";
import type { PartitionLog } from "../../storage/index.ts";
import { ensure } from "../violation.ts";
import { type ClusterBroker, DATA } from "./cluster-broker.ts";
import type { FaultAtlas } from "./fault-atlas.ts";
import { batchesOf, goodBatchesOf, goodEndOf, type ParsedSegments } from "./replica-files.ts";

/** One partition's committed batches. */
interface Prefix {
  /** By base offset: the one batch that may be there. */
  readonly batches: Map<number, { readonly print: string; readonly nextOffset: number }>;
  /** By leader epoch: how far a leader of it let readers read. */
  readonly shown: Map<number, number>;
  /** Log start of whoever led: of what is below it nothing is left. */
  deletedTo: number;
}

interface Compared {
  readonly life: number;
  /** Below it all was compared in this life. */
  readonly to: number;
  readonly end: number;
}

export class CommittedPrefix {
  readonly #prefixes = new Map<string, Prefix>();
  /** By broker and partition. */
  readonly #compared = new Map<string, Compared>();
  readonly #files: ParsedSegments = new WeakMap();
  readonly #count: (what: string, by: number) => void;
  readonly #isDamaged: FaultAtlas["isDamaged"];

  constructor(count: (what: string, by: number) => void, isDamaged: FaultAtlas["isDamaged"]) {
    this.#count = count;
    this.#isDamaged = isDamaged;
  }

  /** A leader's high watermark has moved. */
  onShown({ topicId, partition, leaderEpoch, highWatermark }: Partition): void {
    const { shown } = this.#of(topicId, partition);
    shown.set(leaderEpoch, Math.max(shown.get(leaderEpoch) ?? 0, highWatermark));
  }

  /** Where a leader's log begins now. */
  onLogStart({ topicId, partition, logStartOffset }: Partition): void {
    const prefix = this.#of(topicId, partition);
    prefix.deletedTo = Math.max(prefix.deletedTo, logStartOffset);
  }

  /** RE6: it holds what was shown in its epoch or an earlier one. */
  onLeads(broker: ClusterBroker, { topic, topicId, partition, leaderEpoch, logEndOffset }: Partition): void {
    for (const [epoch, end] of this.#of(topicId, partition).shown) {
      ensure(
        epoch > leaderEpoch || logEndOffset >= end,
        "RE6",
        () =>
          `${broker.name} leads ${topic}-${partition} in epoch ${leaderEpoch} up to ${logEndOffset}, and ${end} was shown in epoch ${epoch}`,
      );
    }
  }

  /** RE6 of who was chosen for its log (9(3)) though it was known to be damaged: what is bad is not held, however far the log goes. */
  onChosen(
    broker: ClusterBroker,
    { topic, topicId, partition, logStartOffset }: PartitionLog,
    leaderEpoch: number,
  ): void {
    const good = goodEndOf(broker.disk, `${DATA}/${topic}-${partition}`, logStartOffset);
    for (const [epoch, end] of this.#of(topicId, partition).shown) {
      ensure(
        epoch > leaderEpoch || good >= end,
        "RE6",
        () =>
          `${broker.name}, known to be damaged, was chosen for ${topic}-${partition} in epoch ${leaderEpoch}: its batches are good up to ${good}, and ${end} was shown in epoch ${epoch}`,
      );
    }
  }

  /** RE5: a member of the ISR that has cut its log in a leader epoch still holds what was shown in that or an earlier one. */
  onCut(broker: ClusterBroker, { topic, topicId, partition, logEndOffset }: PartitionLog, leaderEpoch: number): void {
    for (const [epoch, end] of this.#of(topicId, partition).shown) {
      ensure(
        epoch > leaderEpoch || logEndOffset >= end,
        "RE5",
        () =>
          `${broker.name}, in the ISR of ${topic}-${partition} in epoch ${leaderEpoch}, has cut its log at ${logEndOffset}, and ${end} was shown in epoch ${epoch}`,
      );
    }
  }

  /**
   * RE3: compares what the files of the replica hold below its own high watermark with what they held anywhere before. Not what its leader
   * has deleted: a follower that parted from it down there has other batches until it is told of the log start, and is in no ISR as long.
   */
  compare(broker: ClusterBroker, topic: string, partition: number): void {
    const log = broker.context?.replicas.log(topic, partition);
    if (log === undefined || log.isTruncating) return;
    const name = `${topic}-${partition}`;
    const key = `${broker.nodeId}/${log.topicId}/${partition}`;
    const before = this.#compared.get(key);
    const { highWatermark, logEndOffset } = log;
    // What was cut off and written anew is looked at anew.
    const isSame = before?.life === broker.lifeNumber && logEndOffset >= before.end;
    const from = isSame ? before.to : 0;
    if (isSame && highWatermark <= from) return;
    const { batches, deletedTo } = this.#of(log.topicId, partition);
    let to = from;
    const directory = `${DATA}/${name}`;
    const filed = this.#isDamaged(broker, topic, partition)
      ? goodBatchesOf(broker.disk, directory, from)
      : batchesOf(broker.disk, directory, from, this.#files);
    for (const { baseOffset, nextOffset, bytes } of filed) {
      if (baseOffset < from || nextOffset <= deletedTo) continue;
      if (nextOffset > highWatermark) break;
      const print = `${bytes.readInt32BE(BatchField.LEADER_EPOCH)}/${bytes.readUInt32BE(BatchField.CRC)}/${nextOffset}`;
      const known = batches.get(baseOffset);
      if (known === undefined) batches.set(baseOffset, { print, nextOffset });
      ensure(
        known === undefined || known.print === print,
        "RE3",
        () =>
          `${name} at ${broker.name}: ${baseOffset} is ${print} (epoch/sum/next), and was ${known?.print} below a high watermark`,
      );
      to = nextOffset;
      this.#count("committed batches compared", 1);
    }
    this.#compared.set(key, { life: broker.lifeNumber, to, end: logEndOffset });
  }

  /** Not by name: that may come again. */
  #of(topicId: string, partition: number): Prefix {
    const key = `${topicId}/${partition}`;
    let prefix = this.#prefixes.get(key);
    if (prefix === undefined) {
      prefix = { batches: new Map(), shown: new Map(), deletedTo: 0 };
      this.#prefixes.set(key, prefix);
    }
    return prefix;
  }
}
