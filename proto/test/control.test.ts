import { expect } from "chai";
import { loadAdminService, loadDescriptors, type ServiceDefinition } from "../src/control.ts";
import { ADMIN_METHODS, type CreateTopicsRequest, type DescribeTopicsResponse } from "../src/index.ts";

function adminMethod(name: string): ServiceDefinition[string] {
  const method = loadAdminService()[name];
  if (method === undefined) throw new Error(`no method ${name}`);
  return method;
}

describe("the control services", () => {
  it("have the paths that the main entry knows", () => {
    const paths = Object.values(loadAdminService()).map((method) => method.path);
    expect(paths).to.deep.equal(Object.values(ADMIN_METHODS));
    for (const method of Object.values(loadAdminService())) {
      expect([method.requestStream, method.responseStream]).to.deep.equal([false, false]);
    }
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
      { name: "k", source: "", sensitive: false, readOnly: false, doc: "" },
      { name: "e", value: "", source: "", sensitive: false, readOnly: false, doc: "" },
    ]);
    expect(results[1]).to.deep.equal({ name: "b", errorCode: 3, errorMessage: "", topic: null });
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
    expect(fields.map((field) => field.name)).to.deep.equal(["correlation_id", "acks", "timeout_ms", "partitions"]);
  });
});
