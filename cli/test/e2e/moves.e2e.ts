import { spawn } from "node:child_process";
import { join } from "node:path";
import { expect } from "chai";

const program = join(import.meta.dirname, "../chaos/moves.js");

interface Line {
  readonly event: string;
  readonly name?: string;
  readonly troubles?: readonly string[];
  readonly sends?: { readonly ok: number; readonly fail: number; readonly info: number };
  readonly reads?: number;
  readonly replicas?: number;
  readonly differences?: number;
  readonly strays?: number;
  readonly longestPauseMs?: number;
  readonly takenBack?: number;
}

/** The small form; the large one is `npm run moves`. */
describe("four brokers of which one is new and one goes", function () {
  this.timeout(300_000);

  it("lose, double and reorder nothing, and producers go on (R=3, min ISR 2)", async () => {
    const flags = ["--partitions", "12", "--mebibytes", "6", "--throttle", "6MB/s", "--records-per-second", "200"];
    // The two seconds of the large form are a measurement. Beside other tests this only tells a pause from a stop.
    flags.push("--pause-max", "20000");
    const child = spawn(process.execPath, ["--enable-source-maps", program, "--json", ...flags], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    let stdout = "";
    let told = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
    child.stderr.setEncoding("utf8").on("data", (text: string) => (told += text));
    const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
    const lines = stdout
      .split("\n")
      .filter((line) => line !== "")
      .map((line): Line => JSON.parse(line));
    expect(code, `${stdout}\n${told}`).to.equal(0);
    const phases = lines.filter(({ event }) => event === "phase").map(({ name }) => name);
    expect(phases).to.deep.equal(["quiet", "add", "move", "cancel", "drain", "remove", "after"]);
    expect(lines.find(({ name }) => name === "cancel")?.takenBack).to.be.greaterThan(0);
    expect(lines.find(({ event }) => event === "compared")).to.include({ replicas: 36, differences: 0, strays: 0 });
    const held = lines.find(({ event }) => event === "held");
    expect(held?.troubles).to.deep.equal([]);
    expect(held?.sends).to.include({ fail: 0, info: 0 });
    expect(held?.sends?.ok).to.be.greaterThan(500);
    // Two readers that followed, a drain, and another one after a restart of all.
    expect(held?.reads).to.equal(4 * (held?.sends?.ok ?? 0));
  });
});
