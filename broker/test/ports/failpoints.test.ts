import { expect } from "chai";
import { DiskFault, FailpointRegistry, noFailpoint, parseFailpoints } from "../../src/ports/index.ts";

const reasonOf = (text: string): string => {
  const parsed = parseFailpoints(text);
  return parsed.ok ? "" : parsed.reason;
};

describe("what TIDEMARK_FAILPOINTS says", () => {
  it("is a list of name=action[:nth]; the first passage is meant where none is named", () => {
    expect(
      parseFailpoints("storage.roll.afterCreate=crash, isr.propose=drop:3,raft.vote.beforeWrite=pause(250)"),
    ).to.deep.equal({
      ok: true,
      armed: [
        { name: "storage.roll.afterCreate", action: { kind: "crash" }, nth: 1 },
        { name: "isr.propose", action: { kind: "drop" }, nth: 3 },
        { name: "raft.vote.beforeWrite", action: { kind: "pause", ms: 250 }, nth: 1 },
      ],
    });
    expect(parseFailpoints("checkpoint.afterTemp=error(ENOSPC):2")).to.deep.equal({
      ok: true,
      armed: [{ name: "checkpoint.afterTemp", action: { kind: "error", code: "ENOSPC" }, nth: 2 }],
    });
  });

  it("is refused with what is wrong with it", () => {
    expect(reasonOf("")).to.equal('"" is not name=action[:nth]');
    expect(reasonOf("crash")).to.equal('"crash" is not name=action[:nth]');
    expect(reasonOf("storage.append.never=crash")).to.equal("there is no failpoint storage.append.never");
    expect(reasonOf("toString=crash")).to.equal("there is no failpoint toString");
    expect(reasonOf("isr.propose=crash:0")).to.equal("the first passage of isr.propose is number 1");
    expect(reasonOf("storage.append.afterWrite=drop")).to.equal("nothing can be dropped at storage.append.afterWrite");
    expect(reasonOf("isr.propose=error(EIO)")).to.equal("no operation of a disk follows isr.propose");
    for (const action of ["explode", "pause", "pause(x)", "error(EWHAT)", "crash(1)", "error"])
      expect(reasonOf(`checkpoint.afterTemp=${action}`), action).to.contain("wants crash, pause(ms), error(");
  });
});

describe("a failpoint", () => {
  it("does what was asked at its nth passage, once", () => {
    const deeds: string[] = [];
    const { failpoint } = new FailpointRegistry(
      { crash: (name) => deeds.push(`crash ${name}`), pause: (ms) => deeds.push(`pause ${ms}`) },
      [
        { name: "storage.append.afterWrite", action: { kind: "crash" }, nth: 2 },
        { name: "shutdown.begin", action: { kind: "pause", ms: 7 }, nth: 1 },
        { name: "isr.propose", action: { kind: "drop" }, nth: 2 },
        { name: "checkpoint.afterTemp", action: { kind: "error", code: "EIO" }, nth: 1 },
      ],
    );
    for (let passage = 0; passage < 4; passage++) failpoint("storage.append.afterWrite");
    failpoint("shutdown.begin");
    expect(deeds).to.deep.equal(["crash storage.append.afterWrite", "pause 7"]);
    expect([1, 2, 3].map(() => failpoint("isr.propose"))).to.deep.equal([false, true, false]);
    expect(() => failpoint("checkpoint.afterTemp"))
      .to.throw(DiskFault)
      .with.property("kind", "EIO");
    expect(failpoint("checkpoint.afterTemp")).to.equal(false);
  });

  it("does nothing where nobody asks", () => {
    expect(noFailpoint("storage.append.beforeWrite")).to.equal(false);
  });
});
