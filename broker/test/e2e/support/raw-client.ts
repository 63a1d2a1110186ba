/**
 * A gRPC client without an SDK: bytes out, bytes in, the hand-written codecs between. It keeps no rule of the protocol by
 * itself, so tests can break each of them.
 */
import { Client, credentials, Metadata } from "@grpc/grpc-js";
import type { ClientDuplexStream, ClientReadableStream, ServiceError } from "@grpc/grpc-js";
import { Acks, ADMIN_METHODS, DATA_SERVICE, ERROR_DETAIL_TRAILER, wire } from "@tidemark/proto";
import type { AdminCalls, AdminMethod } from "@tidemark/proto";
import { loadAdminService } from "@tidemark/proto/control";

type ProduceResponse = ReturnType<typeof wire.produceResponse.decode>;
type ProduceRequest = Parameters<typeof wire.produceRequest.encode>[0];
type FetchRequest = Parameters<typeof wire.fetchRequest.encode>[0];
type FetchedPartition = ReturnType<typeof wire.fetchedPartition.decode>;

const identity = (bytes: Buffer): Buffer => bytes;
/** Nothing in these tests takes this long; only a failure waits for it. */
const DEADLINE_MS = 300_000;

/** How a call ended: gRPC status and the coded error of its trailer. */
export interface Ended {
  readonly status: number;
  readonly details: string;
  readonly error: ReturnType<typeof wire.errorDetail.decode> | null;
}

export class RawClient {
  readonly #client: Client;
  readonly #metadata = new Metadata();

  constructor(address: string, options: { clientId?: string } = {}) {
    this.#client = new Client(address, credentials.createInsecure(), {
      "grpc.enable_channelz": 0,
      "grpc.enable_retries": 0,
      "grpc.max_receive_message_length": 64 * 1024 * 1024,
      "grpc.max_send_message_length": -1,
      "grpc.use_local_subchannel_pool": 1,
      "grpc-node.flow_control_window": 8 * 1024 * 1024,
    });
    if (options.clientId !== undefined) this.#metadata.set("tidemark-client-id", options.clientId);
  }

  close(): void {
    this.#client.close();
  }

  /** The bytes of the answer; rejects with Ended. */
  unary(path: string, request: Buffer): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      const deadline = Date.now() + DEADLINE_MS;
      this.#client.makeUnaryRequest(
        path,
        identity,
        identity,
        request,
        this.#metadata,
        { deadline },
        (error, answer) => {
          if (error !== null) reject(endedOf(error));
          else resolve(answer ?? Buffer.alloc(0));
        },
      );
    });
  }

  bidi(path: string): ClientDuplexStream<Buffer, Buffer> {
    return this.#client.makeBidiStreamRequest(path, identity, identity, this.#metadata);
  }

  serverStream(path: string, request: Buffer): ClientReadableStream<Buffer> {
    return this.#client.makeServerStreamRequest(path, identity, identity, request, this.#metadata);
  }

  async admin<Method extends AdminMethod>(
    method: Method,
    request: AdminCalls[Method]["request"],
  ): Promise<AdminCalls[Method]["response"]> {
    const path = ADMIN_METHODS[method];
    const definition = Object.values(loadAdminService()).find((candidate) => candidate.path === path);
    if (definition === undefined) throw new Error(`no method ${path}`);
    const answer = await this.unary(path, definition.requestSerialize(request));
    return definition.responseDeserialize(answer) as AdminCalls[Method]["response"];
  }

  deleteTopics(names: string[]): Promise<AdminCalls["deleteTopics"]["response"]> {
    return this.admin("deleteTopics", { names, topicIds: [], validateOnly: false, timeoutMs: 0 });
  }

  async createTopic(
    name: string,
    options: { partitions?: number; config?: Record<string, string> } = {},
  ): Promise<void> {
    const { results } = await this.admin("createTopics", {
      topics: [
        {
          name,
          partitions: options.partitions ?? 1,
          replicationFactor: -1,
          assignment: [],
          config: options.config ?? {},
          creationId: "",
        },
      ],
      validateOnly: false,
      timeoutMs: 0,
    });
    const [result] = results;
    if (result === undefined || result.errorCode !== 0)
      throw new Error(`topic ${name}: ${result?.errorCode} ${result?.errorMessage}`);
  }

  async metadata(request: { topics?: string[]; allTopics?: boolean; allowAutoTopicCreation?: boolean }) {
    const { topics = [], allTopics = false, allowAutoTopicCreation = false } = request;
    const bytes = wire.metadataRequest.encode({ topics, allTopics, allowAutoTopicCreation });
    return wire.metadataResponse.decode(await this.unary(DATA_SERVICE.getMetadata.path, bytes));
  }

  async initProducerId() {
    return wire.initProducerIdResponse.decode(
      await this.unary(DATA_SERVICE.initProducerId.path, wire.initProducerIdRequest.encode({})),
    );
  }

  async listOffset(topic: string, timestamp: number, partition = 0) {
    const bytes = wire.listOffsetsRequest.encode({ partitions: [{ topic, partition, timestamp }], isolation: 0 });
    const { results } = wire.listOffsetsResponse.decode(await this.unary(DATA_SERVICE.listOffsets.path, bytes));
    const [result] = results;
    if (result === undefined) throw new Error("no result");
    return result;
  }

  produceStream(): RawProduceStream {
    return new RawProduceStream(this.bidi(DATA_SERVICE.produce.path));
  }

  fetchStream(): RawFetchStream {
    return new RawFetchStream(this.bidi(DATA_SERVICE.fetch.path));
  }
}

