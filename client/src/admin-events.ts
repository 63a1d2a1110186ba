/**
 * What happens to the cluster, as its brokers apply it. One broker is followed; when it is gone, or ends the stream, the next one goes
 * on where it left off: brokers make the same events of the same metadata offset, and what the next one does not have any more is
 * told as a gap. What has happened is asked of all of them, and put together: each keeps some of it.
 */
import { watchEvents, type WatchEventsResponse, type WireClusterEvent } from "@tidemark/proto";
import { limitsOf } from "./admin-call.ts";
import { backoffMs } from "./core/backoff.ts";
import { mergeEvents, type ToldEvents } from "./core/merge-events.ts";
import { parseDuration } from "./duration.ts";
import { abortedError, BrokerError } from "./errors.ts";
import type { ByteStream, Connection } from "./transport/connection.ts";
import type { Cluster } from "./transport/cluster.ts";
import type { ClusterEvent, ClusterHistory, HistoryOptions, WatchOptions } from "./types.ts";

const FROM_NOW_ON = -1;
const ALL_THAT_IS_KNOWN = 0;
/** With gaps for what is not known. */
const FROM_THE_FIRST = 1;
/** What one broker of many is given until its first message. */
const EACH_PATIENCE_MS = 2_000;

interface Wish {
  readonly fromOffset: number;
  readonly maxAgeMs: number;
  readonly follow: boolean;
}

export async function* watchCluster(cluster: Cluster, options: WatchOptions = {}): AsyncIterableIterator<ClusterEvent> {
  const { signal } = options;
  const startedAt = performance.now();
  let wish = wishOf(options);
  let hasBegun = false;
  for (let failures = 0; ; ) {
    try {
      const stream = await openStream(cluster, wish, failures + 1, signal);
      for await (const { events, nextOffset } of stream) {
        hasBegun = true;
        failures = 0;
        // Given whole to whoever asks for them, or asked for again by whoever comes back.
        wish = { fromOffset: nextOffset, maxAgeMs: 0, follow: wish.follow };
        for (const event of events) yield eventOf(event);
      }
      if (!wish.follow) return;
      throw new BrokerError("CONNECTION_LOST", "the broker ended the stream of events");
    } catch (error: unknown) {
      if (signal?.aborted === true) throw abortedError(signal, "watching the cluster");
      const failure = BrokerError.from(error);
      if (!failure.retriable) throw failure;
      failures += 1;
      // Who could never be reached is told; one that was is waited for.
      const elapsedMs = performance.now() - startedAt;
      if (!hasBegun && elapsedMs >= cluster.settings.retryBudgetMs) throw failure;
      cluster.settings.logger.debug({ code: failure.code, message: failure.message }, "the stream of events ended");
      const rounds = Math.floor(failures / cluster.candidatesCount);
      await cluster.pause(rounds === 0 ? 0 : backoffMs(cluster.settings.retry, rounds, Math.random()), signal);
    }
  }
}

export async function clusterHistory(cluster: Cluster, options: HistoryOptions = {}): Promise<ClusterHistory> {
  const { signal, timeoutMs } = limitsOf(options);
  const { from = "earliest", since } = options;
  const asked = wishOf({ ...(since === undefined ? { from } : { since }), follow: false });
  if (options.from !== undefined && since !== undefined) throw bothBegins();
  const isFromOldest = asked.fromOffset === ALL_THAT_IS_KNOWN && asked.maxAgeMs === 0;
  // So each tells what it lacks, and not only where it begins.
  const wish = isFromOldest ? { ...asked, fromOffset: FROM_THE_FIRST } : asked;
  await cluster.refresh([], { create: false });
  const silenceMs = Math.min(EACH_PATIENCE_MS, timeoutMs ?? EACH_PATIENCE_MS);
  const tellers: ToldEvents[] = [];
  const failures: BrokerError[] = [];
  const silent: ClusterHistory["silent"] = [];
  await Promise.all(
    (cluster.info?.brokers ?? []).map(async ({ id }) => {
      try {
        const connection = cluster.broker(id);
        if (connection === undefined) throw new BrokerError("CONNECTION_LOST", `no address of broker ${id} is known`);
        tellers.push(await toldBy(connection, wish, { signal, silenceMs }));
      } catch (error: unknown) {
        if (signal?.aborted === true) throw abortedError(signal, "looking at what happened");
        const failure = BrokerError.from(error);
        failures.push(failure);
        silent.push({ broker: id, message: failure.message });
      }
    }),
  );
  const [failure] = failures;
  if (tellers.length === 0) throw failure ?? new BrokerError("CONNECTION_LOST", "no broker told what happened");
  const events = mergeEvents(tellers);
  const [first] = events;
  // What was before the oldest that anybody still has, nobody misses who asks for all there is.
  if (isFromOldest && first?.type === "gap" && first.detail.fromOffset === FROM_THE_FIRST) events.shift();
  const nextOffset = Math.max(...tellers.map((teller) => teller.nextOffset));
  return { events, nextOffset, silent: silent.sort((a, b) => a.broker - b.broker) };
}

/** All that one broker has of it. */
async function toldBy(
  connection: Connection,
  wish: Wish,
  limits: { readonly signal: AbortSignal | undefined; readonly silenceMs: number },
): Promise<ToldEvents> {
  const all: ClusterEvent[] = [];
  let nextOffset = wish.fromOffset;
  for await (const message of askFor(connection, wish, limits)) {
    nextOffset = message.nextOffset;
    for (const event of message.events) all.push(eventOf(event));
  }
  return { events: all, nextOffset };
}

