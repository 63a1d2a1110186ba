/**
 * Brokers that are nothing but the wire: each says what the test has it say. They share one partition's log, a list of
 * batches; who leads, who stands still and what each knows of the metadata is the test's choice.
 */
import {
  type sendUnaryData,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerUnaryCall,
} from "@grpc/grpc-js";
import {
  DATA_SERVICE,
  errorCode,
  type ErrorName,
  type MetadataResponse,
  type ProducePartitionResult,
  readBatchHeader,
  wire,
} from "@tidemark/proto";

type Bidi = ServerDuplexStream<Buffer, Buffer>;

const CREDIT_BYTES = 8 * 1024 * 1024;
const asIs = (bytes: Buffer): Buffer => bytes;

/** What a broker knows of the one partition, and of those that were added: all that is sent to them goes to the one log. */
export interface Knowledge {
  readonly metadataOffset: number;
  readonly leaderId: number;
  readonly leaderEpoch: number;
  readonly partitionsCount?: number;
}

export class FakeCluster implements AsyncDisposable {
  readonly topic = "t";
  topicId = Buffer.alloc(16, 7);
  readonly brokers: readonly FakeBroker[];
  /** Batches, in order. */
  readonly log: Buffer[] = [];
  truth: Knowledge = { metadataOffset: 1, leaderId: 1, leaderEpoch: 0 };

  private constructor(count: number, options: { hasPush: boolean }) {
    this.brokers = Array.from({ length: count }, (_, slot) => new FakeBroker(this, slot + 1, options));
  }

  static async start(count: number, options = { hasPush: true }): Promise<FakeCluster> {
    const cluster = new FakeCluster(count, options);
    await Promise.all(cluster.brokers.map((broker) => broker.listen()));
    return cluster;
  }

  get addresses(): string[] {
    return this.brokers.map(({ port }) => `127.0.0.1:${port}`);
  }

  broker(id: number): FakeBroker {
    const broker = this.brokers[id - 1];
    if (broker === undefined) throw new RangeError(`no broker ${id}`);
    return broker;
  }

  /** Another broker leads, in the next epoch; `knowing` hear of it, and those who watch there. */
  moveLeader(to: number, knowing: readonly number[]): void {
    const { metadataOffset, leaderEpoch } = this.truth;
    this.truth = { ...this.truth, metadataOffset: metadataOffset + 1, leaderId: to, leaderEpoch: leaderEpoch + 1 };
    for (const id of knowing) this.broker(id).learn(this.truth);
  }

  /** All hear of it, and those who watch. */
  addPartitions(partitionsCount: number): void {
    this.truth = { ...this.truth, metadataOffset: this.truth.metadataOffset + 1, partitionsCount };
    for (const broker of this.brokers) broker.learn(this.truth);
  }

  /** The topic is deleted and made anew, led as before; all hear of the new one alone, and those who watch. */
  remake(partitionsCount: number): void {
    this.topicId = Buffer.alloc(16, 8);
    this.addPartitions(partitionsCount);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const broker of this.brokers) broker.kill();
  }
}

export class FakeBroker {
  readonly id: number;
  port = 0;
  /** Takes everything in and answers nothing. */
  isStalled = false;
  /** What it answers to batches as one that is cut off does, and names nobody else; with REQUEST_TIMED_OUT it has written them. */
  refuses: ErrorName | null = null;
  metadataCalls = 0;
  producesSeen = 0;
  /** Streams of metadata that were ever opened here. */
  watchesOpened = 0;
  /** Partitions and offsets that somebody wanted to read; records come of the first partition alone. */
  readonly subscribed: string[] = [];
  /** Topics that somebody wants to be told of. */
  readonly watched = new Set<string>();
  readonly #cluster: FakeCluster;
  readonly #server = new Server();
  readonly #watches = new Set<Bidi>();
  readonly #fetches = new Set<Bidi>();
  #knows: Knowledge;

