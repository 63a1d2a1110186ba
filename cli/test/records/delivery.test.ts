import { expect } from "chai";
import { Delivery } from "../../src/records/delivery.ts";

describe("Delivery", () => {
  it("names the failed record that was read first, whatever the order of the answers", () => {
    const delivery = new Delivery();
    delivery.beginInput("a.txt");
    delivery.handOver();
    delivery.handOver();
    delivery.beginInput("-");
    delivery.handOver();
    const [first, second, third] = [0, 1, 2] as const;
    delivery.settle(third, new Error("late"), false, 40);
    delivery.settle(second, new Error("early"), false, 0);
    delivery.settle(first, null, true, 7);
    expect(delivery.acknowledgedBytes).to.equal(7);
    expect(delivery).to.include({ handedOver: 3, acknowledged: 1, failed: 2, duplicates: 1 });
    expect(delivery.firstFailed).to.deep.include({ slot: second });
    expect(delivery.describeSlot(second)).to.equal("record 2 of a.txt");
    expect(delivery.describeSlot(third)).to.equal("record 1 of standard input");
  });

  it("skips inputs without records", () => {
    const delivery = new Delivery();
    delivery.beginInput("empty.txt");
    delivery.beginInput("full.txt");
    delivery.handOver();
    expect(delivery.describeSlot(0)).to.equal("record 1 of full.txt");
  });
});
