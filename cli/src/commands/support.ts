/**
 * `support bundle`: what somebody needs who is to find out from afar what is wrong with a cluster, in one file: what the brokers say of it
 * and of themselves, as JSON. No records, no passwords: a setting that is one has no value. What could not be
 * had is named in it, and the command ends as one that did a part.
 */
import type { Client, ClusterDescription, TopicSummary } from "@tidemark/client";
import { gzipSync } from "node:zlib";
import { callOptions, withClient } from "../client-session.ts";
import { type CommandContext, note, warn } from "../command-context.ts";
import { ExitCode } from "../exit-codes.ts";
import { CliFailure, toFailure } from "../failure.ts";
import { type Destination, refuseExisting, writeGenerated } from "../output/generated-file.ts";
import { formatBytes } from "../output/units.ts";
import { namesIn, type Redact, redactionOf } from "../bundle/redact.ts";
import { tarOf } from "../bundle/tar.ts";
import { readVersion } from "./version.ts";

export interface BundleRequest extends Destination {
  /** Names of topics, hosts and racks are replaced. */
  readonly redact?: boolean;
}

/** What was had, and of what was not, or not whole, why. */
export interface Gathered {
  readonly pieces: ReadonlyMap<string, unknown>;
  readonly missing: Readonly<Record<string, string>>;
}

export async function supportBundle(context: CommandContext, request: BundleRequest): Promise<ExitCode> {
  const at = new Date();
  const { out = `tidemark-support-${at.toISOString().slice(0, 19).replaceAll(/[:-]/g, "")}Z.tgz`, force = false } =
    request;
  // Whoever owns this machine's other accounts need not know what the brokers say.
  const destination = { out, force, mode: 0o600 };
  refuseExisting(destination);
  const isRedacted = request.redact === true;
  const missing = await withClient(context, async ({ admin }, { brokers }) => {
    const gathered = await gather(admin, callOptions(context));
    const files = filesOf(gathered, { at, redact: isRedacted ? redactionFor(gathered, brokers) : null });
    const bytes = gzipSync(tarOf(files, Math.floor(at.getTime() / 1_000)));
    writeGenerated(context, bytes, destination);
    const kept = isRedacted ? "" : "; it names topics and hosts, --redact replaces them";
    note(context, `wrote ${out}: ${files.length} files, ${formatBytes(bytes.length)}, no records${kept}`);
    return gathered.missing;
  });
  const names = Object.keys(missing);
  if (names.length === 0) return ExitCode.OK;
  for (const name of names) warn(context, `${name} is missing or not whole: ${missing[name]}`);
  throw new CliFailure("PARTIAL", `the bundle was written without all of ${names.join(", ")}`, {
    hint: "it says why; ask again when the brokers answer",
    details: { out, missing },
  });
}

/** All that brokers tell. Rejects only when `options.signal` is aborted. */
export async function gather(admin: Client["admin"], options: ReturnType<typeof callOptions>): Promise<Gathered> {
  const pieces = new Map<string, unknown>();
  const missing: Record<string, string> = {};
  /** What `ask` keeps is there even where it fails later. */
  const take = async (name: string, ask: (keep: (part: unknown) => void) => Promise<unknown>): Promise<void> => {
    try {
      pieces.set(name, await ask((part) => void pieces.set(name, part)));
    } catch (error: unknown) {
      if (options.signal.aborted) throw error;
      const { code, message } = toFailure(error);
      missing[name] = `${code}: ${message}`;
    }
  };
  const takeRows = (name: string, ask: () => AsyncIterable<unknown>): Promise<void> =>
    take(name, async (keep) => {
      const rows: unknown[] = [];
      for await (const row of ask()) {
        rows.push(row);
        keep(rows);
      }
      return rows;
    });
  const brokers: number[] = [];
  await take("cluster", async (keep) => {
    const cluster = await admin.cluster(options);
    brokers.push(...cluster.brokers.map(({ id }) => id));
    keep(cluster);
    return admin.cluster({ ...options, versions: true });
  });
  await take("features", () => admin.features(options));
  await take("health", () => admin.health(options));
  await take("raft", () => admin.raft.status(options));
  await take("diagnosis", () => admin.diagnose(options));
  await take("events", () => admin.history(options));
  await takeRows("topics", () => admin.topics.list({ ...options, internal: true }));
  await takeRows("unhealthy-partitions", () => admin.partitions.list({ ...options, unhealthy: true, internal: true }));
  await takeRows("reassignments", () => admin.partitions.reassignments(options));
  await takeRows("log-dirs", () => admin.logs.dirs(options));
  await take("configs-cluster", () => admin.configs.get({ type: "cluster" }, options));
  for (const id of brokers)
    await take(`configs-broker-${id}`, () => admin.configs.get({ type: "broker", id }, options));
  return { pieces, missing };
}

/** `bootstrap`: where the command line was told to ask, which no broker need say. */
export function redactionFor({ pieces, missing }: Gathered, bootstrap: readonly string[]): Redact {
  const told = namesIn([...pieces.values(), missing]);
  const { brokers = [] } = (pieces.get("cluster") ?? {}) as Partial<ClusterDescription>;
  const topics = (pieces.get("topics") ?? []) as readonly TopicSummary[];
  const asked = bootstrap.map((address) => address.replace(/:\d+$/u, "").replaceAll(/[[\]]/gu, ""));
  return redactionOf({
    topics: [...topics.map(({ name }) => name), ...told.topics],
    hosts: [...brokers.map(({ host }) => host), ...told.hosts, ...asked],
    racks: brokers.flatMap(({ rack, machine }) => [rack ?? "", machine ?? ""]),
  });
}

function filesOf({ pieces, missing }: Gathered, { at, redact }: { at: Date; redact: Redact | null }) {
  const about = {
    madeAt: at.toISOString(),
    tidemark: readVersion(),
    node: process.versions.node,
    platform: `${process.platform}-${process.arch}`,
    redacted: redact !== null,
    missing,
  };
  return [...new Map<string, unknown>([["about", about], ...pieces])].map(([name, value]) => ({
    name: `tidemark-support/${name}.json`,
    bytes: Buffer.from(`${JSON.stringify(redact === null ? value : redact(value), null, 2)}\n`),
  }));
}
