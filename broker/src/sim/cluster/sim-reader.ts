/**
 * A simulated reader of one partition, from the first record on and in order: the SDK's own reader core, handed in, in a shell that
 * does what client/src/read/read-session.ts does. It enters the fetch use case of `api/` at the leader, over the simulated network,
 * with credit. When the stream ends, or is told an error, it looks for the leader and goes on where it was; bytes that are bad it asks
 * for again, with the word that they were; where the log begins behind it, it goes on there.
 */
import { type FetchedPart, type FetchMessage, type FetchSink, FetchStream } from "../../api/index.ts";
import type { History } from "../history/index.ts";
import { ensure } from "../violation.ts";
import type { ClientLink, ClientLinks, ServedClient } from "./client-links.ts";
import type { ClusterView } from "./cluster-view.ts";
import type { MakeReaderCore, ReaderCore } from "./reader-core.ts";

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
  readonly makeCore: MakeReaderCore;
  readonly count: (what: string) => void;
}

/** What one part says, as it arrives. */
interface ArrivedPart
  extends Pick<FetchedPart, "code" | "fetchOffset" | "highWatermark" | "leaderEpoch" | "logStartOffset"> {
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
  readonly #core: ReaderCore;
  /** Bad bytes in a row. */
  #badCount = 0;
  /** What arrived while it takes nothing in, as a client that is too slow; null: it does. */
  #held: (() => void)[] | null = null;
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
    this.#core = parts.makeCore(partition);
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

  /** Whom it reads from, in words. */
  get source(): string {
    const leader = this.#parts.view.leaderOf(this.#options.topic, this.#options.partition);
    if (this.#link === null) return leader < 0 ? "knows no leader" : `is about to ask broker ${leader}`;
    const { nodeId } = this.#link;
    const asks = this.#link.isUp ? `has a stream from broker ${nodeId}` : `dials broker ${nodeId}`;
    return nodeId === leader ? asks : `${asks}, and takes broker ${leader} for the leader`;
  }

  /** All below it was handed out. */
  get position(): number {
    return this.#core.position.readOffset;
  }

  /** It takes in nothing of what comes, and gives no credit back. */
  stall(): void {
    this.#held ??= [];
  }

  goOn(): void {
    const held = this.#held ?? [];
    this.#held = null;
    for (const take of held) take();
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
        stream = this.#serve(client, (parts, onTaken) => {
          const take = (): void => {
            if (session === this.#session) this.#onParts(parts, (act) => link.send(() => act(stream as FetchStream)));
            onTaken();
          };
          if (this.#held === null) take();
          else this.#held.push(take);
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

  #serve(client: ServedClient, arrive: Arrive): FetchStream {
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
          offset: this.#core.position.fetchOffset,
          maxBytes: 0,
          currentLeaderEpoch: -1,
          isSuspect: this.#badCount > 0,
        },
      ],
      unsubscribe: [],
      creditBytes,
    });
    return stream;
  }

  // ---- at the client ----

  #onParts(parts: readonly ArrivedPart[], atBroker: (act: (stream: FetchStream) => void) => void): void {
    const { position, buffer } = this.#core;
    for (const part of parts) {
      const { code, fetchOffset, highWatermark, leaderEpoch, logStartOffset, records } = part;
      if (code !== "NONE") {
        this.#parts.count(`fetch: ${code}`);
        // What is before the log start was deleted.
        if (code === "OFFSET_OUT_OF_RANGE" && logStartOffset > position.fetchOffset) position.restartAt(logStartOffset);
        return this.#stale();
      }
      // A new leader's high watermark may be behind where a reader stands.
      if (records.length === 0) continue;
      const taken = position.onFetched({ fetchOffset, visibleEnd: highWatermark, records });
      const { bytes, recordsCount } = taken ?? { bytes: 0, recordsCount: 0 };
      if (bytes > 0) {
        this.#badCount = 0;
        buffer.push({ source: null, position, records: records.subarray(0, bytes), recordsCount, leaderEpoch });
      }
      this.#parts.count("fetch: answered");
      this.#deliver(highWatermark);
      const creditBytes = buffer.takeFreed().reduce((sum, freed) => sum + freed.bytes, records.length - bytes);
      atBroker((stream) => stream.handle({ subscribe: [], unsubscribe: [], creditBytes }));
      if (taken !== null && bytes < records.length) return this.#onBad();
    }
  }

  #deliver(highWatermark: number): void {
    const { history, count } = this.#parts;
    const { topic, partition } = this.#options;
    const { buffer } = this.#core;
    while (buffer.next()) {
      const { offset, value } = buffer.cursor;
      ensure(
        offset < highWatermark,
        "RE8",
        () => `${topic}-${partition}: a reader was shown record ${offset}, the high watermark is ${highWatermark}`,
      );
      history.delivered(this.#reader, offset, Number.parseInt(value?.toString("latin1") ?? "", 10));
      count("records read");
    }
  }

  /** The broker looks at its bytes when it is told, and another leads while they are repaired. */
  #onBad(): void {
    this.#badCount += 1;
    this.#parts.count("fetch: bad bytes");
    this.#stale();
  }
}

type Arrive = (parts: readonly ArrivedPart[], onTaken: () => void) => void;

/** The writing side of a fetch stream: messages leave as copies, and their memory goes back when they have left. */
class ClientSink implements FetchSink {
  stream: FetchStream | null = null;
  readonly #client: ServedClient;
  readonly #arrive: Arrive;
  #aheadBytes = 0;

  constructor(client: ServedClient, arrive: Arrive) {
    this.#client = client;
    this.#arrive = arrive;
  }

  get isWritable(): boolean {
    return !this.#client.isOver && this.#aheadBytes < AHEAD_BYTES;
  }

  send(message: FetchMessage): void {
    const parts = message.parts.map(
      ({ code, fetchOffset, highWatermark, leaderEpoch, logStartOffset, records }): ArrivedPart => ({
        code,
        fetchOffset,
        highWatermark,
        leaderEpoch,
        logStartOffset,
        records: Buffer.concat(records),
      }),
    );
    const { bytes } = message;
    this.#aheadBytes += bytes;
    this.#client.process.endOfTurn(() => message.release());
    this.#client.reply(() => {
      // As soon as the client has taken them, the socket has room again.
      this.#arrive(parts, () =>
        this.#client.process.after(0, () => {
          this.#aheadBytes -= bytes;
          if (!this.#client.isOver) this.stream?.onWritable();
        }),
      );
    });
  }

  onReadFault(cause: unknown): void {
    // The subscription is told; a fault of the simulated disk is no news.
    if (cause instanceof Error && cause.name === "AssertionError") throw cause;
  }
}
