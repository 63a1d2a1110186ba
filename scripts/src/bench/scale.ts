/**
 * `scale`: the growth laws that one broker can show, and those of a cluster, over idle partitions and over brokers. Each curve is
 * measured at its points; a law is the slope of log(cost) over log(n), and the run fails when it is worse than the law allows, even
 * where every single figure looks good. Bounds on one figure stand beside them. `--only NAME` of a curve below, `--points 1,100,1000`.
 *
 * The tiny form runs every curve and shows its laws, but nothing is held to them: a few milliseconds have no slope.
 */
import type { Scale } from "../bench.ts";
import type { Row } from "./measure.ts";
import { brokers } from "./scale/brokers.ts";
import { busy } from "./scale/busy.ts";
import { coldread } from "./scale/coldread.ts";
import { connections } from "./scale/connections.ts";
import { fanout } from "./scale/fanout.ts";
import { partitions } from "./scale/partitions.ts";
import { recovery } from "./scale/recovery.ts";
import { replicas } from "./scale/replicas.ts";
import { segments } from "./scale/segments.ts";
import { stored } from "./scale/stored.ts";

const curves = { partitions, replicas, brokers, segments, stored, recovery, fanout, connections, coldread, busy };

export async function* scale(options: Scale): AsyncGenerator<Row> {
  const isTiny = options.pairs === 1;
  for (const [name, curve] of Object.entries(curves)) {
    if (!options.wants(name)) continue;
    yield* curve({ points: options.points, isTiny, runs: Math.min(options.pairs, 3) });
  }
}
