/**
 * `support bundle`: what somebody needs who is to find out from afar what is wrong with a cluster, in one file: what the brokers say of it
 * and of themselves, as JSON. No records, no passwords: a setting that is one has no value. What could not be had is named in it.
 */
import type { Client } from "@tidemark/client";
import { gzipSync } from "node:zlib";
import { callOptions, withClient } from "../client-session.ts";
import { type CommandContext, note, warn } from "../command-context.ts";
import { ExitCode } from "../exit-codes.ts";
import { toFailure } from "../failure.ts";
import { type Destination, writeGenerated } from "../output/generated-file.ts";
import { formatBytes } from "../output/units.ts";
import { namesIn, redactionOf } from "../bundle/redact.ts";
import { tarOf } from "../bundle/tar.ts";
import { readVersion } from "./version.ts";

export interface BundleRequest extends Destination {
  /** Names of topics, hosts and racks are replaced. */
  readonly redact?: boolean;
}

type Ask = (client: Client) => Promise<unknown>;

export async function supportBundle(context: CommandContext, request: BundleRequest): Promise<ExitCode> {
  const at = new Date();
  const { out = `tidemark-support-${at.toISOString().slice(0, 19).replaceAll(/[:-]/g, "")}Z.tgz`, force = false } =
    request;
  const options = callOptions(context);
  const pieces = new Map<string, unknown>();
  const missing: Record<string, string> = {};
  const failures: string[] = [];
  const topics: string[] = [];
  await withClient(context, async (client) => {
    const take = async (name: string, ask: Ask): Promise<void> => {
      try {
        pieces.set(name, await ask(client));
      } catch (error: unknown) {
        if (context.signal.aborted) throw error;
        const { code, message } = toFailure(error);
        missing[name] = `${code}: ${message}`;
        failures.push(name);
      }
    };
    const { admin } = client;
    const { brokers } = await admin.cluster(options);
    await take("cluster", () => admin.cluster({ ...options, versions: true }));
    await take("features", () => admin.features(options));
    await take("health", () => admin.health(options));
    await take("raft", () => admin.raft.status(options));
    await take("diagnosis", () => admin.diagnose(options));
    await take("events", () => admin.history(options));
    await take("topics", async () => {
      const all = await allOf(admin.topics.list({ ...options, internal: true }));
      topics.push(...all.map(({ name }) => name));
      return all;
    });
    await take("unhealthy-partitions", () =>
      allOf(admin.partitions.list({ ...options, unhealthy: true, internal: true })),
    );
    await take("reassignments", () => allOf(admin.partitions.reassignments(options)));
    await take("log-dirs", () => allOf(admin.logs.dirs(options)));
    await take("configs-cluster", () => admin.configs.get({ type: "cluster" }, options));
    for (const { id } of brokers)
      await take(`configs-broker-${id}`, () => admin.configs.get({ type: "broker", id }, options));
    const told = namesIn([...pieces.values()]);
    const redact =
      request.redact === true
        ? redactionOf({
            topics: [...topics, ...told.topics],
            hosts: [...brokers.map(({ host }) => host), ...told.hosts],
            racks: brokers.flatMap(({ rack, machine }) => [rack ?? "", machine ?? ""]),
          })
        : (value: unknown): unknown => value;
    const about = {
      madeAt: at.toISOString(),
      tidemark: readVersion(),
      node: process.versions.node,
      platform: `${process.platform}-${process.arch}`,
      redacted: request.redact === true,
      missing,
    };
    const files = [...new Map<string, unknown>([["about", about], ...pieces])].map(([name, value]) => ({
      name: `tidemark-support/${name}.json`,
      bytes: Buffer.from(`${JSON.stringify(redact(value), null, 2)}\n`),
    }));
    const bytes = gzipSync(tarOf(files, Math.floor(at.getTime() / 1_000)));
    writeGenerated(context, bytes, { out, force });
    for (const name of failures) warn(context, `${name} is missing: ${missing[name]}`);
    const kept = request.redact === true ? "" : "; it names topics and hosts, --redact replaces them";
    note(context, `wrote ${out}: ${files.length} files, ${formatBytes(bytes.length)}, no records${kept}`);
  });
  return ExitCode.OK;
}

async function allOf<T>(rows: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const row of rows) all.push(row);
  return all;
}
