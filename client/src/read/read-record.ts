/** A record as the reader hands it out. One object per record; headers and raw bytes are wrapped when asked for. */
import type { DecodedHeader } from "@tidemark/proto";
import { bytesToText, HeaderList } from "../record-headers.ts";
import type { Bytes, ConsumerRecord, RecordHeaders } from "../types.ts";

/** What the records of one chunk have in common. */
export interface Place {
  readonly topic: string;
  readonly partition: number;
  readonly leaderEpoch: number;
}

/** The record that a cursor stands at, as far as it is copied out of it. */
interface Stand {
  readonly offset: number;
  readonly timestamp: number;
  readonly batch: { readonly isLogAppendTime: boolean };
  readonly headersCount: number;
  readonly headers: readonly DecodedHeader[];
}

export class ReadRecord<K, V> implements ConsumerRecord<K, V> {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly leaderEpoch: number;
  readonly timestamp: number;
  readonly timestampType: "create" | "append";
  readonly key: K;
  readonly value: V;
  readonly deliveryAttempt = 1;
  readonly #rawKey: Bytes | null;
  readonly #rawValue: Bytes | null;
  readonly #headers: readonly DecodedHeader[] | null;

  /** The record that `cursor` stands at. Six parameters, because an object to carry them would be one more per record. */
  constructor(place: Place, cursor: Stand, rawKey: Bytes | null, rawValue: Bytes | null, key: K, value: V) {
    this.topic = place.topic;
    this.partition = place.partition;
    this.offset = cursor.offset;
    this.leaderEpoch = place.leaderEpoch;
    this.timestamp = cursor.timestamp;
    this.timestampType = cursor.batch.isLogAppendTime ? "append" : "create";
    this.key = key;
    this.value = value;
    this.#rawKey = rawKey;
    this.#rawValue = rawValue;
    this.#headers = cursor.headersCount === 0 ? null : cursor.headers;
  }

  /** The same record with another key and value. */
  withContent<K2, V2>(key: K2, value: V2): ReadRecord<K2, V2> {
    const headers = this.#headers ?? [];
    const batch = { isLogAppendTime: this.timestampType === "append" };
    const stand = { offset: this.offset, timestamp: this.timestamp, batch, headersCount: headers.length, headers };
    return new ReadRecord(this, stand, this.#rawKey, this.#rawValue, key, value);
  }

  get headers(): RecordHeaders {
    return this.#headers === null ? HeaderList.NONE : new HeaderList(this.#headers);
  }

  get raw(): { key: Bytes | null; value: Bytes | null } {
    return { key: this.#rawKey, value: this.#rawValue };
  }

  /** Bytes as text where they are UTF-8, else as base64. */
  toJSON(): object {
    const { topic, partition, offset, leaderEpoch, timestamp, timestampType, deliveryAttempt, headers } = this;
    const place = { topic, partition, offset, leaderEpoch, timestamp, timestampType, deliveryAttempt };
    return { ...place, key: plain(this.key), value: plain(this.value), headers };
  }
}

function plain(content: unknown): unknown {
  return content instanceof Uint8Array ? bytesToText(content) : content;
}
