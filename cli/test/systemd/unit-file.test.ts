import { expect } from "chai";
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { unitFile } from "../../src/systemd/unit-file.ts";
import { runInProcess } from "../support/in-process.ts";
import { ScratchDirectory } from "../support/tidemark.ts";

const unit = (over: Partial<Parameters<typeof unitFile>[0]> = {}): string =>
  unitFile({
    program: [process.execPath, "/usr/lib/tidemark.js"],
    config: "/etc/tidemark/server.properties",
    user: "root",
    madeBy: "tidemark generate systemd",
    ...over,
  });

describe("the unit of a broker for systemd", () => {
  it("runs the broker of a file as a user, and gives it time to stop", () => {
    const lines = unit().split("\n");
    expect(lines).to.include.members([
      `ExecStart=${process.execPath} /usr/lib/tidemark.js server start --config /etc/tidemark/server.properties`,
      "User=root",
      "TimeoutStopSec=45",
      "SuccessExitStatus=143",
    ]);
  });

  it("quotes what systemd would take for something else", () => {
    const line = unit({ config: '/a b/100%/$x/"y".properties' })
      .split("\n")
      .find((one) => one.startsWith("ExecStart="));
    expect(line?.endsWith(String.raw`--config "/a b/100%%/$$x/\"y\".properties"`)).to.equal(true);
  });

  it("is one that systemd understands", function () {
    const scratch = new ScratchDirectory();
    try {
      writeFileSync(scratch.join("tidemark.service"), unit());
      execFileSync("systemd-analyze", ["verify", "--man=no", scratch.join("tidemark.service")], { stdio: "pipe" });
    } catch (error: unknown) {
      if ((error as { code?: unknown }).code !== "ENOENT")
        throw new Error(String((error as { stderr?: unknown }).stderr));
      process.stderr.write("      skipped: this machine has no systemd-analyze\n");
      this.skip();
    } finally {
      scratch.remove();
    }
  });

  it("is written by generate systemd, which takes absolute paths alone", async () => {
    const flags = ["--exec", "/opt/tidemark/bin/tidemark", "--user", "kafka", "--config", "/etc/t.properties"];
    const { code, stdout } = await runInProcess(["generate", "systemd", ...flags]);
    expect(code).to.equal(0);
    expect(stdout.toString()).to.equal(
      unit({
        program: ["/opt/tidemark/bin/tidemark"],
        config: "/etc/t.properties",
        user: "kafka",
        madeBy: "tidemark generate systemd --config /etc/t.properties --user kafka --exec /opt/tidemark/bin/tidemark",
      }),
    );
    for (const wrong of [
      ["--config", "t.properties"],
      ["--exec", "tidemark"],
      ["--user", "a b"],
      ["-o", "json"],
    ])
      expect((await runInProcess(["generate", "systemd", ...wrong])).code, wrong.join(" ")).to.equal(2);
  });
});
