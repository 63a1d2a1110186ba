/**
 * What happens to a broker, and to what it has acknowledged, when a real disk is full or fails (semantics 3.4(3), 3.8, 10.1(1)).
 * Each story mounts its own disk and runs `tidemark server start` on it. Told by e2e/real-disks.e2e.ts.
 */
import { type BrokerError, Client, codecs, topic } from "@tidemark/client";
import { expect } from "chai";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { FailingDisk, type Need, SmallDisk } from "../support/mounts.ts";
import {
  type Finished,
  finished,
  firstLine,
  type ReadyEvent,
  start,
  type TidemarkProcess,
} from "../support/tidemark.ts";

export interface Story {
  readonly needs: Need;
  tell(): Promise<void>;
}

const MEBIBYTE = 1024 * 1024;
const DISK_FAULT = 74;
const STORAGE_ERROR = 56;
const VALUE = "x".repeat(100_000);

/** `tidemark server start` with its data in `path`/data. */
class Server implements AsyncDisposable {
  readonly ended: Promise<Finished>;
  readonly http: string;
  readonly client: Client;
  readonly #process: TidemarkProcess;

  private constructor(child: TidemarkProcess, ended: Promise<Finished>, ready: ReadyEvent) {
    this.#process = child;
    this.ended = ended;
    this.http = ready.brokers[0]?.http ?? "";
    this.client = new Client({
      brokers: ready.brokers[0]?.grpc ?? "",
      retry: { initialDelay: 5, maxDelay: 50 },
    });
  }

  static async start(path: string): Promise<Server> {
    const child = launch(path);
    const ended = finished(child);
    const line = await Promise.race([firstLine(child), ended]);
    if (typeof line !== "string") throw new Error(`the broker ended with ${line.code}: ${line.stderr}`);
    return new Server(child, ended, JSON.parse(line));
  }

  /** SIGTERM and the clean stop that it begins; a broker that ended before stays as it ended. */
  async stop(): Promise<Finished> {
    await this.client.close({ timeout: 0 }).catch(() => undefined);
    this.#process.kill("SIGTERM");
    return this.ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async get(path: string): Promise<{ status: number; text: string }> {
    const response = await fetch(`http://${this.http}${path}`);
    return { status: response.status, text: await response.text() };
  }
}

function launch(path: string): TidemarkProcess {
  const settings = {
    "log.dirs": join(path, "data"),
    listeners: "GRPC://127.0.0.1:0,HTTP://127.0.0.1:0",
    "log.segment.delete.delay.ms": "0",
    "log.segment.bytes": String(MEBIBYTE),
    "node.id": "1",
    "tidemark.durability": "group-commit",
  };
  const flags = Object.entries(settings).flatMap(([key, value]) => ["--set", `${key}=${value}`]);
  return start(["server", "start", "-o", "json", ...flags]);
}

const bytesOf = (name: string) => topic(name, { key: codecs.string, value: codecs.string });

interface Sent {
  readonly acknowledged: readonly string[];
  /** In the log or not. */
  readonly unanswered: readonly string[];
  /** The last failure. */
  readonly failure: BrokerError;
}

/**
 * Sends values, awaiting each, until the broker refuses one with 56 or `isOver`. On a busy machine an answer may also come
 * too late, which says nothing.
 */
async function produceUntilRefused(client: Client, name: string, isOver = (): boolean => false): Promise<Sent> {
  const acknowledged: string[] = [];
  const unanswered: string[] = [];
  await using producer = client.producer({ linger: 0, deliveryTimeout: 500 });
  for (let slot = 0; ; slot += 1) {
    const value = `${slot} ${VALUE}`;
    try {
      await producer.send(bytesOf(name), { value });
      acknowledged.push(value);
    } catch (error: unknown) {
      const failure = error as BrokerError;
      unanswered.push(value);
      if (failure.kafkaCode === STORAGE_ERROR || isOver()) return { acknowledged, unanswered, failure };
    }
  }
}

const send = async (client: Client, name: string, value: string): Promise<void> => {
  await using producer = client.producer({ linger: 0 });
  await producer.send(bytesOf(name), { value });
};

const valuesOf = async (client: Client, name: string): Promise<string[]> =>
  (await client.reader(bytesOf(name)).toArray()).map(({ value }) => value ?? "");

/** Everything that was acknowledged, in order, once; a record whose answer was an error may stand among it, once. */
async function expectAll(
  client: Client,
  name: string,
  acknowledged: readonly string[],
  unanswered: readonly string[] = [],
): Promise<void> {
  const found = await valuesOf(client, name);
  const kept = found.filter((value) => !unanswered.includes(value));
  expect(kept.length).to.equal(acknowledged.length);
  expect(kept.every((value, slot) => value === acknowledged[slot])).to.equal(true);
  expect(new Set(found).size).to.equal(found.length);
}

const codeOf = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => "done",
    (error: BrokerError) => error.code,
  );