function wishOf({ from, since, follow = true }: WatchOptions): Wish {
  if (from !== undefined && since !== undefined) throw bothBegins();
  if (typeof from === "number" && (!Number.isSafeInteger(from) || from < 0))
    throw new BrokerError("INVALID_ARGUMENT", `${from} is no metadata offset`);
  const maxAgeMs = since === undefined ? 0 : Math.max(1, parseDuration(since, "since"));
  const isFromOldest = from === "earliest" || from === 0 || maxAgeMs > 0;
  const fromOffset = isFromOldest ? ALL_THAT_IS_KNOWN : from === undefined || from === "latest" ? FROM_NOW_ON : from;
  return { fromOffset, maxAgeMs, follow };
}

function bothBegins(): BrokerError {
  return new BrokerError("INVALID_ARGUMENT", "events begin at an offset, or some time ago, not both");
}

/** The messages of one broker. Ends when the broker ends the stream well. */
async function openStream(
  cluster: Cluster,
  wish: Wish,
  attempt: number,
  signal: AbortSignal | undefined,
): Promise<AsyncIterable<WatchEventsResponse>> {
  // Whom there is to ask.
  if (cluster.info === null) await cluster.refresh([], { create: false });
  if (signal?.aborted === true) throw abortedError(signal, "watching the cluster");
  return askFor(cluster.nextConnection(attempt), wish, { signal, silenceMs: cluster.settings.connectTimeoutMs });
}

function askFor(
  connection: Connection,
  wish: Wish,
  limits: { readonly signal: AbortSignal | undefined; readonly silenceMs: number },
): AsyncIterable<WatchEventsResponse> {
  const call = connection.watch(watchEvents.path);
  call.write(watchEvents.request.encode(wish));
  call.end();
  const silence = (): BrokerError =>
    new BrokerError("CONNECTION_LOST", `${connection.address} did not open the stream of events in time`);
  return messagesOf(call, { ...limits, silence });
}

async function* messagesOf(
  call: ByteStream,
  limits: {
    readonly signal: AbortSignal | undefined;
    readonly silenceMs: number;
    readonly silence: () => BrokerError;
  },
): AsyncGenerator<WatchEventsResponse> {
  let isSilent = false;
  // The first message comes at once.
  const timer = setTimeout(() => {
    isSilent = true;
    call.cancel();
  }, limits.silenceMs);
  const cancel = (): void => call.cancel();
  limits.signal?.addEventListener("abort", cancel, { once: true });
  // An error that comes when nobody reads any more.
  call.on("error", () => undefined);
  try {
    for await (const bytes of call as AsyncIterable<Buffer>) {
      clearTimeout(timer);
      yield watchEvents.response.decode(bytes);
    }
  } catch (error: unknown) {
    throw isSilent ? limits.silence() : error;
  } finally {
    clearTimeout(timer);
    limits.signal?.removeEventListener("abort", cancel);
    call.cancel();
  }
}

/** As the SDK shows it: what belongs to the type, and nothing else. */
function eventOf(wire: WireClusterEvent): ClusterEvent {
  const { metadataOffset, reason } = wire;
  const head = { metadataOffset, at: wire.atMs === 0 ? null : wire.atMs };
  const type = wire.type as ClusterEvent["type"];
  return { type, ...head, detail: detailOf(type, wire, reason) } as ClusterEvent;
}

function detailOf(type: ClusterEvent["type"], wire: WireClusterEvent, reason: string): ClusterEvent["detail"] | object {
  const { topic, partition } = wire;
  switch (type) {
    case "controller-changed":
    case "broker-up":
    case "broker-shutting-down":
    case "broker-draining":
    case "broker-undrained":
    case "broker-unregistered":
    case "directory-failed":
    case "disk-full":
    case "disk-freed":
      return { broker: wire.brokerId };
    case "broker-registered":
    case "broker-down":
      return { broker: wire.brokerId, reason };
    case "topic-created":
    case "partitions-added":
      return { topic, partitions: wire.partitions };
    case "topic-deleted":
      return { topic };
    case "config-changed":
      return { resource: wire.resource, set: wire.keysSet, unset: wire.keysUnset };
    case "leader-changed":
    case "unclean-election":
      return {
        topic,
        partition,
        leader: wire.leaderId < 0 ? null : wire.leaderId,
        leaderBefore: wire.leaderBefore < 0 ? null : wire.leaderBefore,
        leaderEpoch: wire.leaderEpoch,
        reason,
      };
    case "isr-shrunk":
    case "isr-expanded":
      return { topic, partition, isr: wire.isr, isrBefore: wire.isrBefore, reason };
    case "replica-damaged":
    case "replica-repaired":
      return { topic, partition, broker: wire.brokerId };
    case "reassignment-started":
    case "reassignment-done":
    case "reassignment-cancelled":
      return { topic, partition, replicas: wire.replicas, adding: wire.adding, removing: wire.removing };
    case "gap":
      return { fromOffset: wire.fromOffset, toOffset: wire.metadataOffset };
    default:
      // Of a newer broker: its name is worth something by itself.
      return {};
  }
}
