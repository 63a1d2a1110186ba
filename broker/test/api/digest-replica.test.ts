/** A replica that is held against others while its log goes on (15.7): what is told as bad is bad. */
import { expect } from "chai";
import type { BrokerContext } from "../../src/api/index.ts";
import { handleDigestReplica } from "../../src/api/digest-replica.ts";
import type { ReplicaDigest } from "../../src/api/digest-replica.ts";
import { SlabPool } from "../../src/runtime/index.ts";
import { append, asOffset, makeBatch, StorageMachine } from "../storage/support/storage-machine.ts";

async function bench() {
  const machine = new StorageMachine();
  const { log } = await machine.fresh();
  for (let count = 0; count < 40; count += 1) append(log, makeBatch());
  log.highWatermark = asOffset(20);
  await machine.synced(log);
  const suspected: number[] = [];
  const replicas = {
    log: () => log,
    suspect: (_topic: string, _partition: number, offset: number) => suspected.push(offset),
  };
  const context = { replicas, slabs: new SlabPool() } as unknown as BrokerContext;
  const digest = (): Promise<ReplicaDigest> =>
    handleDigestReplica(context, { topic: "t", partition: 0, fromOffset: 0 });
  return { machine, log, suspected, digest };
}

describe("DigestReplica", () => {
  it("calls nothing bad that was not read because the log was being cut", async () => {
    const { machine, log, suspected, digest } = await bench();
    const cut = log.truncateTo(asOffset(30));
    const during = await machine.run(digest());
    await machine.run(cut);
    expect([during.badOffset, suspected]).to.deep.equal([-1, []]);
    const after = await machine.run(digest());
    expect(after.nextOffsets.at(-1)).to.equal(20);
    expect(after.digests).to.have.length(20);
  });

  it("calls nothing bad when a cut overtakes its reads", async () => {
    for (let steps = 0; steps < 12; steps += 1) {
      const { machine, log, suspected, digest } = await bench();
      const digested = digest();
      for (let step = 0; step < steps; step += 1) await machine.world.step();
      const cut = log.truncateTo(asOffset(30));
      const { badOffset } = await machine.run(digested);
      await machine.run(cut);
      expect([badOffset, suspected], `after ${steps} steps`).to.deep.equal([-1, []]);
    }
  });

  it("tells of what is bad", async () => {
    const { machine, log, suspected, digest } = await bench();
    const path = log.segments()[1]?.path ?? "";
    const bytes = machine.bytes(path);
    bytes[80] = (bytes[80] ?? 0) ^ 1;
    machine.put(path, bytes);
    const { badOffset, nextOffsets } = await machine.run(digest());
    expect(badOffset).to.equal(log.segments()[1]?.baseOffset);
    expect(nextOffsets.at(-1)).to.equal(badOffset);
    expect(suspected).to.deep.equal([badOffset]);
  });
});
