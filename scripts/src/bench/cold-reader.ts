/**
 * A reader that is far behind, in a process of its own: run by `fork` with "read" and the address of a gRPC door. On "start" it
 * reads the bench topic from offset 0 as fast as it comes, again from the start whenever it is at the end; on "stop" it ends and
 * answers how many bytes came.
 */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { BatchReader, lastOffsetOf } from "./batch-reader.ts";

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
    this.#child = fork(fileURLToPath(import.meta.url), ["read", address], { stdio: "inherit" });
  }

  async start(): Promise<void> {
    await this.#say("start");
  }

  /** Bytes since the start. */
  stop(): Promise<number> {
    return this.#say("stop");
  }

  end(): void {
    this.#child.disconnect();
  }

  async #say(message: string): Promise<number> {
    this.#child.send(message);
    return ((await once(this.#child, "message")) as [number])[0];
  }
}

if (process.argv[2] === "read") serve(process.argv[3] ?? "");
