import { expect } from "chai";
import { RequestLog } from "../../src/runtime/index.ts";
import { LogBook } from "../listeners/http/fixtures.ts";

const quick = { arrivedAt: 0, startedAt: 1, takenAt: 3, doneAt: 7 };

describe("RequestLog", () => {
  it("splits a request's time into phases that add up", () => {
    const requests = new RequestLog({ logger: new LogBook(), slowMs: 1000 });
    const stats = requests.of("Produce", "GRPC");
    requests.record(stats, quick, 15, 100, () => ({}));
    expect(requests.of("Produce", "GRPC")).to.equal(stats);
    const sums = [stats.queue, stats.handler, stats.remote, stats.response].map(({ sum }) => sum);
    expect(sums).to.deep.equal([0.001, 0.002, 0.004, 0.008]);
    expect(stats.durations.sum).to.be.closeTo(0.015, 1e-9);
    expect(stats.sizes.sum).to.equal(100);
  });

  it("tells a slow request with its phases, and not one whose client reads slowly", () => {
    const book = new LogBook();
    const requests = new RequestLog({ logger: book, slowMs: 7 });
    requests.record(requests.of("Produce", "GRPC"), quick, 15, 100, () => ({ requestId: 4 }));
    const reading = { ...quick, doneAt: 6 };
    requests.record(requests.of("Fetch", "GRPC"), reading, 60_000, 100, () => ({}));
    expect(book.lines).to.deep.equal([
      {
        level: "warn",
        message: "slow request",
        fields: {
          api: "Produce",
          listener: "GRPC",
          durationMs: 15,
          queueMs: 1,
          handlerMs: 2,
          remoteMs: 4,
          responseMs: 8,
          bytes: 100,
          requestId: 4,
        },
      },
    ]);
  });

  it("does not flood the log, and says how many lines it left out; 0 tells none", () => {
    const book = new LogBook();
    const requests = new RequestLog({ logger: book, slowMs: 1 });
    const stats = requests.of("Produce", "GRPC");
    for (let i = 0; i < 1000; i++) requests.record(stats, quick, 15, 1, () => ({}));
    const { length } = book.lines;
    expect(length).to.be.below(20);
    requests.record(stats, quick, 15 + 10_000, 1, () => ({}));
    expect(book.lines.at(-1)?.fields).to.include({ suppressed: 1000 - length });
    expect(requests.slowCount).to.equal(1001);
    requests.slowMs = 0;
    requests.record(stats, quick, 100_000, 1, () => ({}));
    expect(requests.slowCount).to.equal(1001);
  });
});