/** Resolves when `isTrue` does; the runner of the story bounds it. */
async function until(isTrue: () => Promise<boolean>): Promise<void> {
  while (!(await isTrue())) await new Promise((resolve) => setTimeout(resolve, 20));
}

/** A fault told as the shell and as a machine see it: the exit code, and one JSON object as the last line of stderr. */
function faultOf({ code, stderr }: Finished): { exit: number | null; code: string; message: string } {
  const lines = stderr.trimEnd().split("\n");
  const told = JSON.parse(lines.at(-1) ?? "");
  expect(told).to.have.all.keys("code", "message", "hint", "see", "exitCode", "details");
  expect(told.exitCode).to.equal(code);
  return { exit: code, code: told.code, message: told.message };
}

export const stories: Readonly<Record<string, Story>> = {
  "a disk that its records fill takes no more (56), serves all else, and heals by itself when a topic goes (3.8(2), P55)":
    {
      needs: "tmpfs",
      async tell() {
        const disk = SmallDisk.tmpfs(32);
        await using server = await Server.start(disk.path);
        const { client } = server;
        await client.admin.topics.create({ name: "full", partitions: 1 });
        await client.admin.topics.create({ name: "small", partitions: 1 });
        await send(client, "small", "kept");
        const { acknowledged, unanswered, failure } = await produceUntilRefused(client, "full");
        expect(failure).to.include({ code: "TIMEOUT", kafkaCode: STORAGE_ERROR });
        expect(failure.message).to.match(/the disk is full .* MiB free, the reserve is 1\.6 MiB/u);
        expect(disk.freeBytes).to.be.within(MEBIBYTE, 1.6 * MEBIBYTE);

        await expectAll(client, "full", acknowledged, unanswered);
        expect(await server.get("/readyz")).to.deep.equal({ status: 200, text: "ok" });
        expect(JSON.parse((await server.get("/healthz?verbose")).text).troubles).to.deep.equal(["disk-full"]);
        expect((await server.get("/metrics")).text).to.match(/^tidemark_disk_full(\{.*\})? 1$/mu);
        await client.admin.topics.create({ name: "made-meanwhile", partitions: 1 });

        await client.admin.topics.delete("full");
        await send(client, "small", "again");
        expect(await valuesOf(client, "small")).to.deep.equal(["kept", "again"]);
        expect(JSON.parse((await server.get("/healthz?verbose")).text).troubles).to.deep.equal([]);
        expect(await server.stop()).to.include({ code: 143 });
      },
    },

  "a disk that strangers fill to the last byte: changes answer 56, LevelDB is opened again by itself, nothing is lost (10.1(1), P55)":
    {
      needs: "tmpfs",
      async tell() {
        const disk = SmallDisk.tmpfs(24);
        let server = await Server.start(disk.path);
        let { client } = server;
        await client.admin.topics.create({ name: "t", partitions: 1 });
        await send(client, "t", "before");
        disk.fill();
        // LevelDB's log file has a page of its own to fill first. A refusal that is tried again takes all its time.
        const limits = { wait: false, timeout: 1_500 };
        for (let i = 0, refusedCount = 0; refusedCount < 3; i++) {
          const code = await codeOf(client.admin.topics.create({ name: `while-full-${i}`, partitions: 1 }, limits));
          if (code === "KAFKA_STORAGE_ERROR") refusedCount += 1;
          else expect(code).to.be.oneOf(["done", "TIMEOUT"]);
        }
        expect((await produceUntilRefused(client, "t")).acknowledged).to.deep.equal([]);
        expect(await valuesOf(client, "t")).to.deep.equal(["before"]);
        expect(JSON.parse((await server.get("/healthz?verbose")).text)).to.deep.include({
          ready: true,
          troubles: ["disk-full", "metadata-suspended"],
        });

        disk.unfill();
        await until(
          async () =>
            (await codeOf(client.admin.topics.create({ name: "after", partitions: 1 }, { ifNotExists: true }))) ===
            "done",
        );
        await send(client, "after", "written");
        expect(JSON.parse((await server.get("/healthz?verbose")).text).troubles).to.deep.equal([]);
        const names = async (): Promise<string[]> => {
          const found: string[] = [];
          for await (const { name } of client.admin.topics.list()) found.push(name);
          return found.sort();
        };
        const before = await names();
        expect(await server.stop()).to.include({ code: 143 });
        server = await Server.start(disk.path);
        ({ client } = server);
        expect(await names()).to.deep.equal(before);
        expect(await valuesOf(client, "after")).to.deep.equal(["written"]);
        // A stop needs no room; what it cannot write down, the next start finds out.
        disk.fill();
        expect(await server.stop()).to.include({ code: 143 });
        disk.unfill();
        server = await Server.start(disk.path);
        expect(await valuesOf(server.client, "after")).to.deep.equal(["written"]);
        expect(await server.stop()).to.include({ code: 143 });
      },
    },

  "a start on a disk that is full but for the reserve serves all but writers, and says so (3.8(2), P55)": {
    needs: "tmpfs",
    async tell() {
      const disk = SmallDisk.tmpfs(24);
      const flags = [
        "dev",
        "--brokers",
        "1",
        "-o",
        "json",
        "--grpc-port",
        "0",
        "--http-port",
        "0",
        "--data-dir",
        join(disk.path, "data"),
      ];
      disk.fill(MEBIBYTE);
      const child = start(flags);
      const ended = finished(child);
      expect(JSON.parse(String(await Promise.race([firstLine(child), ended.then(({ stderr }) => stderr)])))).to.include(
        {
          event: "ready",
        },
      );
      child.kill("SIGTERM");
      const { code, stderr } = await ended;
      expect(code).to.equal(143);
      expect(stderr).to.include("the disk is full: records are refused until there is space again");
    },
  },

  "a start on a disk without a byte left says so, and exits with 74 (3.8(2))": {
    needs: "tmpfs",
    async tell() {
      const disk = SmallDisk.tmpfs(24);
      expect(await (await Server.start(disk.path)).stop()).to.include({ code: 143 });
      disk.fill();
      const fault = faultOf(await finished(launch(disk.path)));
      expect(fault).to.include({ exit: DISK_FAULT, code: "DISK_FULL" });
      expect(fault.message).to.include(disk.path);
      disk.unfill();
      expect(await (await Server.start(disk.path)).stop()).to.include({ code: 143 });
    },
  },

  "a data directory on a file system that is mounted read-only says so": {
    needs: "tmpfs",
    async tell() {
      const disk = SmallDisk.tmpfs(24);
      expect(await (await Server.start(disk.path)).stop()).to.include({ code: 143 });
      disk.remountReadOnly();
      const { code, message } = faultOf(await finished(launch(disk.path)));
      expect([code, message]).to.deep.equal([
        "READ_ONLY_DISK",
        `the file system of ${join(disk.path, "data")} is mounted read-only`,
      ]);
    },
  },

  "a sync that fails is final: exit 74 and .sync-failed; the next start writes anew what the page cache alone has (3.4(3), P32, P44)":
    {
      needs: "ext4",
      async tell() {
        const disk = new FailingDisk({ mebibytes: 96, backedMebibytes: 48 });
        const marker = join(disk.path, "data/.sync-failed");
        let server = await Server.start(disk.path);
        await server.client.admin.topics.create({ name: "t", partitions: 1 });
        const first = Array.from({ length: 20 }, (_, slot) => `${slot} first`);
        for (const value of first) await send(server.client, "t", value);
        disk.refuseWriteBack();
        let hasEnded = false;
        void server.ended.then(() => {
          hasEnded = true;
        });
        const { acknowledged, unanswered } = await produceUntilRefused(server.client, "t", () => hasEnded);
        const fault = faultOf(await server.ended);
        await server.client.close({ timeout: 0 }).catch(() => undefined);
        expect(fault).to.include({ exit: DISK_FAULT, code: "DISK_FAULT" });
        expect(fault.message).to.match(/sync/u);
        expect(existsSync(marker), "the failed sync is marked").to.equal(true);
        expect(existsSync(join(disk.path, "data/.kafka_cleanshutdown"))).to.equal(false);

        disk.acceptWriteBack();
        // A mere restart: the page cache looks whole.
        server = await Server.start(disk.path);
        expect(existsSync(marker), "removed when all is rewritten and synced").to.equal(false);
        await expectAll(server.client, "t", [...first, ...acknowledged], unanswered);
        const held = await valuesOf(server.client, "t");
        expect(await server.stop()).to.include({ code: 143 });
        disk.remount();
        server = await Server.start(disk.path);
        expect(await valuesOf(server.client, "t")).to.deep.equal(held);
        expect(await server.stop()).to.include({ code: 143 });
      },
    },

  "a disk that dies under a running broker (EIO): exit 74 with the reason; healed, it has all that was acknowledged (3.8(1))":
    {
      needs: "ext4 shutdown",
      async tell() {
        const disk = new FailingDisk({ mebibytes: 64, backedMebibytes: 80 });
        let server = await Server.start(disk.path);
        const { client } = server;
        await client.admin.topics.create({ name: "t", partitions: 1 });
        await using producer = client.producer({ linger: 0 });
        const acknowledged: string[] = [];
        for (let i = 0; i < 50; i++) {
          acknowledged.push(`${i} ${VALUE}`);
          await producer.send(bytesOf("t"), { value: acknowledged.at(-1) ?? null });
        }
        disk.die();
        await using hasty = client.producer({ linger: 0, deliveryTimeout: 400 });
        expect(await codeOf(hasty.send(bytesOf("t"), { value: "never" }))).to.not.equal("done");
        const fault = faultOf(await server.ended);
        await client.close({ timeout: 0 }).catch(() => undefined);
        expect(fault).to.include({ exit: DISK_FAULT, code: "DISK_FAULT" });
        expect(fault.message).to.match(/data directory .*: .* EIO/u);

        // At start as well as at run time.
        const again = faultOf(await finished(launch(disk.path)));
        expect(again).to.include({ exit: DISK_FAULT, code: "DISK_FAULT" });
        expect(again.message).to.match(/EIO/u);

        disk.remount();
        server = await Server.start(disk.path);
        await expectAll(server.client, "t", acknowledged, ["never"]);
        await send(server.client, "t", "goes on");
        expect(await server.stop()).to.include({ code: 143 });
      },
    },

  "a disk that cannot be read any more (EIO) stops the broker when a reader needs it, with exit 74 and the file (3.8(1))":
    {
      needs: "ext4",
      async tell() {
        const disk = new FailingDisk({ mebibytes: 96, backedMebibytes: 110 });
        let server = await Server.start(disk.path);
        await server.client.admin.topics.create({ name: "t", partitions: 1 });
        const values = Array.from({ length: 200 }, (_, slot) => `${slot} ${VALUE}`);
        await using producer = server.client.producer({ linger: 0 });
        for (const value of values) await producer.send(bytesOf("t"), { value });
        expect(await server.stop()).to.include({ code: 143 });
        disk.remount();
        server = await Server.start(disk.path);
        disk.loseImage(8);
        // The reader waits for a broker that comes back, until its client is closed.
        const reading = codeOf(valuesOf(server.client, "t"));
        const fault = faultOf(await server.ended);
        await server.client.close({ timeout: 0 }).catch(() => undefined);
        await reading;
        expect(fault).to.include({ exit: DISK_FAULT, code: "DISK_FAULT" });
        expect(fault.message).to.match(/read .*t-0\/0{20}\.(log|index): EIO/u);
      },
    },
};
