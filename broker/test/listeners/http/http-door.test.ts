/** Real sockets on a free loopback port. */
import { once } from "node:events";
import http from "node:http";
import net from "node:net";
import { Worker } from "node:worker_threads";

import { expect } from "chai";

import { openHttpDoor } from "../../../src/listeners/http/index.ts";
import { FakeBroker, Knock, LogBook, type OpenDoor, openTestDoor } from "./fixtures.ts";

function refusalsOf({ door }: OpenDoor): Record<string, number> {
  return Object.fromEntries([...door.refusals].map(({ reason, count }) => [reason, count]));
}

describe("HTTP door", () => {
  let open: OpenDoor;
  afterEach(() => open.door.close());

  describe("answers", () => {
    beforeEach(async () => {
      open = await openTestDoor();
    });
    const get = async (
      path: string,
      init?: RequestInit,
    ): Promise<{ status: number; text: string; headers: Headers }> => {
      const response = await fetch(open.url + path, init);
      return { status: response.status, text: await response.text(), headers: response.headers };
    };

    it("says ready, and while it is not a word for what is missing", async () => {
      expect(await get("/readyz")).to.include({ status: 200, text: "ok" });
      open.broker.waitingFor = ["recovery", "listeners"];
      expect(await get("/readyz")).to.include({ status: 503, text: "recovery" });
      expect(await get("/readyz?verbose")).to.include({
        status: 503,
        text: '{"ready":false,"waitingFor":["recovery","listeners"]}',
      });
    });

    it("says live whatever it waits for, and 503 when the loop is stuck", async () => {
      open.broker.waitingFor = ["recovery"];
      expect(await get("/livez")).to.include({ status: 200, text: "ok" });
      expect(await get("/healthz")).to.include({ status: 503, text: "recovery" });
      open.broker.live = false;
      expect(await get("/livez")).to.include({ status: 503, text: "stalled" });
      expect(await get("/healthz")).to.include({ status: 503, text: "stalled" });
      expect(await get("/healthz?verbose")).to.include({
        text: '{"live":false,"ready":false,"waitingFor":["recovery"],"troubles":[],"checks":[{"name":"disk-space","ok":true,"reason":null}]}',
      });
    });

    it("stays ready on a full disk, which only the verbose health tells of (3.8(2))", async () => {
      open.broker.isFull = true;
      expect(await get("/readyz")).to.include({ status: 200, text: "ok" });
      expect(await get("/healthz")).to.include({ status: 200, text: "ok" });
      expect(await get("/healthz?verbose")).to.include({
        status: 200,
        text: '{"live":true,"ready":true,"waitingFor":[],"troubles":["disk-full"],"checks":[{"name":"disk-space","ok":false,"reason":"no room"}]}',
      });
    });

    it("has started once it has been ready, also while it drains", async () => {
      open.broker.waitingFor = ["recovery"];
      expect((await get("/startupz")).status).to.equal(503);
      open.broker.waitingFor = [];
      expect((await get("/startupz")).status).to.equal(200);
      open.broker.waitingFor = ["draining"];
      expect((await get("/startupz")).status).to.equal(200);
      expect((await get("/readyz")).status).to.equal(503);
    });

    it("serves version and both scopes of metrics", async () => {
      const version = await get("/version");
      expect(JSON.parse(version.text)).to.deep.equal({ version: "0.1.0", node: "v20.19.0" });
      expect(version.headers.get("content-type")).to.equal("application/json; charset=utf-8");
      expect(await get("/metrics")).to.include({ status: 200, text: "# summary\n" });
      const detail = await get("/metrics/detail");
      expect(detail.text).to.equal("# detail\n");
      expect(detail.headers.get("content-type")).to.equal("text/plain; version=0.0.4; charset=utf-8");
    });

    it("answers HEAD without a body, but with its length", async () => {
      const head = await get("/readyz", { method: "HEAD" });
      expect(head).to.include({ status: 200, text: "" });
      expect(head.headers.get("content-length")).to.equal("2");
    });

    it("refuses other methods and unknown paths, as JSON", async () => {
      for (const method of ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"]) {
        const refused = await get("/readyz", { method });
        expect(refused.status).to.equal(405);
        expect(refused.headers.get("allow")).to.equal("GET, HEAD");
        expect(JSON.parse(refused.text)).to.have.nested.property("error.code", "METHOD_NOT_ALLOWED");
      }
      for (const path of ["/", "/metrics/", "//readyz", "/readyz/../..", "/%00", "/api/v1/topics"]) {
        const refused = await get(path);
        expect(refused.status).to.equal(404);
        expect(JSON.parse(refused.text)).to.have.nested.property("error.code", "NOT_FOUND");
      }
    });

    it("answers 500 and logs the cause when the broker fails, and goes on", async () => {
      open.broker.renderMetrics = () => Promise.reject(new Error("secret detail"));
      const failed = await get("/metrics");
      expect(failed.status).to.equal(500);
      expect(failed.text).not.to.contain("secret");
      expect(open.log.lines.map(({ message }) => message)).to.deep.equal(["an HTTP request failed"]);
      expect((await get("/readyz")).status).to.equal(200);
    });
  });

  describe("debug", () => {
    const ask = (
      path: string,
      headers: Record<string, string> = {},
      url = open.url,
    ): Promise<{ status: number; body: Buffer }> =>
      new Promise((resolve, reject) => {
        const request = http.get(`${url}${path}`, { headers, agent: false }, (response) => {
          const chunks: Buffer[] = [];
          response.on("data", (chunk: Buffer) => chunks.push(chunk));
          response.on("end", () => resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks) }));
          response.on("error", reject);
        });
        request.on("error", reject);
      });

    it("does not exist unless it is asked for", async () => {
      open = await openTestDoor();
      for (const path of ["/debug/heap", "/debug/cpu?seconds=1", "/debug"])
        expect((await ask(path)).status).to.equal(404);
    });

    describe("in a process that holds little", () => {
      let worker: Worker;
      let port: number;
      before(async () => {
        worker = new Worker(new URL("./door-in-worker.js", import.meta.url));
        [port] = (await once(worker, "message")) as [number];
      });
      after(() => worker.terminate());
      beforeEach(async () => {
        open = await openTestDoor();
      });
      const askIt = (path: string, headers = {}): ReturnType<typeof ask> =>
        ask(path, headers, `http://127.0.0.1:${port}`);

      /** Who asks for a minute's profile, which has begun. */
      const endlessProfile = async (): Promise<Knock> => {
        for (;;) {
          const knock = new Knock({ address: { port } });
          knock.socket.write("GET /debug/cpu?seconds=60 HTTP/1.1\r\nHost: localhost\r\n\r\n");
          // If this one came first, it was the other that was refused.
          if ((await askIt("/debug/cpu?seconds=0.01")).status === 429) return knock;
          knock.socket.destroy();
        }
      };

      it("gives a heap snapshot and a CPU profile, one at a time, and ends a profile with its client", async () => {
        const gone = await endlessProfile();
        expect((await askIt("/debug/heap")).status).to.equal(429);
        gone.socket.destroy();
        let profile = await askIt("/debug/cpu?seconds=0.05");
        while (profile.status === 429) profile = await askIt("/debug/cpu?seconds=0.05");
        expect(profile.status, "its client is gone, and so it is over").to.equal(200);
        expect(JSON.parse(profile.body.toString())).to.include.keys("nodes", "startTime");
        const heap = await askIt("/debug/heap");
        expect(heap.status).to.equal(200);
        expect(heap.body.subarray(0, 12).toString()).to.equal('{"snapshot":');
        expect(heap.body.subarray(-1).toString()).to.equal("}");
        expect((await askIt("/debug/cpu?seconds=0.05")).status, "the snapshot is done").to.equal(200);
      });

      it("answers this machine by each of its names", async () => {
        for (const host of ["localhost:9292", "127.0.0.1", "[::1]:9292"])
          expect((await askIt("/debug/cpu?seconds=0.01", { Host: host })).status, host).to.equal(200);
      });
    });

    it("refuses profiles without end, and pages that name another host", async () => {
      open = await openTestDoor({ debugMode: "loopback" });
      for (const seconds of ["0", "-1", "61", "x", "", "1e9"]) {
        expect((await ask(`/debug/cpu?seconds=${seconds}`)).status, seconds).to.equal(400);
      }
      expect((await ask("/debug/heap", { Host: "evil.example:9292" })).status).to.equal(403);
      expect(refusalsOf(open)).to.deep.equal({ debug_forbidden: 1 });
      await open.door.close();
      open = await openTestDoor({ debugMode: "any" });
      expect((await ask("/debug/cpu?seconds=0.01", { Host: "broker.example" })).status).to.equal(200);
    });
  });

  describe("limits", () => {
    beforeEach(async () => {
      open = await openTestDoor();
    });
    const refusals = (): Record<string, number> => refusalsOf(open);

    it("refuses headers above 16 KiB with 431", async () => {
      const knock = new Knock(open.door);
      knock.socket.write(`GET /readyz HTTP/1.1\r\nHost: x\r\nX-Large: ${"a".repeat(20_000)}\r\n\r\n`);
      await knock.until("HTTP/1.1 431 ");
      await knock.ended;
      expect(knock.received).to.contain("HEADERS_TOO_LARGE");
      expect(refusals()).to.deep.equal({ hpe_header_overflow: 1 });
    });

    it("takes a body of 1 MiB and refuses one byte more with 413, announced or not", async () => {
      const within = await fetch(`${open.url}/readyz`, { method: "POST", body: Buffer.alloc(1 << 20) });
      expect(within.status).to.equal(405);
      const announced = await fetch(`${open.url}/readyz`, { method: "POST", body: Buffer.alloc((1 << 20) + 1) });
      expect(announced.status).to.equal(413);
      const chunks = new ReadableStream<Uint8Array>({
        start(controller) {
          for (let i = 0; i < 17; i++) controller.enqueue(new Uint8Array(1 << 16));
          controller.close();
        },
      });
      const chunked = await fetch(`${open.url}/readyz`, { method: "POST", body: chunks, duplex: "half" });
      expect(chunked.status).to.equal(413);
      expect(refusals()).to.deep.equal({ body: 2 });
    });

    it("does not ask for a body that it would refuse", async () => {
      const knock = new Knock(open.door);
      knock.socket.write("POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 104857600\r\n\r\n");
      await knock.until("HTTP/1.1 413 ");
      expect(knock.received).not.to.contain("100 Continue");
      await knock.ended;
    });

    it("asks for a body that it would take", async () => {
      const knock = new Knock(open.door);
      knock.socket.write("POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n");
      await knock.until("HTTP/1.1 100 Continue");
      knock.socket.write("tide");
      await knock.until("HTTP/1.1 405 ");
      knock.socket.destroy();
    });

    it("closes on a request that comes too slowly, and on silence", async () => {
      await open.door.close();
      open = await openTestDoor({ slowRequestMs: 200 });
      const slow = new Knock(open.door);
      slow.socket.write("GET /readyz HTTP/1.1\r\nHost: x\r\nX-Never-Ends: ");
      const silent = new Knock(open.door);
      const body = new Knock(open.door);
      body.socket.write("POST /readyz HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nshort");
      await Promise.all([slow.ended, silent.ended, body.ended]);
      expect(slow.received).to.match(/^HTTP\/1\.1 408 /);
    });

    it("answers a few pipelined requests in order, and cuts the connection that sends many", async () => {
      const few = new Knock(open.door);
      few.socket.write("GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n".repeat(20) + "GET /none HTTP/1.1\r\nHost: x\r\n\r\n");
      await few.until("NOT_FOUND");
      expect(few.received.match(/200 OK/g)).to.have.length(20);
      few.socket.destroy();
      const many = new Knock(open.door);
      many.socket.write("GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n".repeat(200));
      await many.ended;
      expect(refusals()).to.deep.equal({ pipelined: 1 });
    });

    it("closes idle connections when their time is over", async () => {
      await open.door.close();
      open = await openTestDoor({ idleMs: 100 });
      const knock = new Knock(open.door);
      knock.socket.write("GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n");
      await knock.until("\r\n\r\nok");
      await knock.ended;
    });

    it("refuses connections above the maximum", async () => {
      await open.door.close();
      open = await openTestDoor({
        limits: () => ({ maxConnections: 1, maxConnectionsPerIp: 9, maxConnectionCreationRate: 100 }),
      });
      const kept = new Knock(open.door);
      kept.socket.write("GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n");
      await kept.until("\r\n\r\nok");
      const refused = new Knock(open.door);
      await refused.ended;
      expect(refused.received).to.equal("");
      expect(refusals()).to.deep.equal({ connections: 1 });
      kept.socket.destroy();
    });
  });

  describe("what many ask for", () => {
    beforeEach(async () => {
      open = await openTestDoor();
    });

    it("one address takes no more than a quarter of the places", async () => {
      const knocks = Array.from({ length: 128 }, () => new Knock(open.door));
      for (const { socket } of knocks) socket.write("GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n");
      await Promise.all(knocks.map((knock) => knock.until("\r\n\r\nok")));
      const refused = new Knock(open.door);
      await refused.ended;
      expect(refused.received).to.equal("");
      expect(refusalsOf(open)).to.deep.equal({ connections: 1 });
      for (const { socket } of knocks) socket.destroy();
    });

    it("answers that nobody reads are bounded: the oldest are closed, and others are served", async () => {
      const body = "x".repeat(16 * 1024 * 1024);
      open.broker.renderMetrics = () => Promise.resolve({ contentType: "text/plain", body });
      const knocks = Array.from({ length: 8 }, () => new Knock(open.door));
      for (const { socket } of knocks) {
        socket.pause();
        socket.write("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
      }
      while ((refusalsOf(open)["unread"] ?? 0) < 4) await new Promise((resolve) => setImmediate(resolve));
      expect(await (await fetch(`${open.url}/readyz`)).text()).to.equal("ok");
      expect((await (await fetch(`${open.url}/metrics`)).text()).length).to.equal(body.length);
      for (const { socket } of knocks) socket.destroy();
    });
  });

  describe("garbage", () => {
    beforeEach(async () => {
      open = await openTestDoor();
    });

    const garbage: Record<string, Buffer> = {
      "a TLS hello": Buffer.from("16030100a5010000a10303", "hex"),
      "an HTTP/2 preface": Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
      "a Kafka frame": Buffer.from("0000001a001200030000000100096b61666b612d636c69000000", "hex"),
      zeros: Buffer.alloc(1000),
      "two different lengths": Buffer.from(
        "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
      ),
      "a length and chunks": Buffer.from(
        "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
      ),
    };
    for (const [name, bytes] of Object.entries(garbage)) {
      it(`answers 400 and closes: ${name}`, async () => {
        const knock = new Knock(open.door);
        knock.socket.write(bytes);
        await knock.ended;
        expect(knock.received).to.match(/^HTTP\/1\.1 400 /);
        expect((await fetch(`${open.url}/readyz`)).status).to.equal(200);
      });
    }

    it("names the mistake of TLS on a plain port, in one line however often it is made", async () => {
      for (let i = 0; i < 3; i++) {
        const knock = new Knock(open.door);
        knock.socket.write(Buffer.from("16030100a5010000a10303", "hex"));
        await knock.ended;
      }
      expect(open.log.lines).to.deep.equal([
        {
          level: "warn",
          message: "refused at a door",
          fields: { listener: "HTTP", stage: "http", reason: "tls_to_plaintext_port", count: 1 },
        },
      ]);
      expect(refusalsOf(open)).to.deep.equal({ tls_to_plaintext_port: 3 });
    });

    it("answers 400 to a target that is no path", async () => {
      for (const target of ["*", "readyz", "ftp://x/", "http://[", "//["]) {
        const knock = new Knock(open.door);
        knock.socket.write(`GET ${target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
        await knock.ended;
        expect(knock.received).to.match(/^HTTP\/1\.1 (400|404) /);
      }
    });

    it("does not write into an answer under way", async () => {
      let finish = (): void => undefined;
      open.broker.renderMetrics = () =>
        new Promise((resolve) => (finish = () => resolve({ contentType: "text/plain", body: "metrics" })));
      const knock = new Knock(open.door);
      knock.socket.write("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
      knock.socket.write("\0garbage\0");
      await knock.ended;
      finish();
      expect(knock.received).to.equal("");
    });
  });

  describe("close", () => {
    beforeEach(async () => {
      open = await openTestDoor({ idleMs: 3_600_000, slowRequestMs: 3_600_000 });
    });

    it("ends idle and silent connections at once, and does not wait for them as for an answer under way", async () => {
      const asked = new Promise<void>((resolve) => {
        open.broker.renderMetrics = () => {
          resolve();
          return new Promise(() => undefined);
        };
      });
      const busy = new Knock(open.door);
      busy.socket.write("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
      await asked;
      const idle = new Knock(open.door);
      idle.socket.write("GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n");
      await idle.until("\r\n\r\nok");
      const silent = new Knock(open.door);
      await new Promise((resolve) => silent.socket.once("connect", resolve));
      const order: Knock[] = [];
      const knocks = [busy, idle, silent];
      const ended = knocks.map((knock) => knock.ended.then(() => order.push(knock)));
      await open.door.close();
      await Promise.all(ended);
      expect(order.indexOf(busy)).to.equal(2);
    });

    it("lets an answer under way go out, as the last of its connection", async () => {
      let finish = (): void => undefined;
      const asked = new Promise<void>((resolve) => {
        open.broker.renderMetrics = () => {
          resolve();
          return new Promise((answer) => (finish = () => answer({ contentType: "text/plain", body: "the last word" })));
        };
      });
      const knock = new Knock(open.door);
      knock.socket.write("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
      await asked;
      const closed = open.door.close();
      finish();
      await Promise.all([closed, knock.ended]);
      expect(knock.received)
        .to.contain("Connection: close")
        .and.to.match(/the last word$/);
    });

    it("can be called twice, and frees the port", async () => {
      const { port } = open.door.address;
      await Promise.all([open.door.close(), open.door.close()]);
      const again = await openHttpDoor({ host: "127.0.0.1", port }, new FakeBroker(), new LogBook());
      await again.close();
    });

    it("rejects when the port is taken", async () => {
      const { port } = open.door.address;
      const second = openHttpDoor({ host: "127.0.0.1", port }, new FakeBroker(), new LogBook());
      const error = await second.then(
        () => null,
        (reason: unknown) => reason,
      );
      expect(error).to.have.property("code", "EADDRINUSE");
    });
  });

  it("tells its port and counts its connections", async () => {
    open = await openTestDoor();
    expect(open.door.address.port).to.be.above(0);
    expect(net.isIP(open.door.address.host)).to.equal(4);
    const knock = new Knock(open.door);
    knock.socket.write("GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n");
    await knock.until("\r\n\r\nok");
    expect(open.door.connectionsCount).to.equal(1);
    knock.socket.destroy();
  });
});
