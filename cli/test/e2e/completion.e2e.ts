import { expect } from "chai";
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { runInProcess } from "../support/in-process.ts";
import { DevBroker, launcher, ScratchDirectory } from "../support/tidemark.ts";

const hasBash = spawnSync("bash", ["-c", "exit 0"]).status === 0;

describe("completion in a shell", () => {
  let scratch: ScratchDirectory;
  before(async function () {
    scratch = new ScratchDirectory();
    if (!hasBash) {
      process.stderr.write("skipped: there is no bash on this machine to complete in\n");
      this.skip();
    }
    writeFileSync(scratch.join("tidemark"), `#!/bin/sh\nexec ${process.execPath} ${launcher} "$@"\n`, { mode: 0o755 });
    writeFileSync(scratch.join("completion.bash"), (await runInProcess(["completion", "bash"])).stdout);
  });
  after(() => scratch.remove());

  /** What bash would offer for a line with the cursor at its end: the real function in a real bash. */
  function offered(line: string, env: Record<string, string> = {}): string[] {
    // Readline's own splitting: words are broken at = and : too.
    const script = `
      source "$2" || exit 9
      COMP_LINE="$1"; COMP_POINT=\${#COMP_LINE}
      mapfile -t COMP_WORDS < <(printf '%s' "$COMP_LINE" | grep -oE '[^ =:]+|[=:]+')
      [[ "$COMP_LINE" == *[\\ =:] ]] && COMP_WORDS+=("")
      COMP_CWORD=$(( \${#COMP_WORDS[@]} - 1 ))
      compopt() { :; }
      complete -p tidemark >&2
      _tidemark
      printf '%s\\n' "\${COMPREPLY[@]}"`;
    const { stdout, stderr, status } = spawnSync(
      "bash",
      ["--norc", "-c", script, "bash", line, scratch.join("completion.bash")],
      {
        encoding: "utf8",
        env: { ...process.env, PATH: `${scratch.path}:${process.env["PATH"]}`, XDG_CONFIG_HOME: scratch.path, ...env },
      },
    );
    expect(status, stderr).to.equal(0);
    expect(stderr).to.include("complete -F _tidemark tidemark");
    return stdout.split("\n").filter((one) => one !== "");
  }

  it("offers commands, flags and values", () => {
    expect(offered("tidemark topi")).to.deep.equal(["topics"]);
    expect(offered("tidemark topics al")).to.deep.equal(["alter"]);
    expect(offered("tidemark topics list -o y")).to.deep.equal(["yaml"]);
    expect(offered("tidemark consume orders --unt")).to.deep.equal(["--until"]);
  });

  it("offers settings by the names that go with what they are of, and codes of every kind", async () => {
    const completed = async (line: string): Promise<string> =>
      (await runInProcess(["__complete", ...line.split(" ")])).stdout.toString();
    expect(await completed("topics create a -c log.")).to.equal("");
    expect(await completed("configs set broker/1 log.retention.m")).to.match(/^log\.retention\.ms\t[^\n]+\n$/);
    expect(await completed("explain FILE_N")).to.equal("FILE_NOT_FOUND\n");
  });

  it("gives back only what stands behind = and :, as readline wants it", () => {
    expect(offered("tidemark topics list --output=y")).to.deep.equal(["yaml"]);
    expect(offered("tidemark -b 127.0.0.1:1 topics list --output=nd")).to.deep.equal(["ndjson"]);
  });

  it("offers topics of the broker, and nothing where none answers", async () => {
    const broker = await DevBroker.start(["--memory", "--topic", "orders:1:1", "--topic", "payments:1:1"]);
    try {
      const env = { TIDEMARK_BROKERS: broker.address, TIDEMARK_COMPLETE_TOPICS: "120s" };
      expect(offered("tidemark consume o", env)).to.deep.equal(["orders"]);
      expect(offered("tidemark configs get topic/p", env)).to.deep.equal(["topic/payments"]);
      expect(offered("tidemark partitions list pay", env)).to.deep.equal(["payments"]);
      // Behind the colon, where readline begins a word of its own.
      expect(offered("tidemark partitions describe o", env)).to.deep.equal(["orders:"]);
      expect(offered("tidemark partitions describe orders:", env)).to.deep.equal(["0"]);
      expect(offered("tidemark consume o", { ...env, TIDEMARK_COMPLETE_TOPICS: "off" })).to.deep.equal([]);
    } finally {
      await broker.stop();
    }
    expect(offered("tidemark consume o", { TIDEMARK_BROKERS: "127.0.0.1:1" })).to.deep.equal([]);
  });

  it("prints a script for each shell, and refuses others", async () => {
    for (const shell of ["bash", "zsh", "fish", "powershell"]) {
      const { code, stdout } = await runInProcess(["completion", shell]);
      expect(code, shell).to.equal(0);
      expect(stdout.toString(), shell).to.include("tidemark __complete -- ");
    }
    expect(await runInProcess(["completion", "tcsh"])).to.include({ code: 2 });
  });
});
