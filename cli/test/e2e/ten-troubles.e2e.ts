/**
 * Ten troubles, each of them really made: the first line of the command that an operator would try names the true cause. With REWRITE=1 what
 * the commands say goes into docs/operations.md.
 */
import { Client } from "@tidemark/client";
import { MemoryDisk, SystemClock } from "@tidemark/broker/platform";
import { expect } from "chai";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { runInProcess } from "../support/in-process.ts";
import { MemoryCluster, overriding } from "../support/memory-cluster.ts";
import { ServerProcess } from "../support/server-process.ts";
import { steadyPort } from "../support/tidemark.ts";

interface Trouble {
  readonly title: string;
  /** What was done, for the page. */
  readonly how: string;
  readonly commands: readonly (readonly string[])[];
  /** Of the first line of each command. */
  readonly cause: RegExp;
}

const TROUBLES = {
  followerStopped: {
    title: "A follower stands still",
    how: "the process of broker 3 was stopped with SIGSTOP",
    commands: [
      ["explain", "isr", "orders:0"],
      ["cluster", "health"],
    ],
    cause: /broker 3 is fenced: the controller hears nothing from it/u,
  },
  diskFull: {
    title: "A disk is full",
    how: "the disk of broker 1 was filled up",
    commands: [
      ["explain", "isr", "orders:0"],
      ["cluster", "health"],
      ["doctor", "--client"],
    ],
    cause:
      /broker 1 has no room on its disk|the disk of broker 1 is full|broker 1 disk space: (?:the disk|memory) is full/u,
  },
  minIsrTooHigh: {
    title: "min.insync.replicas is too high",
    how: "min.insync.replicas is 3 for a topic of three replicas, and broker 3 was stopped",
    commands: [["explain", "acked", "orders:0", "OFFSET"]],
    cause: /min\.insync\.replicas=3 wants all 3 replicas in sync, 2 are: broker 3 was stopped/u,
  },
  clockOff: {
    title: "A clock is off",
    how: "the clock of broker 2 was set ten minutes ahead",
    commands: [["doctor", "--client"]],
    cause: /^FAIL: broker 2 clock: its clock is (?:599|600)\.\d s ahead of this machine's/u,
  },
  wrongAddress: {
    title: "An advertised address is wrong",
    how: "broker 3 advertises a port where nobody listens",
    commands: [
      ["doctor", "--client"],
      ["cluster", "health"],
    ],
    cause:
      /broker 3 advertised: clients are sent to 127\.0\.0\.1:1: .*ECONNREFUSED|broker 3 does not answer at 127\.0\.0\.1:1, which it advertises/u,
  },
  quorumLost: {
    title: "The quorum is lost",
    how: "brokers 2 and 3 of three were killed at the same moment",
    commands: [
      ["cluster", "health"],
      ["doctor", "--client"],
    ],
    cause: /the quorum of the metadata is lost: 1 of 3 voters is there, brokers 2, 3 are away/u,
  },
  slowDisk: {
    title: "A disk is slow",
    how: "syncs on the disk of broker 1, which leads, take seconds",
    commands: [
      ["explain", "acked", "orders:0", "OFFSET"],
      ["doctor", "--client"],
    ],
    cause: /the disk of broker 1 is slow: a sync runs for|broker 1 fsync: the disk is slow: a sync runs for/u,
  },
  fencedBroker: {
    title: "A broker is fenced",
    how: "broker 3 runs and answers clients, and nothing passes between it and the other brokers",
    commands: [
      ["doctor", "--client"],
      ["explain", "isr", "orders:0"],
    ],
    cause: /broker 3 controller: it knows no controller|broker 3 runs and is fenced: the controller does not hear it/u,
  },
  dirtyRestart: {
    title: "A broker was not stopped cleanly",
    how: "broker 2 was killed with SIGKILL and started again",
    commands: [["doctor", "--client"]],
    cause: /^WARN: broker 2 last stop: it was not stopped cleanly before it started/u,
  },
  topicDeleted: {
    title: "A topic was deleted",
    how: "somebody deleted the topic `orders`",
    commands: [["explain", "acked", "orders:0", "OFFSET"]],
    cause: /UNKNOWN_TOPIC_OR_PARTITION: topic "orders" was deleted \d+ s ago/u,
  },
} as const satisfies Record<string, Trouble>;

type TroubleName = keyof typeof TROUBLES;

const page = resolve(import.meta.dirname, "../../../../docs/operations.md");
const BEGIN = "<!-- ten troubles: begin -->";
const END = "<!-- ten troubles: end -->";
const PATIENCE_MS = 300_000;

const transcripts = new Map<TroubleName, string>();

