import { expect } from "chai";
import { descriptorsMax, openFilesLimit, shareDescriptors } from "../../src/platform/index.ts";

describe("descriptors of the process", () => {
  it("are as many as the soft limit says", () => {
    const head = "Limit                     Soft Limit           Hard Limit           Units\n";
    const limit = (soft: string): number | null =>
      openFilesLimit(`${head}Max open files            ${soft}                 4096                 files\n`);
    expect(limit("1024")).to.equal(1024);
    expect(limit("unlimited")).to.equal(Number.POSITIVE_INFINITY);
    expect(openFilesLimit("")).to.equal(null);
    expect(descriptorsMax()).to.be.above(16);
  });

  it("are shared out so that all together leave some to the rest of the program", () => {
    for (const max of [128, 200, 256, 1024, 4096, 1_048_576, Number.MAX_SAFE_INTEGER]) {
      const { files, grpc, http } = shareDescriptors(max);
      for (const share of [files, grpc, http]) expect(share, String(max)).to.be.above(0);
      expect(files + grpc + http, String(max)).to.equal(max - 96);
    }
  });
});
