/**
 * Whether clients on this machine get to the brokers: names, connections, the answers of each door, the addresses that
 * brokers give to clients, the clocks. Only --topic writes anything.
 */
import { lookup } from "node:dns/promises";
import { connect } from "node:net";
import type { Client } from "@tidemark/client";
import { type CommandContext } from "../command-context.ts";
import { formatMs, plural } from "../output/units.ts";
import { type ResolvedSettings, resolveSettings } from "../settings/resolve.ts";
import { readVersion } from "../commands/version.ts";
import { type Say, reasonOf } from "./check.ts";

const STEP_TIMEOUT_MS = 3_000;
/** `dev` and the defaults of a server put the HTTP door 100 above the gRPC door. */
const HTTP_PORT_ABOVE = 100;
/** The Date header counts whole seconds. */
const SKEW_WARN_MS = 2_000;
const SKEW_FAIL_MS = 60_000;

export async function checkClient(context: CommandContext, say: Say, topic: string | undefined): Promise<void> {
  let settings: ResolvedSettings;
  try {
    settings = await resolveSettings(context);
  } catch (error: unknown) {
    say("FAIL", "settings", reasonOf(error), "correct the flag, the environment or the profile");
    return;
  }
  const source = settings.effective.find(({ key }) => key === "brokers")?.source ?? "default";
  say("OK", "settings", `brokers ${settings.brokers.join(", ")} (${source})`);
  // A broker on the default address is a guess: without one there is nothing wrong with this machine.
  const isGuess = source === "default";
  let reached = 0;
  for (const address of settings.brokers) if (await checkAddress(say, "broker", address, isGuess)) reached += 1;
  if (reached === 0) return;
  await checkBrokers(context, say, settings, topic);
}

/** DNS and TCP. */
async function checkAddress(say: Say, what: string, address: string, isGuess: boolean): Promise<boolean> {
  const place = splitAddress(address);
  if (place === null) {
    say("FAIL", what, `${address} is not host:port`, "as in broker-1.example.org:9192");
    return false;
  }
  try {
    const found = await lookup(place.host, { all: true });
    const isLiteral = found.length === 1 && found[0]?.address === place.host;
    if (!isLiteral) say("OK", `${what} name`, `${place.host} is ${found.map((one) => one.address).join(", ")}`);
  } catch (error: unknown) {
    say("FAIL", `${what} name`, `${place.host}: ${reasonOf(error)}`, "check the name, /etc/hosts, or the DNS server");
    return false;
  }
  try {
    const tookMs = await dial(place.host, place.port);
    say("OK", `${what} port`, `${address} answers in ${formatMs(tookMs)}`);
    return true;
  } catch (error: unknown) {
    const fix = isGuess
      ? "start one with `tidemark dev`, or name yours with -b host:port"
      : "check that the broker runs there, its listeners, and what stands in between (firewall, container ports)";
    say(isGuess ? "WARN" : "FAIL", `${what} port`, `${address}: ${reasonOf(error)}`, fix);
    return false;
  }
}

function dial(host: string, port: number): Promise<number> {
  const startedAt = performance.now();
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, timeout: STEP_TIMEOUT_MS });
    const end = (work: () => void) => (): void => {
      socket.destroy();
      work();
    };
    socket.once(
      "connect",
      end(() => resolve(performance.now() - startedAt)),
    );
    socket.once(
      "timeout",
      end(() => reject(new Error(`no answer in ${formatMs(STEP_TIMEOUT_MS)}`))),
    );
    socket.once("error", (error) => {
      socket.destroy();
      reject(error);
    });
  });
}

async function checkBrokers(
  context: CommandContext,
  say: Say,
  settings: ResolvedSettings,
  topic: string | undefined,
): Promise<void> {
  const { Client } = await import("@tidemark/client");
  const client = new Client({ ...settings.client, brokers: settings.brokers });
  const limits = { timeout: context.flags.timeoutMs ?? STEP_TIMEOUT_MS, signal: context.signal };
  try {
    const { clusterId, brokers } = await client.ready(limits);
    say("OK", "cluster", `${clusterId}, ${plural(brokers.length, "broker")}`);
    for (const { id, host, port } of brokers) {
      const isThere = await checkAddress(say, `broker ${id} advertised`, joinAddress(host, port), false);
      if (!isThere)
        say(
          "WARN",
          `broker ${id} advertised`,
          "clients are sent to an address that this machine cannot reach",
          "set advertised.listeners on that broker",
        );
    }
    const [first] = brokers;
    if (first !== undefined)
      await checkHttp(say, settings.http ?? joinAddress(first.host, first.port + HTTP_PORT_ABOVE));
    await checkHealth(client, say, limits);
    if (topic !== undefined) await checkRecord(client, say, topic, limits);
  } catch (error: unknown) {
    context.signal.throwIfAborted();
    say(
      "FAIL",
      "gRPC",
      reasonOf(error),
      "is it the gRPC port of a tidemark broker (9192), and not its HTTP port (9292)?",
    );
  } finally {
    await client.close();
  }
}

