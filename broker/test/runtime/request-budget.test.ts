import { expect } from "chai";
import { RequestBudget } from "../../src/runtime/index.ts";

describe("RequestBudget", () => {
  it("is exhausted by bytes or by requests, whichever comes first", () => {
    const byBytes = new RequestBudget({ maxBytes: 100, maxRequests: 10 });
    byBytes.take(99);
    expect(byBytes.isExhausted).to.equal(false);
    byBytes.take(1);
    expect(byBytes.isExhausted).to.equal(true);
    const byRequests = new RequestBudget({ maxBytes: 100, maxRequests: 2 });
    byRequests.take(0);
    byRequests.take(0);
    expect(byRequests.isExhausted).to.equal(true);
  });

  it("wakes who waits when there is room again, once", () => {
    const budget = new RequestBudget({ maxBytes: 100, maxRequests: 10 });
    let wakes = 0;
    budget.take(150);
    budget.take(50);
    budget.whenFree(() => wakes++);
    budget.give(50);
    expect(wakes, "still 150 of 100").to.equal(0);
    budget.give(150);
    budget.take(10);
    budget.give(10);
    expect(wakes).to.equal(1);
  });

  it("asserts that nothing is given back twice", () => {
    const budget = new RequestBudget({ maxBytes: 100, maxRequests: 10 });
    budget.take(10);
    budget.give(10);
    expect(() => budget.give(1)).to.throw(/given back/);
  });
});
