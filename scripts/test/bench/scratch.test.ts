import { expect } from "chai";
import { tmpdir } from "node:os";
import { Impossible, requireRoom } from "../../src/bench/scratch.ts";

describe("the room that a measurement needs", () => {
  it("is refused in a line that says how much is there, how much is needed, and what helps", () => {
    expect(() => requireRoom(tmpdir(), 2 ** 70)).to.throw(
      Impossible,
      /has [\d.]+ GB free and [\d.]+ GB are needed; BENCH_DIR/,
    );
  });

  it("is granted where the disk has it", () => {
    expect(() => requireRoom(tmpdir(), 0)).not.to.throw();
  });
});
