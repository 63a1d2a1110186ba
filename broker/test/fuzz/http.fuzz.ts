/**
 * The HTTP door under arbitrary bytes: requests put together wrongly, cut, repeated, pipelined, mixed with garbage, written
 * in pieces, answers never read. Passes when every connection ends or is answered, other clients are served throughout,
 * nothing is thrown out of the door and its memory comes back.
 */
import { expect } from "chai";
import fc from "fast-check";

import { keptBytes } from "../support/garbage.ts";
import { Knock, type OpenDoor, openTestDoor } from "../listeners/http/fixtures.ts";

const pieces = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.constantFrom("GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n", "HEAD /metrics HTTP/1.1\r\nHost: x\r\n\r\n"),
  },
  {
    weight: 6,
    arbitrary: fc.constantFrom(
      "GET ",
      "POST ",
      "PRI * HTTP/2.0",
      "/readyz",
      "/metrics?verbose",
      "http://[::1",
      "*",
      " HTTP/1.1",
      " HTTP/1.0",
      " HTTP/9.9",
      "\r\n",
      "\n",
      "\r",
      "\r\n\r\n",
      ": ",
      ";",
      "Host: x",
      "Content-Length: 5",
      "Content-Length: -1",
      "Content-Length: 99999999999999999999",
      "Content-Length: 104857600",
      "Transfer-Encoding: chunked",
      "Transfer-Encoding: gzip, chunked",
      "5\r\nhello\r\n",
      "ffffffffffffffff\r\n",
      "0\r\n\r\n",
      "Connection: close",
      "Connection: Upgrade",
      "Upgrade: websocket",
      "Expect: 100-continue",
      "Expect: tide",
    ),
  },
  { weight: 1, arbitrary: fc.nat(20_000).map((count) => "a".repeat(count)) },
  { weight: 1, arbitrary: fc.nat(3000).map((count) => "X: y\r\n".repeat(count)) },
  { weight: 2, arbitrary: fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes).toString("latin1")) },
);

/** What one connection sends: each element in a write of its own. */
const conversations = fc.array(
  fc.array(pieces, { maxLength: 8 }).map((parts) => parts.join("")),
  { minLength: 1, maxLength: 5 },
);

/** Another client, on a connection of its own. */
async function expectServed({ door }: OpenDoor): Promise<void> {
  const knock = new Knock(door);
  knock.socket.write("GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  await knock.ended;
  expect(knock.received).to.match(/^HTTP\/1\.1 200 OK\r\n[^]*\r\n\r\nok$/);
}

describe("HTTP door, fuzzed", () => {
  let open: OpenDoor;
  const thrown: unknown[] = [];
  const note = (error: unknown): void => void thrown.push(error);

  before(async () => {
    open = await openTestDoor({ slowRequestMs: 5_000 });
    process.on("uncaughtExceptionMonitor", note);
  });
  after(async () => {
    process.off("uncaughtExceptionMonitor", note);
    await open.door.close();
  });

  it("survives whatever is sent, and serves others meanwhile", async () => {
    const before = await keptBytes();
    await fc.assert(
      fc.asyncProperty(fc.array(conversations, { minLength: 1, maxLength: 6 }), async (all) => {
        const knocks = all.map((conversation) => {
          const knock = new Knock(open.door);
          for (const text of conversation) knock.socket.write(Buffer.from(text, "latin1"));
          return knock;
        });
        await expectServed(open);
        for (const knock of knocks) {
          knock.socket.end();
          await knock.ended;
          // Interim answers aside, whatever came back begins as an HTTP answer.
          if (knock.received !== "") expect(knock.received).to.match(/^HTTP\/1\.1 [1-5]\d\d /);
        }
      }),
      { numRuns: 300, interruptAfterTimeLimit: 25_000 },
    );
    expect(thrown).to.deep.equal([]);
    const errors = open.log.lines.filter(({ level }) => level === "error");
    expect(errors).to.deep.equal([]);
    expect((await keptBytes()) - before).to.be.below(16 * 1024 * 1024);
  });

  it("cuts a connection that pipelines ten thousand requests, most of them unseen", async () => {
    let answersCount = 0;
    open.broker.renderMetrics = () => {
      answersCount++;
      return Promise.resolve({ contentType: "text/plain", body: "" });
    };
    const knock = new Knock(open.door);
    knock.socket.pause();
    knock.socket.write("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n".repeat(10_000));
    await expectServed(open);
    knock.socket.resume();
    await knock.ended;
    expect(answersCount).to.be.below(100);
    await expectServed(open);
  });

  it("keeps answering beside all the connections that one address may have, which send a byte at a time, and gets rid of them", async () => {
    await open.door.close();
    open = await openTestDoor({ slowRequestMs: 1_000 });
    const knocks = Array.from({ length: 127 }, () => new Knock(open.door));
    for (const knock of knocks) knock.socket.write("G");
    await expectServed(open);
    await Promise.all(knocks.map((knock) => knock.ended));
  });
});
