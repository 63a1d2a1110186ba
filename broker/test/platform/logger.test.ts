import { expect } from "chai";
import { createLogger, type LogLevel } from "../../src/platform/index.ts";
import type { Logger } from "../../src/ports/index.ts";

function capture(level: LogLevel): { logger: Logger; lines: () => Record<string, unknown>[] } {
  const written: string[] = [];
  const logger = createLogger({ level, nodeId: 3, write: (line) => void written.push(line) });
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
});
