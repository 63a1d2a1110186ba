/**
 * What `/readyz` answers while a broker waits for others (semantics 15.3(3)): where brokers are started one after the other, each when the
 * one before is ready, a cluster comes up all the same; and nobody is ready who has a controller and cannot serve yet.
 */
import { expect } from "chai";
import { ServerProcess } from "../support/server-process.ts";
import { ScratchDirectory, steadyPort } from "../support/tidemark.ts";

describe("brokers that are started in order", () => {
  const scratch = new ScratchDirectory();
  const ports: { readonly grpc: number; readonly peer: number; readonly http: number }[] = [];
  const running = new Map<number, ServerProcess>();

  before(async () => {
    for (let id = 1; id <= 4; id++)
      ports.push({ grpc: await steadyPort(), peer: await steadyPort(), http: await steadyPort() });
  });
  afterEach(async () => {
    for (const broker of running.values()) await broker.kill("SIGKILL");
    running.clear();
  });
  after(() => scratch.remove());

  /** Of four, three vote. */
  function broker(id: number): ServerProcess {
    const voters = ports.slice(0, 3).map(({ peer }, slot) => `${slot + 1}@127.0.0.1:${peer}`);
    const env = { TIDEMARK_PEERS: voters.join(","), TIDEMARK_LOG_DIRS: scratch.join(`data-${id}`) };
    const started = new ServerProcess(id, env, ports[id - 1] as (typeof ports)[number]);
    running.set(id, started);
    return started;
  }

  /** Status and word; 0: the door is not open. */
  async function readyz(id: number): Promise<readonly [number, string]> {
    const answer = await fetch(`http://127.0.0.1:${ports[id - 1]?.http}/readyz`).catch(() => null);
    return answer === null ? [0, ""] : [answer.status, await answer.text()];
  }

  async function untilReady(id: number): Promise<void> {
    while ((await readyz(id))[0] !== 200) await new Promise((resolve) => setTimeout(resolve, 50));
  }

  for (const times of ["to found a cluster", "with the data that they have"]) {
    it(`come up ${times}, each waiting for the one before to be ready`, async () => {
      for (const id of [1, 2, 3, 4]) {
        broker(id);
        await untilReady(id);
      }
      await Promise.all([...running.values()].map((each) => each.ready()));
    });
  }

  it("are not ready where they have no vote and wait for those who have", async () => {
    const fourth = broker(4);
    await fourth.said("waiting for a controller");
    const [status] = await readyz(4);
    expect(status).to.equal(503);
    for (const id of [1, 2]) {
      broker(id);
      await untilReady(id);
    }
    await untilReady(4);
    await fourth.ready();
  });

  it("are ready as soon as they can vote, and not between the election and their registration", async () => {
    const first = broker(1);
    await first.said("waiting for a controller");
    expect(await readyz(1)).to.deep.equal([200, "ok"]);
    const seen: string[] = [];
    let isOver = false;
    const second = broker(2);
    const looking = (async () => {
      while (!isOver) {
        const [status, word] = await readyz(1);
        if (seen.at(-1) !== `${status} ${word}`) seen.push(`${status} ${word}`);
      }
    })();
    await Promise.all([first.ready(), second.ready()]);
    isOver = true;
    await looking;
    expect(seen[0]).to.equal("200 ok");
    expect(seen.at(-1)).to.equal("200 ok");
    expect(
      seen.some((answer) => answer.startsWith("503 ")),
      seen.join(" | "),
    ).to.equal(true);
  });
});
