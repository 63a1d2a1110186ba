import { expect } from "chai";
import { CliFailure } from "../../src/failure.ts";
import { parseDurationMs, parseIntervalMs } from "../../src/parse/duration.ts";
import { parsePartitions, parsePort, parseRate } from "../../src/parse/numbers.ts";
import { parsePair, parseTopicSpec } from "../../src/parse/pairs.ts";
import { parseFrom, parseOffsetsAt, parseUntil, resolveMoment } from "../../src/parse/position.ts";

function refuses(parse: (text: string) => unknown, texts: readonly string[]): void {
  for (const text of texts) {
    expect(() => parse(text), JSON.stringify(text))
      .to.throw(CliFailure)
      .with.property("code", "USAGE");
  }
}

describe("command line values", () => {
  it("reads durations with a unit only", () => {
    expect(parseDurationMs("500ms")).to.equal(500);
    expect(parseDurationMs("1.5s")).to.equal(1_500);
    expect(parseDurationMs("2m")).to.equal(120_000);
    expect(parseDurationMs("7d")).to.equal(604_800_000);
    refuses(parseDurationMs, ["", "10", "s", "-1s", "1 s", "1e3s", "10sec"]);
    expect(parseIntervalMs("100ms")).to.equal(100);
    refuses(parseIntervalMs, ["0s", "0ms", "99ms", "2", "25d", "30d", "1000h", "99999999999999999999d"]);
  });

  it("reads --from: start, end, N, -N and times", () => {
    expect(parseFrom("start")).to.deep.equal({ kind: "start" });
    expect(parseFrom("0")).to.deep.equal({ kind: "offset", offset: 0 });
    expect(parseFrom("-25")).to.deep.equal({ kind: "last", count: 25 });
    expect(parseFrom("@1772366400000")).to.deep.equal({ kind: "time", at: { kind: "unix", ms: 1_772_366_400_000 } });
    expect(parseFrom("@2026-03-01T12:00:00Z")).to.deep.equal({
      kind: "time",
      at: { kind: "unix", ms: 1_772_366_400_000 },
    });
    expect(parseFrom("@-5m")).to.deep.equal({ kind: "time", at: { kind: "ago", ms: 300_000 } });
    refuses(parseFrom, ["", "begin", "1.5", "--5", "@", "@yesterday", "@-5", "9007199254740992"]);
  });

  it("reads the --at of offsets, a time with its @ as everywhere", () => {
    expect(parseOffsetsAt("start")).to.equal("earliest");
    expect(parseOffsetsAt("@-5m")).to.deep.equal({ kind: "ago", ms: 300_000 });
    expect(parseOffsetsAt("@50")).to.deep.equal({ kind: "unix", ms: 50 });
    refuses(parseOffsetsAt, ["50", "-5m", "2026-03-01T12:00:00Z", "begin", "@", ""]);
    expect(() => parseOffsetsAt("50"))
      .to.throw()
      .with.property("hint", "a time begins with @, as in @50");
  });

  it("reads --until: end, N and times, and no -N", () => {
    expect(parseUntil("end")).to.deep.equal({ kind: "end" });
    expect(parseUntil("12")).to.deep.equal({ kind: "offset", offset: 12 });
    refuses(parseUntil, ["start", "-5", ""]);
  });

  it("counts a relative time back from now", () => {
    expect(resolveMoment({ kind: "ago", ms: 300_000 }, 1_000_000).getTime()).to.equal(700_000);
    expect(resolveMoment({ kind: "unix", ms: 5 }, 1_000_000).getTime()).to.equal(5);
  });

  it("reads partitions ascending and once each", () => {
    expect(parsePartitions("3,1, 1,0")).to.deep.equal([0, 1, 3]);
    refuses(parsePartitions, ["", "a", "1,,2", "-1", "2147483648"]);
  });

  it("reads ports and rates", () => {
    expect(parsePort("0")).to.equal(0);
    expect(parsePort("65535")).to.equal(65_535);
    refuses(parsePort, ["65536", "-1", "http"]);
    expect(parseRate("1000")).to.equal(1_000);
    expect(parseRate("90/m")).to.equal(1.5);
    refuses(parseRate, ["0", "0/s", "5/d", "-5", "5/"]);
  });

  it("splits a pair at its first =", () => {
    expect(parsePair("a=b=c")).to.deep.equal(["a", "b=c"]);
    expect(parsePair("a=")).to.deep.equal(["a", ""]);
    refuses(parsePair, ["a", "=b", ""]);
  });

  it("reads NAME[:PARTITIONS[:REPLICAS]]", () => {
    expect(parseTopicSpec("orders:6:1")).to.deep.equal({ name: "orders", partitions: 6, replicas: 1 });
    expect(parseTopicSpec("orders")).to.deep.equal({ name: "orders", partitions: null, replicas: null });
    refuses(parseTopicSpec, [":6", "orders:0", "orders:x", "orders:1:1:1", "orders:1:40000"]);
  });
});
