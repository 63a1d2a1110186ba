/**
 * A simulated reader of one partition, from an offset on and in order: the fetch use case of `api/` at its leader, over the simulated
 * network, with credit as the SDK's reader grants it. When the stream ends, or is told an error, it looks for the leader and goes on
 * where it was.
 */
import { RecordCursor } from "@tidemark/proto";
import { type FetchedPart, type FetchMessage, type FetchSink, FetchStream } from "../../api/index.ts";
import type { History } from "../history/index.ts";
import { ensure } from "../violation.ts";
import type { ClientLink, ClientLinks, ServedClient } from "./client-links.ts";
import type { ClusterView } from "./cluster-view.ts";

export interface SimReaderOptions {
  readonly topic: string;
  readonly partition: number;
  readonly kind: "assigned" | "drain";
  /** Granted at first, and given back as records are taken. */
  readonly creditBytes: number;
}

export interface SimReaderParts {
  readonly links: ClientLinks;
  readonly view: ClusterView;
  readonly history: History;
  readonly count: (what: string) => void;
}

/** What one part says, as it arrives. */
interface ArrivedPart extends Pick<FetchedPart, "code" | "highWatermark" | "nextOffset" | "logStartOffset"> {
  readonly records: Buffer;
}

const SUBSCRIPTION = 1;
const AGAIN_MS = 50;
/** Bytes on their way to a client, above which its stream takes no more. */
const AHEAD_BYTES = 256 * 1024;

export class SimReader {
  readonly #options: SimReaderOptions;
  readonly #parts: SimReaderParts;
  readonly #reader: number;
  #position = 0;
  /** Of the stream in use: what comes of another one is late. */
  #session = 0;
  #link: ClientLink | null = null;
  /** Ends the stream in use, at the broker. */
  #closeStream: (() => void) | null = null;
  #isEnded = false;

  constructor(options: SimReaderOptions, parts: SimReaderParts) {
    this.#options = options;
    this.#parts = parts;
    const { topic, partition, kind } = options;
    this.#reader = parts.history.openReader({ topic, partition, kind });
    for (const brokerId of parts.links.brokerIds) {
      const link = parts.links.to(brokerId);
      link.onDown(() => {
        if (this.#link === link) this.#again();
      });
    }
  }

  get topic(): string {
    return this.#options.topic;
  }

  get partition(): number {
    return this.#options.partition;
  }

  get position(): number {
    return this.#position;
  }

  start(): void {
    const { view } = this.#parts;
    const { topic, partition } = this.#options;
    if (this.#isEnded || this.#link !== null) return;
    const leader = view.leaderOf(topic, partition);
    if (leader < 0) {
      view.refresh();
      return this.#again();
    }
    const link = this.#parts.links.to(leader);
    const session = ++this.#session;
    this.#link = link;
    link.want((isUp) => {
      if (session !== this.#session || this.#isEnded) return;
      if (!isUp) return this.#stale();
      let stream: FetchStream | null = null;
      this.#closeStream = () => link.send(() => stream?.close());
      link.send((client) => {
        stream = this.#serve(client, (parts) => {
          if (session === this.#session) this.#onParts(parts, (act) => link.send(() => act(stream as FetchStream)));
        });
      });
    });
  }

  /** It reads no more. */
  end(): void {
    this.#isEnded = true;
    this.#leave();
  }

  #leave(): void {
    this.#session += 1;
    this.#closeStream?.();
    this.#closeStream = null;
    this.#link = null;
  }

  #again(): void {
    this.#leave();
    if (this.#isEnded) return;
    this.#parts.links.process.after(AGAIN_MS, () => this.start());
  }

  #stale(): void {
    this.#parts.view.refresh();
    this.#again();
  }

  // ---- at the broker ----

  #serve(client: ServedClient, arrive: (parts: readonly ArrivedPart[]) => void): FetchStream {
    const sink = new ClientSink(client, arrive);
    const stream = new FetchStream(client.door.context, sink);
    sink.stream = stream;
    client.onClosed(() => stream.close());
    const { topic, partition, creditBytes } = this.#options;
    stream.handle({
      subscribe: [
        {
          subscriptionId: SUBSCRIPTION,
          topic,
          partition,
          topicId: this.#parts.view.topicId(topic),
          offset: this.#position,
          maxBytes: 0,
          currentLeaderEpoch: -1,
          isSuspect: false,
        },
      ],
      unsubscribe: [],
      creditBytes,
    });
    return stream;
  }

  // ---- at the client ----

  #onParts(parts: readonly ArrivedPart[], atBroker: (act: (stream: FetchStream) => void) => void): void {
    for (const part of parts) {
      if (part.code !== "NONE") {
        this.#parts.count(`fetch: ${part.code}`);
        return this.#stale();
      }
      const { topic, partition } = this.#options;
      const { highWatermark, nextOffset, records } = part;
      // A new leader's high watermark may be behind where a reader stands.
      if (records.length === 0) continue;
      ensure(
        nextOffset <= highWatermark,
        "RE8",
        () =>
          `${topic}-${partition}: a reader was shown records up to ${nextOffset}, the high watermark is ${highWatermark}`,
      );
      this.#deliver(records);
      this.#position = nextOffset;
      atBroker((stream) => stream.handle({ subscribe: [], unsubscribe: [], creditBytes: records.length }));
    }
  }

  #deliver(records: Buffer): void {
    const { history, count } = this.#parts;
    const cursor = new RecordCursor(records);
    while (cursor.next()) {
      // Batches are handed out whole.
      if (cursor.offset < this.#position) continue;
      history.delivered(this.#reader, cursor.offset, Number.parseInt(cursor.value?.toString("latin1") ?? "", 10));
      count("records read");
    }
  }
}

/** The writing side of a fetch stream: messages leave as copies, and their memory goes back when they have left. */
class ClientSink implements FetchSink {
  stream: FetchStream | null = null;
  readonly #client: ServedClient;
  readonly #arrive: (parts: readonly ArrivedPart[]) => void;
  #aheadBytes = 0;

  constructor(client: ServedClient, arrive: (parts: readonly ArrivedPart[]) => void) {
    this.#client = client;
    this.#arrive = arrive;
  }

  get isWritable(): boolean {
    return !this.#client.isOver && this.#aheadBytes < AHEAD_BYTES;
  }

  send(message: FetchMessage): void {
    const parts = message.parts.map(({ code, highWatermark, nextOffset, logStartOffset, records }) => ({
      code,
      highWatermark,
      nextOffset,
      logStartOffset,
      records: Buffer.concat(records),
    }));
    const { bytes } = message;
    this.#aheadBytes += bytes;
    this.#client.process.endOfTurn(() => message.release());
    this.#client.reply(() => {
      this.#arrive(parts);
      // As soon as the client has them, the socket has room again.
      this.#client.process.after(0, () => {
        this.#aheadBytes -= bytes;
        if (!this.#client.isOver) this.stream?.onWritable();
      });
    });
  }

  onReadFault(cause: unknown): void {
    // The subscription is told; a fault of the simulated disk is no news.
    if (cause instanceof Error && cause.name === "AssertionError") throw cause;
  }
}
