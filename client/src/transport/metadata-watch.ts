/**
 * The stream on which one broker tells of brokers, topics and leaders when they change (data.proto, `WatchMetadata`). It
 * lives once: when it ends, its owner opens another, at another broker.
 */
import { DATA_SERVICE, type MetadataResponse, wire } from "@tidemark/proto";
import { BrokerError } from "../errors.ts";
import type { ByteStream, Connection } from "./connection.ts";

export interface MetadataListener {
  onMetadata(metadata: MetadataResponse): void;
  /** Called once, unless it was closed from here. */
  onWatchEnded(error: BrokerError): void;
}

export class MetadataWatch {
  readonly address: string;
  readonly #call: ByteStream;
  readonly #listener: MetadataListener;
  #silence: NodeJS.Timeout | null;
  #isOver = false;

  constructor(connection: Connection, listener: MetadataListener, options: { readonly connectTimeoutMs: number }) {
    this.address = connection.address;
    this.#listener = listener;
    const call = connection.watch(DATA_SERVICE.watchMetadata.path);
    this.#call = call;
    // The first answer comes at once.
    this.#silence = setTimeout(() => this.#fail("did not open the metadata stream in time"), options.connectTimeoutMs);
    call.on("data", (bytes: Buffer) => this.#onMessage(bytes));
    call.on("error", (error: unknown) => this.#end(BrokerError.from(error)));
    call.on("end", () => this.#fail("ended the metadata stream"));
  }

  /** They are told of now, and whenever they change. */
  add(topics: readonly string[]): void {
    if (!this.#isOver) this.#call.write(wire.watchMetadataRequest.encode({ watch: [...topics], forget: [] }));
  }

  /** They are told of no more. */
  forget(topics: readonly string[]): void {
    if (!this.#isOver) this.#call.write(wire.watchMetadataRequest.encode({ watch: [], forget: [...topics] }));
  }

  close(): void {
    if (this.#isOver) return;
    this.#finish();
    this.#call.cancel();
  }

  #onMessage(bytes: Buffer): void {
    if (this.#isOver) return;
    if (this.#silence !== null) clearTimeout(this.#silence);
    this.#silence = null;
    let metadata: MetadataResponse;
    try {
      metadata = wire.metadataResponse.decode(bytes);
    } catch (error: unknown) {
      this.#end(BrokerError.from(error));
      this.#call.cancel();
      return;
    }
    this.#listener.onMetadata(metadata);
  }

  #fail(what: string): void {
    this.#end(new BrokerError("CONNECTION_LOST", `${this.address} ${what}`));
    this.#call.cancel();
  }

  #end(error: BrokerError): void {
    if (this.#isOver) return;
    this.#finish();
    this.#listener.onWatchEnded(error);
  }

  #finish(): void {
    this.#isOver = true;
    if (this.#silence !== null) clearTimeout(this.#silence);
  }
}
