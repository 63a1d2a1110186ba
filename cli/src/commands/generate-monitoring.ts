/** `generate alerts | prometheus | grafana`: what Prometheus and Grafana read. Nothing is asked of a broker. */
import { type CommandContext, note } from "../command-context.ts";
import { ExitCode } from "../exit-codes.ts";
import { ALERT_RULES, alertsFile } from "../monitoring/alert-rules.ts";
import { dashboardFile, PANELS } from "../monitoring/dashboard.ts";
import { scrapeConfig } from "../monitoring/scrape-config.ts";
import { checkDestination, type Destination, writeGenerated } from "../output/generated-file.ts";
import { plural } from "../output/units.ts";

export interface PrometheusRequest extends Destination {
  readonly target?: readonly string[];
  readonly detail?: boolean;
}

/** Where `dev` and the generated docker-compose.yml put the HTTP doors of three brokers. */
const STANDARD_TARGETS = ["localhost:9292", "localhost:9293", "localhost:9294"];
const RULES_FILE = "alerts.yml";

export async function generateAlerts(context: CommandContext, request: Destination): Promise<ExitCode> {
  checkDestination(context, request);
  const out = writeGenerated(context, alertsFile(), request);
  if (out !== null)
    note(context, `wrote ${out}: ${plural(ALERT_RULES.length, "alert")}; name it in rule_files of Prometheus`);
  return ExitCode.OK;
}

export async function generatePrometheus(context: CommandContext, request: PrometheusRequest): Promise<ExitCode> {
  checkDestination(context, request);
  const { target: targets = STANDARD_TARGETS, detail: isDetailed = false } = request;
  const out = writeGenerated(context, scrapeConfig({ targets, isDetailed, rulesFile: RULES_FILE }), request);
  if (out !== null)
    note(context, `wrote ${out}: ${plural(targets.length, "broker")}; prometheus --config.file=${out} scrapes them`);
  return ExitCode.OK;
}

export async function generateGrafana(context: CommandContext, request: Destination): Promise<ExitCode> {
  checkDestination(context, request);
  const out = writeGenerated(context, dashboardFile(), request);
  if (out !== null)
    note(context, `wrote ${out}: ${plural(PANELS.length, "panel")}; import it in Grafana, or provision it`);
  return ExitCode.OK;
}
