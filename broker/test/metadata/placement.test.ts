import { expect } from "chai";
import fc from "fast-check";
import { type PlacementTarget, placeReplicas } from "../../src/metadata/placement.ts";

const cluster = fc
  .record({
    racks: fc.array(fc.constantFrom(null, "a", "b", "c"), { minLength: 1, maxLength: 9 }),
    hosts: fc.array(fc.constantFrom(null, "x", "y"), { minLength: 9, maxLength: 9 }),
    partitions: fc.integer({ min: 1, max: 40 }),
    start: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
    factor: fc.integer({ min: 1, max: 9 }),
  })
  .filter(({ racks, factor }) => factor <= racks.length)
  .map(({ racks, hosts, ...rest }) => ({
    ...rest,
    // A host stands in one rack.
    brokers: racks.map((rack, slot): PlacementTarget => {
      const host = hosts[slot] ?? null;
      return { brokerId: slot * 3 + 1, rack, host: host === null ? null : `${rack ?? ""}${host}` };
    }),
  }));

const hostOf = ({ brokerId, host }: PlacementTarget): string => host ?? `alone ${brokerId}`;
const rackOf = (broker: PlacementTarget): string => (broker.rack === null ? hostOf(broker) : `rack ${broker.rack}`);

function countEach(ids: readonly number[]): number[] {
  const counts = new Map<number, number>();
  for (const id of ids) counts.set(id, (counts.get(id) ?? 0) + 1);
  return [...counts.values()];
}

describe("placeReplicas", () => {
  it("gives every partition as many different brokers as asked for", () => {
    fc.assert(
      fc.property(cluster, ({ brokers, partitions, factor, start }) => {
        const placed = placeReplicas(brokers, partitions, factor, start);
        expect(placed).to.have.length(partitions);
        for (const replicas of placed) {
          expect(new Set(replicas).size).to.equal(factor);
          expect(replicas.every((id) => brokers.some(({ brokerId }) => brokerId === id))).to.equal(true);
        }
      }),
    );
  });

  it("lets brokers lead equally many partitions, within one", () => {
    fc.assert(
      fc.property(cluster, ({ brokers, partitions, factor, start }) => {
        const leaders = placeReplicas(brokers, partitions, factor, start).flatMap((replicas) => replicas.slice(0, 1));
        const counts = countEach(leaders);
        const idle = brokers.length > counts.length ? 0 : Math.min(...counts);
        expect(Math.max(...counts) - idle).to.be.at.most(1);
      }),
    );
  });

  it("puts no two replicas of a partition on one rack while another has none", () => {
    fc.assert(
      fc.property(cluster, ({ brokers, partitions, factor, start }) => {
        const racks = new Map(brokers.map((broker) => [broker.brokerId, rackOf(broker)]));
        const racksCount = new Set(racks.values()).size;
        for (const replicas of placeReplicas(brokers, partitions, factor, start)) {
          expect(new Set(replicas.map((id) => racks.get(id))).size).to.equal(Math.min(factor, racksCount));
        }
      }),
    );
  });

  it("puts no two replicas of a partition on one host while another has none, once every rack has one", () => {
    fc.assert(
      fc.property(cluster, ({ brokers, partitions, factor, start }) => {
        const hosts = new Map(brokers.map((broker) => [broker.brokerId, hostOf(broker)]));
        const hostsCount = new Set(hosts.values()).size;
        for (const replicas of placeReplicas(brokers, partitions, factor, start)) {
          expect(new Set(replicas.map((id) => hosts.get(id))).size).to.equal(Math.min(factor, hostsCount));
        }
      }),
    );
  });

  it("does not depend on the order in which brokers are listed", () => {
    fc.assert(
      fc.property(cluster, ({ brokers, partitions, factor, start }) => {
        const reversed = placeReplicas([...brokers].reverse(), partitions, factor, start);
        expect(reversed).to.deep.equal(placeReplicas(brokers, partitions, factor, start));
      }),
    );
  });

  it("keeps two brokers from sharing all their partitions (R=2 of 4)", () => {
    const brokers = [1, 2, 3, 4].map((brokerId) => ({ brokerId, rack: null, host: null }));
    const pairs = placeReplicas(brokers, 12, 2, 0).map((replicas) => replicas.join());
    expect(new Set(pairs).size).to.equal(12);
  });
});
