/** A learner that leads for a moment, as the controller on it and those on the voters see it (decision 0019). */
import { expect } from "chai";
import { registration } from "../metadata/fixtures.ts";
import { ControllerBench, type ControllerNode } from "./support/controller-bench.ts";

const LEARNER = 4;

/**
 * Three voters and a learner. The first leader was cut off with an addition of the learner that nobody else has; the second was heard by
 * the learner alone and is dead. Without the learner nobody can be elected.
 */
async function standstill(
  bench: ControllerBench,
): Promise<{ readonly learner: ControllerNode; readonly dead: number }> {
  await bench.birth(3, 1);
  const learner = bench.node(LEARNER);
  await bench.until(() => learner.image.controllerId > 0);
  await bench.run(1000);
  const cutOff = bench.controller.leaderId;
  const { driver } = bench.node(cutOff);
  bench.cut.add(cutOff);
  expect(driver.addVoter(learner.driver.replica)).to.include({ ok: true });
  bench.isLost = ({ kind, to }) => kind === "appendRequest" && to.nodeId !== LEARNER;
  const held = learner.driver.lastIndex;
  await bench.until(() => learner.driver.lastIndex > held);
  const dead = learner.controller.leaderId;
  bench.kill(dead);
  bench.cut.clear();
  bench.isLost = () => false;
  return { learner, dead };
}

describe("A learner that is called to lead", () => {
  it("decides nothing, keeps nobody waiting, and leaves the metadata to a voter", async () => {
    const bench = new ControllerBench(LEARNER);
    const { learner, dead } = await standstill(bench);
    // What it sends is not acknowledged yet, so that it leads on.
    bench.isLost = ({ kind, to }) => to.nodeId === LEARNER && kind.startsWith("append");
    await bench.until(() => learner.driver.softState.role === "leader");
    await bench.run(100);

    expect(learner.controller.isActive).to.equal(false);
    expect(learner.controller.quorum).to.include({ role: "leader", leaderId: LEARNER });
    const listed = learner.controller.quorum?.nodes.filter(({ isVoter }) => isVoter).map(({ id }) => id);
    expect(listed).to.deep.equal([1, 2, 3]);
    for (const { controller } of bench.nodes.values()) expect(controller.leaderId).to.equal(LEARNER);
    const asked = learner.controller.registerBroker(registration(7)).catch((error: unknown) => error);

    bench.isLost = () => false;
    await bench.until(() => bench.leader !== null);
    expect(await bench.done(asked)).to.include({ code: "NOT_CONTROLLER" });
    const { leaderId } = bench.controller;
    expect(leaderId).to.be.oneOf([1, 2, 3].filter((nodeId) => nodeId !== dead));
    const { brokerEpoch } = await bench.done(bench.controller.registerBroker(registration(7)));
    // It asks the voters for the log after an election time, as any learner.
    await bench.until(() => learner.image.brokers.has(7));
    expect(learner.controller.quorum).to.include({ role: "learner", leaderId });
    for (const { image, faults } of bench.nodes.values()) {
      expect(image).to.include({ controllerId: leaderId });
      expect(image.brokers.get(7)).to.include({ brokerEpoch });
      expect(faults).to.deep.equal([]);
    }
    expect(learner.logged).to.not.include("this node decides on the cluster's metadata");
  });
});
