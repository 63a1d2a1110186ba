import { expect } from "chai";
import { createRequire } from "node:module";
import { createLogger, type LogLevel, LogLevels } from "../../src/platform/index.ts";
import { prettyLine } from "../../src/platform/pretty-line.ts";
import { DiskFault } from "../../src/ports/index.ts";
import type { Logger } from "../../src/ports/index.ts";

function capture(
  level: LogLevel | LogLevels,
  now?: () => number,
): { logger: Logger; lines: () => Record<string, unknown>[] } {
  const written: string[] = [];
  const logger = createLogger({
    level,
    nodeId: 3,
    write: (line) => void written.push(line),
    ...(now === undefined ? {} : { now }),
  });
  return { logger, lines: () => written.map((line): Record<string, unknown> => JSON.parse(line)) };
}

describe("createLogger", () => {
  it("writes one JSON line with ts, level, node, component, msg and the fields", () => {
    const { logger, lines } = capture("debug");
    logger.child("storage").warn("log is recovered", { topic: "orders", bytes: 5 });
    const [line = {}] = lines();
    expect(line).to.include({
      level: "warn",
      node: 3,
      component: "storage",
      msg: "log is recovered",
      topic: "orders",
      bytes: 5,
    });
    expect(String(line["ts"])).to.match(/^\d{4}-\d\d-\d\dT.*Z$/);
  });

  it("leaves out lines below its level, in children too", () => {
    const { logger, lines } = capture("warn");
    for (const each of [logger, logger.child("x")]) {
      each.debug("debug");
      each.info("info");
      each.warn("warn");
      each.error("error");
    }
    expect(lines().map(({ msg }) => msg)).to.deep.equal(["warn", "error", "warn", "error"]);
    const silent = capture("silent");
    silent.logger.error("error");
    expect(silent.lines()).to.deep.equal([]);
  });

  it("writes plain lines of the same fields while pino cannot be loaded, and tries again with each", () => {
    const lines: Record<string, unknown>[] = [];
    let isLoadable = false;
    const logger = createLogger({
      level: "info",
      nodeId: 3,
      write: (line) => void lines.push(JSON.parse(line)),
      load: (name) => {
        if (!isLoadable) throw Object.assign(new Error(`Cannot find module '${name}'`), { code: "MODULE_NOT_FOUND" });
        return createRequire(import.meta.url)(name);
      },
    });
    const say = (): void => logger.child("storage").warn("no room", { topic: "t", saslPassword: "hunter2" });
    say();
    isLoadable = true;
    say();
    const [plain, own] = lines.map(({ ts, ...line }) => (expect(ts).to.be.a("string"), line));
    expect(plain).to.deep.equal(own);
    expect(plain).to.include({ node: 3, saslPassword: "[redacted]" });
  });

  it("redacts passwords, tokens and secrets at any depth", () => {
    const { logger, lines } = capture("info");
    logger.info("login", {
      saslPassword: "hunter2",
      nested: { list: [{ accessToken: "abc", user: "ann" }], clientSecret: { a: 1 } },
      settings: new Map([["ssl.keystore.password", "pw"]]),
    });
    const text = JSON.stringify(lines());
    for (const secret of ["hunter2", "abc", "pw"]) expect(text).not.to.contain(`"${secret}"`);
    expect(text).to.contain('"user":"ann"');
    expect(text.match(/\[redacted\]/g)).to.have.length(4);
  });

  it("shows an error with its code and cause, and survives circles and big integers", () => {
    const { logger, lines } = capture("info");
    const circle: Record<string, unknown> = { big: 2n ** 60n };
    circle["self"] = circle;
    const cause = Object.assign(new Error("inner"), { code: "EIO" });
    logger.error("failed", { err: new Error("outer", { cause }), circle });
    const [line] = lines();
    expect(line?.["err"]).to.deep.include({
      name: "Error",
      message: "outer",
      cause: { name: "Error", code: "EIO", message: "inner" },
    });
  });

  it("shows a fault of the disk with its kind as code", () => {
    const { logger, lines } = capture("info");
    logger.error("failed", { err: new DiskFault("ENOSPC", "write", "/data/x") });
    expect(lines()[0]?.["err"]).to.deep.equal({ name: "DiskFault", code: "ENOSPC", message: "write /data/x: ENOSPC" });
  });

  it("follows levels of single components that change while it runs, in loggers handed out before", () => {
    const levels = new LogLevels("warn", ["grpc=debug"]);
    const { logger, lines } = capture(levels);
    const grpc = logger.child("grpc");
    const storage = logger.child("storage");
    const all = (): void => {
      for (const each of [logger, grpc, storage]) each.info("here");
    };
    all();
    levels.set("info", ["grpc=silent"]);
    all();
    expect(lines().map(({ component }) => component)).to.deep.equal(["grpc", "broker", "storage"]);
    for (const wrong of ["grpc", "grpc=loud", "=info", "grpc=toString"]) {
      expect(() => levels.set("debug", [wrong]), wrong).to.throw(RangeError);
    }
    all();
    expect(lines(), "a refused change changes nothing").to.have.length(5);
  });

  it("does not flood: a message that repeats is cut down to one line a second, which tells how many it stands for", () => {
    let now = 0;
    const { logger, lines } = capture("info", () => now);
    for (let i = 0; i < 5000; i++) logger.error("the disk is slow", { path: `/data/${i}` });
    logger.error("something else");
    const written = lines().length - 1;
    expect(written).to.be.within(10, 500);
    expect(lines().at(-1)).to.include({ msg: "something else" });
    now = 1000;
    logger.error("the disk is slow");
    logger.error("the disk is slow");
    expect(lines().at(-1)).to.include({ msg: "the disk is slow", suppressed: 5000 - written });
    expect(lines()).to.have.length(written + 2);
  });
});

describe("prettyLine", () => {
  it("lays a line out for people, its fields behind the message", () => {
    const json = JSON.stringify({
      level: "warn",
      ts: "2026-11-21T20:00:01.123Z",
      node: 1,
      component: "storage",
      topic: "orders",
      partition: 3,
      reason: "no room",
      err: { code: "EIO" },
      msg: "log is bad",
    });
    expect(prettyLine(`${json}\n`)).to.equal(
      '20:00:01.123 WARN  storage: log is bad topic=orders partition=3 reason="no room" err={"code":"EIO"}\n',
    );
  });

  it("shows of a configuration what was set and where", () => {
    const settings = {
      "node.id": { value: "1", source: "file" },
      "log.dirs": { value: "/var/lib/tide mark", source: "flag" },
    };
    const line = {
      level: "info",
      ts: "2026-11-21T20:00:01.123Z",
      node: 1,
      component: "broker",
      settings,
      defaults: 2,
      msg: "effective",
    };
    expect(prettyLine(JSON.stringify(line))).to.equal(
      '20:00:01.123 INFO  broker: effective node.id=1 (file), log.dirs="/var/lib/tide mark" (flag) defaults=2\n',
    );
  });
});
