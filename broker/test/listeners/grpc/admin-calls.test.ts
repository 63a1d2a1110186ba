/** Answers of the admin service that tell of thousands of things: whole, and made a slice at a time. */
import { loadAdminService } from "@tidemark/proto/control";
import { expect } from "chai";
import type { AdminUseCases } from "../../../src/api/index.ts";
import { adminCalls } from "../../../src/listeners/grpc/admin-calls.ts";
import type { DoorContext } from "../../../src/listeners/grpc/door-context.ts";

const COUNT = 2_500;
const CLIENT = { clientId: "", dialledHost: null, isLocal: true };

/** Each slice has room for `sliceItems` things. */
function bench(sliceItems: number) {
  let made = 0;
  const madeBySlice: number[] = [0];
  const pace = {
    get isOver() {
      return made - (madeBySlice.at(-1) ?? 0) >= sliceItems;
    },
    rest: () => {
      madeBySlice.push(made);
      return Promise.resolve();
    },
  };
  function* things<Thing>(make: (slot: number) => Thing): Generator<Thing> {
    for (let slot = 0; slot < COUNT; slot += 1) {
      made += 1;
      yield make(slot);
    }
  }
  const context = { pace, config: { current: { nodeId: 7 } } } as unknown as DoorContext;
  const decode = (method: string, bytes: Buffer): object => {
    const definition = Object.entries(loadAdminService()).find(([name]) => name === method)?.[1];
    return definition?.responseDeserialize(bytes) ?? expect.fail(`there is no ${method}`);
  };
  return { context, things, decode, madeBySlice };
}

describe("answers of the admin service", () => {
  it("list thousands of topics in slices", async () => {
    const { context, things, decode, madeBySlice } = bench(100);
    const topicOf = (slot: number) => ({
      name: `topic-${slot}`,
      partitions: slot + 1,
      replicas: 3,
      internal: slot % 2 === 0,
      bytes: 2 ** 40 + slot,
    });
    const useCases = {
      handleListTopics: () => ({
        topics: things(topicOf),
        metadataOffset: 2 ** 40,
        withoutControllerMs: 5,
        otherLeaders: [1, 2],
      }),
    } as unknown as AdminUseCases;
    const answer = decode(
      "ListTopics",
      (await adminCalls(context, useCases).listTopics(Buffer.alloc(0), CLIENT)) as Buffer,
    );
    expect(answer).to.deep.equal({
      topics: Array.from({ length: COUNT }, (_, slot) => topicOf(slot)),
      metadataOffset: 2 ** 40,
      withoutControllerMs: 5,
      otherLeaders: [1, 2],
    });
    expect(madeBySlice).to.have.length(COUNT / 100 + 1);
  });

  it("list thousands of replicas of a directory in slices", async () => {
    const { context, things, decode, madeBySlice } = bench(100);
    const replicaOf = (slot: number) => ({
      topic: `topic-${slot}`,
      partition: slot,
      bytes: 2 ** 40 + slot,
      logEndOffset: 2 ** 50 + slot,
    });
    const dir = { path: "/data", message: "", totalBytes: 2 ** 40, freeBytes: -1 };
    const offline = { ...dir, path: "", code: "KAFKA_STORAGE_ERROR", message: "offline", replicas: [] };
    const useCases = {
      handleDescribeLogDirs: () => [{ ...dir, code: "NONE", replicas: things(replicaOf) }, offline],
    } as unknown as AdminUseCases;
    const bytes = (await adminCalls(context, useCases).describeLogDirs(Buffer.alloc(0), CLIENT)) as Buffer;
    expect(decode("DescribeLogDirs", bytes)).to.deep.equal({
      brokerId: 7,
      dirs: [
        {
          path: "/data",
          errorCode: 0,
          errorMessage: "",
          totalBytes: 2 ** 40,
          freeBytes: -1,
          replicas: Array.from({ length: COUNT }, (_, slot) => ({ ...replicaOf(slot), lag: 0 })),
        },
        { path: "", errorCode: 56, errorMessage: "offline", totalBytes: 2 ** 40, freeBytes: -1, replicas: [] },
      ],
    });
    expect(madeBySlice).to.have.length(COUNT / 100 + 1);
  });
});
