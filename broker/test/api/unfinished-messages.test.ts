import { expect } from "chai";
import fc from "fast-check";
import { UnfinishedMessages } from "../../src/api/index.ts";
import { WindowPool } from "../../src/listeners/grpc/window-pool.ts";

describe("UnfinishedMessages", () => {
  it("refuses the oldest first, and only as many as it takes", () => {
    const refused: string[] = [];
    const messages = new UnfinishedMessages(100);
    const [a, b, c] = ["a", "b", "c"].map((name) => messages.of(() => refused.push(name)));
    a?.set(40);
    b?.set(40);
    a?.set(50);
    c?.set(10);
    expect(refused).to.deep.equal([]);
    c?.set(11);
    expect(refused).to.deep.equal(["a"]);
    expect(messages.bytes).to.equal(51);
  });

  it("takes a call that begins another message for young", () => {
    const refused: string[] = [];
    const messages = new UnfinishedMessages(100);
    const [a, b] = ["a", "b"].map((name) => messages.of(() => refused.push(name)));
    a?.set(50);
    b?.set(50);
    a?.clear();
    a?.set(51);
    expect(refused).to.deep.equal(["b"]);
  });

  it("lets one message through whatever its size", () => {
    const messages = new UnfinishedMessages(100);
    let refused = 0;
    const only = messages.of(() => refused++);
    only.set(1_000_000);
    expect(refused).to.equal(0);
    const other = messages.of(() => undefined);
    other.set(1);
    expect(refused).to.equal(1);
    expect(messages.bytes).to.equal(1);
  });

  it("holds its bound, but for one message, and counts what there is", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(7), fc.nat(60))), (steps) => {
        const messages = new UnfinishedMessages(100);
        const members = Array.from({ length: 8 }, () => messages.of(() => undefined));
        for (const [slot, bytes] of steps) {
          members[slot]?.set(bytes);
          const sizes = members.map((member) => member.bytes);
          expect(messages.bytes).to.equal(sizes.reduce((sum, size) => sum + size, 0));
          expect(messages.bytes).to.be.at.most(100);
        }
      }),
    );
  });
});

describe("WindowPool", () => {
  it("gives the first connections all they may have, thousands together little more than the pool, and takes back", () => {
    const mebibyte = 1024 * 1024;
    const pool = new WindowPool(256 * mebibyte);
    const windows = Array.from({ length: 2000 }, () => pool.take());
    expect(windows.slice(0, 4)).to.deep.equal([32, 32, 32, 32].map((size) => size * mebibyte));
    const sum = windows.reduce((total, window) => total + window, 0);
    expect(sum).to.be.below((256 + 2000 / 16) * mebibyte);
    for (const window of windows) pool.give(window);
    expect(pool.take()).to.equal(32 * mebibyte);
  });
});
