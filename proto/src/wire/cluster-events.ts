/**
 * The one stream of the admin service, WatchEvents, coded by table on both sides: a message may hold an event for each of thousands
 * of partitions. What the fields mean stands in admin.proto; a test holds the tables against it.
 */
import { list, message } from "./codec.ts";
import { bool, int32, sint32, sint32s, sint64, string, strings, uint32, uint64 } from "./scalars.ts";

export interface WatchEventsRequest {
  fromOffset: number;
  maxAgeMs: number;
  follow: boolean;
}

export interface WatchEventsResponse {
  events: WireClusterEvent[];
  nextOffset: number;
  brokerId: number;
}

export interface WireClusterEvent {
  metadataOffset: number;
  atMs: number;
  type: string;
  reason: string;
  brokerId: number;
  topic: string;
  partition: number;
  partitions: number;
  leaderId: number;
  leaderBefore: number;
  leaderEpoch: number;
  isr: number[];
  isrBefore: number[];
  resource: string;
  keysSet: string[];
  keysUnset: string[];
  fromOffset: number;
  replicas: number[];
  adding: number[];
  removing: number[];
}

const clusterEvent = message<WireClusterEvent>({
  metadataOffset: uint64(1),
  atMs: uint64(2),
  type: string(3),
  reason: string(4),
  brokerId: sint32(5),
  topic: string(6),
  partition: uint32(7),
  partitions: uint32(8),
  leaderId: sint32(9),
  leaderBefore: sint32(10),
  leaderEpoch: int32(11),
  isr: sint32s(12),
  isrBefore: sint32s(13),
  resource: string(14),
  keysSet: strings(15),
  keysUnset: strings(16),
  fromOffset: uint64(17),
  replicas: sint32s(18),
  adding: sint32s(19),
  removing: sint32s(20),
});

export const watchEvents = {
  path: "/tidemark.v1.Admin/WatchEvents",
  request: message<WatchEventsRequest>({ fromOffset: sint64(1), maxAgeMs: uint64(2), follow: bool(3) }),
  response: message<WatchEventsResponse>({ events: list(1, clusterEvent), nextOffset: uint64(2), brokerId: sint32(3) }),
} as const;
