import { expect } from "chai";
import { IdleNote } from "../../src/testing/idle-note.ts";

const turn = (ms: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, ms);
  });

/** As an error that was made in the kit, called by a test. */
function started(): Error {
  const error = new Error("started");
  error.stack = [
    "Error: started",
    "    at startTestCluster (file:///app/node_modules/@tidemark/broker/dist/src/testing/test-cluster.js:60:31)",
    "    at Cluster.start (file:///app/node_modules/tidemark/dist/src/testing/cluster.js:70:27)",
    "    at file:///app/test/orders.test.mjs:10:27",
  ].join("\n");
  return error;
}

describe("IdleNote", () => {
  it("tells once where the cluster was started that nobody uses", async () => {
    const said: string[] = [];
    const note = new IdleNote(started(), { afterMs: 2, write: (text) => said.push(text) });
    while (said.length === 0) await turn(1);
    note.touch();
    await turn(5);
    expect(said).to.have.length(1);
    expect(said[0]).to.equal(
      "tidemark/testing: the test cluster that was started at file:///app/test/orders.test.mjs:10:27 was not used for 0.002 s, " +
        'and keeps this process alive. When the tests are done, stop() ends it (in an "after" hook), and so does "await using".\n',
    );
  });

  it("says nothing while something of it is waited for, and counts from the end of that", async () => {
    const said: string[] = [];
    const note = new IdleNote(started(), { afterMs: 2, write: (text) => said.push(text) });
    await note.during(turn(10));
    expect(said).to.deep.equal([]);
    while (said.length === 0) await turn(1);
  });

  it("says nothing of one that was ended", async () => {
    const said: string[] = [];
    const note = new IdleNote(started(), { afterMs: 1, write: (text) => said.push(text) });
    note.close();
    note.touch();
    await turn(5);
    expect(said).to.deep.equal([]);
  });
});
