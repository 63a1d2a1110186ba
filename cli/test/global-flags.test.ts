import { expect } from "chai";
import { wantsColor } from "../src/global-flags.ts";

describe("colours", () => {
  it("go to terminals, unless NO_COLOR, --no-color or a dumb terminal say no, or FORCE_COLOR says yes", () => {
    const [terminal, pipe] = [{ isTTY: true }, {}];
    expect(wantsColor(terminal, {}, false)).to.equal(true);
    expect(wantsColor(pipe, {}, false)).to.equal(false);
    expect(wantsColor(terminal, {}, true)).to.equal(false);
    expect(wantsColor(terminal, { NO_COLOR: "1" }, false)).to.equal(false);
    expect(wantsColor(terminal, { NO_COLOR: "" }, false)).to.equal(true);
    expect(wantsColor(terminal, { TERM: "dumb" }, false)).to.equal(false);
    expect(wantsColor(pipe, { FORCE_COLOR: "1" }, false)).to.equal(true);
    expect(wantsColor(terminal, { FORCE_COLOR: "0" }, false)).to.equal(false);
    expect(wantsColor(pipe, { FORCE_COLOR: "1", NO_COLOR: "1" }, false)).to.equal(false);
  });
});
