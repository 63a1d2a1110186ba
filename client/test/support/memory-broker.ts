/**
 * A broker's data service in memory, over a real socket, for tests of the client: partitions with the idempotence rules of
 * semantics 11.1, produce and fetch streams with credit, metadata, offsets. It is written from the contract alone and
 * shares no code with the broker.
 *
 * Faults: `onProduce` decides about each produce request before or after it takes effect (delay, drop the stream, answer
 * with an error), `stop` and `start` take the port away and give it back with the log kept.
 */
import {
  type sendUnaryData,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerUnaryCall,
  status,
} from "@grpc/grpc-js";
import {
  Acks,
  DATA_SERVICE,
  errorCode,
  type ErrorName,
  type FetchRequest,
  type FetchSubscribe,
  type ListOffsetsRequest,
  type MetadataRequest,
  type MethodDescription,
  type ProducePartition,
  type ProducePartitionResult,
  readBatchHeader,
  RecordCursor,
  validateProducedBatch,
  wire,
} from "@tidemark/proto";
import { PartitionModel } from "./partition-model.ts";

const CREDIT_BYTES = 8 * 1024 * 1024;
const BROKER_ID = 1;

/** What to do with a produce request. */
export type Verdict =
  | { readonly kind: "serve"; readonly afterMs?: number }
  /** Answers all partitions with this error, having appended them or not. */
  | { readonly kind: "refuse"; readonly error: ErrorName; readonly append: boolean }
  /** Ends the stream without an answer, having appended or not. */
  | { readonly kind: "cut"; readonly append: boolean }
  /** Never answers. */
  | { readonly kind: "swallow"; readonly append: boolean };

type Duplex = ServerDuplexStream<Buffer, Buffer>;

interface Subscription {
  readonly request: FetchSubscribe;
  position: number;
  sentHighWatermark: number;
}

export class MemoryBroker {
  readonly topics = new Map<string, PartitionModel[]>();
  /** Topics made on first use get so many partitions; 0 = none are made. */
  autoCreatePartitions = 0;
  credentials = ServerCredentials.createInsecure();
  maxBatchBytes = 1_048_588;
  onProduce: (partitions: readonly ProducePartition[], index: number) => Verdict = () => ({ kind: "serve" });
  /** Produce requests seen, over all streams and restarts. */
  produceRequests = 0;
  /** Called before a subscription is looked at, once. */
  beforeFetch: (() => void) | null = null;
  /** Bytes of records sent to readers. */
  fetchedBytes = 0;
  readonly calls = { metadata: 0, initProducerId: 0, streams: 0, fetchStreams: 0 };
  #server: Server | null = null;
  #port = 0;
  #nextProducerId = 1000;
  readonly #produceStreams = new Set<Duplex>();
  readonly #fetchStreams = new Map<Duplex, { credit: number; subscriptions: Map<number, Subscription> }>();

  static async start(topics: Readonly<Record<string, number>> = {}): Promise<MemoryBroker> {
    const broker = new MemoryBroker();
    for (const [name, partitions] of Object.entries(topics)) broker.create(name, partitions);
    await broker.start();
    return broker;
  }

  get address(): string {
    return `127.0.0.1:${this.#port}`;
  }

  create(name: string, partitions: number): void {
    this.topics.set(
      name,
      Array.from({ length: partitions }, () => new PartitionModel()),
    );
  }

  partition(topic: string, partition = 0): PartitionModel {
    const model = this.topics.get(topic)?.[partition];
    if (model === undefined) throw new Error(`no partition ${topic}-${partition}`);
    return model;
  }

  /** Values of a partition, as text. */
  values(topic: string, partition = 0): string[] {
    return this.records(topic, partition).map(({ value }) => value);
  }

  records(topic: string, partition = 0): { key: string | null; value: string; offset: number; timestamp: number }[] {
    const found: { key: string | null; value: string; offset: number; timestamp: number }[] = [];
    for (const batch of this.partition(topic, partition).batches) {
      const cursor = new RecordCursor(batch);
      while (cursor.next())
        found.push({
          key: cursor.keyText,
          value: cursor.valueText ?? "",
          offset: cursor.offset,
          timestamp: cursor.timestamp,
        });
    }
    return found;
  }

