import { BrokerError, type Client } from "@tidemark/client";
import { expect } from "chai";
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gather, redactionFor, supportBundle } from "../../src/commands/support.ts";
import { writeGenerated } from "../../src/output/generated-file.ts";
import { testContext } from "../support/context.ts";

const silent = (): BrokerError => new BrokerError("TIMEOUT", "broker 2 at db2.example:9192: no answer");

/** What has no answer here is a broker that is silent. */
function adminOf(answers: Partial<Record<string, unknown>>): Client["admin"] {
  const answer = (name: string) => () => {
    const given = answers[name];
    if (given !== undefined) return given;
    throw silent();
  };
  const groups = Object.fromEntries(
    ["raft", "topics", "partitions", "logs", "configs"].map((group) => [
      group,
      new Proxy({}, { get: (_, name) => answer(`${group}.${String(name)}`) }),
    ]),
  );
  const admin = { get: (_: object, name: string) => groups[name] ?? answer(name) };
  return new Proxy({}, admin) as unknown as Client["admin"];
}

async function* rowsUntilSilence(...rows: readonly unknown[]): AsyncGenerator {
  yield* rows;
  throw silent();
}

describe("support bundle", () => {
  const options = { signal: new AbortController().signal };

  it("keeps what was told before one broker was silent", async () => {
    const row = { topic: "orders", partition: 0, broker: 1 };
    const { pieces, missing } = await gather(adminOf({ "logs.dirs": rowsUntilSilence(row) }), options);
    expect(pieces.get("log-dirs")).to.deep.equal([row]);
    expect(missing["log-dirs"]).to.match(/^TIMEOUT: /u);
  });

  it("goes on without anybody who knows the cluster, and with the brokers where their versions are not told", async () => {
    const { pieces, missing } = await gather(adminOf({ features: { "peer.protocol": 1 } }), options);
    expect([...pieces.keys()]).to.deep.equal(["features"]);
    expect(missing).to.include.keys("cluster", "topics", "configs-cluster");
    let asked = 0;
    const answers = {
      "configs.get": [],
      get cluster() {
        asked += 1;
        return asked === 1 ? { brokers: [{ id: 7 }] } : undefined;
      },
    };
    const told = await gather(adminOf(answers), options);
    expect(told.pieces.get("cluster")).to.deep.equal({ brokers: [{ id: 7 }] });
    expect(told.pieces.has("configs-broker-7")).to.equal(true);
    expect(told.missing).to.include.keys("cluster");
  });

  it("ends when it is told to", async () => {
    const aborted = { signal: AbortSignal.abort() };
    const failure = await gather(adminOf({}), aborted).catch((error: unknown) => error);
    expect(failure).to.be.instanceOf(BrokerError);
  });

  it("redacts where it was told to ask, and what it says of what is missing", () => {
    const missing = {
      health: "CONNECTION_LOST: boot.example:9192: connect ECONNREFUSED 10.1.2.3:9192",
      raft: "TIMEOUT: [fd00::7]:1",
    };
    const redact = redactionFor({ pieces: new Map(), missing }, ["boot.example:9192", "[fd00::7]:1"]);
    const text = JSON.stringify(redact(missing));
    for (const host of ["boot.example", "10.1.2.3", "fd00::7"]) expect(text).not.to.include(host);
  });

  describe("as a file", () => {
    let folder = "";
    beforeEach(() => (folder = mkdtempSync(join(tmpdir(), "tidemark-bundle-"))));
    afterEach(() => rmSync(folder, { recursive: true }));

    it("is refused before anybody is asked where there is one", async () => {
      const out = join(folder, "there");
      writeFileSync(out, "");
      const failure = await supportBundle(testContext(), { out }).catch((error: unknown) => error);
      expect(failure).to.include({ code: "FILE_EXISTS" });
      // Nobody is there to be asked.
      const absent = join(folder, "absent");
      expect(await supportBundle(testContext(), { out: absent }).catch((error: unknown) => error)).not.to.include({
        code: "FILE_EXISTS",
      });
      expect(existsSync(absent)).to.equal(false);
    });

    it("is its owner's alone, a new one and one that takes the place of another", function () {
      if (process.platform === "win32") {
        process.stderr.write("      skipped: Windows has no modes of files that say whose one is\n");
        this.skip();
      }
      const out = join(folder, "new");
      for (const force of [false, true]) {
        writeGenerated(testContext(), "text", { out, force, mode: 0o600 });
        expect(statSync(out).mode & 0o777).to.equal(0o600);
      }
    });
  });
});
