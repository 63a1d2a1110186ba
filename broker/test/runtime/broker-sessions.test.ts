/** What the end of a session is found out by, where the controller's tests do not see it. */
import { expect } from "chai";
import { SeededRandom } from "../../src/base/index.ts";
import { BrokerSessions } from "../../src/runtime/broker-sessions.ts";
import { SimWorld } from "../../src/sim/index.ts";
import { LogBook } from "../listeners/http/fixtures.ts";
import { clusterOf, testConfig } from "../metadata/fixtures.ts";

describe("BrokerSessions", () => {
  it("dial a broker that is gone twice, and not again while its end is on its way", async () => {
    const world = new SimWorld(new SeededRandom(1));
    const process = world.startProcess();
    const lose: (() => void)[] = [];
    const ended: string[] = [];
    let dials = 0;
    const sessions = new BrokerSessions({
      nodeId: 1,
      config: () => testConfig(),
      clock: process,
      timers: process,
      peers: {
        watch: (_brokerId, onLost) => {
          lose.push(onLost);
          return () => undefined;
        },
        isRefused: async () => {
          dials += 1;
          return true;
        },
        replicaEnds: () => Promise.reject(new Error("nobody asks")),
      },
      logger: new LogBook(),
      endSession: (brokerId, _epoch, why) => void ended.push(`${brokerId}: ${why.kind}`),
    });
    sessions.start(clusterOf(2));
    for (let times = 0; times < 5; times += 1) {
      for (const onLost of lose) onLost();
      // oxlint-disable-next-line no-await-in-loop
      await world.runFor(500);
    }
    expect(dials).to.equal(2);
    expect(ended).to.deep.equal(["2: gone"]);
    sessions.stop();
  });
});
