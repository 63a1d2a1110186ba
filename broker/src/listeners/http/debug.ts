/**
 * `/debug/heap` and `/debug/cpu`: a heap snapshot or a CPU profile of the process, for Chrome's developer tools.
 *
 * Both show what is in memory, records and passwords among it, and cost the process time: a heap snapshot stops it for about a
 * second per 100 MB. So they exist only where `tidemark.debug.endpoints` says so, there only for this machine unless it says
 * otherwise, and one at a time. A page in a browser of this machine cannot ask for them: its requests name another host.
 */
import inspector from "node:inspector";
import type { IncomingMessage } from "node:http";
import { BlockList, isIPv6 } from "node:net";
import { getHeapSnapshot } from "node:v8";
import { type Answer, refusal } from "./answer.ts";

export type DebugMode = "off" | OpenMode;
type OpenMode = "loopback" | "any";

const SECONDS_DEFAULT = 10;
const SECONDS_MAX = 60;

const loopback = new BlockList();
loopback.addSubnet("127.0.0.0", 8, "ipv4");
loopback.addAddress("::1", "ipv6");
loopback.addSubnet("::ffff:127.0.0.0", 104, "ipv6");

export class DebugEndpoints {
  readonly #mode: OpenMode;
  #isBusy = false;

  constructor(mode: OpenMode) {
    this.#mode = mode;
  }

  /** Null: there is nothing of the kind at this path. */
  answer(url: URL, request: IncomingMessage): Promise<Answer> | Answer | null {
    const isHeap = url.pathname === "/debug/heap";
    if (!(isHeap || url.pathname === "/debug/cpu")) return null;
    if (this.#mode === "loopback" && !isFromHere(request)) {
      return refusal(403, "FORBIDDEN", "tidemark.debug.endpoints=loopback: only this machine may ask");
    }
    if (request.method !== "GET") return refusal(405, "METHOD_NOT_ALLOWED", "only GET is answered here");
    const seconds = Number(url.searchParams.get("seconds") ?? SECONDS_DEFAULT);
    if (!isHeap && !(seconds > 0 && seconds <= SECONDS_MAX)) {
      return refusal(400, "INVALID_REQUEST", `seconds is a number above 0, at most ${SECONDS_MAX}`);
    }
    if (this.#isBusy) return refusal(429, "BUSY", "another snapshot or profile is being made");
    this.#isBusy = true;
    return isHeap ? this.#heap() : this.#cpu(seconds, request);
  }

  #heap(): Answer {
    const stream = getHeapSnapshot();
    stream.once("close", () => {
      this.#isBusy = false;
    });
    return { ...attachment("heapsnapshot"), stream };
  }

  async #cpu(seconds: number, request: IncomingMessage): Promise<Answer> {
    const session = new inspector.Session();
    try {
      session.connect();
      await post(session, "Profiler.enable");
      await post(session, "Profiler.start");
      await untilOverOrGone(seconds * 1000, request);
      const { profile } = (await post(session, "Profiler.stop")) as { profile: unknown };
      return { ...attachment("cpuprofile"), body: JSON.stringify(profile) };
    } finally {
      session.disconnect();
      this.#isBusy = false;
    }
  }
}

function attachment(ending: string): Answer {
  return {
    status: 200,
    contentType: "application/octet-stream",
    body: "",
    headers: { "Content-Disposition": `attachment; filename="tidemark-${process.pid}.${ending}"` },
  };
}

function isFromHere({ socket, headers }: IncomingMessage): boolean {
  const address = socket.remoteAddress ?? "";
  if (address === "" || !loopback.check(address, isIPv6(address) ? "ipv6" : "ipv4")) return false;
  const host = (headers.host ?? "").replace(/:\d+$/, "").replace(/^\[(.*)\]$/, "$1");
  return host === "localhost" || host === "::1" || /^127(\.\d{1,3}){3}$/.test(host);
}

function post(session: inspector.Session, method: string): Promise<unknown> {
  return new Promise((resolve, reject) => {
    session.post(method, (error, result) => {
      if (error === null) resolve(result);
      else reject(error);
    });
  });
}

/** Nobody waits for the profile of a client that has hung up. */
function untilOverOrGone(ms: number, { socket }: IncomingMessage): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      socket.off("close", end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    timer.unref();
    socket.once("close", end);
  });
}
