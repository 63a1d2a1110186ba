/**
 * The paths of the HTTP door (client-and-cli 5.4) and what each answers. No sockets here.
 *
 *   /livez  /startupz     200 "ok", else 503 and a word
 *   /readyz               200 "ok", else 503 and the word for what is missing; all of it with ?verbose
 *   /healthz              live and ready in one; with ?verbose each by itself, and every check with its reason
 *   /version              JSON
 *   /metrics              once per broker and topic; /metrics/detail also per partition
 *   /debug/heap  /cpu     where the configuration says so (debug.ts)
 *
 * Without ?verbose the health paths say nothing but their status (security 1.5).
 */
import type { IncomingMessage } from "node:http";
import { type Answer, json, refusal } from "./answer.ts";
import type { BrokerView } from "./broker-view.ts";
import type { DebugEndpoints, DebugMode } from "./debug.ts";

const TEXT = "text/plain; charset=utf-8";

export class Routes {
  readonly #broker: BrokerView;
  readonly #debugMode: DebugMode;
  /** Loaded when somebody asks, and then one for all: it serves one at a time. */
  #debug: Promise<DebugEndpoints> | null = null;
  /** Start-up is over once; a broker that drains later has still started. */
  #hasStarted = false;

  constructor(broker: BrokerView, debugMode: DebugMode) {
    this.#broker = broker;
    this.#debugMode = debugMode;
  }

  /** Rejects only when the broker behind it fails. */
  async answer(request: IncomingMessage): Promise<Answer> {
    const { method = "", url: target = "" } = request;
    if (method !== "GET" && method !== "HEAD") {
      return {
        ...refusal(405, "METHOD_NOT_ALLOWED", "only GET and HEAD are answered here"),
        headers: { Allow: "GET, HEAD" },
      };
    }
    const url = parseTarget(target);
    if (url === null) return refusal(400, "BAD_REQUEST", "the request target is not a path");
    const isVerbose = url.searchParams.has("verbose");
    switch (url.pathname) {
      case "/livez":
        return health(this.#broker.isLive(), "stalled");
      case "/startupz":
        this.#hasStarted ||= this.#broker.readiness().ready;
        return health(this.#hasStarted, "starting");
      case "/readyz":
        return this.#readyz(isVerbose);
      case "/healthz":
        return this.#healthz(isVerbose);
      case "/version":
        return json(200, this.#broker.version);
      case "/metrics":
        return { status: 200, ...(await this.#broker.renderMetrics("summary")) };
      case "/metrics/detail":
        return { status: 200, ...(await this.#broker.renderMetrics("detail")) };
      default:
        return (
          (await this.#debugAnswer(url, request)) ?? refusal(404, "NOT_FOUND", `nothing answers at ${url.pathname}`)
        );
    }
  }

  async #debugAnswer(url: URL, request: IncomingMessage): Promise<Answer | null> {
    const mode = this.#debugMode;
    if (mode === "off") return null;
    this.#debug ??= import("./debug.ts").then(({ DebugEndpoints: Endpoints }) => new Endpoints(mode));
    return (await this.#debug).answer(url, request);
  }

  #readyz(isVerbose: boolean): Answer {
    const { ready, waitingFor } = this.#broker.readiness();
    this.#hasStarted ||= ready;
    if (isVerbose) return json(ready ? 200 : 503, { ready, waitingFor });
    return health(ready, waitingFor[0] ?? "starting");
  }

  #checks(): { troubles: string[]; checks: { name: string; ok: boolean; reason: string | null }[] } {
    const checks = this.#broker.checks();
    return {
      troubles: checks.flatMap(({ trouble }) => (trouble === null ? [] : [trouble])),
      checks: checks.map(({ name, trouble, reason }) => ({ name, ok: trouble === null, reason })),
    };
  }

  #healthz(isVerbose: boolean): Answer {
    const live = this.#broker.isLive();
    const { ready, waitingFor } = this.#broker.readiness();
    if (isVerbose) return json(live && ready ? 200 : 503, { live, ready, waitingFor, ...this.#checks() });
    return health(live && ready, live ? (waitingFor[0] ?? "starting") : "stalled");
  }
}

function health(isWell: boolean, reason: string): Answer {
  return { status: isWell ? 200 : 503, contentType: TEXT, body: isWell ? "ok" : reason };
}

/** A path, or an absolute target as a proxy sends it, whose host does not matter here; null for anything else. */
function parseTarget(target: string): URL | null {
  try {
    if (target.startsWith("/")) return new URL(`http://door${target}`);
    return /^https?:/i.test(target) ? new URL(target) : null;
  } catch {
    return null;
  }
}
