/** One reader of whole batches: a connection of its own, one subscription, credit given back as messages arrive. */
import type { Client as GrpcClient, ClientDuplexStream } from "@grpc/grpc-js";
import { DATA_SERVICE, type FetchedPartition, type FetchRequest, type FetchResponse, Isolation } from "@tidemark/proto";
import { dial, openStream } from "./produce.ts";

const WINDOW_BYTES = 8 * 2 ** 20;

export interface BatchReaderOptions {
  /** Of the broker's gRPC door. */
  readonly address: string;
  readonly partition?: number;
  readonly offset: number;
  /** Of records in one message. */
  readonly maxBytes: number;
  readonly onPart: (part: FetchedPartition) => void;
  readonly onError: (error: Error) => void;
}

export class BatchReader {
  readonly #client: GrpcClient;
  readonly #stream: ClientDuplexStream<FetchRequest, FetchResponse>;

  constructor({ address, partition = 0, offset, maxBytes, onPart, onError }: BatchReaderOptions) {
    this.#client = dial({ grpc: address });
    this.#stream = openStream(this.#client, DATA_SERVICE.fetch);
    this.#stream.on("error", onError);
    this.#stream.on("data", (answer: FetchResponse) => {
      let taken = 0;
      for (const part of answer.partitions) {
        if (part.errorCode !== 0) onError(new Error(`fetch failed: ${part.errorCode} ${part.errorMessage}`));
        taken += part.records.length;
        onPart(part);
      }
      this.#stream.write({ subscribe: [], unsubscribe: [], creditBytes: taken });
    });
    const subscription = {
      subscriptionId: 1,
      topic: "bench",
      partition,
      topicId: Buffer.alloc(0),
      offset,
      maxBytes,
      isolation: Isolation.READ_UNCOMMITTED,
      currentLeaderEpoch: -1,
      isSuspect: false,
    };
    this.#stream.write({ subscribe: [subscription], unsubscribe: [], creditBytes: WINDOW_BYTES });
  }

  close(): void {
    this.#stream.removeAllListeners("error").on("error", () => {});
    this.#stream.removeAllListeners("data");
    this.#stream.cancel();
    this.#client.close();
  }
}

/** Last offset of the last whole batch; -1 when there is none. Walks headers only. */
export function lastOffsetOf(records: Buffer): number {
  let last = -1;
  for (let at = 0; at + 61 <= records.length; ) {
    last = records.readUInt32BE(at) * 2 ** 32 + records.readUInt32BE(at + 4) + records.readInt32BE(at + 23);
    at += 12 + records.readInt32BE(at + 8);
  }
  return last;
}
