import { expect } from "chai";
import { SeededRandom } from "../../src/base/index.ts";
import { SERVED_BYTES_PER_TURN, Turn } from "../../src/runtime/index.ts";
import { WORK_PER_TURN } from "../../src/runtime/turn.ts";
import { SimWorld } from "../../src/sim/index.ts";

describe("Turn", () => {
  it("runs work before flushes, and what they ask for in the same turn", async () => {
    const world = new SimWorld(new SeededRandom(1));
    const turn = new Turn(world.startProcess());
    const order: string[] = [];
    turn.flush(() => {
      order.push("flush 1");
      turn.work(() => order.push("work asked for by flush 1"));
    });
    turn.work(() => {
      order.push("work 1");
      turn.flush(() => order.push("flush asked for by work 1"));
    });
    turn.work(() => order.push("work 2"));
    expect(order, "nothing runs inside the call").to.deep.equal([]);
    await world.runUntilIdle();
    expect(order).to.deep.equal([
      "work 1",
      "work 2",
      "flush 1",
      "work asked for by flush 1",
      "flush asked for by work 1",
    ]);
  });

  it("has an end however much work there is: what is ready leaves, and the rest comes behind what arrived meanwhile", async () => {
    const world = new SimWorld(new SeededRandom(1));
    const process = world.startProcess();
    const turn = new Turn(process);
    const order: string[] = [];
    for (let job = 0; job <= WORK_PER_TURN; job++)
      turn.work(() => {
        order.push(`work ${job}`);
        if (job === 0) process.endOfTurn(() => order.push("arrived"));
        if (job % WORK_PER_TURN === 0) turn.flush(() => order.push(`flush ${job}`));
      });
    await world.runUntilIdle();
    expect(order.slice(WORK_PER_TURN - 1)).to.deep.equal([
      `work ${WORK_PER_TURN - 1}`,
      "flush 0",
      "arrived",
      `work ${WORK_PER_TURN}`,
      `flush ${WORK_PER_TURN}`,
    ]);
  });

  it("costs nothing while nobody asks", async () => {
    const world = new SimWorld(new SeededRandom(1));
    new Turn(world.startProcess());
    await world.runUntilIdle();
    expect(world.waitingCount).to.equal(0);
  });

  it("goes on with the rest in a later turn when a job throws", async () => {
    const world = new SimWorld(new SeededRandom(1));
    const turn = new Turn(world.startProcess());
    const order: string[] = [];
    turn.work(() => {
      throw new Error("planted");
    });
    turn.work(() => order.push("second"));
    let thrown: unknown;
    await world.runUntilIdle().catch((error: unknown) => {
      thrown = error;
    });
    await world.runUntilIdle();
    expect(String(thrown)).to.match(/planted/);
    expect(order).to.deep.equal(["second"]);
  });

  it("gives readers what is left of a turn, as many bytes as fit into their share, and each his place in the next", async () => {
    const world = new SimWorld(new SeededRandom(1));
    const process = world.startProcess();
    const turn = new Turn(process);
    const order: string[] = [];
    const serveTwice = (name: string): void => {
      turn.serve(() => {
        order.push(name);
        // Has more to say, and goes behind the others for it.
        turn.serve(() => {
          order.push(`${name} again`);
          return SERVED_BYTES_PER_TURN;
        });
        return SERVED_BYTES_PER_TURN / 2;
      });
    };
    serveTwice("a");
    serveTwice("b");
    serveTwice("c");
    turn.work(() => order.push("work"));
    turn.flush(() => order.push("flush"));
    // Arrives while the readers are served: it waits for none that has not begun.
    process.endOfTurn(() => turn.work(() => order.push("arrived later")));
    await world.runUntilIdle();
    expect(order).to.deep.equal(["work", "flush", "a", "b", "arrived later", "c", "a again", "b again", "c again"]);
  });

  it("does not count what is said without bytes", async () => {
    const world = new SimWorld(new SeededRandom(1));
    const process = world.startProcess();
    const turn = new Turn(process);
    let servedCount = 0;
    for (let i = 0; i < 1_000; i++)
      turn.serve(() => {
        servedCount++;
        return 0;
      });
    let servedInFirstTurn = 0;
    process.endOfTurn(() => {
      servedInFirstTurn = servedCount;
    });
    await world.runUntilIdle();
    expect(servedInFirstTurn).to.equal(1_000);
  });
});
