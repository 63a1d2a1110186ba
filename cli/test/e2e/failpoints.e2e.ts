/** A real broker that dies at a named place of its code, and what the next start finds; and that no other server can be made to. */
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { Client, codecs, topic } from "@tidemark/client";
import { expect } from "chai";
import { ScratchDirectory, start, type TidemarkProcess } from "../support/tidemark.ts";
import { runInProcess } from "../support/in-process.ts";

/** Ten of these fill a segment, packed or not. */
const padding = randomBytes(75_000).toString("base64");
const words = topic("words", { value: codecs.string });

/** Resolves with its gRPC door. */
async function ready(child: TidemarkProcess): Promise<string> {
  const [line] = (await Promise.race([
    once(child.stdout, "data"),
    once(child, "exit").then(() => Promise.reject(new Error(`it ended: ${String(child.stderr.read())}`))),
  ])) as [Buffer];
  return (JSON.parse(line.toString()) as { brokers: { grpc: string }[] }).brokers[0]?.grpc ?? "";
}

describe("tidemark server start --test-hooks", () => {
  const scratch = new ScratchDirectory();
  after(() => scratch.remove());

  function server(flags: readonly string[], env: Readonly<Record<string, string>>): TidemarkProcess {
    return start(["server", "start", "-o", "json", ...flags], {
      env: {
        TIDEMARK_NODE_ID: "1",
        TIDEMARK_LISTENERS: "GRPC://127.0.0.1:0",
        TIDEMARK_LOG_DIRS: scratch.join("data"),
        TIDEMARK_LOG_SEGMENT_BYTES: "1048576",
        ...env,
      },
    });
  }

  it("dies where a segment was made, and keeps all that was acknowledged (3.3(3))", async () => {
    const dying = server(["--test-hooks"], { TIDEMARK_FAILPOINTS: "storage.roll.afterCreate=crash:2" });
    const exit = once(dying, "exit") as Promise<[number | null, NodeJS.Signals | null]>;
    const acknowledged: string[] = [];
    {
      const client = new Client({ brokers: await ready(dying) });
      await client.admin.topics.create({ name: words.name, partitions: 1 });
      const producer = client.producer();
      let isOver = false;
      void exit.then(() => (isOver = true));
      for (let number = 0; !isOver; number++) {
        const value = `${number} ${padding}`;
        // oxlint-disable-next-line no-await-in-loop
        await Promise.race([producer.send(words, { value }).then(() => acknowledged.push(value)), exit]);
      }
      void client.close().catch(() => undefined);
    }
    expect(await exit).to.deep.equal([null, "SIGKILL"]);
    // Two segments were full by then.
    expect(acknowledged.length).to.be.within(18, 22);

    const next = server([], {});
    {
      await using client = new Client({ brokers: await ready(next) });
      const kept = (await client.reader(words, { from: "earliest", to: "end" }).toArray()).map(({ value }) => value);
      expect(kept.slice(0, acknowledged.length)).to.deep.equal(acknowledged);
      // At most what was on its way when it died.
      expect(kept.length).to.be.at.most(acknowledged.length + 1);
    }
    const stopped = once(next, "exit");
    next.kill("SIGTERM");
    expect(await stopped).to.deep.equal([143, null]);
  });

  it("is asked for, or nothing of it is done: a server does not start with failpoints by accident", async () => {
    const env = { TIDEMARK_FAILPOINTS: "storage.roll.afterCreate=crash", TIDEMARK_NODE_ID: "1" };
    const refused = await runInProcess(["server", "start"], { env });
    expect(refused.code).to.equal(2);
    expect(refused.stderr).to.contain("INVALID_CONFIG").and.to.contain("--test-hooks");
    const unknown = { ...env, TIDEMARK_FAILPOINTS: "storage.roll.never=crash" };
    const wrong = await runInProcess(["server", "start", "--test-hooks"], { env: unknown });
    expect(wrong.code).to.equal(2);
    expect(wrong.stderr).to.contain("there is no failpoint storage.roll.never");
  });
});
