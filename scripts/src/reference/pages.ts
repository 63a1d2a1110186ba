/** The pages of docs/ that are made from data of the program, so that they cannot say something else than it does. */
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { apiPages } from "./api-pages.ts";
import { configurationPage } from "./configuration-page.ts";
import { type Explanation, errorsPage } from "./errors-page.ts";
import { metricsPage } from "./metrics-page.ts";

/** Text by path below `root`, the folder of the repository. */
export function referencePages(root: string): ReadonlyMap<string, string> {
  const told = execFileSync(process.execPath, [join(root, "cli/bin/tidemark.js"), "explain", "-o", "ndjson"], {
    encoding: "utf8",
  });
  const explanations = told
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Explanation);
  return new Map([
    ["docs/configuration.md", configurationPage()],
    ["docs/errors.md", errorsPage(explanations)],
    ...apiPages(root),
    ["docs/metrics.md", metricsPage()],
  ]);
}
