/** Prints the rows of a benchmark: a table for people, or one JSON object per line. */
import type { Row } from "./measure.ts";

export function printJson(shape: string, row: Row): void {
  process.stdout.write(`${JSON.stringify({ shape, ...row })}\n`);
}

export function printTable(shape: string, rows: readonly Row[]): void {
  const hasLatency = rows.some(({ latencyMicros }) => latencyMicros !== undefined);
  const hasLaws = rows.some(({ law }) => law !== undefined);
  const cells = rows.map((row) => [
    `${row.headline ? "*" : " "} ${row.row}`,
    rate(row.value, row.unit),
    row.raw === null ? "-" : rate(row.raw, row.unit),
    row.ratio?.toFixed(2) ?? "-",
    row.cpuRatio?.toFixed(2) ?? "-",
    cpuPerGB(row),
    row.cpuMicrosPerRecord === null ? "-" : parts(row.cpuMicrosPerRecord),
    row.peakRssMiB.toFixed(0),
    `${(row.spread * 100).toFixed(0)} %`,
    ...(hasLatency ? [percentiles(row)] : []),
    ...(hasLaws ? [verdict(row)] : []),
  ]);
  const head = [
    `  ${shape}`,
    "own",
    "raw",
    "ratio",
    "cpu ratio",
    "CPU-s/GB",
    "CPU-us/record",
    "peak MiB",
    "spread",
    ...(hasLatency ? ["p50/p99/p99.9/max us"] : []),
    ...(hasLaws ? ["law"] : []),
  ];
  const lines = [head, ...cells];
  const widths = head.map((_, column) => Math.max(...lines.map((line) => (line[column] ?? "").length)));
  for (const line of lines) {
    const text = line.map((cell, column) =>
      column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0),
    );
    process.stdout.write(`${text.join("  ").trimEnd()}\n`);
  }
}

function rate(value: number, unit: string): string {
  if (unit === "records/s") return `${Math.round(value).toLocaleString("en-US")}/s`;
  return `${value.toFixed(value < 10 ? 2 : 0)} ${unit}`;
}

function cpuPerGB({ cpuSecondsPerGB, rawCpuSecondsPerGB }: Row): string {
  const own = parts(cpuSecondsPerGB);
  return rawCpuSecondsPerGB === undefined ? own : `${own}; raw: ${parts(rawCpuSecondsPerGB)}`;
}

function percentiles({ latencyMicros }: Row): string {
  if (latencyMicros === undefined) return "-";
  const { p50, p99, p999, max } = latencyMicros;
  return [p50, p99, p999, max].map((micros) => micros.toFixed(0)).join("/");
}

function verdict({ law }: Row): string {
  if (law === undefined) return "-";
  const word = law.holds === null ? "not judged" : law.holds ? "holds" : "BROKEN";
  return `${word}: ${law.says}`;
}

function parts(figures: Readonly<Record<string, number>>): string {
  return Object.entries(figures)
    .map(([part, figure]) => `${part} ${figure.toFixed(2)}`)
    .join(", ");
}
