import { expect } from "chai";
import { explainStartFailure } from "../../src/platform/start-failure.ts";

describe("a start whose port is taken", () => {
  const busy = Object.assign(new Error("the gRPC door cannot listen on 127.0.0.1:9193: the address is in use"), {
    code: "EADDRINUSE",
    port: 9193,
  });
  const failure = (owners: Readonly<Record<number, number>>) =>
    explainStartFailure(busy, { portHint: (port) => `move ${port}`, ports: [0, 9192, 9193, 9194, 9292] }, (port) => {
      const pid = owners[port];
      return pid === undefined ? null : { pid, command: "tidemark dev" };
    });

  it("names who has it, and who has the others that are wanted", () => {
    const { code, hint, message, details } = failure({ 9192: 7, 9193: 7, 9292: 8, 9194: process.pid });
    expect({ code, hint }).to.deep.equal({ code: "PORT_IN_USE", hint: "move 9193" });
    expect(message).to.equal(`${busy.message}, by pid 7 (tidemark dev); and so are 9192, 9292 (pid 8)`);
    expect(details?.["others"]).to.deep.equal([
      { port: 9192, pid: 7 },
      { port: 9292, pid: 8 },
    ]);
  });

  it("names none where no other is taken, or nobody can be seen", () => {
    expect(failure({ 9193: 7 }).message).to.equal(`${busy.message}, by pid 7 (tidemark dev)`);
    expect(failure({}).message).to.equal(`${busy.message}, by a process that cannot be seen from here`);
  });
});