/** Runs the commands of a trouble until the first line of each names the cause, and keeps what they said. */
async function diagnose(name: TroubleName, brokers: string, offset = 0): Promise<void> {
  const { commands, cause }: Trouble = TROUBLES[name];
  let text = "";
  for (const command of commands) {
    const args = command.map((word) => (word === "OFFSET" ? String(offset) : word));
    const said = await until(async () => {
      const { stdout, stderr } = await runInProcess([...args, "-b", brokers, "--timeout", "5s"]);
      return stdout.toString() + stderr;
    }, cause);
    text += `$ tidemark ${args.join(" ")}\n${said}\n`;
  }
  transcripts.set(name, text);
}

/** Of dozens of checks that found nothing the page names the number. */
function withoutWell(text: string): string {
  return text.replace(/(?:^OK {2,}[^\n]*\n)+/gmu, (lines) => {
    const count = lines.split("\n").length - 1;
    return `OK      (${count} more checks)\n`;
  });
}

/** The metadata needs a moment for what was done: a session ends, an ISR shrinks. */
async function until(ask: () => Promise<string>, cause: RegExp): Promise<string> {
  const endsAt = Date.now() + PATIENCE_MS;
  for (;;) {
    // oxlint-disable-next-line no-await-in-loop
    const said = await ask();
    const [first = ""] = said.split("\n");
    if (cause.test(first)) return said;
    if (Date.now() >= endsAt) expect(first, said).to.match(cause);
    // oxlint-disable-next-line no-await-in-loop
    await sleep(200);
  }
}

async function makeTopic(client: Client, config: Record<string, string> = {}): Promise<number> {
  await client.admin.topics.create({ name: "orders", assignment: [[1, 2, 3]], config });
  return write(client, 3);
}

/** The offset behind the last record. */
async function write(client: Client, count: number): Promise<number> {
  await using producer = client.producer({ linger: 0 });
  let offset = 0;
  for (let i = 0; i < count; i += 1) offset = (await producer.send("orders", { value: `order ${i}` })).offset;
  return offset + 1;
}

