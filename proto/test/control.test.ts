import { expect } from "chai";
import { loadAdminService, loadDescriptors, type ServiceDefinition } from "../src/control.ts";
import {
  ADMIN_METHODS,
  adminRequests,
  ConfigOperation,
  type CreateTopicsRequest,
  type DescribeTopicsResponse,
  MAX_ADMIN_ELEMENTS,
  watchEvents,
  type WatchEventsResponse,
} from "../src/index.ts";

function adminMethod(name: string): ServiceDefinition[string] {
  const method = loadAdminService()[name];
  if (method === undefined) throw new Error(`no method ${name}`);
  return method;
}

describe("the control services", () => {
  it("have the paths that the main entry knows", () => {
    const methods = Object.values(loadAdminService());
    const unary = methods.filter(({ requestStream, responseStream }) => !requestStream && !responseStream);
    expect(unary.map(({ path }) => path)).to.deep.equal(Object.values(ADMIN_METHODS));
    const streams = methods.filter((method) => !unary.includes(method));
    expect(streams.map(({ path, requestStream }) => [path, requestStream])).to.deep.equal([[watchEvents.path, false]]);
  });

  it("are read from disk once", () => {
    expect(loadAdminService()).to.equal(loadAdminService());
  });

  it("give messages as admin-messages.ts says: numbers, camelCase, defaults, null for what is absent", () => {
    const method = adminMethod("DescribeTopics");
    const bytes = method.responseSerialize({
      results: [
        { name: "a", topic: { name: "a", bytes: 2 ** 45, config: [{ name: "k" }, { name: "e", value: "" }] } },
        { name: "b", errorCode: 3 },
      ],
    });
    const { results } = method.responseDeserialize(bytes) as unknown as DescribeTopicsResponse;
    expect(results[0]?.topic?.bytes).to.equal(2 ** 45);
    expect(results[0]?.topic?.partitions).to.deep.equal([]);
    expect(results[0]?.topic?.config).to.deep.equal([
      {
        name: "k",
        source: "",
        sensitive: false,
        readOnly: false,
        doc: "",
        synonyms: [],
        type: "",
        updateMode: "",
        note: "",
      },
      {
        name: "e",
        value: "",
        source: "",
        sensitive: false,
        readOnly: false,
        doc: "",
        synonyms: [],
        type: "",
        updateMode: "",
        note: "",
      },
    ]);
    expect(results[1]).to.deep.equal({ name: "b", errorCode: 3, errorMessage: "", topic: null, topicId: "" });
  });

  it("carry the -1 of defaults and the map of a new topic's configuration", () => {
    const method = adminMethod("CreateTopics");
    const request: CreateTopicsRequest = {
      topics: [
        {
          name: "t",
          partitions: -1,
          replicationFactor: -1,
          assignment: [{ replicas: [1, 2] }],
          config: { "segment.bytes": "1024" },
          creationId: "c-1",
        },
      ],
      validateOnly: true,
      timeoutMs: 5000,
    };
    const bytes = method.requestSerialize(request);
    expect(method.requestDeserialize(bytes)).to.deep.equal(request);
  });

  it("describe both services with the names of the .proto files, for reflection", () => {
    const descriptors = loadDescriptors();
    expect(descriptors).to.include.keys(
      "tidemark.v1.Data",
      "tidemark.v1.Admin",
      "tidemark.v1.ProduceRequest",
      "tidemark.v1.Acks",
    );
    const fields = (descriptors["tidemark.v1.ProduceRequest"] as { type: { field: { name: string }[] } }).type.field;
    expect(fields.map((field) => field.name)).to.deep.equal([
      "correlation_id",
      "acks",
      "timeout_ms",
      "partitions",
      "in_parts",
    ]);
  });

  it("have requests that are decoded by table as by proto-loader", () => {
    const topic = {
      name: "t",
      partitions: -1,
      replicationFactor: 3,
      creationId: "c-1",
      assignment: [{ replicas: [1, 2] }, { replicas: [] }],
    };
    const settings: Record<string, string> = { "segment.bytes": "1024", "": "x", constructor: "y" };
    const none: Record<string, string> = {};
    const requests = {
      describeCluster: [{}],
      listTopics: [{ includeInternal: true }, { includeInternal: false }],
      describeTopics: [{ names: ["a", ""] }, { names: [] }],
      createTopics: [
        {
          topics: [
            { ...topic, config: settings },
            { ...topic, config: none },
          ],
          validateOnly: true,
          timeoutMs: 2 ** 32 - 1,
        },
      ],
      deleteTopics: [{ names: ["a"], timeoutMs: 5, topicIds: ["b", ""], validateOnly: true }],
      createPartitions: [
        {
          topics: [
            { name: "t", total: 6, assignment: [{ replicas: [1, 2] }] },
            { name: "", total: -1, assignment: [] },
          ],
          validateOnly: true,
          timeoutMs: 7,
        },
      ],
      deleteRecords: [
        {
          partitions: [
            { topic: "t", partition: 3, beforeOffset: -1 },
            { topic: "t", partition: 2 ** 32 - 1, beforeOffset: 2 ** 53 - 1 },
          ],
          timeoutMs: 1,
        },
      ],
      describeConfigs: [
        {
          resources: [
            { type: "topic", name: "t", keys: ["a", ""] },
            { type: "cluster", name: "", keys: [] },
          ],
        },
      ],
      alterConfigs: [
        {
          resources: [
            {
              type: "broker",
              name: "1",
              changes: Object.values(ConfigOperation).map((operation) => ({ name: "k", operation, value: "v" })),
            },
            { type: "topic", name: "t", changes: [] },
          ],
          validateOnly: true,
        },
      ],
      describeLogDirs: [{}],
      describeHealth: [{}],
      describeQuorum: [{}],
      describeQuorumLog: [{ fromIndex: 2 ** 53 - 1, maxEntries: 2 ** 32 - 1 }],
      writeQuorumSnapshot: [{}],
      transferQuorumLeader: [{ nodeId: 3 }],
      changeQuorumVoter: [{ nodeId: 3, remove: true, timeoutMs: 7 }],
      digestReplica: [{ topic: "t", partition: 2 ** 32 - 1, fromOffset: 2 ** 53 - 1 }],
      electLeaders: [
        { unclean: true, all: false, partitions: [{ topic: "t", partition: 3 }] },
        { unclean: false, all: true, partitions: [] },
      ],
      alterPartitionReassignments: [
        {
          reassignments: [
            { topic: "t", partition: 3, replicas: [4, 1] },
            { topic: "t", partition: 0, replicas: [] },
          ],
          validateOnly: true,
        },
      ],
      listPartitionReassignments: [{ partitions: [{ topic: "t", partition: 3 }] }, { partitions: [] }],
      planReassignments: [{ drainBrokers: [1], balance: true, topics: ["t"], brokers: [2, 3] }],
      drainBrokers: [{ brokerIds: [1, 2], draining: true }],
      unregisterBroker: [{ brokerId: 4 }],
      explainPartition: [{ topic: "t", partition: 3 }],
      diagnoseBroker: [{}],
    };
    for (const [name, path] of Object.entries(ADMIN_METHODS)) {
      const method = Object.values(loadAdminService()).find((candidate) => candidate.path === path);
      const codec = Reflect.get(adminRequests, name) as {
        decode(bytes: Buffer): unknown;
        encode(request: unknown): Buffer;
      };
      for (const request of Reflect.get(requests, name) as object[]) {
        expect(codec.decode(method?.requestSerialize(request) ?? Buffer.alloc(0)), name).to.deep.equal(request);
        expect(method?.requestDeserialize(codec.encode(request)), name).to.deep.equal(request);
      }
    }
  });

  it("read and write events as the tables do, in both directions", () => {
    const method = adminMethod("WatchEvents");
    const request = { fromOffset: -1, maxAgeMs: 2 ** 40, follow: true };
    expect(watchEvents.request.decode(method.requestSerialize(request))).to.deep.equal(request);
    expect(method.requestDeserialize(watchEvents.request.encode(request))).to.deep.equal(request);
    const response: WatchEventsResponse = {
      events: [
        {
          metadataOffset: 2 ** 40,
          atMs: 1_767_225_600_000,
          type: "leader-changed",
          reason: "fenced",
          brokerId: 1,
          topic: "orders",
          partition: 7,
          partitions: 8,
          leaderId: -1,
          leaderBefore: 2,
          leaderEpoch: 3,
          isr: [1, 2],
          isrBefore: [3, 1, 2],
          resource: "topic/orders",
          keysSet: ["a", "b"],
          keysUnset: ["c"],
          fromOffset: 12,
          replicas: [4, 5],
          adding: [4],
          removing: [1],
        },
      ],
      nextOffset: 2 ** 41,
      brokerId: 3,
    };
    expect(watchEvents.response.decode(method.responseSerialize(response))).to.deep.equal(response);
    expect(method.responseDeserialize(watchEvents.response.encode(response))).to.deep.equal(response);
  });

  it("bounds the elements of a request, and keeps a key that would be its prototype as a key", () => {
    const empty = Buffer.from([0x0a, 0x00]);
    const names = Buffer.concat(Array.from({ length: MAX_ADMIN_ELEMENTS + 1 }, () => empty));
    const bounded = [
      ...(["createTopics", "describeTopics", "deleteTopics"] as const),
      ...(["createPartitions", "deleteRecords", "describeConfigs", "alterConfigs"] as const),
    ];
    for (const method of bounded)
      expect(() => adminRequests[method].decode(names), method).to.throw(/too many elements/);
    const config = JSON.parse('{"__proto__":"x"}') as Record<string, string>;
    const topic = { name: "t", partitions: -1, replicationFactor: -1, assignment: [], config, creationId: "" };
    const bytes = adminRequests.createTopics.encode({ topics: [topic], validateOnly: false, timeoutMs: 0 });
    const decoded = adminRequests.createTopics.decode(bytes).topics[0]?.config ?? {};
    expect(Object.entries(decoded)).to.deep.equal([["__proto__", "x"]]);
  });
});
