import { expect } from "chai";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import type { GlobalFlags } from "../../src/global-flags.ts";
import { CliFailure } from "../../src/failure.ts";
import { profilesPath } from "../../src/settings/profiles.ts";
import { resolveSettings, type ResolvedSettings } from "../../src/settings/resolve.ts";
import { testContext } from "../support/context.ts";
import { ScratchDirectory } from "../support/tidemark.ts";

describe("settings of the client", () => {
  let scratch: ScratchDirectory;
  let env: Record<string, string>;

  const resolve = (flags: Partial<GlobalFlags> = {}): Promise<ResolvedSettings> =>
    resolveSettings({ ...testContext({ flags: { broker: null, ...flags } }), env });
  const failure = async (flags: Partial<GlobalFlags>): Promise<CliFailure> => {
    const error: unknown = await resolve(flags).catch((reason: unknown) => reason);
    expect(error).to.be.instanceOf(CliFailure);
    return error as CliFailure;
  };
  const profile = (text: string): void => {
    mkdirSync(dirname(profilesPath(env)), { recursive: true });
    writeFileSync(profilesPath(env), text);
  };

  beforeEach(() => {
    scratch = new ScratchDirectory();
    env = { XDG_CONFIG_HOME: scratch.path };
  });
  afterEach(() => scratch.remove());

  it("come from flag, -X, environment, profile and default, in this order", async () => {
    const sourceOf = async (flags: Partial<GlobalFlags>): Promise<[readonly string[], string | undefined]> => {
      const { brokers, effective } = await resolve(flags);
      return [brokers, effective.find(({ key }) => key === "brokers")?.source];
    };
    expect(await sourceOf({})).to.deep.equal([["127.0.0.1:9192"], "default"]);
    profile('current = "a"\n[profiles.a]\nbrokers = "p:1, p:2,"\n[profiles.b]\nbrokers = "q:1"\n');
    expect(await sourceOf({})).to.deep.equal([["p:1", "p:2"], "profile a"]);
    expect(await sourceOf({ profile: "b" })).to.deep.equal([["q:1"], "profile b"]);
    env["TIDEMARK_PROFILE"] = "b";
    expect(await sourceOf({})).to.deep.equal([["q:1"], "profile b"]);
    env["TIDEMARK_BROKERS"] = "e:1";
    expect(await sourceOf({})).to.deep.equal([["e:1"], "TIDEMARK_BROKERS"]);
    const settings = [["brokers", "x:1"]] as const;
    expect(await sourceOf({ settings })).to.deep.equal([["x:1"], "-X"]);
    expect(await sourceOf({ settings, broker: "f:1" })).to.deep.equal([["f:1"], "-b"]);
  });

  it("reach the options of client, producer and reader", async () => {
    const settings = [
      ["timeouts.request", "5s"],
      ["retry.jitter", "0.5"],
      ["clientId", "me"],
      ["producer.batchBytes", "64KiB"],
      ["producer.maxBuffered.bytes", "1MiB"],
      ["reader.prefetch.bytes", "1000"],
      ["http", "h:1"],
    ] as const;
    const resolved = await resolve({ settings });
    expect(resolved.client).to.deep.equal({ clientId: "me", timeouts: { request: "5s" }, retry: { jitter: 0.5 } });
    expect(resolved.producer).to.deep.equal({ batchBytes: 65_536, maxBuffered: { bytes: 2 ** 20 } });
    expect(resolved.reader).to.deep.equal({ prefetch: { bytes: 1_000 } });
    expect(resolved.http).to.equal("h:1");
  });

  it("read certificates from files, and TLS may be switched off above them", async () => {
    const ca = scratch.join("ca.pem");
    writeFileSync(ca, "certificate");
    profile(`current = "a"\n[profiles.a]\ntls.ca = ${JSON.stringify(ca)}\ntls.serverName = "broker"\n`);
    expect((await resolve()).client.tls).to.deep.equal({ ca: Buffer.from("certificate"), serverName: "broker" });
    expect((await resolve({ settings: [["tls", "false"]] })).client.tls).to.equal(false);
    expect(await failure({ settings: [["tls.key", "/nonexistent"]] })).to.include({
      code: "FILE_NOT_FOUND",
      exitCode: 3,
    });
  });

  it("name the nearest key, and what a value may be", async () => {
    expect(await failure({ settings: [["timeout.request", "1s"]] })).to.include({
      hint: "did you mean timeouts.request?",
    });
    for (const [key, value, expected] of [
      ["retry.budget", "ten", "a duration"],
      ["producer.batchBytes", "1.5XB", "a size"],
      ["tls", "yes", "true or false"],
      ["reader.isolation", "none", "read_committed"],
      ["brokers", " , ", "host:port"],
      ["retry.jitter", "x", "a number"],
    ] as const)
      expect((await failure({ settings: [[key, value]] })).message, key)
        .to.include(`expected`)
        .and.include(expected);
  });

  it("do not lose a login silently, and take no secret as a flag", async () => {
    expect((await failure({ settings: [["auth.password", "hunter2"]] })).message).to.not.include("hunter2");
    expect((await failure({ settings: [["auth.username", "ada"]] })).code).to.equal("UNSUPPORTED");
    env["TIDEMARK_SASL_PASSWORD"] = "hunter2";
    const refused = await failure({});
    expect(refused).to.include({ code: "UNSUPPORTED", exitCode: 2 });
    expect(refused.message).to.include("TIDEMARK_SASL_PASSWORD").and.not.include("hunter2");
  });

  it("do not run the command behind a value that something above sets", async () => {
    profile('current = "a"\n[profiles.a]\nbrokers = { command = "exit 1" }\n');
    expect((await failure({})).code).to.equal("INVALID_PROFILES");
    expect((await resolve({ broker: "f:1" })).brokers).to.deep.equal(["f:1"]);
  });
});
