import { expect } from "chai";
import { Agenda } from "../../../src/sim/cluster/agenda.ts";

describe("the agenda of a simulated cluster", () => {
  function run(agenda: Agenda): number[] {
    const moments: number[] = [];
    while (agenda.nextAtMs < Number.POSITIVE_INFINITY) {
      moments.push(agenda.nextAtMs);
      agenda.runNext();
    }
    return moments;
  }

  it("runs what is due by time, counted from where it begins, all of one moment in one stretch", () => {
    const agenda = new Agenda();
    const seen: string[] = [];
    agenda.begin(1_000.5);
    agenda.at(20, () => seen.push("c"));
    agenda.at(10, () => seen.push("a"));
    agenda.at(20, () => seen.push("d"));
    agenda.at(10, () => agenda.after(10, () => seen.push("e")));
    expect(run(agenda)).to.deep.equal([1_010.5, 1_020.5]);
    expect(seen.join("")).to.equal("acde");
  });

  it("ends what was done earlier before the deeds of that moment, whether these are drawn late or known all along", () => {
    const story = (isKnown: boolean): string => {
      const agenda = new Agenda();
      let seen = "";
      const cut = (): void => {
        seen += "cut ";
        agenda.endAfter(10, () => (seen += "heal "));
      };
      agenda.at(0, cut);
      if (isKnown) agenda.at(10, () => (seen += "kill "));
      else agenda.at(5, () => agenda.after(5, () => (seen += "kill ")));
      run(agenda);
      return seen;
    };
    expect(story(true)).to.equal("cut heal kill ");
    expect(story(false)).to.equal(story(true));
  });

  it("forgets everything when time begins anew", () => {
    const agenda = new Agenda();
    agenda.at(10, () => expect.fail("it is over"));
    agenda.begin(50);
    expect(run(agenda)).to.deep.equal([]);
  });
});
