import { Metadata } from "@grpc/grpc-js";
import { expect } from "chai";
import { clientFrom, clientOf } from "../../../src/listeners/grpc/door-context.ts";

describe("what the gRPC door learns of a client", () => {
  const named = (name: string): { surface: string; stream: string } => {
    const metadata = new Metadata();
    metadata.set("tidemark-client-id", name);
    return {
      surface: clientOf({ metadata, getHost: () => "broker-1:9192", getPeer: () => "10.0.0.1:40000" }).clientId,
      stream: clientFrom({ "tidemark-client-id": name, ":authority": "broker-1:9192" }).clientId,
    };
  };

  it("is the name it gives itself, cut to what a log line bears", () => {
    expect(named("billing")).to.deep.equal({ surface: "billing", stream: "billing" });
    const long = "x".repeat(5_000);
    expect(named(long)).to.deep.equal({ surface: long.slice(0, 256), stream: long.slice(0, 256) });
  });

  it("is nothing where it gives none", () => {
    const none = { clientId: "", dialledHost: null, isLocal: false };
    expect(clientOf({ metadata: new Metadata(), getHost: () => "", getPeer: () => "unknown" })).to.deep.equal(none);
    expect(clientFrom({})).to.deep.equal(none);
  });

  it("is whether it came over this machine's own loopback address", () => {
    const own = ["127.0.0.1", "127.1.2.3", "::1", "::ffff:127.0.0.1"];
    for (const address of [...own, "172.18.0.1", "fd00::1", "::ffff:10.0.0.1"]) {
      const surface = { metadata: new Metadata(), getHost: () => "localhost:9192", getPeer: () => `${address}:40000` };
      const isLocal = own.includes(address);
      expect(clientOf(surface), address).to.deep.equal({ clientId: "", dialledHost: "localhost", isLocal });
      expect(clientFrom({ ":authority": "localhost:9192" }, address).isLocal, address).to.equal(isLocal);
    }
  });
});
