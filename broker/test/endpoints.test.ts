import { expect } from "chai";
import { endpointOfOther } from "../src/endpoints.ts";

describe("where a client reaches another broker (15.4(2))", () => {
  const seen = (
    registeredHost: string,
    dialledHost: string | null,
    over: { isSameMachine?: boolean; isLocal?: boolean; isExplicit?: boolean } = {},
  ): string => {
    const { isSameMachine = true, isLocal = false, isExplicit = false } = over;
    const other = { registered: { host: registeredHost, port: 9193 }, isSameMachine };
    const { host, port } = endpointOfOther(other, { dialledHost, isLocal }, { host: "broker-1", isExplicit });
    return `${host}:${port}`;
  };

  it("is what it has registered, where it stands on another machine, or nobody knows how the client came", () => {
    expect(seen("broker-2", "localhost", { isSameMachine: false })).to.equal("broker-2:9193");
    expect(seen("127.0.0.1", "broker-1", { isSameMachine: false })).to.equal("127.0.0.1:9193");
    expect(seen("broker-2", null)).to.equal("broker-2:9193");
  });

  it("is the host that the client dialled, for a door on the loopback address of the same machine", () => {
    expect(seen("127.0.0.1", "localhost", { isLocal: true })).to.equal("localhost:9193");
    expect(seen("127.0.0.1", "::1", { isLocal: true })).to.equal("::1:9193");
  });

  it("is the host that the client dialled, when it came by a forwarded port of the machine that both run on", () => {
    expect(seen("broker-2", "localhost")).to.equal("localhost:9193");
    expect(seen("broker-2", "docker.example.org")).to.equal("docker.example.org:9193");
  });

  it("is what it has registered for who came by this broker's registered name, or from beside it", () => {
    expect(seen("broker-2", "broker-1")).to.equal("broker-2:9193");
    expect(seen("broker-2", "localhost", { isLocal: true })).to.equal("broker-2:9193");
  });

  it("is what it has advertised, where this one advertises too, whatever name the client dialled (15.4(1))", () => {
    expect(seen("b2.example.org", "bootstrap.example.org", { isExplicit: true })).to.equal("b2.example.org:9193");
  });
});
