/** `generate`: files that others read. */
import { type Command, Option } from "commander";
import { isIPv4 } from "node:net";
import type { ComposeRequest } from "../commands/generate.ts";
import type { PrometheusRequest } from "../commands/generate-monitoring.ts";
import type { SystemdRequest } from "../commands/generate-systemd.ts";
import { usageFailure } from "../failure.ts";
import { parsePort, parseWholeNumber } from "../parse/numbers.ts";
import { type Launch, parsed, repeated, withTraits } from "./options.ts";

const BROKERS_MAX = 100;

export function buildGenerate(generate: Command, launch: Launch): void {
  const compose = withTraits(generate.command("compose"), { outputs: ["table", "yaml"] })
    .description("a docker-compose.yml for a cluster of brokers on this machine")
    .addOption(parsed("--brokers <n>", "how many brokers (default: 3)", parseCount))
    .addOption(
      parsed("--image <name>", "an image that is there, or is pulled (default: tidemark:local, built)", parseWord),
    )
    .addOption(parsed("--build <dir>", "build the image there, as seen from the file (default: .)", parsePath))
    .addOption(
      parsed(
        "--host-address <address>",
        "where on this machine the doors are published (default: 127.0.0.1)",
        parseAddress,
      ),
    )
    .addOption(
      parsed(
        "--grpc-port <port>",
        "gRPC door of the first broker, the next port for the next (default: 9192)",
        parseDoor,
      ),
    )
    .addOption(parsed("--http-port <port>", "HTTP door (health, metrics), likewise (default: 9292)", parseDoor))
    .addOption(parsed("--out <file>", "write there, unless there is such a file (default: standard output)", parsePath))
    .option("--force", "with --out: replace the file")
    .addHelpText("after", COMPOSE_HELP)
    .action((options: ComposeRequest, command: Command) =>
      launch(command, async (context) => (await import("../commands/generate.ts")).generateCompose(context, options)),
    );
  for (const [name, about, help] of [
    ["alerts", "alert rules for Prometheus", ALERTS_HELP],
    ["prometheus", "what Prometheus is told to scrape", PROMETHEUS_HELP],
    ["grafana", "a dashboard for Grafana", GRAFANA_HELP],
  ] as const) {
    const command = withTraits(generate.command(name), {
      outputs: name === "grafana" ? ["table", "json"] : ["table", "yaml"],
    })
      .description(about)
      .addOption(
        parsed("--out <file>", "write there, unless there is such a file (default: standard output)", parsePath),
      )
      .option("--force", "with --out: replace the file")
      .addHelpText("after", help);
    if (name === "prometheus")
      command
        .addOption(repeated("--target <host:port>", "an HTTP door (default: localhost:9292, 9293, 9294)", parseTarget))
        .option("--detail", "series of single partitions, too, once a minute");
    command.action((options: PrometheusRequest, chosen: Command) =>
      launch(chosen, async (context) => {
        const { generateAlerts, generateGrafana, generatePrometheus } = await import(
          "../commands/generate-monitoring.ts"
        );
        const of = { alerts: generateAlerts, prometheus: generatePrometheus, grafana: generateGrafana };
        return of[name](context, options);
      }),
    );
  }
  withTraits(generate.command("systemd"), { outputs: ["table"] })
    .description("a unit for systemd that runs a broker on this machine")
    .addOption(parsed("--config <file>", "what the broker reads (default: /etc/tidemark/server.properties)", parsePath))
    .addOption(parsed("--user <name>", "whom it runs as (default: tidemark)", parseUser))
    .addOption(parsed("--exec <path>", "the tidemark to run (default: this one, by this Node)", parsePath))
    .addOption(parsed("--out <file>", "write there, unless there is such a file (default: standard output)", parsePath))
    .option("--force", "with --out: replace the file")
    .addHelpText("after", SYSTEMD_HELP)
    .action((options: SystemdRequest, command: Command) =>
      launch(command, async (context) =>
        (await import("../commands/generate-systemd.ts")).generateSystemd(context, options),
      ),
    );
  // Known by name, so that whoever tries one is told.
  for (const flag of ["--tls", "--scram", "--console", "--grafana"])
    compose.addOption(new Option(flag, "not in this version").hideHelp());
}

function parseCount(text: string): number {
  return parseWholeNumber(text, { min: 1, max: BROKERS_MAX });
}

/** The same inside of the container and outside, and told to clients: it cannot be any free one. */
function parseDoor(text: string): number {
  if (text === "0") throw usageFailure("expected a port that is known beforehand, not 0");
  return parsePort(text);
}

function parseAddress(text: string): string {
  if (!isIPv4(text)) throw usageFailure("expected an IPv4 address of this machine, 127.0.0.1 or 0.0.0.0 for all");
  return text;
}

function parseTarget(text: string): string {
  if (!/^[^\s/:]+:\d{1,5}$|^\[[\da-fA-F:.]+\]:\d{1,5}$/.test(text))
    throw usageFailure("expected the host:port of an HTTP door");
  return text;
}

function parseUser(text: string): string {
  if (!/^[a-z_][a-z0-9_-]{0,30}$/.test(text)) throw usageFailure("expected the name of a user of this machine");
  return text;
}

function parseWord(text: string): string {
  if (!/^\S+$/.test(text)) throw usageFailure("expected the name of an image, without spaces");
  return text;
}

function parsePath(text: string): string {
  // Control characters end comments and lines.
  if (!/^[^\p{Cc}]+$/u.test(text)) throw usageFailure("expected a path");
  return text;
}

const COMPOSE_HELP = `
tidemark generate compose --brokers 5 --out docker-compose.yml
tidemark generate compose --image registry.example/tidemark:1 --host-address 0.0.0.0

Every topic gets three replicas where there are three brokers, and acks=all waits for two of them. At most five brokers vote on the
cluster's metadata, and always an odd number; the others follow. docs/operations.md says how a cluster is run, and how it grows.
`;

const SYSTEMD_HELP = `
tidemark generate systemd --out tidemark.service
useradd --system tidemark && install -m 0644 tidemark.service /etc/systemd/system/ && systemctl enable --now tidemark

The data lies in /var/lib/tidemark/data unless the configuration names log.dirs; ProtectHome hides the homes of users from the broker.
`;

const ALERTS_HELP = `
tidemark generate alerts --out alerts.yml

Under-replicated and offline partitions, too few replicas in sync, controllers other than one, no leader of the metadata log, failed and
full disks, slow syncs, a slow event loop, growing replication lag. They go by /metrics of every broker under the job "tidemark", as
"tidemark generate prometheus" has it.
`;

const PROMETHEUS_HELP = `
tidemark generate prometheus --target broker-1:9292 --target broker-2:9293 --out prometheus.yml
`;

const GRAFANA_HELP = `
tidemark generate grafana --out tidemark.json

For Grafana 10 and later: import the file and choose the Prometheus that scrapes the brokers.
`;
