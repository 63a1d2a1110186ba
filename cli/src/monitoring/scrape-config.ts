/** What Prometheus is told to scrape: every broker's HTTP door, under the one job that the alerts and the dashboard go by. Pure. */
import { yamlOf } from "./alert-rules.ts";

export const JOB = "tidemark";

export interface ScrapeOptions {
  /** "host:port" of every HTTP door. */
  readonly targets: readonly string[];
  /** Series of single partitions, too. */
  readonly isDetailed: boolean;
  /** Beside the configuration. */
  readonly rulesFile: string;
}

const HEAD = `# Prometheus for a Tidemark cluster: prometheus --config.file=THIS
# The alerts lie beside it: tidemark generate alerts --out alerts.yml
#
# Written by \`tidemark generate prometheus\`.

`;

/** @returns the whole file, with its final LF */
export function scrapeConfig({ targets, isDetailed, rulesFile }: ScrapeOptions): string {
  // Series of thousands of partitions are megabytes: asked for less often.
  const interval = isDetailed ? "60s" : "15s";
  const job = {
    job_name: JOB,
    metrics_path: isDetailed ? "/metrics/detail" : "/metrics",
    scrape_interval: interval,
    scrape_timeout: "10s",
    static_configs: [{ targets: [...targets] }],
  };
  return (
    HEAD +
    yamlOf({
      global: { scrape_interval: "15s", evaluation_interval: "15s" },
      rule_files: [rulesFile],
      scrape_configs: [job],
    })
  );
}
