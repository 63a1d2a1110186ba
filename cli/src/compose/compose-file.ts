/**
 * The Docker Compose file of a cluster, as text: what a person would write, with the comments that its reader needs. Pure.
 *
 * Kept to what Compose 1.29 and 2 both take: no `name`, no `start_interval`. And no `ulimits`: Node raises its limit of descriptors to the
 * hard one by itself, and an engine whose own is below what a file asks for (rootless, in a container) would start nothing.
 */
import { stringify } from "yaml";

export interface ComposeOptions {
  /** 1 to 100: `broker-1` and so on. */
  readonly brokers: number;
  readonly image: string;
  /** The directory with the Dockerfile, as seen from the file; null: the image is there already, or pulled. */
  readonly build: string | null;
  /** IPv4 address of this machine on which the doors are published. */
  readonly hostAddress: string;
  /** Doors of the first broker; the next port for the next. */
  readonly grpcPort: number;
  readonly httpPort: number;
  /** The command line that makes this file. */
  readonly madeBy: string;
}

/** Of every broker, each under a host name of its own; not published. */
export const PEER_PORT = 9392;
/** Two of five may fail; more would only make every change of metadata dearer. */
const VOTERS_MAX = 5;
const COMMENT_WIDTH = 120;
/** Of addresses in one comment. */
const NAMED_MAX = 3;

/** Who votes on the metadata, from broker-1 on: an odd number, since one more would not let one more of them fail. */
function voterCount(brokers: number): number {
  return Math.min(brokers % 2 === 0 ? brokers - 1 : brokers, VOTERS_MAX);
}

export function isLoopbackAddress(address: string): boolean {
  return address.startsWith("127.");
}

export function composeFile(options: ComposeOptions): string {
  const { brokers, image, build, grpcPort, httpPort, hostAddress } = options;
  const ids = upTo(brokers);
  const inside = ids.map((id) => `broker-${id}:${grpcPort + id - 1}`);
  const fromHost = ids.map((id) => (id === 1 ? `localhost:${grpcPort}` : String(grpcPort + id - 1)));
  const services = ids.map((id) => {
    // Where the voters are, their list says; another broker says it itself.
    const [grpc, http] = [grpcPort + id - 1, httpPort + id - 1];
    return `  broker-${id}:
    <<: *broker
    hostname: broker-${id}
    environment:
      <<: *environment
      TIDEMARK_LISTENERS: GRPC://0.0.0.0:${grpc},HTTP://0.0.0.0:${http},PEER://0.0.0.0:${PEER_PORT}${id > voterCount(brokers) ? `\n      TIDEMARK_ADVERTISED_LISTENERS: PEER://broker-${id}:${PEER_PORT}` : ""}
    ports: ["${hostAddress}:${grpc}:${grpc}", "${hostAddress}:${http}:${http}"]
    volumes: ["data-${id}:/var/lib/tidemark"]
`;
  });
  return `${comment(promise(brokers))}
#
#   docker compose up${build === null ? "" : " --build"} --wait
#   npx tidemark topics create orders --partitions 6        from this machine: ${listed(fromHost)}
#   docker compose exec broker-1 tidemark cluster health    from a container: ${listed(inside)}
#   docker compose down                                     the data stays in its volumes; \`down -v\` deletes it
#
${comment(exposure(options))}
#
# Written by \`${options.madeBy}\`.

x-environment: &environment
${peers(brokers)}
  # All on one machine: whoever comes in by localhost is told to find the other brokers there, too.
  TIDEMARK_HOST: compose
  TIDEMARK_SECURITY_ALLOW_INSECURE_LISTENERS: GRPC,HTTP,PEER
  # For \`tidemark\` inside of the containers.
  TIDEMARK_BROKERS: ${inside.join(",")}

x-broker: &broker
  image: ${scalar(image)}
${build === null ? "" : `  build: ${scalar(build)}\n`}  restart: unless-stopped
  # Hands leadership over, syncs and leaves its clean marker.
  stop_grace_period: 45s
  read_only: true
  tmpfs: [/tmp]
  cap_drop: [ALL]
  security_opt: ["no-new-privileges:true"]
  healthcheck:
    test: [CMD, node, /app/cli/bin/healthcheck.js, "", "2000", "8000"]
    # A start is noticed at once; of a broker that is well for a while a check lasts for seconds.
    interval: 1s
    timeout: 15s
    retries: 20
    start_period: 10s

services:
${services.join("\n")}
volumes:
${ids.map((id) => `  data-${id}:\n`).join("")}`;
}

function promise(brokers: number): string {
  if (brokers === 1)
    return "One broker: while it is away nothing is served, and its volume holds the only copy. Three keep what they acknowledge, and go on, while any one of them is away.";
  if (brokers === 2)
    return "Two brokers with a copy each, of which broker-2 may be away and broker-1 may not. Of three any one may be away.";
  const count = brokers === 3 ? "Three brokers that keep" : `${brokers} brokers, three copies of each topic: they keep`;
  return `${count} what they acknowledge while any one of them is away:`;
}

function exposure({ hostAddress }: ComposeOptions): string {
  const doors = "The doors are neither encrypted nor authenticated:";
  if (isLoopbackAddress(hostAddress)) return `${doors} they are published on this machine's loopback address only.`;
  const where = hostAddress === "0.0.0.0" ? "every address of this machine" : hostAddress;
  return `${doors} THEY STAND OPEN on ${where}, and whoever reaches them reads, writes and deletes everything. Only for a network where all are trusted. Engines publish ports past the rules of ufw and firewalld.`;
}

function peers(brokers: number): string {
  const voters = voterCount(brokers);
  const names = upTo(voters).map((id) => `broker-${id}`);
  const line = `  TIDEMARK_PEERS: ${names.join(",")}`;
  if (voters === brokers) return line;
  const meaning =
    voters === 1
      ? "It alone votes on the cluster's metadata, for of two that vote neither may be away. While it is away nothing is written; while broker-2 is away, what is acknowledged lies on broker-1's disk alone."
      : `These vote on the cluster's metadata, and ${(voters - 1) / 2} of them may be away; the others follow.`;
  return `${comment(meaning, "  ")}\n${line}`;
}

function upTo(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index + 1);
}

function listed(names: readonly string[]): string {
  return names.length <= NAMED_MAX ? names.join(", ") : `${names[0]}, ${names[1]}, ... ${names.at(-1)}`;
}

/** As a value of YAML 1.1, which older Compose reads: quoted where it would be something else than text. */
function scalar(text: string): string {
  return stringify(text, { version: "1.1", lineWidth: 0 }).trimEnd();
}

function comment(text: string, indent = ""): string {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const last = lines.at(-1);
    if (last === undefined || last.length + 1 + word.length > COMMENT_WIDTH) lines.push(`${indent}# ${word}`);
    else lines[lines.length - 1] = `${last} ${word}`;
  }
  return lines.join("\n");
}