describe("ten troubles and what the tools say", () => {
  describe("of brokers in memory", () => {
    it("a disk is full", async () => {
      const disk = new MemoryDisk({ capacityBytes: 24 * 2 ** 20 });
      await using cluster = await MemoryCluster.start({ worldOf: (id) => (id === 1 ? { disk } : {}) });
      await using client = new Client({ brokers: cluster.bootstrap });
      await makeTopic(client);
      const left = disk.open("/filler", "create");
      const block = Buffer.alloc(2 ** 20);
      for (let at = 0; disk.freeBytes("/") > block.length; at += block.length) left.writevSync([block], at);
      await write(client, 1);
      await diagnose("diskFull", cluster.bootstrap);
    });

    it("a clock is off", async () => {
      const clock = new SystemClock();
      const ahead = overriding(clock, {
        wallNow: () => (clock.wallNow() + 600_000) as ReturnType<typeof clock.wallNow>,
      });
      await using cluster = await MemoryCluster.start({ worldOf: (id) => (id === 2 ? { clock: ahead } : {}) });
      await diagnose("clockOff", cluster.bootstrap);
    });

    it("an advertised address is wrong", async () => {
      await using cluster = await MemoryCluster.start({
        configOf: (id) => (id === 3 ? { "advertised.listeners": "GRPC://127.0.0.1:1" } : {}),
      });
      await diagnose("wrongAddress", `${cluster.addressOf(1)},${cluster.addressOf(2)}`);
    });

    it("a disk is slow", async () => {
      const disk = new MemoryDisk();
      let isSlow = false;
      const held: (() => void)[] = [];
      const slow = overriding(disk, {
        open: (path, mode) => {
          const file = disk.open(path, mode);
          return overriding(file, {
            datasync: (done) => {
              if (isSlow && path.endsWith(".log")) held.push(() => file.datasync(done));
              else file.datasync(done);
            },
          });
        },
      });
      await using cluster = await MemoryCluster.start({ worldOf: (id) => (id === 1 ? { disk: slow } : {}) });
      await using client = new Client({ brokers: cluster.bootstrap });
      const end = await makeTopic(client);
      isSlow = true;
      const waiting = write(client, 1);
      await diagnose("slowDisk", cluster.bootstrap, end);
      isSlow = false;
      for (const go of held.splice(0)) go();
      await waiting;
    });

    it("a broker is fenced", async () => {
      await using cluster = await MemoryCluster.start();
      await using client = new Client({ brokers: cluster.bootstrap });
      await makeTopic(client);
      for (const other of [1, 2]) {
        cluster.network.cut(3, other);
        cluster.network.cut(other, 3);
      }
      await diagnose("fencedBroker", cluster.bootstrap);
    });
  });

  describe("of brokers in processes", () => {
    // Syncs cost nothing there: how quick the disk is, is not the question.
    const scratch = mkdtempSync(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "tidemark-troubles-"));
    const ports: { readonly grpc: number; readonly peer: number }[] = [];
    const running = new Map<number, ServerProcess>();
    const brokers = (): string => ports.map(({ grpc }) => `127.0.0.1:${grpc}`).join(",");

    function broker(id: number): ServerProcess {
      const env = {
        TIDEMARK_PEERS: ports.map(({ peer }, slot) => `${slot + 1}@127.0.0.1:${peer}`).join(","),
        TIDEMARK_LOG_DIRS: join(scratch, `data-${id}`),
        TIDEMARK_BROKER_SESSION_TIMEOUT_MS: "2000",
        TIDEMARK_BROKER_HEARTBEAT_INTERVAL_MS: "500",
      };
      const started = new ServerProcess(id, env, ports[id - 1] as (typeof ports)[number]);
      running.set(id, started);
      return started;
    }
    async function healthy(client: Client): Promise<void> {
      // oxlint-disable-next-line no-await-in-loop
      while (!(await client.admin.health()).healthy) await sleep(100);
    }

    before(async () => {
      for (let id = 1; id <= 3; id++) ports.push({ grpc: await steadyPort(), peer: await steadyPort() });
      await Promise.all([1, 2, 3].map((id) => broker(id).ready()));
    });
    after(async () => {
      await Promise.all([...running.values()].map((each) => each.kill("SIGKILL")));
      rmSync(scratch, { recursive: true, force: true });
    });

    it("a topic was deleted", async () => {
      await using client = new Client({ brokers: brokers() });
      await makeTopic(client);
      await client.admin.topics.delete("orders");
      await diagnose("topicDeleted", brokers());
    });

    it("a follower stands still", async () => {
      await using client = new Client({ brokers: brokers() });
      await makeTopic(client);
      running.get(3)?.signal("SIGSTOP");
      await diagnose("followerStopped", brokers());
      running.get(3)?.signal("SIGCONT");
      await healthy(client);
    });

    it("a broker was not stopped cleanly", async () => {
      await using client = new Client({ brokers: brokers() });
      await running.get(2)?.kill("SIGKILL");
      await broker(2).ready();
      await healthy(client);
      await diagnose("dirtyRestart", brokers());
    });

    it("min.insync.replicas is too high", async () => {
      await using client = new Client({ brokers: brokers() });
      const end = await write(client, 1);
      await client.admin.configs.alter({ type: "topic", name: "orders" }, { set: { "min.insync.replicas": "3" } });
      await running.get(3)?.kill("SIGTERM");
      await diagnose("minIsrTooHigh", brokers(), end);
      await broker(3).ready();
      await healthy(client);
    });

    it("the quorum is lost", async () => {
      await Promise.all([...running.values()].filter(({ id }) => id !== 1).map((each) => each.kill("SIGKILL")));
      await diagnose("quorumLost", brokers());
    });
  });

  describe("of the page", () => {
    it("stand in docs/operations.md as they were said", () => {
      const text = readFileSync(page, "utf8");
      const from = text.indexOf(BEGIN);
      const to = text.indexOf(END);
      expect(from, BEGIN).to.be.within(0, to);
      if (process.env["REWRITE"] === "1" && transcripts.size === Object.keys(TROUBLES).length) {
        const blocks = Object.entries(TROUBLES).map(([name, { title, how }]) => {
          const said = withoutWell(transcripts.get(name as TroubleName) ?? "");
          return `### ${title}\n\nStaged: ${how}.\n\n\`\`\`text\n${said.trimEnd()}\n\`\`\`\n`;
        });
        writeFileSync(page, `${text.slice(0, from)}${BEGIN}\n\n${blocks.join("\n")}\n${text.slice(to)}`);
      }
      const section = readFileSync(page, "utf8").split(BEGIN)[1]?.split(END)[0] ?? "";
      for (const { title, commands, cause } of Object.values(TROUBLES) as readonly Trouble[]) {
        const block = section.split(`### ${title}\n`)[1]?.split("\n### ")[0] ?? "";
        const firstLines = [...block.matchAll(/^\$ tidemark [^\n]*\n([^\n]*)$/gmu)].map(([, line]) => line);
        expect(firstLines, title).to.have.length(commands.length);
        for (const line of firstLines) expect(line, title).to.match(cause);
      }
    });
  });
});
