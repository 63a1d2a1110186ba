/**
 * One printer for all lists, in every format of -o. A command says what its rows are and which columns people see; the
 * keys of the row objects are what json, ndjson and yaml show, and stable interface.
 *
 * - `table`, `wide`: borderless, numbers to the right; `wide` adds the columns marked so.
 * - `csv`: all columns, raw values (`value`, else `cell`), RFC 4180 quoting, LF.
 * - `name`: the first column alone. `template`: a text per row with the row's keys in braces.
 * - `json`: one array on a terminal, one object a line elsewhere, so that a pipe never has to wait for the end; `ndjson` is
 *   always the latter, `yaml` always one list.
 */
import { createRequire } from "node:module";
import type * as Yaml from "yaml";
import type { CommandContext } from "../command-context.ts";
import { usageFailure } from "../failure.ts";
import { type GlobalFlags, outputFormat } from "../global-flags.ts";
import { fillTemplate } from "./template.ts";

export type Cell = string | number | boolean | null;

export interface Column<R> {
  /** In capitals the head of a table, as it is the one of csv and a name for --columns. */
  readonly title: string;
  /** As people read it. */
  readonly cell: (row: R) => Cell;
  /** As machines read it, where that differs: bytes instead of "1.5 MiB". */
  readonly value?: (row: R) => Cell;
  /** Only in `wide`, `csv` and where --columns names it. */
  readonly isWide?: true;
}

/** No columns: the keys of the rows. */
export function printRows<R extends object>(
  context: CommandContext,
  rows: readonly R[],
  columns: readonly Column<R>[],
): void {
  const text = renderRows(context.flags, rows, columns, context.stdout.isTTY === true);
  if (text !== "") context.stdout.write(text);
}

/** @throws CliFailure USAGE for a column that is not there, or --columns with a format that has none */
export function renderRows<R extends object>(
  flags: GlobalFlags,
  rows: readonly R[],
  columns: readonly Column<R>[],
  isTerminal: boolean,
): string {
  const format = outputFormat(flags);
  switch (format) {
    case "table":
    case "wide":
      return renderTable(rows, chosenColumns(flags, columnsOf(rows, columns), format === "wide"), flags.hasHeaders);
    case "csv":
      return renderCsv(rows, chosenColumns(flags, columnsOf(rows, columns), true), flags.hasHeaders);
    case "name":
      return renderNames(rows, chosenColumns(flags, columnsOf(rows, columns), false));
    case "template":
      refuseColumns(flags);
      return rows.map((row) => `${fillTemplate(flags.template, row)}\n`).join("");
    case "yaml":
      refuseColumns(flags);
      return renderYaml(rows);
    case "json":
      refuseColumns(flags);
      return isTerminal ? `${JSON.stringify(rows, null, 2)}\n` : renderLines(rows);
    case "ndjson":
      refuseColumns(flags);
      return renderLines(rows);
  }
}

export function renderTable<R>(rows: readonly R[], columns: readonly Column<R>[], hasHeaders: boolean): string {
  const cells = rows.map((row) => columns.map((column) => column.cell(row)));
  // A number that is not known stands where it would.
  const isNumeric = columns.map((_, slot) => {
    const known = cells.map((line) => line[slot] ?? null).filter((cell) => cell !== null);
    return known.length > 0 && known.every((cell) => typeof cell === "number");
  });
  const lines: Cell[][] = hasHeaders ? [columns.map((column) => column.title.toUpperCase()), ...cells] : cells;
  const texts = lines.map((line) => line.map((cell) => (cell === null ? "-" : String(cell))));
  const widths = columns.map((_, slot) => texts.reduce((width, line) => Math.max(width, line[slot]?.length ?? 0), 0));
  return texts
    .map((line) => line.map((text, slot) => pad(text, widths[slot] ?? 0, isNumeric[slot] === true)).join("  "))
    .map((line) => `${line.trimEnd()}\n`)
    .join("");
}

function renderCsv<R>(rows: readonly R[], columns: readonly Column<R>[], hasHeaders: boolean): string {
  const lines = rows.map((row) => columns.map((column) => csvField(valueOf(column, row))));
  if (hasHeaders) lines.unshift(columns.map((column) => csvField(column.title)));
  return lines.map((line) => `${line.join(",")}\n`).join("");
}

function renderNames<R>(rows: readonly R[], columns: readonly Column<R>[]): string {
  const [first] = columns;
  return first === undefined ? "" : rows.map((row) => `${valueOf(first, row)}\n`).join("");
}

/** Loaded here, since few ask for it. */
function renderYaml(rows: readonly object[]): string {
  const { stringify }: typeof Yaml = createRequire(import.meta.url)("yaml");
  return stringify(rows, { lineWidth: 0 });
}

function renderLines(rows: readonly object[]): string {
  return rows.map((row) => `${JSON.stringify(row)}\n`).join("");
}

/** --columns picks and orders; without it the columns of the format. */
function chosenColumns<R>(flags: GlobalFlags, columns: readonly Column<R>[], isWide: boolean): readonly Column<R>[] {
  if (flags.columns === null) return columns.filter((column) => isWide || column.isWide !== true);
  return flags.columns.map((name) => {
    const column = columns.find(({ title }) => title.toLowerCase() === name.toLowerCase());
    if (column !== undefined) return column;
    throw usageFailure(`there is no column ${name}`, `the columns are ${columns.map(({ title }) => title).join(", ")}`);
  });
}

function refuseColumns(flags: GlobalFlags): void {
  if (flags.columns === null) return;
  throw usageFailure(`--columns goes with table, wide, csv and name; -o ${flags.output} has whole objects`);
}

function columnsOf<R extends object>(rows: readonly R[], columns: readonly Column<R>[]): readonly Column<R>[] {
  if (columns.length > 0) return columns;
  return Object.keys(rows[0] ?? {}).map((title) => ({ title, cell: (row) => cellOf(Reflect.get(row, title)) }));
}

function cellOf(value: unknown): Cell {
  if (value === null || typeof value === "string" || typeof value === "number" || typeof value === "boolean")
    return value;
  return value === undefined ? null : JSON.stringify(value);
}

function valueOf<R>(column: Column<R>, row: R): Cell {
  return (column.value ?? column.cell)(row);
}

function csvField(value: Cell): string {
  const text = value === null ? "" : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

function pad(text: string, width: number, isRight: boolean): string {
  return isRight ? text.padStart(width) : text.padEnd(width);
}
