import type { ConfigEntry } from "@tidemark/client";
import { expect } from "chai";
import { CliFailure } from "../../src/failure.ts";
import { changesBetween, renderSettings } from "../../src/records/settings-text.ts";

const entry = (
  name: string,
  value: string | null,
  source: ConfigEntry["source"],
  more: Partial<ConfigEntry> = {},
): ConfigEntry => ({
  name,
  value,
  source,
  sensitive: false,
  readOnly: false,
  type: "string",
  updateMode: "topic",
  synonyms: [],
  ...more,
});

const text = renderSettings("topic", "topic/t", [
  entry("a", "1", "topic"),
  entry("b", "x=y", "topic"),
  entry("c", "3", "default"),
  entry("secret", null, "topic", { sensitive: true }),
  entry("fixed", "1", "static", { readOnly: true }),
]);

describe("settings to edit", () => {
  it("have what is set as lines, what is not as comments, and nothing that cannot be changed", () => {
    expect(text)
      .to.match(/^a=1$/m)
      .and.match(/^b=x=y$/m)
      .and.match(/^# c=3 {2}\(default\)$/m);
    expect(text).to.not.include("secret").and.not.include("fixed");
  });

  it("tell changed, new and removed lines apart", () => {
    expect(changesBetween(text, text)).to.deep.equal({ set: [], gone: [] });
    const edited = text.replace("a=1", " a = 2 ").replace("b=x=y\n", "d=4\n");
    expect(changesBetween(text, edited)).to.deep.equal({
      set: [
        ["a", "2"],
        ["d", "4"],
      ],
      gone: ["b"],
    });
  });

  it("name the line that makes no sense", () => {
    expect(() => changesBetween(text, "a=1\nnonsense\n")).to.throw(CliFailure, "line 2");
    expect(() => changesBetween(text, "a=1\na=2\n")).to.throw(CliFailure, "sets a once more");
  });
});
