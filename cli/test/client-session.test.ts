/** What the SDK logs, as a command says it. */
import { expect } from "chai";
import { sdkLogger } from "../src/client-session.ts";
import { testContext, textOf } from "./support/context.ts";

describe("the SDK's log on stderr", () => {
  it("has each warning once, and -q does not silence it: a full broker is waited for until the delivery timeout", () => {
    const context = testContext({ flags: { isQuiet: true } });
    const logger = sdkLogger(context);
    const refused = { topic: "t", partition: 0, code: "KAFKA_STORAGE_ERROR", message: "memory is full" };
    logger.warn(refused, "a batch was refused");
    logger.warn({ ...refused, partition: 1 }, "a batch was refused");
    expect(textOf(context.stderr)).to.equal("warning: a batch was refused: memory is full; trying again\n");
  });

  it("has another reason for the same too: who waits hears of a minimum that nobody meets, also after a change of leaders", () => {
    const context = testContext();
    const logger = sdkLogger(context);
    for (const [code, message] of [
      ["NOT_LEADER_OR_FOLLOWER", "This broker does not lead the partition."],
      ["NOT_ENOUGH_REPLICAS", "Too few replicas are in sync."],
      ["NOT_LEADER_OR_FOLLOWER", "This broker does not lead the partition."],
    ] as const)
      logger.warn({ topic: "t", partition: 0, code, message }, "a batch was refused");
    expect(textOf(context.stderr)).to.equal(
      "warning: a batch was refused: This broker does not lead the partition; trying again\n" +
        "warning: a batch was refused: Too few replicas are in sync; trying again\n",
    );
  });

  it("tells once of a topic that was created, and not with -q", () => {
    const created = { event: "topic-created", topic: "t", partitions: 1 };
    for (const [isQuiet, told] of [
      [false, "created topic t (1 partition)\n"],
      [true, ""],
    ] as const) {
      const context = testContext({ flags: { isQuiet } });
      const logger = sdkLogger(context);
      logger.info(created, "a topic was created");
      logger.info(created, "a topic was created");
      expect(textOf(context.stderr)).to.equal(told);
    }
  });
});
