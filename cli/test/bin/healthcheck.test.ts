import { expect } from "chai";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { resolve } from "node:path";

const program = resolve(import.meta.dirname, "../../../bin/healthcheck.js");

/** Answers one request after the other with these, and with the last one from there on. */
async function door(...answers: readonly (readonly [status: number, text: string])[]): Promise<Server> {
  let asked = 0;
  const server = createServer((request, response) => {
    const [status, text] = request.url === "/readyz" ? (answers[asked++] ?? answers.at(-1) ?? [500, ""]) : [404, ""];
    response.writeHead(status).end(`${text}\n`);
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  return server;
}

const addressOf = (server: Server): string => `0.0.0.0:${(server.address() as AddressInfo).port}`;

async function check(env: Record<string, string>, ...args: string[]): Promise<{ code: number; said: string }> {
  const { NODE_EXTRA_CA_CERTS: _, ...inherited } = process.env;
  const child = spawn(process.execPath, [program, ...args], { env: { ...inherited, ...env } });
  let said = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (said += text));
  const [code] = (await once(child, "close")) as [number];
  return { code, said };
}

describe("the health check of a container", () => {
  it("finds the door in the listeners, and is well when it is told so", async () => {
    const server = await door([200, "ready"]);
    const env = { TIDEMARK_LISTENERS: `GRPC://0.0.0.0:1,HTTP://${addressOf(server)}` };
    expect(await check(env)).to.deep.equal({ code: 0, said: "ready\n" });
    server.close();
  });

  it("asks again until a broker that starts is ready", async () => {
    const server = await door([503, "recovery"], [503, "listeners"], [200, "ready"]);
    expect(await check({}, addressOf(server), "60000")).to.deep.equal({ code: 0, said: "ready\n" });
    server.close();
  });

  it("watches a broker that is well for a while, and tells at once when it is well no longer", async () => {
    const steady = await door([200, "ready"]);
    const startedAt = performance.now();
    expect(await check({}, addressOf(steady), "2000", "1200", "0")).to.deep.equal({ code: 0, said: "ready\n" });
    expect(performance.now() - startedAt).to.be.above(1_000);
    steady.close();
    const leaving = await door([200, "ready"], [503, "draining"], [200, "ready"]);
    expect(await check({}, addressOf(leaving), "2000", "60000", "0")).to.deep.equal({ code: 1, said: "draining\n" });
    leaving.close();
  });

  it("watches nobody without being told to: whoever starts it may allow it little time", async () => {
    const server = await door([200, "ready"], [503, "asked again"]);
    expect(await check({}, addressOf(server))).to.deep.equal({ code: 0, said: "ready\n" });
    server.close();
    // Nor one that has just started.
    const steady = await door([200, "ready"]);
    expect((await check({}, addressOf(steady), "2000", "60000", "1e12")).code).to.equal(0);
    steady.close();
  });

  it("finds nobody well whose answer breaks off", async () => {
    const server = createServer((_request, response) => {
      response.writeHead(200, { "content-length": 1_000 });
      response.write("ready\n", () => setImmediate(() => response.destroy()));
    });
    await once(server.listen(0, "127.0.0.1"), "listening");
    expect((await check({}, addressOf(server), "150")).code).to.equal(1);
    server.close();
  });

  it("gives up in time, with what it was told, or that nobody is there", async () => {
    const server = await door([503, "waiting for broker 2"]);
    const address = addressOf(server);
    expect(await check({}, address, "150")).to.deep.equal({ code: 1, said: "waiting for broker 2\n" });
    await new Promise((done) => server.close(done));
    const { code, said } = await check({}, address, "150");
    expect(code).to.equal(1);
    expect(said).to.match(/ECONNREFUSED/u);
  });
});
