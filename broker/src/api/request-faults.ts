/**
 * What a test lets go wrong with the requests of clients (testing.ts). A broker that serves has none, and pays one look for each batch,
 * subscription and call.
 */
import type { ErrorName } from "@tidemark/proto";
import type { AppendTask, Partition } from "../runtime/index.ts";

export interface RequestFaults {
  /**
   * A batch is about to be handed to its partition, which is led here. True: the fault answers the task in its place, or hands it to
   * the partition; either in a later turn.
   */
  divertAppend(at: PartitionName, task: AppendTask, partition: Pick<Partition, "append">): boolean;
  /**
   * Records of a partition that is led here are asked for: what is answered in their place; "later": `subscribe` is called in a later turn,
   * or never; null: nothing goes wrong.
   */
  divertFetch(at: PartitionName, subscribe: () => void): FaultRefusal | "later" | null;
  /** Offsets of a partition that is led here are asked for: it goes on when this resolves, null, or is answered so. */
  beforeListing(at: PartitionName): Promise<FaultRefusal | null>;
  /** A call with one answer, by the name of its method. Rejects with ApiError, or as `handle` does. */
  call(method: string, handle: () => Promise<Buffer>): Promise<Buffer>;
}

export interface PartitionName {
  readonly topic: string;
  readonly partition: number;
}

export interface FaultRefusal {
  readonly code: ErrorName;
  readonly message: string;
}
