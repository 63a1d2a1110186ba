/** `generate compose`: a Docker Compose file on stdout, or in a file of its own. */
import { basename } from "node:path";
import { type CommandContext, note, warn } from "../command-context.ts";
import { composeFile, type ComposeOptions, isLoopbackAddress, PEER_PORT } from "../compose/compose-file.ts";
import { ExitCode } from "../exit-codes.ts";
import { CliFailure, usageFailure } from "../failure.ts";
import { checkDestination, type Destination, writeGenerated } from "../output/generated-file.ts";
import { plural } from "../output/units.ts";

export interface ComposeRequest extends Destination {
  readonly brokers?: number;
  readonly image?: string;
  readonly build?: string;
  readonly hostAddress?: string;
  readonly grpcPort?: number;
  readonly httpPort?: number;
  readonly tls?: boolean;
  readonly scram?: boolean;
  readonly console?: boolean;
  readonly grafana?: boolean;
}

/** What the repository's Dockerfile makes, and where that lies. */
const LOCAL_IMAGE = "tidemark:local";
const LOCAL_BUILD = ".";
const STANDARD = { brokers: 3, hostAddress: "127.0.0.1", grpcPort: 9192, httpPort: 9292 };
const PORT_MAX = 65_535;
/** Files that Compose finds by itself. */
const FOUND_BY_ITSELF = new Set(["compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml"]);

const NOT_YET = [
  ["tls", "the doors cannot be encrypted in this version"],
  ["scram", "this version knows no users and no passwords"],
  ["console", "there is no console in this version"],
  [
    "grafana",
    "Grafana is not among the services; `tidemark generate prometheus`, `alerts` and `grafana` write what one of your own reads",
  ],
] as const;

export async function generateCompose(context: CommandContext, request: ComposeRequest): Promise<ExitCode> {
  for (const [flag, reason] of NOT_YET)
    if (request[flag] === true) throw new CliFailure("UNSUPPORTED", `--${flag}: ${reason}`);
  checkDestination(context, request);
  const options = composeOptions(request);
  const text = composeFile(options);
  if (!isLoopbackAddress(options.hostAddress))
    warn(context, `the doors will stand open on ${options.hostAddress}, neither encrypted nor authenticated`);
  const out = writeGenerated(context, text, request);
  if (out === null) return ExitCode.OK;
  const named = FOUND_BY_ITSELF.has(basename(out)) && basename(out) === out ? "" : ` -f ${out}`;
  const build = options.build === null ? "" : " --build";
  note(
    context,
    `wrote ${out}: ${plural(options.brokers, "broker")}; docker compose${named} up${build} --wait starts them`,
  );
  return ExitCode.OK;
}

/** @throws CliFailure USAGE where the ports do not go together */
function composeOptions(request: ComposeRequest): ComposeOptions {
  const { brokers, hostAddress, grpcPort, httpPort } = { ...STANDARD, ...request };
  const { image = LOCAL_IMAGE } = request;
  checkPorts(
    [
      ["--grpc-port", grpcPort],
      ["--http-port", httpPort],
    ],
    brokers,
  );
  return {
    brokers,
    image,
    // Who names an image has one.
    build: request.build ?? (request.image === undefined ? LOCAL_BUILD : null),
    hostAddress,
    grpcPort,
    httpPort,
    madeBy: commandLine(request, brokers),
  };
}

/** Inside of its container a broker has the ports by which the host knows it, since it tells clients no others. */
function checkPorts(doors: readonly (readonly [flag: string, first: number])[], count: number): void {
  const taken = new Map<number, string>([[PEER_PORT, "the door between brokers"]]);
  for (const [flag, first] of doors) {
    for (let port = first; port < first + count; port++) {
      const other = taken.get(port);
      if (port > PORT_MAX) throw usageFailure(`${flag} ${first}: ${count} ports from there on go beyond ${PORT_MAX}`);
      if (other !== undefined) throw usageFailure(`${flag} ${first}: one of ${count} ports is ${port}, of ${other}`);
      taken.set(port, `${flag} ${first}`);
    }
  }
}

/** The one that writes the same file again. */
function commandLine(request: ComposeRequest, brokers: number): string {
  const { image, build, hostAddress, grpcPort, httpPort } = request;
  const flags: [string, string | number | undefined][] = [
    ["--brokers", brokers],
    ["--image", image],
    ["--build", build],
    ["--host-address", hostAddress],
    ["--grpc-port", grpcPort],
    ["--http-port", httpPort],
  ];
  const given = flags.flatMap(([flag, value]) => (value === undefined ? [] : [flag, quoted(String(value))]));
  return ["tidemark generate compose", ...given].join(" ");
}

/** For a shell to read, on one line. */
function quoted(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`;
}
