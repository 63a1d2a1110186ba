import { expect } from "chai";
import { Writable } from "node:stream";
import { ChunkWriter, StdoutClosed } from "../../src/output/chunk-writer.ts";

/** Takes a chunk only when told to, as a slow reader of a pipe does. */
class SlowSink extends Writable {
  readonly chunks: Buffer[] = [];
  readonly #isHeld: boolean;
  #resume: (() => void) | null = null;

  constructor(isHeld: boolean) {
    super({ highWaterMark: 16 });
    this.#isHeld = isHeld;
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.chunks.push(Buffer.from(chunk));
    if (this.#isHeld) this.#resume = done;
    else done();
  }

  release(): void {
    const resume = this.#resume;
    this.#resume = null;
    resume?.();
  }

  get text(): string {
    return Buffer.concat(this.chunks).toString();
  }
}

describe("ChunkWriter", () => {
  it("joins many lines into few writes, in order", async () => {
    const sink = new SlowSink(false);
    const writer = new ChunkWriter(sink, { chunkBytes: 1_024 });
    const lines = Array.from({ length: 1_000 }, (_, slot) => `line ${slot}`);
    for (const line of lines) if (!writer.appendLine(Buffer.from(line))) await writer.ready();
    await writer.end();
    expect(sink.text).to.equal(`${lines.join("\n")}\n`);
    expect(sink.chunks.length).to.be.below(20);
  });

  it("passes a line larger than a chunk on whole", async () => {
    const sink = new SlowSink(false);
    const writer = new ChunkWriter(sink, { chunkBytes: 8 });
    for (const line of ["ab", "x".repeat(100), "", "cd"])
      if (!writer.appendLine(Buffer.from(line))) await writer.ready();
    await writer.end();
    expect(sink.text).to.equal(`ab\n${"x".repeat(100)}\n\ncd\n`);
  });

  it("shows a lone line when the event loop turns", async () => {
    const sink = new SlowSink(false);
    new ChunkWriter(sink).appendLine(Buffer.from("now"));
    expect(sink.text).to.equal("");
    await new Promise((resolve) => setImmediate(resolve));
    expect(sink.text).to.equal("now\n");
  });

  it("tells its caller to wait while the stream is full", async () => {
    const sink = new SlowSink(true);
    const writer = new ChunkWriter(sink, { chunkBytes: 32 });
    expect(writer.appendLine(Buffer.alloc(40, 0x61))).to.equal(false);
    let isReady = false;
    const waiting = writer.ready().then(() => {
      isReady = true;
    });
    await new Promise((resolve) => setImmediate(resolve));
    expect(isReady).to.equal(false);
    sink.release();
    await waiting;
    expect(writer.appendLine(Buffer.from("b"))).to.equal(true);
  });

  it("rejects with StdoutClosed when the reader went away, also while waiting", async () => {
    const sink = new SlowSink(true);
    const writer = new ChunkWriter(sink, { chunkBytes: 32 });
    writer.appendLine(Buffer.alloc(40, 0x61));
    const waiting = writer.ready().catch((error: unknown) => error);
    sink.destroy(Object.assign(new Error("write EPIPE"), { code: "EPIPE" }));
    expect(await waiting).to.be.instanceOf(StdoutClosed);
    expect(await writer.end().catch((error: unknown) => error)).to.be.instanceOf(StdoutClosed);
  });

  it("keeps any other write error as it is", async () => {
    const sink = new SlowSink(true);
    const writer = new ChunkWriter(sink, { chunkBytes: 32 });
    const full = Object.assign(new Error("no space left on device"), { code: "ENOSPC" });
    sink.destroy(full);
    await new Promise((resolve) => setImmediate(resolve));
    expect(await writer.ready().catch((error: unknown) => error)).to.equal(full);
  });
});