/** Version, readiness and clock, from the HTTP door; it may be closed to clients. */
async function checkHttp(say: Say, address: string): Promise<void> {
  const get = (path: string): Promise<Response> =>
    fetch(`http://${address}${path}`, { signal: AbortSignal.timeout(STEP_TIMEOUT_MS) });
  try {
    const startedAt = Date.now();
    const response = await get("/version");
    const date = Date.parse(response.headers.get("date") ?? "");
    const { version }: { version?: unknown } = Object(await response.json());
    checkVersion(say, String(version));
    if (!Number.isNaN(date)) checkSkew(say, date, startedAt, Date.now());
    const ready = await get("/readyz?verbose");
    const text = (await ready.text()).trim().replaceAll("\n", ", ");
    if (ready.ok) say("OK", "ready", `http://${address}/readyz`);
    else say("FAIL", "ready", text, "wait for it, or look at the broker's log");
  } catch (error: unknown) {
    say(
      "WARN",
      "HTTP door",
      `${address}: ${reasonOf(error)}`,
      "name it with -X http=host:port; clock and version were not compared",
    );
  }
}

function checkVersion(say: Say, version: string): void {
  const own = readVersion();
  if (version === own) say("OK", "version", `broker and command line are ${own}`);
  else say("WARN", "version", `the broker is ${version}, this is ${own}`, "install the same version on both sides");
}

/** The header was made between the two moments, and cut to the second. */
function checkSkew(say: Say, date: number, beforeMs: number, afterMs: number): void {
  const skew = date > afterMs ? date - afterMs : Math.max(0, beforeMs - (date + 999));
  const detail =
    skew === 0
      ? "the broker's clock and this one agree to the second"
      : `the broker's clock is ${formatMs(skew)} ${date > afterMs ? "ahead" : "behind"}`;
  const fix = "set both by NTP: timestamps, retention and @TIME positions go by them";
  if (skew > SKEW_FAIL_MS) say("FAIL", "clock", detail, fix);
  else if (skew > SKEW_WARN_MS) say("WARN", "clock", detail, fix);
  else say("OK", "clock", detail);
}

async function checkHealth(client: Client, say: Say, limits: { timeout: number; signal: AbortSignal }): Promise<void> {
  try {
    const { healthy, reasons } = await client.admin.health(limits);
    if (healthy) say("OK", "health", "the cluster knows of no problem");
    for (const reason of reasons) say("FAIL", "health", reason, "tidemark topics describe, and the broker's log");
  } catch (error: unknown) {
    say("WARN", "health", reasonOf(error), "use a client and a broker of matching versions");
  }
}

/** One record, written and read back. */
async function checkRecord(
  client: Client,
  say: Say,
  name: string,
  limits: { timeout: number; signal: AbortSignal },
): Promise<void> {
  const { codecs, topic } = await import("@tidemark/client");
  const checked = topic(name, { key: codecs.string, value: codecs.string });
  const value = `tidemark doctor ${process.pid} ${Date.now()}`;
  try {
    const startedAt = performance.now();
    await using producer = client.producer({ linger: 0, idempotent: false });
    const sent = await producer.send(checked, { value }, limits);
    const from = new Map([[sent.partition, sent.offset]]);
    const signal = AbortSignal.any([limits.signal, AbortSignal.timeout(limits.timeout)]);
    await using reader = client.reader(checked, { from, limit: 1, signal });
    const [read] = await reader.toArray();
    if (read?.value === value)
      say(
        "OK",
        "record",
        `written to ${name} at offset ${sent.offset} and read back in ${formatMs(performance.now() - startedAt)}`,
      );
    else say("FAIL", "record", `offset ${sent.offset} of ${name} holds something else`, "report this");
  } catch (error: unknown) {
    say("FAIL", "record", `${name}: ${reasonOf(error)}`, "tidemark topics describe, and the broker's log");
  }
}

/** `host:port`, `[::1]:port`; null for anything else. */
export function splitAddress(address: string): { host: string; port: number } | null {
  const [, bracketed, plain, port] = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(address) ?? [];
  const host = bracketed ?? plain;
  return host === undefined || Number(port) > 65_535 ? null : { host, port: Number(port) };
}

function joinAddress(host: string, port: number): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
