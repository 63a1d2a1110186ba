/** `raft recover` on a broker that never had a vote, where those that had are gone for ever: the others find it by their configuration. */
import { rmSync } from "node:fs";
import { expect } from "chai";
import { runInProcess } from "../support/in-process.ts";
import { ServerProcess } from "../support/server-process.ts";
import { ScratchDirectory, steadyPort } from "../support/tidemark.ts";

describe("tidemark raft recover (the only voter is gone)", () => {
  const scratch = new ScratchDirectory();
  const ports: { readonly grpc: number; readonly peer: number }[] = [];
  const running = new Map<number, ServerProcess>();

  before(async () => {
    for (let id = 1; id <= 3; id++) ports.push({ grpc: await steadyPort(), peer: await steadyPort() });
  });
  after(async () => {
    await Promise.all([...running.values()].map((broker) => broker.kill("SIGKILL")));
    scratch.remove();
  });

  const directory = (id: number): string => scratch.join(`data-${id}`);

  function broker(id: number, voter: number): ServerProcess {
    const peers = `${voter}@127.0.0.1:${ports[voter - 1]?.peer}`;
    const env = { TIDEMARK_PEERS: peers, TIDEMARK_LOG_DIRS: directory(id) };
    const started = new ServerProcess(id, env, ports[id - 1] as (typeof ports)[number]);
    running.set(id, started);
    return started;
  }

  it("is joined by the others, whose metadata names none but the lost one", async () => {
    const [ready] = await Promise.all([1, 2, 3].map((id) => broker(id, 1).ready()));
    for (const each of running.values()) await each.kill("SIGKILL");
    rmSync(directory(1), { recursive: true });
    const args = ["raft", "recover", "--data-dir", directory(2), "--yes"];
    const recovered = await runInProcess(args, { env: { XDG_CONFIG_HOME: scratch.path } });
    expect(recovered.code, recovered.stderr).to.equal(0);
    expect(recovered.stderr).to.include("node 2 had no vote").and.include("controller.quorum.voters");
    const [, third] = await Promise.all([2, 3].map((id) => broker(id, 2).ready()));
    expect(third?.clusterId).to.equal(ready?.clusterId);
  });
});
