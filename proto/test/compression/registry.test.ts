import { expect } from "chai";

import { CODEC_NAMES, codecById, codecByName, registerCodec } from "../../src/compression/index.ts";
import { expectProtoError } from "./fixtures.ts";

describe("compression registry", () => {
  it("holds Kafka's five codecs under Kafka's numbers", () => {
    expect(CODEC_NAMES).to.deep.equal(["none", "gzip", "snappy", "lz4", "zstd"]);
    for (const [id, name] of CODEC_NAMES.entries()) expect(codecById(id).name).to.equal(name);
  });

  it("refuses ids that are not assigned, naming those that are", () => {
    for (const id of [5, 6, 7, -1, 1.5, NaN]) {
      expect(expectProtoError(() => codecById(id), "UNSUPPORTED_COMPRESSION_TYPE").message).to.contain("4 zstd");
    }
  });

  it("hands out the implementation that was registered last", () => {
    const original = codecByName("lz4");
    const replacement = { ...original };
    try {
      registerCodec(replacement);
      expect(codecById(3)).to.equal(replacement);
    } finally {
      registerCodec(original);
    }
  });

  it("passes uncompressed bytes on as they are, within the limit", () => {
    const bytes = Buffer.from("tide");
    expect(codecByName("none").decompress(bytes, 4)).to.equal(bytes);
    expect(
      codecByName("none")
        .compress(new Uint8Array([1, 2]))
        .equals(Buffer.from([1, 2])),
    ).to.equal(true);
    expectProtoError(() => codecByName("none").decompress(bytes, 3), "INVALID_RECORD");
  });
});
