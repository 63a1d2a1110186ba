import { expect } from "chai";
import { Pace } from "../../../src/listeners/grpc/pace.ts";

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe("Pace", () => {
  let now = 0;
  const paceOf = (maxBytes = 1_000_000): Pace => new Pace({ maxBytes, now: () => now });

  it("is over when the slice of this turn is, and begins anew with the next turn", async () => {
    const pace = paceOf();
    expect(pace.isTaken).to.equal(false);
    now += 100;
    expect([pace.isTaken, pace.isOver]).to.deep.equal([true, true]);
    await turn();
    expect([pace.isTaken, pace.isOver]).to.deep.equal([false, false]);
  });

  it("lets one call more begin in each turn, in order, and those that have begun before all others", async () => {
    const pace = paceOf();
    const order: string[] = [];
    const call = async (name: string, rests: number): Promise<void> => {
      await pace.turn(1);
      order.push(name);
      for (let i = 1; i <= rests; i++) {
        await pace.rest();
        order.push(`${name}${i}`);
      }
    };
    const calls = [call("a", 2), call("b", 0), call("c", 1)];
    expect(pace.isTaken).to.equal(true);
    await turn();
    expect(order).to.deep.equal(["a"]);
    await Promise.all(calls);
    expect(order).to.deep.equal(["a", "a1", "a2", "b", "c", "c1"]);
    await turn();
    expect(pace.isTaken).to.equal(false);
  });

  it("keeps the order over thousands", async () => {
    const pace = paceOf(100_000_000);
    const order: number[] = [];
    const calls = Array.from({ length: 5_000 }, (_, i) => pace.turn(0).then(() => order.push(i)));
    await Promise.all(calls);
    expect(order).to.deep.equal(Array.from({ length: 5_000 }, (_, i) => i));
  });

  it("refuses a call whose bytes would be too many beside those that wait, and takes one of any size alone", async () => {
    const pace = paceOf(100_000);
    const large = pace.turn(1_000_000);
    const refused = await pace.turn(1).catch((error: unknown) => error);
    expect(refused).to.have.property("code", "THROTTLING_QUOTA_EXCEEDED");
    await large;
    await pace.turn(1);
  });
});
