/**
 * `explain CODE`: what a code means and what to do. A code is a name or number of the error table in @tidemark/proto, a short name of the
 * SDK (which may stand for several), one of the command line's own, or that of a trouble of the cluster.
 */
import { getSystemErrorMap } from "node:util";
import { ERROR_TABLE, type ErrorRow } from "@tidemark/proto";
import { CAUSES, SYSTEM_CAUSE, SYSTEM_CAUSES } from "../causes.ts";
import type { CommandContext } from "../command-context.ts";
import { ExitCode } from "../exit-codes.ts";
import { CliFailure } from "../failure.ts";
import { outputFormat } from "../global-flags.ts";
import { type Column, printRows } from "../output/rows.ts";
import { OWN_CODES } from "../own-codes.ts";
import { TROUBLE_CODES } from "../trouble-codes.ts";

export interface ExplainRequest {
  readonly code: string | undefined;
}

/** One explanation. `number` is Kafka's and null for codes that never travel. */
export interface Explanation {
  readonly code: string;
  readonly number: number | null;
  readonly sdkCode: string | null;
  readonly retriable: boolean | null;
  readonly text: string;
  /** What usually lies behind it; empty where nothing here raises it. */
  readonly cause: string;
  readonly hint: string;
}

const COLUMNS: readonly Column<Explanation>[] = [
  { title: "code", cell: (row) => row.code },
  { title: "number", cell: (row) => row.number ?? "", value: (row) => row.number },
  { title: "text", cell: (row) => row.text },
  { title: "hint", cell: (row) => row.hint, isWide: true },
];

/** A short name of the SDK may stand for dozens of the broker's: more than this are a list. */
const PAGES_MAX = 3;

export async function explain(context: CommandContext, request: ExplainRequest): Promise<ExitCode> {
  if (request.code === undefined) {
    printRows(context, allExplanations(), COLUMNS);
    return ExitCode.OK;
  }
  const found = findExplanations(request.code);
  if (found.length === 0) {
    const near = await nearestCode(request.code);
    const hint = near === null ? "`tidemark explain` lists all" : `did you mean ${near}?`;
    throw new CliFailure("UNKNOWN_CODE", `there is no code ${request.code}`, { hint });
  }
  const isPage = outputFormat(context.flags) === "table" && found.length <= PAGES_MAX;
  if (isPage) context.stdout.write(found.map(renderExplanation).join("\n"));
  else printRows(context, found, COLUMNS);
  return ExitCode.OK;
}

/** Also of half a code: `unknown_topic`. */
async function nearestCode(code: string): Promise<string | null> {
  const wanted = code.toUpperCase();
  const codes = allExplanations().map((row) => row.code);
  const { nearest } = await import("@tidemark/broker/config");
  return codes.find((one) => wanted !== "" && one.toUpperCase().startsWith(wanted)) ?? nearest(wanted, codes);
}

export function findExplanations(code: string): Explanation[] {
  const wanted = code.toUpperCase();
  const all = allExplanations();
  const exact = all.filter((row) => row.code.toUpperCase() === wanted || String(row.number) === wanted);
  const system = fromSystem(wanted);
  if (system !== null) exact.push(system);
  return exact.concat(all.filter((row) => row.sdkCode === wanted && !exact.includes(row)));
}

export function allExplanations(): Explanation[] {
  const own = OWN_CODES.map((row) => ({
    code: row.code,
    number: null,
    sdkCode: null,
    retriable: null,
    text: row.text,
    cause: CAUSES[row.code] ?? "",
    hint: row.hint,
  }));
  const troubles = TROUBLE_CODES.map((row) => ({ ...row, number: null, sdkCode: null, retriable: null }));
  return [...own, ...troubles, ...ERROR_TABLE.map(fromTable)];
}

/** EACCES, ENOSPC and so on: what the operating system says, as Node names it. */
function fromSystem(code: string): Explanation | null {
  const text = [...getSystemErrorMap().values()].find(([name]) => name === code)?.[1];
  if (text === undefined && SYSTEM_CAUSES[code] === undefined) return null;
  const [cause, hint] = SYSTEM_CAUSES[code] ?? SYSTEM_CAUSE;
  const said = text === undefined ? `The operating system says ${code}.` : `The operating system says: ${text}.`;
  return { code, number: null, sdkCode: null, retriable: null, text: said, cause, hint };
}

function fromTable(row: ErrorRow): Explanation {
  return {
    code: row.name,
    number: row.code,
    sdkCode: row.clientCode,
    retriable: row.retriable,
    text: row.text,
    cause: CAUSES[row.name] ?? "",
    hint: row.hint,
  };
}

function renderExplanation(row: Explanation): string {
  const lines = [row.number === null ? row.code : `${row.code} (${row.number})`, `  ${row.text}`];
  if (row.cause !== "") lines.push(`  Why: ${row.cause}`);
  if (row.hint !== "") lines.push(`  What to do: ${row.hint}`);
  if (row.retriable !== null)
    lines.push(`  Retrying ${row.retriable ? "may help" : "does not help"}; the SDK calls it ${row.sdkCode}.`);
  return `${lines.join("\n")}\n`;
}
