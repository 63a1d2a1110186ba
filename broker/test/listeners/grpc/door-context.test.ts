import { Metadata } from "@grpc/grpc-js";
import { expect } from "chai";
import { clientFrom, clientOf } from "../../../src/listeners/grpc/door-context.ts";

describe("what the gRPC door learns of a client", () => {
  const named = (name: string): { surface: string; stream: string } => {
    const metadata = new Metadata();
    metadata.set("tidemark-client-id", name);
    return {
      surface: clientOf({ metadata, getHost: () => "broker-1:9192" }).clientId,
      stream: clientFrom({ "tidemark-client-id": name, ":authority": "broker-1:9192" }).clientId,
    };
  };

  it("is the name it gives itself, cut to what a log line bears", () => {
    expect(named("billing")).to.deep.equal({ surface: "billing", stream: "billing" });
    const long = "x".repeat(5_000);
    expect(named(long)).to.deep.equal({ surface: long.slice(0, 256), stream: long.slice(0, 256) });
  });

  it("is nothing where it gives none", () => {
    expect(clientOf({ metadata: new Metadata(), getHost: () => "" })).to.deep.equal({
      clientId: "",
      dialledHost: null,
    });
    expect(clientFrom({})).to.deep.equal({ clientId: "", dialledHost: null });
  });
});
