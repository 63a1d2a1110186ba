import { expect } from "chai";
import { ConnectionLimits } from "../../src/api/index.ts";

const WIDE = { maxConnections: 1_000_000, maxConnectionsPerIp: 1_000_000, maxConnectionCreationRate: 40 };

/** How connections from `address` at `now` fare: how many at once, how many later, how many not. */
function storm(limits: ConnectionLimits, address: string, now: number, count: number) {
  const fared = { atOnce: 0, later: 0, refused: 0 };
  for (let i = 0; i < count; i++) {
    const admission = limits.admit(address, now);
    if (!admission.ok) fared.refused++;
    else if (admission.delayMs > 0) fared.later++;
    else fared.atOnce++;
  }
  return fared;
}

describe("ConnectionLimits", () => {
  it("refuses what is above the maximum, of all and of one address, until one is released", () => {
    const limits = new ConnectionLimits(() => ({ ...WIDE, maxConnections: 3, maxConnectionsPerIp: 2 }), 0);
    expect([limits.admit("a", 0).ok, limits.admit("a", 0).ok]).to.deep.equal([true, true]);
    expect(limits.admit("a", 0)).to.deep.equal({ ok: false, reason: "connections" });
    expect(limits.admit("b", 0).ok).to.equal(true);
    expect(limits.admit("c", 0)).to.deep.equal({ ok: false, reason: "connections" });
    limits.release("a");
    expect(limits.admit("c", 0).ok).to.equal(true);
    expect(limits.count).to.equal(3);
  });

  it("keeps eight places for this machine above both limits, and gives them to nobody else", () => {
    const limits = new ConnectionLimits(() => ({ ...WIDE, maxConnections: 2, maxConnectionsPerIp: 1 }), 0);
    const fromHere = (): boolean => limits.admit("127.0.0.1", 0, { isLocal: true }).ok;
    expect([limits.admit("a", 0).ok, limits.admit("b", 0).ok, limits.admit("c", 0).ok]).to.deep.equal([
      true,
      true,
      false,
    ]);
    for (let i = 0; i < 8; i++) expect(fromHere()).to.equal(true);
    expect(fromHere()).to.equal(false);
    limits.release("a");
    expect(limits.admit("c", 0).ok, "the limit counts those in the reserve too").to.equal(false);
    expect(fromHere()).to.equal(true);
  });

  it("lets a storm of one address wait its turn, refuses what would wait too long, and spares the others", () => {
    const limits = new ConnectionLimits(() => WIDE, 5000);
    // Ten connections a second over ten seconds at once, and those of five more later.
    expect(storm(limits, "a", 0, 1000)).to.deep.equal({ atOnce: 100, later: 50, refused: 850 });
    expect(limits.delayedCount).to.equal(50);
    expect(storm(limits, "b", 0, 100)).to.deep.equal({ atOnce: 100, later: 0, refused: 0 });
    expect(limits.admit("a", 5000)).to.deep.equal({ ok: true, delayMs: 100 });
  });

  it("holds the rate of all addresses together", () => {
    const limits = new ConnectionLimits(() => WIDE, 0);
    let admitted = 0;
    for (let i = 0; i < 3000; i++) if (limits.admit(`address ${i}`, 0).ok) admitted++;
    expect(admitted).to.equal(400);
  });

  it("takes another rate while it runs, and keeps its counts", () => {
    let rate = 4;
    const limits = new ConnectionLimits(() => ({ ...WIDE, maxConnectionCreationRate: rate }), 0);
    expect(storm(limits, "a", 0, 100).atOnce).to.equal(10);
    rate = 40;
    expect(storm(limits, "a", 0, 1000).atOnce).to.equal(100);
    expect(limits.count).to.equal(110);
  });
});
