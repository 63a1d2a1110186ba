/**
 * `npm run bench -- SHAPE [--json] [--tiny] [--pairs N] [--bytes N] [--records N] [--points N,N] [--runs N] [--only TEXT]`: what the code costs
 * beside a raw pipeline of the same bytes, measured in one interleaved run. Rows marked `*` are those that docs/performance.md
 * speaks of. Ends with 1 when a growth law is broken, or what was asked for cannot be measured here.
 */
import { leaveNothingBehind } from "./bench/left-behind.ts";
import { machineLine, watchMachine } from "./bench/machine.ts";
import { printJson, printTable } from "./bench/report.ts";
import type { Row } from "./bench/measure.ts";
import { Impossible } from "./bench/scratch.ts";
import { readCommandLine } from "./command-line.ts";

/** How much work a shape does. `tiny` is what CI runs, so that no shape can rot; its figures mean nothing. */
export interface Scale {
  readonly bytes: number;
  readonly records: number;
  readonly pairs: number;
  /** Shape `scale`: where a curve is measured instead of at its own points. */
  readonly points: readonly number[] | null;
  /** Shape `failover`: instead of its own number. */
  readonly runs: number | null;
  /** Whether the row of this name is wanted (`--only TEXT`). */
  readonly wants: (row: string) => boolean;
}

type Shape = (scale: Scale) => AsyncIterable<Row>;

const shapes: Readonly<Record<string, () => Promise<Shape>>> = {
  append: async () => (await import("./bench/append.ts")).append,
  recover: async () => (await import("./bench/recover.ts")).recover,
  produce: async () => (await import("./bench/produce.ts")).produce,
  fetch: async () => (await import("./bench/fetch.ts")).fetch,
  e2e: async () => (await import("./bench/e2e.ts")).e2e,
  scale: async () => (await import("./bench/scale.ts")).scale,
  churn: async () => (await import("./bench/churn.ts")).churn,
  replicate: async () => (await import("./bench/replicate.ts")).replicate,
  failover: async () => (await import("./bench/failover.ts")).failover,
  footprint: async () => (await import("./bench/footprint.ts")).footprint,
  simulation: async () => (await import("./bench/simulation.ts")).simulation,
};

const USAGE = `usage: npm run bench -- ${Object.keys(shapes).join("|")} [options]

  --json          a row as a line of JSON
  --only TEXT     the rows with TEXT in their names
  --pairs N       how often ours and raw take turns
  --bytes N       of a run
  --records N     of a run
  --points N,N    where a curve of \`scale\` is measured
  --runs N        of \`failover\`
  --tiny          a second of each, whose figures mean nothing`;

const { values, positionals } = readCommandLine(USAGE, {
  allowPositionals: true,
  options: {
    json: { type: "boolean", default: false },
    tiny: { type: "boolean", default: false },
    pairs: { type: "string" },
    bytes: { type: "string" },
    records: { type: "string" },
    points: { type: "string" },
    runs: { type: "string" },
    only: { type: "string", default: "" },
  },
});

const [name = ""] = positionals;
const load = Object.hasOwn(shapes, name) ? shapes[name] : undefined;
if (load === undefined) {
  process.stderr.write(`${name === "" ? "" : `error: there is no shape ${name}\n`}${USAGE}\n`);
  process.exit(2);
}
const points = values.points?.split(",").map(Number) ?? null;
if (points?.some((point) => !(point > 0))) {
  process.stderr.write(`error: --points takes numbers above 0 with commas between them, not ${values.points}\n`);
  process.exit(2);
}
const scale: Scale = {
  bytes: Number(values.bytes ?? (values.tiny ? 2 ** 21 : 512 * 2 ** 20)),
  records: Number(values.records ?? (values.tiny ? 5_000 : 3_000_000)),
  pairs: Number(values.pairs ?? (values.tiny ? 1 : 5)),
  points,
  runs: values.runs === undefined ? null : Number(values.runs),
  wants: (row) => row.includes(values.only),
};
leaveNothingBehind();
const shape = await load();
const machineAtEnd = watchMachine();
const rows: Row[] = [];
let isPossible = true;
try {
  for await (const measured of shape(scale)) {
    const row = values.tiny ? unheld(measured) : measured;
    rows.push(row);
    if (values.json) printJson(name, row);
  }
} catch (error: unknown) {
  if (!(error instanceof Impossible)) throw error;
  isPossible = false;
  process.stderr.write(`error: ${error.message}\n`);
}
if (isPossible && rows.length === 0) {
  isPossible = false;
  process.stderr.write(`error: ${name} has nothing of the name ${values.only}\n`);
}
const machine = machineAtEnd();
if (values.json)
  process.stdout.write(`${JSON.stringify({ shape: name, row: "machine", headline: false, ...machine })}\n`);
else if (rows.length > 0) {
  printTable(name, rows);
  process.stdout.write(`${machineLine(machine)}\n`);
}
process.exit(!isPossible || rows.some(({ law }) => law?.holds === false) ? 1 : 0);

/** The figures of a tiny run mean nothing, so no law is broken by them. */
function unheld(row: Row): Row {
  const { law } = row;
  return law === undefined ? row : { ...row, law: { ...law, holds: null } };
}
