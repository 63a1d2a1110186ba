/** What a broker has set goes with it. */
import { expect } from "chai";
import { SeededRandom } from "../src/base/index.ts";
import { BrokerTimers } from "../src/broker-timers.ts";
import { SimWorld } from "../src/sim/index.ts";

describe("timers of a broker", () => {
  const world = new SimWorld(new SeededRandom(1));
  const process = world.startProcess();
  const ran: string[] = [];
  const timers = new BrokerTimers(process);

  it("run once and in time, unless they are cancelled", async () => {
    timers.after(10, () => ran.push("in time"));
    timers.after(20, () => ran.push("cancelled")).cancel();
    await world.runFor(100);
    expect(ran).to.deep.equal(["in time"]);
    expect(world.errandsOf(process)).to.deep.equal([]);
  });

  it("run no more when it has stopped, those that are set afterwards neither, and none is kept", async () => {
    timers.after(10, () => ran.push("set before"));
    expect(world.errandsOf(process)).to.have.length(1);
    timers.close();
    timers.after(10, () => ran.push("set behind")).cancel();
    timers.after(10, () => ran.push("set behind"));
    expect(world.errandsOf(process)).to.deep.equal([]);
    await world.runFor(100);
    expect(ran).to.deep.equal(["in time"]);
  });
});
