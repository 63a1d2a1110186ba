import { expect } from "chai";
import { reasonOf } from "../../src/doctor/check.ts";
import { splitAddress } from "../../src/doctor/client-checks.ts";
import { checkDoors, fileSystemOf } from "../../src/doctor/server-checks.ts";

describe("what doctor reads", () => {
  it("takes addresses apart, IPv6 in brackets too, and refuses what is none", () => {
    expect(splitAddress("broker-1:9192")).to.deep.equal({ host: "broker-1", port: 9192 });
    expect(splitAddress("[::1]:9192")).to.deep.equal({ host: "::1", port: 9192 });
    for (const text of ["broker-1", "::1:9192", "broker-1:99999", ":9192", "a:b"])
      expect(splitAddress(text), text).to.equal(null);
  });

  it("finds the file system by the longest mount above a path, and the later of two on one place", () => {
    const mounts = [
      "overlay / overlay rw 0 0",
      "/dev/sda1 /data ext4 rw 0 0",
      "/dev/sdb1 /data/my\\040disk xfs rw 0 0",
      "tmpfs /data2 tmpfs rw 0 0",
      "server:/x /data2 nfs4 rw 0 0",
      "",
    ].join("\n");
    expect(fileSystemOf(mounts, "/data/t")).to.equal("ext4");
    expect(fileSystemOf(mounts, "/data")).to.equal("ext4");
    expect(fileSystemOf(mounts, "/data/my disk/t")).to.equal("xfs");
    expect(fileSystemOf(mounts, "/data2/t")).to.equal("nfs4");
    expect(fileSystemOf(mounts, "/data3")).to.equal("overlay");
    expect(fileSystemOf("", "/data")).to.equal(null);
  });

  it("warns of doors that other hosts reach where Node is not mended any more", async () => {
    const said = async (hosts: string[], version: string): Promise<string[]> => {
      const lines: string[] = [];
      await checkDoors((...line) => void lines.push(line.join(" | ")), hosts, version);
      return lines;
    };
    expect(await said(["127.0.0.1", "localhost"], "20.20.2")).to.deep.equal([]);
    expect(await said(["0.0.0.0"], "22.1.0")).to.deep.equal([]);
    expect(await said(["0.0.0.0", "127.0.0.1", "0.0.0.0"], "20.20.2")).to.deep.equal([
      "WARN | doors | other hosts reach 0.0.0.0, and Node 20.20.2 gets no fixes of its HTTP/2 | run it on Node 22 or newer",
    ]);
  });

  it("says the reason that lies behind `fetch failed` and behind several addresses", () => {
    expect(reasonOf(new TypeError("fetch failed", { cause: new Error("refused") }))).to.equal("refused");
    expect(reasonOf(new AggregateError([new Error("one"), new Error("two")]))).to.equal("one");
    expect(reasonOf("odd")).to.equal("odd");
  });
});