  get openFetchStreams(): number {
    return this.#fetchStreams.size;
  }

  /** Credit that readers have granted and that is not used, over all streams. */
  get fetchCredit(): number {
    return [...this.#fetchStreams.values()].reduce((sum, { credit }) => sum + credit, 0);
  }

  /** Everything before `offset` is gone. */
  trim(topic: string, offset: number): void {
    const model = this.partition(topic);
    model.logStart = offset;
    model.batches = model.batches.filter((batch) => readBatchHeader(batch, 0).nextOffset > offset);
  }

  /** Resolves once `condition` holds; the test's own time limit ends the waiting. */
  async settled(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise((resolve) => setImmediate(resolve));
  }

  async start(): Promise<void> {
    const server = new Server({ "grpc.max_receive_message_length": 40 * 1024 * 1024 });
    const unary = <Request, Response>(method: MethodDescription<Request, Response>) => definition(method);
    server.addService(
      {
        produce: definition(DATA_SERVICE.produce),
        fetch: definition(DATA_SERVICE.fetch),
        getMetadata: unary(DATA_SERVICE.getMetadata),
        initProducerId: unary(DATA_SERVICE.initProducerId),
        listOffsets: unary(DATA_SERVICE.listOffsets),
      },
      {
        produce: (call: Duplex) => this.#produce(call),
        fetch: (call: Duplex) => this.#fetch(call),
        getMetadata: (call: ServerUnaryCall<Buffer, Buffer>, done: sendUnaryData<Buffer>) =>
          done(null, this.#metadata(wire.metadataRequest.decode(call.request))),
        initProducerId: (_: unknown, done: sendUnaryData<Buffer>) => {
          this.calls.initProducerId += 1;
          done(null, wire.initProducerIdResponse.encode({ producerId: this.#nextProducerId++, producerEpoch: 0 }));
        },
        listOffsets: (call: ServerUnaryCall<Buffer, Buffer>, done: sendUnaryData<Buffer>) =>
          done(null, this.#listOffsets(wire.listOffsetsRequest.decode(call.request))),
      },
    );
    this.#port = await new Promise<number>((resolve, reject) => {
      server.bindAsync(`127.0.0.1:${this.#port}`, this.credentials, (error, port) =>
        error === null ? resolve(port) : reject(error),
      );
    });
    this.#server = server;
  }

  /** Takes the port away; connections break. The log stays. */
  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = null;
    this.#produceStreams.clear();
    this.#fetchStreams.clear();
    server?.forceShutdown();
    await new Promise((resolve) => setImmediate(resolve));
  }

  async restart(): Promise<void> {
    await this.stop();
    await this.start();
  }

  /** Ends all streams; the port stays. */
  cutStreams(): void {
    for (const call of [...this.#produceStreams, ...this.#fetchStreams.keys()]) cut(call);
  }

  // ---- produce

  #produce(call: Duplex): void {
    this.calls.streams += 1;
    this.#produceStreams.add(call);
    call.on("error", () => this.#produceStreams.delete(call));
    call.on("end", () => this.#produceStreams.delete(call));
    call.on("cancelled", () => this.#produceStreams.delete(call));
    call.write(wire.produceResponse.encode({ correlationId: 0, results: [], creditBytes: CREDIT_BYTES }));
    call.on("data", (bytes: Buffer) => {
      if (!this.#produceStreams.has(call)) return;
      const request = wire.produceRequest.decode(bytes);
      const verdict = this.onProduce(request.partitions, this.produceRequests++);
      const append = verdict.kind === "serve" || verdict.append;
      let results = request.partitions.map((one) => (append ? this.#append(one) : refusal("NONE")));
      if (verdict.kind === "cut") {
        cut(call);
        this.#produceStreams.delete(call);
        return;
      }
      if (verdict.kind === "swallow") return;
      if (verdict.kind === "refuse") results = request.partitions.map(() => refusal(verdict.error));
      const creditBytes = request.partitions.reduce((sum, { records }) => sum + records.length, 0);
      const { correlationId } = request;
      const answer = (): void => {
        if (!this.#produceStreams.has(call)) return;
        const isSilent = request.acks === Acks.NONE;
        call.write(
          wire.produceResponse.encode({
            correlationId: isSilent ? 0 : correlationId,
            results: isSilent ? [] : results,
            creditBytes,
          }),
        );
      };
      if (verdict.kind === "serve" && verdict.afterMs !== undefined) setTimeout(answer, verdict.afterMs);
      else answer();
      this.#feedAll();
    });
  }

  #append({ topic, partition, records }: ProducePartition): ProducePartitionResult {
    const model = this.topics.get(topic)?.[partition];
    if (model === undefined) return refusal("UNKNOWN_TOPIC_OR_PARTITION");
    const verdict = validateProducedBatch(records, { maxBytes: this.maxBatchBytes });
    if (!verdict.ok) return { ...refusal(verdict.error), errorMessage: verdict.message };
    const { header } = verdict;
    const outcome = model.append(Buffer.from(records), {
      producerId: header.producerId,
      epoch: header.producerEpoch,
      sequence: header.baseSequence,
      count: header.recordsCount,
    });
    if (!outcome.ok) return refusal(outcome.error);
    return { ...refusal("NONE"), baseOffset: outcome.baseOffset, duplicate: outcome.isDuplicate };
  }

  // ---- fetch

  #fetch(call: Duplex): void {
    this.calls.fetchStreams += 1;
    const state = { credit: 0, subscriptions: new Map<number, Subscription>() };
    this.#fetchStreams.set(call, state);
    call.on("error", () => this.#fetchStreams.delete(call));
    call.on("cancelled", () => this.#fetchStreams.delete(call));
    call.on("end", () => {
      this.#fetchStreams.delete(call);
      call.end();
    });
    call.on("data", (bytes: Buffer) => {
      const request: FetchRequest = wire.fetchRequest.decode(bytes);
      state.credit += request.creditBytes;
      for (const id of request.unsubscribe) state.subscriptions.delete(id);
      if (request.subscribe.length > 0) this.beforeFetch?.();
      if (request.subscribe.length > 0) this.beforeFetch = null;
      for (const one of request.subscribe)
        state.subscriptions.set(one.subscriptionId, { request: one, position: one.offset, sentHighWatermark: -1 });
      this.#feed(call, state);
    });
  }

  #feedAll(): void {
    for (const [call, state] of this.#fetchStreams) this.#feed(call, state);
  }

  #feed(call: Duplex, state: { credit: number; subscriptions: Map<number, Subscription> }): void {
    for (const [id, subscription] of state.subscriptions) {
      const { topic, partition, maxBytes } = subscription.request;
      const model = this.topics.get(topic)?.[partition];
      const isOutside =
        model !== undefined && (subscription.position < model.logStart || subscription.position > model.highWatermark);
      if (model === undefined || isOutside) {
        state.subscriptions.delete(id);
        call.write(
          message(id, subscription.position, model, {
            error: isOutside ? "OFFSET_OUT_OF_RANGE" : "UNKNOWN_TOPIC_OR_PARTITION",
          }),
        );
        continue;
      }
      for (;;) {
        const records =
          state.credit > 0
            ? model.read(subscription.position, Math.min(state.credit, maxBytes === 0 ? 1024 * 1024 : maxBytes))
            : [];
        if (records.length === 0) {
          if (subscription.sentHighWatermark < model.highWatermark)
            call.write(message(id, subscription.position, model, {}));
          subscription.sentHighWatermark = model.highWatermark;
          break;
        }
        const bytes = Buffer.concat(records);
        call.write(message(id, subscription.position, model, { records: bytes }));
        subscription.sentHighWatermark = model.highWatermark;
        state.credit -= bytes.length;
        this.fetchedBytes += bytes.length;
        subscription.position = nextOffset(records);
      }
    }
  }

  // ---- unary

  #metadata(request: MetadataRequest): Buffer {
    this.calls.metadata += 1;
    const names = request.allTopics ? [...this.topics.keys()] : request.topics;
    const topics = names.map((name) => {
      const isCreated = !this.topics.has(name) && request.allowAutoTopicCreation && this.autoCreatePartitions > 0;
      if (isCreated) this.create(name, this.autoCreatePartitions);
      const models = this.topics.get(name);
      return {
        name,
        topicId: Buffer.alloc(16, name),
        errorCode: models === undefined ? errorCode("UNKNOWN_TOPIC_OR_PARTITION") : 0,
        errorMessage: "",
        internal: false,
        created: isCreated,
        partitions: (models ?? []).map((_, partition) => ({
          partition,
          errorCode: 0,
          leaderId: BROKER_ID,
          leaderEpoch: 0,
          replicas: [1],
          isr: [1],
        })),
      };
    });
    const brokers = [{ id: BROKER_ID, host: "127.0.0.1", port: this.#port, rack: "", fenced: false }];
    return wire.metadataResponse.encode({
      clusterId: "memory",
      controllerId: BROKER_ID,
      metadataOffset: 1,
      brokers,
      topics,
    });
  }

  #listOffsets(request: ListOffsetsRequest): Buffer {
    const results = request.partitions.map(({ topic, partition, timestamp }) => {
      const model = this.topics.get(topic)?.[partition];
      const found = { errorCode: 0, errorMessage: "", offset: -1, timestamp: -1, leaderEpoch: 0 };
      if (model === undefined) return { ...found, errorCode: errorCode("UNKNOWN_TOPIC_OR_PARTITION") };
      if (timestamp === -1) return { ...found, offset: model.highWatermark };
      if (timestamp === -2) return { ...found, offset: model.logStart };
      const hit = this.records(topic, partition).find((record) => record.timestamp >= timestamp);
      return hit === undefined ? found : { ...found, offset: hit.offset, timestamp: hit.timestamp };
    });
    return wire.listOffsetsResponse.encode({ results });
  }
}

function definition<Request, Response>(method: MethodDescription<Request, Response>) {
  const asIs = (bytes: Buffer): Buffer => bytes;
  const { path, requestStream, responseStream } = method;
  return {
    path,
    requestStream,
    responseStream,
    requestSerialize: asIs,
    requestDeserialize: asIs,
    responseSerialize: asIs,
    responseDeserialize: asIs,
  };
}

function cut(call: Duplex): void {
  call.emit("error", { code: status.UNAVAILABLE, details: "cut by the test" });
}

function refusal(error: ErrorName): ProducePartitionResult {
  return {
    errorCode: errorCode(error),
    errorMessage: "",
    baseOffset: 0,
    logAppendTime: -1,
    logStartOffset: 0,
    duplicate: false,
    durability: 0,
    leader: null,
    unwritten: false,
    pending: false,
    logEnd: null,
  };
}

function message(
  id: number,
  fetchOffset: number,
  model: PartitionModel | undefined,
  content: { records?: Buffer; error?: ErrorName },
): Buffer {
  const highWatermark = model?.highWatermark ?? 0;
  const partition = {
    subscriptionId: id,
    errorCode: errorCode(content.error ?? "NONE"),
    errorMessage: "",
    fetchOffset,
    highWatermark,
    lastStableOffset: highWatermark,
    logStartOffset: model?.logStart ?? 0,
    leaderEpoch: 0,
    leader: null,
    records: content.records ?? Buffer.alloc(0),
  };
  return wire.fetchResponse.encode({ partitions: [partition] });
}

function nextOffset(batches: readonly Buffer[]): number {
  const last = batches.at(-1);
  return last === undefined ? 0 : readBatchHeader(last, 0).nextOffset;
}