function endedOf(error: ServiceError): Ended {
  const [trailer] = error.metadata?.get(ERROR_DETAIL_TRAILER) ?? [];
  return {
    status: error.code,
    details: error.details,
    error: trailer === undefined ? null : wire.errorDetail.decode(Buffer.from(trailer)),
  };
}

/** Messages in the order of their arrival, awaited one by one. */
class Inbox<T> {
  readonly #items: T[] = [];
  readonly #waiting: { resolve: (item: T) => void; reject: (error: unknown) => void }[] = [];
  #ended: Ended | null = null;

  push(item: T): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#items.push(item);
    else next.resolve(item);
  }

  end(ended: Ended): void {
    this.#ended ??= ended;
    for (const { reject } of this.#waiting.splice(0)) reject(ended);
  }

  next(): Promise<T> {
    const item = this.#items.shift();
    if (item !== undefined) return Promise.resolve(item);
    if (this.#ended !== null) return Promise.reject(this.#ended);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error("no message within the deadline")), DEADLINE_MS);
      this.#waiting.push({
        resolve: (value) => {
          clearTimeout(timer);
          resolve(value);
        },
        reject: (error) => {
          clearTimeout(timer);
          reject(error);
        },
      });
    });
  }
}

class RawStream<T> {
  readonly call: ClientDuplexStream<Buffer, Buffer>;
  /** How the stream ended; also when it ended well. */
  readonly ended: Promise<Ended>;
  protected readonly inbox = new Inbox<T>();

  constructor(call: ClientDuplexStream<Buffer, Buffer>, decode: (bytes: Buffer) => T) {
    this.call = call;
    call.on("data", (bytes: Buffer) => this.inbox.push(decode(bytes)));
    call.on("error", () => undefined);
    this.ended = new Promise((resolve) => {
      call.on("status", (status) => {
        const ended = endedOf(Object.assign(new Error(status.details), status));
        this.inbox.end(ended);
        resolve(ended);
      });
    });
  }

  /** Rejects with Ended when the stream is over. */
  next(): Promise<T> {
    return this.inbox.next();
  }

  /** Ends our side; resolves with the status. */
  end(): Promise<Ended> {
    this.call.end();
    return this.ended;
  }
}

export class RawProduceStream extends RawStream<ProduceResponse> {
  #correlationId = 0;

  constructor(call: ClientDuplexStream<Buffer, Buffer>) {
    super(call, (bytes) => wire.produceResponse.decode(bytes));
  }

  /** The grant that opens a stream. */
  async opened(): Promise<number> {
    const first = await this.next();
    if (first.correlationId !== 0) throw new Error("the first message is no grant");
    return first.creditBytes;
  }

  /** Sends; answers come by `next`. */
  send(request: Partial<ProduceRequest>): number {
    const correlationId = request.correlationId ?? ++this.#correlationId;
    this.call.write(
      wire.produceRequest.encode({
        acks: Acks.ALL,
        timeoutMs: 0,
        partitions: [],
        inParts: false,
        ...request,
        correlationId,
      }),
    );
    return correlationId;
  }

  /** One batch to one partition, and the result of its answer. */
  async produce(
    topic: string,
    records: Buffer,
    options: { partition?: number; acks?: number; timeoutMs?: number; topicId?: Buffer } = {},
  ) {
    const { partition = 0, acks = Acks.ALL, timeoutMs = 0, topicId = Buffer.alloc(0) } = options;
    const correlationId = this.send({
      acks,
      timeoutMs,
      partitions: [{ topic, partition, topicId, records, expectedEnd: null }],
    });
    const answer = await this.next();
    const [result] = answer.results;
    if (answer.correlationId !== correlationId || result === undefined) throw new Error("the answer is another's");
    return result;
  }
}

export class RawFetchStream extends RawStream<FetchedPartition[]> {
  readonly #parts: FetchedPartition[] = [];

  constructor(call: ClientDuplexStream<Buffer, Buffer>) {
    super(call, (bytes) => wire.fetchResponse.decode(bytes).partitions);
  }

  send(request: Partial<FetchRequest>): void {
    this.call.write(wire.fetchRequest.encode({ subscribe: [], unsubscribe: [], creditBytes: 0, ...request }));
  }

  subscribe(
    subscriptionId: number,
    topic: string,
    offset: number,
    options: Partial<FetchRequest["subscribe"][number]> = {},
  ): void {
    this.send({
      subscribe: [
        {
          subscriptionId,
          topic,
          partition: 0,
          topicId: Buffer.alloc(0),
          offset,
          maxBytes: 0,
          isolation: 0,
          currentLeaderEpoch: -1,
          isSuspect: false,
          ...options,
        },
      ],
    });
  }

  /** The next part, whatever message it came in. */
  async part(): Promise<FetchedPartition> {
    for (;;) {
      const part = this.#parts.shift();
      if (part !== undefined) return part;
      this.#parts.push(...(await this.next()));
    }
  }
}

/** Awaits the rejection of a call that must fail. */
export async function failed(call: Promise<unknown>): Promise<Ended> {
  try {
    await call;
  } catch (error: unknown) {
    return error as Ended;
  }
  throw new Error("the call succeeded");
}
