/** What a benchmark waits for before it measures a cluster. */
import { setTimeout as pause } from "node:timers/promises";
import type { Client } from "@tidemark/client";

/** Also of thousands of partitions, beside other work. */
export const HEAL_LIMIT_MS = 300_000;
const POLL_MS = 100;
/** Of the time that an answer about thousands of partitions takes, as a rest: whoever asks is not to be what is waited for. */
const POLL_REST = 4;

/** Topics of `brokers` replicas need so many that the controller counts on. */
export async function untilAllAlive(client: Client, brokers: number): Promise<void> {
  const limit = performance.now() + HEAL_LIMIT_MS;
  while ((await client.admin.cluster()).brokers.filter(({ alive }) => alive).length < brokers) {
    if (performance.now() > limit) throw new Error(`not all brokers joined within ${HEAL_LIMIT_MS} ms`);
    await pause(POLL_MS);
  }
}

/** Every partition has a leader, and all its replicas are in sync. */
export async function untilWhole(client: Client, name: string): Promise<void> {
  const limit = performance.now() + HEAL_LIMIT_MS;
  for (;;) {
    const askedAt = performance.now();
    const { detail } = await client.admin.topics.describe(name);
    const tookMs = performance.now() - askedAt;
    if (detail.every(({ leader, replicas, isr }) => leader !== null && isr.length === replicas.length)) return;
    if (performance.now() > limit) throw new Error(`${name} did not become whole within ${HEAL_LIMIT_MS} ms`);
    await pause(Math.max(POLL_MS, POLL_REST * tookMs));
  }
}
