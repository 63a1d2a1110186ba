/**
 * Prints a list: as a borderless table for people, or as JSON whose keys are stable interface. `-o json` is one array on
 * a terminal and one object a line elsewhere (so that a pipe never has to wait for the end); `-o ndjson` is always the
 * latter. Numbers stand to the right.
 */
import type { CommandContext } from "../command-context.ts";
import type { OutputFormat } from "../global-flags.ts";
import { outputFormat } from "../global-flags.ts";

export interface Column<R> {
  readonly title: string;
  readonly cell: (row: R) => string | number;
}

export function printRows<R extends object>(
  context: CommandContext,
  rows: readonly R[],
  columns: readonly Column<R>[],
): void {
  const format = outputFormat(context.flags);
  const text =
    format === "table" ? renderTable(rows, columns, context.flags.hasHeaders) : renderJson(context, format, rows);
  if (text !== "") context.stdout.write(text);
}

export function renderTable<R>(rows: readonly R[], columns: readonly Column<R>[], hasHeaders: boolean): string {
  const cells = rows.map((row) => columns.map((column) => column.cell(row)));
  const isNumeric = columns.map((_, slot) => cells.length > 0 && cells.every((line) => typeof line[slot] === "number"));
  const lines: (string | number)[][] = hasHeaders
    ? [columns.map((column) => column.title.toUpperCase()), ...cells]
    : cells;
  const widths = columns.map((_, slot) => Math.max(0, ...lines.map((line) => String(line[slot]).length)));
  return lines
    .map((line) =>
      line
        .map((cell, slot) => pad(String(cell), widths[slot] ?? 0, isNumeric[slot] === true))
        .join("  ")
        .trimEnd(),
    )
    .map((line) => `${line}\n`)
    .join("");
}

function renderJson(context: CommandContext, format: OutputFormat, rows: readonly object[]): string {
  if (format === "json" && context.stdout.isTTY === true) return `${JSON.stringify(rows, null, 2)}\n`;
  return rows.map((row) => `${JSON.stringify(row)}\n`).join("");
}

function pad(text: string, width: number, isRight: boolean): string {
  return isRight ? text.padStart(width) : text.padEnd(width);
}
