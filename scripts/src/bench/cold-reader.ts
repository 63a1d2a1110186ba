/**
 * A reader that is far behind, in a process of its own: run by `fork` with "read" and the address of a gRPC door. On "start" it
 * reads the bench topic from offset 0 as fast as it comes, again from the start whenever it is at the end; on "stop" it ends and
 * answers how many bytes came.
 */
import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { ask } from "./ask.ts";
import { BatchReader, lastOffsetOf } from "./batch-reader.ts";
import { ownProcess } from "./left-behind.ts";

const MESSAGE_BYTES = 1024 * 1024;

function serve(address: string): void {
  let bytes = 0;
  let reader: BatchReader | null = null;
  const read = (): void => {
    const own = new BatchReader({
      address,
      offset: 0,
      maxBytes: MESSAGE_BYTES,
      onPart: ({ records, highWatermark }) => {
        bytes += records.length;
        if (own !== reader || lastOffsetOf(records) + 1 < highWatermark) return;
        own.close();
        read();
      },
      onError: (error) => {
        throw error;
      },
    });
    reader = own;
  };
  process.on("message", (message) => {
    if (message === "start") {
      bytes = 0;
      read();
      process.send?.(0);
    } else {
      reader?.close();
      reader = null;
      process.send?.(bytes);
    }
  });
  process.on("disconnect", () => process.exit(0));
}

export class ColdReader {
  readonly #child: ChildProcess;

  /** `address`: of a gRPC door. */
  constructor(address: string) {
    this.#child = ownProcess(fork(fileURLToPath(import.meta.url), ["read", address], { stdio: "inherit" }));
  }

  async start(): Promise<void> {
    await ask(this.#child, "start");
  }

  /** Bytes since the start. */
  stop(): Promise<number> {
    return ask<number>(this.#child, "stop");
  }

  end(): void {
    if (this.#child.connected) this.#child.disconnect();
  }
}

if (process.argv[2] === "read") serve(process.argv[3] ?? "");
