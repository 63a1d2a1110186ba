/** Who votes, where the peer door stands, and what of that is refused, in words that help. */
import { expect } from "chai";
import { type BrokerConfig, loadConfig } from "../../src/config/index.ts";
import type { LoadInput, LoadResult } from "../../src/config/index.ts";

const load = (input: Partial<LoadInput>): LoadResult =>
  loadConfig({ profile: "server", env: {}, flags: {}, hostName: "broker-1", ...input });

function loaded(input: Partial<LoadInput>): { config: BrokerConfig; warnings: string[] } {
  const result = load(input);
  if (!result.ok) throw new Error(JSON.stringify(result.problems));
  return result;
}

const problem = (input: Partial<LoadInput>): string => {
  const result = load(input);
  return result.ok ? "none" : result.problems.map(({ key, message }) => `${key}: ${message}`).join("; ");
};
const voters = (text: string): { flags: Record<string, string> } => ({
  flags: { "controller.quorum.voters": text },
});
const LOCAL = "1@127.0.0.1:9392,2@127.0.0.1:9393,3@127.0.0.1:9394";

describe("controller.quorum.voters", () => {
  it("is read from file, environment and flag, in both spellings", () => {
    const expected = [
      { nodeId: 1, host: "127.0.0.1", port: 9392 },
      { nodeId: 2, host: "127.0.0.1", port: 9393 },
      { nodeId: 3, host: "127.0.0.1", port: 9394 },
    ];
    for (const input of [
      voters(LOCAL),
      { file: { path: "f", text: `controller.quorum.voters=${LOCAL}` } },
      { env: { TIDEMARK_PEERS: LOCAL } },
      { env: { KAFKA_CONTROLLER_QUORUM_VOTERS: LOCAL } },
    ]) {
      const { config, warnings } = loaded(input);
      expect(config.controllerQuorumVoters).to.deep.equal(expected);
      expect(warnings).to.deep.equal([]);
    }
    expect(loaded({}).config.controllerQuorumVoters).to.equal(null);
    expect(loaded(voters(LOCAL)).config.sources.get("controller.quorum.voters")?.value).to.equal(LOCAL);
  });

  it("may be an even number, which bears no more than one less", () => {
    const of = (count: number): string[] =>
      loaded(voters(Array.from({ length: count }, (_, slot) => `${slot + 1}@127.0.0.1:${9392 + slot}`).join()))
        .warnings;
    expect(of(1)).to.deep.equal([]);
    expect(of(2)).to.deep.equal(["of 2 brokers that vote neither may fail, of 3 one may"]);
    expect(of(4)).to.deep.equal(["of 4 brokers that vote 1 may fail, as of 3; of 5, 2 may"]);
    expect(of(5)).to.deep.equal([]);
  });

  it("takes ids from host names, and the usual port", () => {
    const { config } = loaded({
      env: {
        TIDEMARK_PEERS: "broker-1,broker-2.example.org,7@[::1]:1,node03:5",
        TIDEMARK_LISTENERS: "GRPC://127.0.0.1:1,PEER://0.0.0.0:9392",
        TIDEMARK_SECURITY_ALLOW_INSECURE_LISTENERS: "PEER",
      },
    });
    expect(config.controllerQuorumVoters).to.deep.equal([
      { nodeId: 1, host: "broker-1", port: 9392 },
      { nodeId: 2, host: "broker-2.example.org", port: 9392 },
      { nodeId: 7, host: "::1", port: 1 },
      { nodeId: 3, host: "node03", port: 5 },
    ]);
  });

  it("gives this broker a peer door where the voters know it, on the loopback address", () => {
    const door = (nodeId: string): unknown =>
      loaded({ flags: { "node.id": nodeId, "controller.quorum.voters": LOCAL } }).config.listeners.find(
        ({ name }) => name === "PEER",
      );
    expect(door("2")).to.deep.equal({ name: "PEER", host: "127.0.0.1", port: 9393 });
    expect(door("8")).to.deep.equal({ name: "PEER", host: "127.0.0.1", port: 9392 });
    expect(loaded({}).config.listeners.map(({ name }) => name)).to.deep.equal(["GRPC", "HTTP"]);
  });

  it("says of a broker that is not among them that it follows", () => {
    const { warnings } = loaded({ flags: { "node.id": "8", "controller.quorum.voters": "1@a:1,2@b:1" } });
    expect(warnings.join("; ")).to.match(/node 8 is not among the voters \(1, 2\)/);
  });

  it("refuses what nobody could dial, and what stands twice", () => {
    expect(problem(voters("1@a:0"))).to.match(/port 0, which nobody can dial/);
    expect(problem(voters("1@a:70000"))).to.match(/beyond 65535/);
    expect(problem(voters("1@a:1,1@b:1"))).to.match(/node 1 stands twice/);
    expect(problem(voters("1@a:1,2@a:1"))).to.match(/nodes 1 and 2 have one address/);
    expect(problem(voters("broker:1"))).to.match(/ends in no number; write id@host/);
    expect(problem(voters("10.0.0.7:1"))).to.match(/ends in no number/);
    expect(problem(voters("99999999999@a:1"))).to.match(/id@host:port/);
    expect(problem(voters("3000000000@a:1"))).to.match(/node id beyond/);
    expect(problem(voters("1@9392"))).to.match(/"1@9392" names no host: 9392 is a number; expected id@host:port/);
    expect(problem(voters("1:9392"))).to.match(/"1:9392" names no host/);
    for (const text of ["", "x@y@z", "1@:5", "1@a b:5"])
      expect(problem(voters(text)), text).to.match(/1@broker-1:9392/);
  });

  it("refuses a voter whose door would stand where the others cannot reach it, and names what to set", () => {
    const message = problem({ env: { TIDEMARK_PEERS: "broker-1,broker-2,broker-3" } });
    expect(message)
      .to.match(/1@|dial this one/)
      .and.match(/PEER:\/\/0\.0\.0\.0:9392/)
      .and.match(/allow\.insecure/);
    const open = "GRPC://127.0.0.1:1,PEER://0.0.0.0:9392";
    expect(problem({ flags: { peers: "broker-1", listeners: open } })).to.match(/name PEER in security/);
    const anyPort = { "controller.quorum.voters": LOCAL, listeners: "GRPC://127.0.0.1:0,PEER://127.0.0.1:0" };
    expect(problem({ flags: anyPort })).to.match(/give PEER a port/);
  });

  it("warns of a door on another port than the voters dial, and of one that has no use", () => {
    const other = { "controller.quorum.voters": LOCAL, listeners: "GRPC://127.0.0.1:0,PEER://127.0.0.1:5" };
    expect(loaded({ flags: other }).warnings.join()).to.match(/1@127\.0\.0\.1:9392.*port 5/);
    expect(loaded({ flags: { listeners: "GRPC://127.0.0.1:0,PEER://127.0.0.1:5" } }).warnings.join()).to.match(
      /no use/,
    );
  });
});

describe("tidemark.host", () => {
  it("is the host name, unless it is set", () => {
    expect(loaded({}).config.host).to.equal("broker-1");
    expect(loaded({ env: { TIDEMARK_HOST: "machine-7" } }).config.host).to.equal("machine-7");
    expect(loaded({ flags: { "node.id": "4" }, hostName: undefined }).config.host).to.equal(null);
  });
});
