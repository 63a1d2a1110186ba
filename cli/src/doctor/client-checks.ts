/**
 * Whether clients on this machine get to the brokers: names, connections, the answers of each door, the addresses that
 * brokers give to clients, the clocks; and what each broker finds out about itself and the cluster. Only --topic writes anything.
 */
import { lookup } from "node:dns/promises";
import { connect } from "node:net";
import type { BrokerDiagnosis, Client } from "@tidemark/client";
import { type CommandContext } from "../command-context.ts";
import { formatMs, plural } from "../output/units.ts";
import { type ResolvedSettings, resolveSettings } from "../settings/resolve.ts";
import { fixOf } from "../trouble-codes.ts";
import { readVersion } from "../commands/version.ts";
import { type CheckResult, collector, type Say, reasonOf } from "./check.ts";

const STEP_TIMEOUT_MS = 3_000;
/** `dev` and the defaults of a server put the HTTP door 100 above the gRPC door. */
const HTTP_PORT_ABOVE = 100;
const SKEW_WARN_MS = 2_000;
const SKEW_FAIL_MS = 60_000;

export async function checkClient(
  context: CommandContext,
  results: CheckResult[],
  topic: string | undefined,
): Promise<void> {
  const say = collector("client", results);
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
  for (const address of settings.brokers) {
    if (await checkAddress(say, "broker", address, isGuess)) reached += 1;
    else if (!isGuess) await checkStart(say, address);
  }
  if (reached === 0) return;
  await checkBrokers(context, results, settings, topic);
}

/** A broker that starts has its HTTP door open first, and names there whom it waits for. */
async function checkStart(say: Say, address: string): Promise<void> {
  const place = splitAddress(address);
  if (place === null) return;
  try {
    const http = joinAddress(place.host, place.port + HTTP_PORT_ABOVE);
    const response = await fetch(`http://${http}/readyz?verbose`, { signal: AbortSignal.timeout(STEP_TIMEOUT_MS) });
    const { waitingFor }: { waitingFor?: unknown } = Object(await response.json());
    if (!Array.isArray(waitingFor) || waitingFor.length === 0) return;
    const fix = "start those; each needs the same list of peers (TIDEMARK_PEERS)";
    say("FAIL", "start", `the broker at ${address} is starting and waits for ${waitingFor.join(", ")}`, fix);
  } catch {
    // Nobody is there either, or it is no broker's: that the address does not answer was told.
  }
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
  results: CheckResult[],
  settings: ResolvedSettings,
  topic: string | undefined,
): Promise<void> {
  const say = collector("client", results);
  const { Client } = await import("@tidemark/client");
  const client = new Client({ ...settings.client, brokers: settings.brokers });
  const limits = { timeout: context.flags.timeoutMs ?? STEP_TIMEOUT_MS, signal: context.signal };
  try {
    const { clusterId, brokers } = await client.ready(limits);
    say("OK", "cluster", `${clusterId}, ${plural(brokers.length, "broker")}`);
    // By brokers that have no controller whoever was alive when they had one is so for ever.
    const isVouchedFor = (await client.admin.cluster(limits)).staleMs === null;
    for (const { id, host, port, alive } of brokers) {
      // One that the cluster takes for dead is told of below.
      if (alive) await checkAdvertised(say, id, { address: joinAddress(host, port), isVouchedFor });
    }
    const [first] = brokers;
    if (first !== undefined)
      await checkHttp(say, settings.http ?? joinAddress(first.host, first.port + HTTP_PORT_ABOVE));
    await checkDiagnoses(client, collector("broker", results), limits);
    await checkHealth(client, collector("cluster", results), limits);
    if (topic !== undefined) await checkRecord(client, say, topic, limits);
  } catch (error: unknown) {
    context.signal.throwIfAborted();
    say(
      "FAIL",
      "gRPC",
      reasonOf(error),
      "is it the gRPC port of a tidemark broker (9192), and not its HTTP port (9292) or that between brokers (9392)?",
    );
  } finally {
    await client.close();
  }
}

/** Where clients are sent that need this very broker. */
async function checkAdvertised(
  say: Say,
  id: number,
  { address, isVouchedFor }: { readonly address: string; readonly isVouchedFor: boolean },
): Promise<void> {
  const found: CheckResult[] = [];
  const isThere = await checkAddress(collector("client", found), `broker ${id} advertised`, address, false);
  // That it is down stands with the cluster's health.
  if (!isThere && !isVouchedFor) return;
  const fix = `set advertised.listeners on broker ${id} to an address that clients reach`;
  const failure = found.find(({ status }) => status === "FAIL");
  if (isThere || failure === undefined)
    for (const { status, check, detail, fix: own } of found) say(status, check, detail, own);
  else
    say("FAIL", `broker ${id} advertised`, `clients are sent to ${failure.detail}, which does not work from here`, fix);
}

/** Readiness, from the HTTP door; it may be closed to clients. */
async function checkHttp(say: Say, address: string): Promise<void> {
  try {
    const ready = await fetch(`http://${address}/readyz?verbose`, { signal: AbortSignal.timeout(STEP_TIMEOUT_MS) });
    const text = (await ready.text()).trim().replaceAll("\n", ", ");
    if (ready.ok) say("OK", "ready", `http://${address}/readyz`);
    else say("FAIL", "ready", text, "wait for it, or look at the broker's log");
  } catch (error: unknown) {
    say("WARN", "HTTP door", `${address}: ${reasonOf(error)}`, "name it with -X http=host:port");
  }
}

/** What each broker says of itself. One that does not answer is told of with the cluster's health. */
async function checkDiagnoses(
  client: Client,
  say: Say,
  limits: { timeout: number; signal: AbortSignal },
): Promise<void> {
  let diagnoses: BrokerDiagnosis[] = [];
  try {
    diagnoses = await client.admin.diagnose(limits);
  } catch (error: unknown) {
    say("WARN", "brokers", reasonOf(error), "use a client and a broker of matching versions");
  }
  for (const { broker, version, clock, checks } of diagnoses) {
    if (version === null || clock === null) continue;
    checkVersion(say, broker, version);
    checkSkew(say, broker, clock);
    for (const { name, status, detail, fix } of checks) say(status, `broker ${broker} ${name}`, detail, fix);
  }
}

function checkVersion(say: Say, broker: number, version: string): void {
  const own = readVersion();
  const check = `broker ${broker} version`;
  if (version === own) say("OK", check, `broker and command line are ${own}`);
  else say("WARN", check, `the broker is ${version}, this is ${own}`, "install the same version on both sides");
}

function checkSkew(say: Say, broker: number, { least, most }: { readonly least: number; readonly most: number }): void {
  const skew = least > 0 ? least : most < 0 ? -most : 0;
  const check = `broker ${broker} clock`;
  const detail = `its clock is ${formatMs(skew)} ${least > 0 ? "ahead of" : "behind"} this machine's`;
  const fix = "set both by NTP: timestamps, retention and @TIME positions go by them";
  if (skew > SKEW_FAIL_MS) say("FAIL", check, detail, fix);
  else if (skew > SKEW_WARN_MS) say("WARN", check, detail, fix);
  else say("OK", check, `within ${formatMs(Math.max(1, Math.abs(least), Math.abs(most)))} of this machine's`);
}

async function checkHealth(client: Client, say: Say, limits: { timeout: number; signal: AbortSignal }): Promise<void> {
  try {
    const { troubles } = await client.admin.health(limits);
    if (troubles.length === 0) say("OK", "health", "the cluster knows of no problem");
    for (const { code, text } of troubles) say("FAIL", code === "other" ? "health" : code, text, fixOf(code));
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
