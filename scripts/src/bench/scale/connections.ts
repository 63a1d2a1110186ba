/**
 * `connections`: one broker with N connections that have made a call and then do nothing: memory of each, and the CPU that all of
 * them take. Points beyond what the process may have of descriptors are left out, and said to be.
 */
import { descriptorsMax, shareDescriptors } from "@tidemark/broker/platform";
import { setTimeout as pause } from "node:timers/promises";
import { BrokerProcess, type Inside } from "../broker-process.ts";
import { IdleConnections } from "../idle-connections.ts";
import { figure, type Row } from "../measure.ts";
import { withScratch } from "../scratch.ts";
import { atMost, count, type CurveOptions, growth, type Point } from "./law.ts";

const KIB = 1024;
/** One period of the broker's keepalive: each connection has its ping in it. */
const IDLE_SECONDS = 30;
const LEAST_IDLE_SECONDS = 10;
const MOST_KIB_EACH = 100;
const MOST_PERCENT_OF_A_THOUSAND = 1;
/** Fewer weigh less than the megabytes by which resident memory swings. */
const BOUND_FROM = 250;
/** Opened and closed first: what is loaded and compiled with them stays. */
const WARM_UP = 100;

const grown = ({ rssBytes, externalBytes }: Inside): number => rssBytes + externalBytes;

export async function* connections({ points, isTiny }: CurveOptions): AsyncGenerator<Row> {
  const wanted = (points ?? (isTiny ? [1, 10] : [1, 250, 500, 1000])).toSorted((a, b) => a - b);
  const possible = shareDescriptors(descriptorsMax()).grpc;
  const ns = wanted.filter((n) => n <= possible);
  for (const n of wanted.filter((one) => one > possible))
    process.stderr.write(`left out: ${count(n)} connections; the descriptors (ulimit -n) allow ${count(possible)}\n`);

  yield* await withScratch(async (root) => {
    const broker = await BrokerProcess.start(["--data-dir", root], { isObserved: true });
    const clients = new IdleConnections(broker.grpc);
    try {
      const rest = (): Promise<void> => pause(isTiny ? 50 : 2000);
      const idlePercent = async (seconds: number): Promise<number> => {
        const cpuBefore = broker.cpuSeconds();
        await pause(seconds * 1000);
        return ((broker.cpuSeconds() - cpuBefore) / seconds) * 100;
      };
      await clients.hold(isTiny ? 2 : WARM_UP);
      await clients.hold(0);
      const rows = [
        figure("0 connections: idle, share of a core", "%", [await idlePercent(isTiny ? 0.2 : LEAST_IDLE_SECONDS)]),
      ];
      // After that rest: a fresh heap shrinks by megabytes in its first seconds.
      const none = await broker.inside();
      const costs: Point[] = [];
      for (const n of ns) {
        await clients.hold(n);
        await rest();
        const bytes = grown(await broker.inside()) - grown(none);
        const row = `${count(n)} connections: memory of each`;
        const kibEach = bytes / n / KIB;
        rows.push(n >= BOUND_FROM ? atMost(row, "KiB", kibEach, MOST_KIB_EACH) : figure(row, "KiB", [kibEach]));
        if (n >= BOUND_FROM || isTiny) costs.push({ n, cost: Math.max(1, bytes) });
      }
      const most = ns.at(-1) ?? 0;
      const percent = await idlePercent(isTiny ? 0.2 : IDLE_SECONDS);
      // None of them may have gone meanwhile.
      await clients.hold(most);
      const row = `${count(most)} connections: idle, share of a core`;
      rows.push(
        most >= 1000
          ? atMost(row, "%", percent, (MOST_PERCENT_OF_A_THOUSAND * most) / 1000)
          : figure(row, "%", [percent]),
        growth("memory by connections, all together", 1, costs),
      );
      return rows;
    } finally {
      clients.stop();
      await broker.stop();
    }
  });
}
