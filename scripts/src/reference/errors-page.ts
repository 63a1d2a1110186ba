/** docs/errors.md: what `tidemark explain` says, as one page. `BrokerError.docs` points at its headings. */
import { markdownTable } from "./markdown.ts";

/** A line of `tidemark explain -o ndjson`. `sdkCode` is the code that the SDK's error carries. */
export interface Explanation {
  readonly code: string;
  readonly number: number | null;
  readonly sdkCode: string | null;
  readonly retriable: boolean | null;
  readonly text: string;
  readonly cause: string;
  readonly hint: string;
}

const INTRODUCTION = `# Errors

Made by \`npm run reference\` from what \`tidemark explain\` knows; a test fails when it is out of date.

The headings are the codes that the SDK's errors and the command line carry. Below each stand the broker's own codes that it
covers, with Kafka's numbers (from 10,000 on Tidemark's own); *again* says that the same call may succeed later.
`;

/** @returns the whole page, with its final LF */
export function errorsPage(explanations: readonly Explanation[]): string {
  const byCode = new Map<string, Explanation[]>();
  for (const row of explanations) {
    const heading = row.sdkCode ?? row.code;
    byCode.set(heading, [...(byCode.get(heading) ?? []), row]);
  }
  const headings = [...byCode].sort(([a], [b]) => (a < b ? -1 : 1));
  return [INTRODUCTION, ...headings.map(([heading, rows]) => section(heading, rows))].join("\n");
}

function section(heading: string, rows: readonly Explanation[]): string {
  const cells = rows.map(({ code, number, retriable, text, cause, hint }) => [
    `\`${code}\`${number === null ? "" : ` (${number})`}`,
    retriable === null ? "" : retriable ? "yes" : "no",
    text,
    cause,
    hint,
  ]);
  return `## ${heading}\n\n${markdownTable(["code", "again", "what happened", "why", "what to do"], cells)}`;
}
