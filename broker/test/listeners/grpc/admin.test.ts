import { ADMIN_METHODS } from "@tidemark/proto";
import { expect } from "chai";
import { EventEmitter, once } from "node:events";
import type { AdminHandlers } from "../../../src/listeners/grpc/admin-calls.ts";
import { Admin } from "../../../src/listeners/grpc/admin.ts";
import type { BytesCall } from "../../../src/listeners/grpc/unary.ts";

const handlers = Object.fromEntries(
  Object.keys(ADMIN_METHODS).map((method): [string, BytesCall] => [method, async () => Buffer.from(method)]),
) as unknown as AdminHandlers;
const client = {} as Parameters<BytesCall>[1];

describe("Admin", () => {
  it("loads its handlers by itself when the door has opened, and a call then does not load again", async () => {
    let loadCount = 0;
    const events = new EventEmitter();
    const load = async (): Promise<AdminHandlers> => {
      loadCount += 1;
      events.emit("loaded");
      return handlers;
    };
    const admin = new Admin({ load, loadAfterMs: 0 });
    const calls = new Map(admin.calls());
    expect(loadCount).to.equal(0);
    const loaded = once(events, "loaded");
    admin.open();
    // The timer of the door keeps no process alive, nor would this test.
    const alive = setInterval(() => undefined, 1_000);
    await loaded;
    clearInterval(alive);
    for (const [method, path] of Object.entries(ADMIN_METHODS))
      expect(String(await calls.get(path)?.(Buffer.alloc(0), client))).to.equal(method);
    expect(loadCount).to.equal(1);
  });

  it("serves a call that comes before, and tells it of a failure", async () => {
    const [[, call] = []] = new Admin({ load: async () => handlers, loadAfterMs: 60_000 }).calls();
    expect(await call?.(Buffer.alloc(0), client)).to.be.instanceOf(Buffer);
    const broken = new Admin({ load: () => Promise.reject(new Error("too many open files")), loadAfterMs: 0 });
    broken.open();
    const [[, refused] = []] = broken.calls();
    const failure = await refused?.(Buffer.alloc(0), client).catch((error: unknown) => error);
    expect(failure).to.have.property("message", "too many open files");
    broken.close();
  });
});
