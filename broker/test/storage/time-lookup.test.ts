/** Offsets by time (12.4) against a walk over all records: over segments, restarts, lost indexes, log starts and limits. */
import { expect } from "chai";
import fc from "fast-check";
import { setLogAppendTime } from "@tidemark/proto";
import { append, asOffset, DATA, makeBatch, makeMarker, StorageMachine } from "./support/storage-machine.ts";

const P = `${DATA}/t-0`;

interface Written {
  readonly offset: number;
  readonly timestamp: number;
}

describe("offsets by time (12.4)", () => {
  const clientBatch = fc.record({
    kind: fc.constant("client" as const),
    timestamps: fc.array(fc.integer({ min: -1, max: 300 }), { minLength: 1, maxLength: 4 }),
  });
  const brokerBatch = fc.record({
    kind: fc.constant("broker" as const),
    records: fc.integer({ min: 1, max: 3 }),
    now: fc.nat(300),
  });
  const marker = fc.record({ kind: fc.constant("marker" as const), now: fc.nat(310) });
  const batch = fc.oneof(
    { weight: 6, arbitrary: clientBatch },
    { weight: 2, arbitrary: brokerBatch },
    { weight: 1, arbitrary: marker },
  );

  it("equal those of a walk over all records", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(batch, { minLength: 1, maxLength: 70 }),
        fc.record({
          restart: fc.constantFrom("none", "clean", "kill"),
          lost: fc.constantFrom("nothing", ".timeindex", ".index", "torn"),
          start: fc.double({ min: 0, max: 1, noNaN: true }),
          limit: fc.double({ min: 0, max: 1, noNaN: true }),
          interval: fc.constantFrom(0, 200, 100_000),
        }),
        fc.array(fc.integer({ min: -1, max: 310 }), { minLength: 1, maxLength: 8 }),
        async (batches, shape, asked) => {
          const machine = new StorageMachine();
          const config = { segmentBytes: 700, indexIntervalBytes: shape.interval };
          let { directory, log } = await machine.fresh(config);
          const records: Written[] = [];
          for (const one of batches) {
            const { logEndOffset } = log;
            let timestamps: readonly number[];
            if (one.kind === "client") {
              timestamps = one.timestamps;
              append(log, makeBatch({ timestamps, valueBytes: 1 }));
            } else if (one.kind === "broker") {
              // What the client said counts no more.
              const bytes = makeBatch({ timestamps: Array.from({ length: one.records }, () => 299), valueBytes: 1 });
              setLogAppendTime(bytes, 0, one.now);
              timestamps = Array.from({ length: one.records }, () => one.now);
              append(log, bytes);
            } else {
              timestamps = [one.now];
              append(log, makeMarker({ producerId: 1, type: "commit", timestamp: one.now }));
            }
            timestamps.forEach((timestamp, delta) => records.push({ offset: logEndOffset + delta, timestamp }));
          }
          if (shape.restart === "clean") await machine.run(directory.close(1));
          if (shape.restart !== "none") {
            for (const name of machine.names().slice(0, -4)) {
              if (shape.lost !== "torn" && name.endsWith(shape.lost)) machine.disk.unlink(`${P}/${name}`);
              if (shape.lost === "torn" && name.endsWith("index")) machine.put(`${P}/${name}`, "torn");
            }
            machine.restart("process");
            ({ directory, log } = await machine.again(config));
          }
          const end = log.logEndOffset;
          expect(end).to.equal(records.length);
          log.highWatermark = end;
          const start = asOffset(Math.floor(shape.start * end));
          await machine.run(log.raiseLogStart(start));
          const limit = asOffset(Math.max(start, Math.ceil(shape.limit * end)));
          const readable = records.filter(({ offset }) => offset >= start && offset < limit);
          for (const timestamp of asked) {
            const expected = readable.find((record) => record.timestamp >= timestamp) ?? null;
            expect(await machine.run(log.findByTimestamp(timestamp, limit)), `at ${timestamp}`).to.deep.equal(expected);
          }
          const largest = Math.max(...readable.map(({ timestamp }) => timestamp));
          const newest = readable.find(({ timestamp }) => timestamp === largest) ?? null;
          expect(await machine.run(log.findMaxTimestamp(limit))).to.deep.equal(newest);
        },
      ),
      { numRuns: 150 },
    );
  });

  it("are not answered from a log that is cut meanwhile, at whatever step of the search", async () => {
    let refusedCount = 0;
    for (let read = 0; read < 12; read += 1) {
      for (const find of ["findByTimestamp", "findMaxTimestamp"] as const) {
        const machine = new StorageMachine();
        const { log } = await machine.fresh({ segmentBytes: 1_000_000, indexIntervalBytes: 100_000 });
        // Every batch is new enough by its header, and all records but the last lie below the log start.
        for (let i = 0; i < 9; i += 1) append(log, makeBatch({ timestamps: [200 + i, 1], valueBytes: 3000 }));
        log.highWatermark = asOffset(17);
        await machine.run(log.raiseLogStart(asOffset(1)));
        machine.medium.faults.add({ operation: "read", effect: "stall", stallMs: 500, skipCount: read });
        const search =
          find === "findByTimestamp" ? log.findByTimestamp(208, asOffset(18)) : log.findMaxTimestamp(asOffset(17));
        const outcome = search.then(
          () => "found",
          (error: unknown) => (error instanceof Error && "code" in error ? error.code : error),
        );
        await machine.letPass(50);
        await machine.run(log.truncateTo(asOffset(2)));
        const ended = await machine.run(outcome);
        if (ended === "LOG_UNAVAILABLE") refusedCount += 1;
        else expect(ended, `read ${read} of ${find}`).to.equal("found");
      }
    }
    expect(refusedCount).to.be.above(3);
  });
});