  constructor(cluster: FakeCluster, id: number, options: { hasPush: boolean }) {
    this.#cluster = cluster;
    this.id = id;
    this.#knows = { metadataOffset: 1, leaderId: 1, leaderEpoch: 0 };
    const { produce, fetch, getMetadata, watchMetadata, initProducerId, listOffsets } = DATA_SERVICE;
    this.#server.register(produce.path, (call: Bidi) => this.#produce(call), asIs, asIs, "bidi");
    this.#server.register(fetch.path, (call: Bidi) => this.#fetch(call), asIs, asIs, "bidi");
    if (options.hasPush)
      this.#server.register(watchMetadata.path, (call: Bidi) => this.#watch(call), asIs, asIs, "bidi");
    this.#unary(getMetadata.path, () => {
      this.metadataCalls += 1;
      return wire.metadataResponse.encode(this.#metadata());
    });
    this.#unary(initProducerId.path, () => wire.initProducerIdResponse.encode({ producerId: 1, producerEpoch: 0 }));
    this.#unary(listOffsets.path, (request) =>
      wire.listOffsetsResponse.encode({
        results: wire.listOffsetsRequest.decode(request).partitions.map(({ timestamp }) => ({
          errorCode: 0,
          errorMessage: "",
          offset: timestamp === -2 ? 0 : this.#cluster.log.length,
          timestamp: -1,
          leaderEpoch: this.#knows.leaderEpoch,
        })),
      }),
    );
  }

  get watchersCount(): number {
    return this.#watches.size;
  }

  listen(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, port) => {
        this.port = port;
        if (error === null) resolve();
        else reject(error);
      });
    });
  }

  kill(): void {
    this.#server.forceShutdown();
  }

  learn(knowledge: Knowledge): void {
    this.#knows = knowledge;
    if (this.isStalled) return;
    for (const call of this.#watches) call.write(wire.metadataResponse.encode(this.#metadata()));
  }

  /** To those who read here. */
  push(batch: Buffer): void {
    if (this.isStalled) return;
    for (const call of this.#fetches) this.#send(call, batch);
  }

  #unary(path: string, answer: (request: Buffer) => Buffer): void {
    const handle = (call: ServerUnaryCall<Buffer, Buffer>, callback: sendUnaryData<Buffer>): void => {
      if (!this.isStalled) callback(null, answer(call.request));
    };
    this.#server.register(path, handle, asIs, asIs, "unary");
  }

  #metadata(): MetadataResponse {
    const { topic, topicId, brokers } = this.#cluster;
    const { metadataOffset, leaderId, leaderEpoch, partitionsCount = 1 } = this.#knows;
    const replicas = brokers.map(({ id }) => id);
    return {
      clusterId: "fake",
      controllerId: 1,
      metadataOffset,
      brokers: brokers.map(({ id, port }) => ({ id, host: "127.0.0.1", port, rack: "", fenced: false })),
      topics: [
        {
          name: topic,
          topicId,
          errorCode: 0,
          errorMessage: "",
          internal: false,
          created: false,
          partitions: Array.from({ length: partitionsCount }, (_, partition) => {
            return { partition, errorCode: 0, leaderId, leaderEpoch, replicas, isr: replicas };
          }),
        },
      ],
    };
  }

  #watch(call: Bidi): void {
    this.watchesOpened += 1;
    call.on("error", () => undefined);
    call.on("close", () => this.#watches.delete(call));
    call.on("cancelled", () => this.#watches.delete(call));
    call.on("data", (bytes: Buffer) => {
      if (this.isStalled) return;
      const { watch, forget } = wire.watchMetadataRequest.decode(bytes);
      for (const name of watch) this.watched.add(name);
      for (const name of forget) this.watched.delete(name);
      this.#watches.add(call);
      call.write(wire.metadataResponse.encode(this.#metadata()));
    });
  }

  #produce(call: Bidi): void {
    call.on("error", () => undefined);
    call.write(wire.produceResponse.encode({ correlationId: 0, results: [], creditBytes: CREDIT_BYTES }));
    call.on("data", (bytes: Buffer) => {
      this.producesSeen += 1;
      if (this.isStalled) return;
      const { correlationId, partitions } = wire.produceRequest.decode(bytes);
      const results = partitions.map(({ records }) => this.#append(records));
      const creditBytes = partitions.reduce((sum, { records }) => sum + records.length, 0);
      call.write(wire.produceResponse.encode({ correlationId, results, creditBytes }));
    });
  }

  #append(records: Buffer): ProducePartitionResult {
    const { truth } = this.#cluster;
    const result: ProducePartitionResult = {
      errorCode: 0,
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
    if (this.refuses === "REQUEST_TIMED_OUT") this.#write(records);
    if (this.refuses !== null) return { ...result, errorCode: errorCode(this.refuses) };
    if (truth.leaderId !== this.id) {
      const { leaderId, leaderEpoch } = truth;
      const { port } = this.#cluster.broker(leaderId);
      const leader = { leaderId, leaderEpoch, host: "127.0.0.1", port };
      return { ...result, errorCode: errorCode("NOT_LEADER_OR_FOLLOWER"), leader };
    }
    return { ...result, ...this.#write(records) };
  }

  #write(records: Buffer): { baseOffset: number; duplicate: boolean } {
    const { log } = this.#cluster;
    const header = readBatchHeader(records, 0);
    const known = log.findIndex((batch) => readBatchHeader(batch, 0).baseSequence === header.baseSequence);
    if (known >= 0) return { baseOffset: known, duplicate: true };
    const batch = Buffer.from(records);
    batch.writeBigInt64BE(BigInt(log.length), 0);
    return { baseOffset: log.push(batch) - 1, duplicate: false };
  }

  #fetch(call: Bidi): void {
    call.on("error", () => undefined);
    call.on("close", () => this.#fetches.delete(call));
    call.on("cancelled", () => this.#fetches.delete(call));
    call.on("data", (bytes: Buffer) => {
      if (this.isStalled) return;
      for (const { partition, offset } of wire.fetchRequest.decode(bytes).subscribe) {
        this.subscribed.push(`${partition} at ${offset}`);
        if (partition > 0) continue;
        this.#fetches.add(call);
        this.#send(call, Buffer.concat(this.#cluster.log.slice(offset)), offset);
      }
    });
  }

  #send(call: Bidi, records: Buffer, fetchOffset = readBatchHeader(records, 0).baseOffset): void {
    const end = this.#cluster.log.length;
    const part = {
      subscriptionId: 1,
      errorCode: 0,
      errorMessage: "",
      fetchOffset,
      highWatermark: end,
      lastStableOffset: end,
      logStartOffset: 0,
      leaderEpoch: this.#knows.leaderEpoch,
      leader: null,
      records,
    };
    call.write(wire.fetchResponse.encode({ partitions: [part] }));
  }
}
