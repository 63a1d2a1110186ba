/**
 * One reader's fetch stream to one broker. Credit belongs to a stream, so every reader has its own: on a shared one a
 * reader that pauses would hold up the others. It lives once: when it ends, its owner opens another.
 */
import { DATA_SERVICE, type FetchedPartition, type FetchSubscribe, wire } from "@tidemark/proto";
import { BrokerError } from "../errors.ts";
import type { ByteStream, Connection } from "./connection.ts";

export interface FetchListener {
  onFetched(stream: FetchStream, partitions: readonly FetchedPartition[]): void;
  /** Called once, unless it was closed from here. */
  onEnded(stream: FetchStream, error: BrokerError): void;
}

export class FetchStream {
  readonly #call: ByteStream;
  readonly #listener: FetchListener;
  readonly #address: string;
  readonly #grantStepBytes: number;
  /** To be granted with the next message. */
  #owedBytes = 0;
  #isOver = false;
  #silence: NodeJS.Timeout | null;

  /** `creditBytes`, of the reader's share, is granted with the first subscription. */
  constructor(
    connection: Connection,
    listener: FetchListener,
    options: { readonly shareBytes: number; readonly creditBytes: number; readonly connectTimeoutMs: number },
  ) {
    this.#address = connection.address;
    this.#listener = listener;
    this.#owedBytes = options.creditBytes;
    this.#grantStepBytes = Math.ceil(options.shareBytes / 4);
    const call = connection.open(DATA_SERVICE.fetch.path);
    this.#call = call;
    // The first answer to a subscription comes at once, so silence at the start means that nobody is there.
    this.#silence = setTimeout(() => this.#fail("did not open the fetch stream in time"), options.connectTimeoutMs);
    call.on("data", (bytes: Buffer) => this.#onMessage(bytes));
    call.on("error", (error: unknown) => this.#end(BrokerError.from(error)));
    call.on("end", () => this.#end(new BrokerError("CONNECTION_LOST", `${this.#address} ended the fetch stream`)));
  }

  subscribe(subscriptions: FetchSubscribe[]): void {
    this.#write({ subscribe: subscriptions, unsubscribe: [], creditBytes: this.#takeOwed() });
  }

  unsubscribe(ids: number[]): void {
    this.#write({ subscribe: [], unsubscribe: ids, creditBytes: this.#takeOwed() });
  }

  /** Gives credit back; it is told to the broker in steps, or at once when the reader `isHungry`. */
  grant(bytes: number, isHungry: boolean): void {
    this.#owedBytes += bytes;
    if (this.#owedBytes >= this.#grantStepBytes || (isHungry && this.#owedBytes > 0)) {
      this.#write({ subscribe: [], unsubscribe: [], creditBytes: this.#takeOwed() });
    }
  }

  close(): void {
    if (this.#isOver) return;
    this.#finish();
    this.#call.cancel();
  }

  #takeOwed(): number {
    const owed = this.#owedBytes;
    this.#owedBytes = 0;
    return owed;
  }

  #write(request: { subscribe: FetchSubscribe[]; unsubscribe: number[]; creditBytes: number }): void {
    if (!this.#isOver) this.#call.write(wire.fetchRequest.encode(request));
  }

  #onMessage(bytes: Buffer): void {
    if (this.#isOver) return;
    if (this.#silence !== null) clearTimeout(this.#silence);
    this.#silence = null;
    try {
      this.#listener.onFetched(this, wire.fetchResponse.decode(bytes).partitions);
    } catch (error: unknown) {
      this.#end(BrokerError.from(error));
      this.#call.cancel();
    }
  }

  #fail(what: string): void {
    this.#end(new BrokerError("CONNECTION_LOST", `${this.#address} ${what}`));
    this.#call.cancel();
  }

  #end(error: BrokerError): void {
    if (this.#isOver) return;
    this.#finish();
    this.#listener.onEnded(this, error);
  }

  #finish(): void {
    this.#isOver = true;
    if (this.#silence !== null) clearTimeout(this.#silence);
  }
}
