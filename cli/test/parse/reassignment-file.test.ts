import { expect } from "chai";
import { CliFailure } from "../../src/failure.ts";
import { parseBrokerIds, parseThrottle } from "../../src/parse/numbers.ts";
import { parsePlan, planText } from "../../src/parse/reassignment-file.ts";

function refusal(parse: () => unknown): CliFailure {
  try {
    parse();
  } catch (error: unknown) {
    if (error instanceof CliFailure) return error;
    throw error;
  }
  throw new Error("it was taken");
}

const entry = { topic: "orders", partition: 0, replicas: [1, 2, 3] };

describe("a plan file", () => {
  it("is what Kafka's tool writes, directories passed over", () => {
    const text = `{"version":1,"partitions":[{"topic":"orders","partition":0,"replicas":[1,2,3],"log_dirs":["any","any","any"]}]}`;
    expect(parsePlan(text, "plan.json")).to.deep.equal([entry]);
  });

  it("comes back as it was written", () => {
    const plan = [entry, { topic: "orders", partition: 1, replicas: [3] }];
    expect(parsePlan(planText(plan), "plan.json")).to.deep.equal(plan);
  });

  for (const { of, text, says } of [
    { of: "no JSON", text: "topics: a", says: "plan.json: no JSON: " },
    { of: "a list", text: "[]", says: "plan.json: an object is expected" },
    { of: "another version", text: `{"version":2,"partitions":[]}`, says: "version 2 is not known" },
    { of: "no partitions", text: "{}", says: "`partitions` is missing" },
    { of: "none of them", text: `{"partitions":[]}`, says: "`partitions` is empty" },
    { of: "topics to move", text: `{"topics":[{"topic":"a"}],"version":1}`, says: "it lists topics" },
    { of: "an entry that is none", text: `{"partitions":[1]}`, says: "partitions[0] is not an object" },
    {
      of: "a missing key",
      text: `{"partitions":[{"topic":"a","partition":0,"replica":[1]}]}`,
      says: "has no `replicas`",
    },
    { of: "a name that is none", text: planOf({ topic: 5 }), says: "partitions[0].topic is not a name" },
    {
      of: "a number that is none",
      text: planOf({ partition: -1 }),
      says: "partitions[0].partition is not a whole number",
    },
    { of: "a broker that is none", text: planOf({ replicas: [1, "2"] }), says: "replicas is not a list of broker ids" },
    { of: "no broker", text: planOf({ replicas: [] }), says: "replicas is not a list of broker ids" },
    { of: "a broker twice", text: planOf({ replicas: [1, 2, 1] }), says: "names broker 1 twice" },
    {
      of: "a partition twice",
      text: JSON.stringify({ partitions: [entry, entry] }),
      says: "orders:0 stands in it twice, the second time as partitions[1]",
    },
  ]) {
    it(`is refused with the place in it: ${of}`, () => {
      const { code, exitCode, message, hint } = refusal(() => parsePlan(text, "plan.json"));
      expect({ code, exitCode }).to.deep.equal({ code: "INVALID_PLAN", exitCode: 2 });
      expect(message).to.include("plan.json: ").and.include(says);
      expect(hint).to.be.a("string");
    });
  }

  function planOf(over: object): string {
    return JSON.stringify({ version: 1, partitions: [{ ...entry, ...over }] });
  }
});

describe("numbers of a move", () => {
  it("are broker ids in their order, each once", () => {
    expect(parseBrokerIds("3, 1,3,0")).to.deep.equal([3, 1, 0]);
    expect(refusal(() => parseBrokerIds("1,b")).code).to.equal("USAGE");
    expect(refusal(() => parseBrokerIds("1,")).code).to.equal("USAGE");
  });

  it("are bytes a second, with or without /s", () => {
    expect(["50MB/s", "512KiB/s", "1000"].map(parseThrottle)).to.deep.equal([50_000_000, 524_288, 1_000]);
    for (const text of ["0", "0MB/s", "50MB/m", "fast", "-1"])
      expect(refusal(() => parseThrottle(text)).code).to.equal("USAGE");
  });
});
