import { expect } from "chai";
import { EventEmitter } from "node:events";
import { watchStopSignals } from "../src/signals.ts";

class FakeProcess extends EventEmitter {
  readonly exits: number[] = [];
  exit(code: number): void {
    this.exits.push(code);
  }
}

describe("watchStopSignals", () => {
  let now = 0;
  let target: FakeProcess;
  beforeEach(() => {
    now = 5000;
    target = new FakeProcess();
  });

  it("asks for a clean stop at the first signal, which names the exit code", () => {
    const stop = watchStopSignals(target, () => now);
    expect(stop.exitCode()).to.equal(null);
    target.emit("SIGTERM", "SIGTERM");
    expect(stop.signal.aborted).to.equal(true);
    expect(stop.exitCode()).to.equal(143);
    expect(target.exits).to.deep.equal([]);
  });

  it("tells of a Ctrl-C once, and of no other signal", () => {
    let interrupts = 0;
    watchStopSignals(
      target,
      () => now,
      () => void (interrupts += 1),
    );
    target.emit("SIGINT", "SIGINT");
    now += 300;
    target.emit("SIGINT", "SIGINT");
    expect(interrupts).to.equal(1);
    const other = new FakeProcess();
    watchStopSignals(
      other,
      () => now,
      () => void (interrupts += 1),
    );
    other.emit("SIGTERM", "SIGTERM");
    other.emit("SIGINT", "SIGINT");
    expect(interrupts).to.equal(1);
  });

  it("takes the copy that npm hands on as the same Ctrl-C", () => {
    const stop = watchStopSignals(target, () => now);
    target.emit("SIGINT", "SIGINT");
    now += 300;
    target.emit("SIGINT", "SIGINT");
    expect(target.exits).to.deep.equal([]);
    expect(stop.exitCode()).to.equal(130);
  });

  it("ends at once when the user asks again", () => {
    watchStopSignals(target, () => now);
    target.emit("SIGTERM", "SIGTERM");
    now += 1000;
    target.emit("SIGINT", "SIGINT");
    expect(target.exits).to.deep.equal([130]);
  });
});
