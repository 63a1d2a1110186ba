/**
 * Brokers of which nothing is real but the wire: metadata, and the admin service with the answers that a test gives each. What
 * a test does not say has the defaults of the contract.
 */
import {
  type sendUnaryData,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerUnaryCall,
} from "@grpc/grpc-js";
import { ADMIN_METHODS, type AdminCalls, type AdminMethod, DATA_SERVICE, wire } from "@tidemark/proto";
import { loadAdminService } from "@tidemark/proto/control";

type Answers = { [Method in AdminMethod]?: (request: AdminCalls[Method]["request"]) => object };

const asIs = (bytes: Buffer): Buffer => bytes;

export class FakeAdminCluster implements AsyncDisposable {
  readonly brokers: FakeAdminBroker[] = [];
  /** What the metadata of every broker says. */
  readonly fenced = new Set<number>();
  /** Of every topic's one partition. */
  leaderId = 1;
  /** Of every topic. */
  topicId = Buffer.alloc(16);
  /** Of every topic's one partition, as every broker tells it. */
  endOffset = 7;

  static async start(count: number): Promise<FakeAdminCluster> {
    const cluster = new FakeAdminCluster();
    for (let id = 1; id <= count; id += 1) cluster.brokers.push(new FakeAdminBroker(cluster, id));
    await Promise.all(cluster.brokers.map((broker) => broker.listen()));
    return cluster;
  }

  /** Every watcher is told of the topic, as if it had changed. */
  tell(topic: string): void {
    for (const { watchers } of this.brokers) for (const watcher of watchers) watcher.write(this.metadataOf([topic]));
  }

  metadataOf(topics: readonly string[]): Buffer {
    const partitions = [
      {
        partition: 0,
        errorCode: 0,
        leaderId: this.leaderId,
        leaderEpoch: this.leaderId,
        replicas: [1, 2],
        isr: [1, 2],
      },
    ];
    return wire.metadataResponse.encode({
      clusterId: "fake",
      controllerId: 1,
      metadataOffset: 1,
      brokers: this.brokers.map(({ id, port }) => {
        return { id, host: "127.0.0.1", port, rack: "", fenced: this.fenced.has(id) };
      }),
      topics: topics.map((name) => {
        return {
          name,
          topicId: this.topicId,
          errorCode: 0,
          errorMessage: "",
          internal: false,
          created: false,
          partitions,
        };
      }),
    });
  }

  get addresses(): string[] {
    return this.brokers.map(({ port }) => `127.0.0.1:${port}`);
  }

  broker(id: number): FakeAdminBroker {
    const broker = this.brokers[id - 1];
    if (broker === undefined) throw new RangeError(`no broker ${id}`);
    return broker;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const broker of this.brokers) broker.kill();
  }
}

export class FakeAdminBroker {
  readonly id: number;
  port = 0;
  answers: Answers = {};
  /** Calls of the admin service, in order. */
  readonly calls: AdminMethod[] = [];
  /** Streams of clients that watch the metadata. */
  readonly watchers = new Set<ServerDuplexStream<Buffer, Buffer>>();
  /** It takes calls and answers none, as a process that was stopped. */
  isMute = false;
  /** What an answer takes. */
  delayMs = 0;
  readonly #server = new Server();

  constructor(cluster: FakeAdminCluster, id: number) {
    this.id = id;
    this.#unary(DATA_SERVICE.getMetadata.path, (bytes) =>
      cluster.metadataOf(wire.metadataRequest.decode(bytes).topics),
    );
    this.#unary(DATA_SERVICE.listOffsets.path, (bytes) => {
      const { partitions } = wire.listOffsetsRequest.decode(bytes);
      const results = partitions.map(({ topic, partition }) => {
        return {
          topic,
          partition,
          errorCode: 0,
          errorMessage: "",
          offset: cluster.endOffset,
          timestamp: -1,
          leaderEpoch: 0,
          leader: null,
        };
      });
      return wire.listOffsetsResponse.encode({ results });
    });
    const watch = (call: ServerDuplexStream<Buffer, Buffer>): void => {
      this.watchers.add(call);
      call.on("data", (bytes: Buffer) => call.write(cluster.metadataOf(wire.watchMetadataRequest.decode(bytes).watch)));
      call.on("error", () => undefined);
      call.on("end", () => call.end());
    };
    this.#server.register(DATA_SERVICE.watchMetadata.path, watch, asIs, asIs, "bidi");
    const definitions = Object.values(loadAdminService());
    for (const [name, path] of Object.entries(ADMIN_METHODS) as [AdminMethod, string][]) {
      const definition = definitions.find((one) => one.path === path);
      if (definition === undefined) throw new Error(`no ${path}`);
      this.#unary(path, (bytes) => {
        this.calls.push(name);
        const answer = this.answers[name] as ((request: unknown) => object) | undefined;
        return definition.responseSerialize(answer?.(definition.requestDeserialize(bytes)) ?? {});
      });
    }
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

  #unary(path: string, answer: (request: Buffer) => Buffer): void {
    const handle = (call: ServerUnaryCall<Buffer, Buffer>, callback: sendUnaryData<Buffer>): void => {
      if (this.isMute) return;
      if (this.delayMs === 0) callback(null, answer(call.request));
      else setTimeout(() => callback(null, answer(call.request)), this.delayMs).unref();
    };
    this.#server.register(path, handle, asIs, asIs, "unary");
  }
}
