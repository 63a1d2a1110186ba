#!/usr/bin/env node
// Exit code 0 when the broker of this container is ready, 1 with its answer on stdout when it is not: asks /readyz of the HTTP
// listener, as TIDEMARK_LISTENERS names it, or of the address given as argument (host:port). Needs no curl, and nothing built.
//
// One that is not ready is asked again for two seconds (or so many ms as the second argument says): a broker that starts is found to be
// ready when it is, and not by the next check. One that runs for a minute (or so many seconds as the fourth says) is watched for so many ms as the third argument says
// (none without it) before its check ends, or until it is ready no longer: engines check every second so that they notice a start, and a
// process of Node each second for good would cost more than the broker beside it. Whoever asks for it has to allow the check that time.
const http = process.getBuiltinModule("node:http");
const { readFileSync } = process.getBuiltinModule("node:fs");

const listeners = process.env.TIDEMARK_LISTENERS ?? process.env.KAFKA_LISTENERS ?? "";
const [, listed] = /(?:^|,)\s*HTTP:\/\/([^,\s]+)/u.exec(listeners) ?? [];
const [, host = "", port = "9292"] = /^(.*):(\d+)$/u.exec(process.argv[2] || listed || "127.0.0.1:9292") ?? [];
const isAny = host === "" || host === "0.0.0.0" || host === "[::]";
const startedAt = performance.now();
const endsAt = startedAt + Number(process.argv[3] ?? 2_000);
const AGAIN_MS = 100;
const WELL_AGAIN_MS = 1_000;
const ANSWER_MS = 2_000;
const STEADY_SECONDS = 60;

/** The container's process 1 is the broker. Unknown: it has just started. */
const runsForSeconds = () => {
  try {
    const [uptime] = readFileSync("/proc/uptime", "utf8").split(" ");
    // The 22nd field, in ticks of 10 ms since the boot; the second is a name in parentheses that may have spaces.
    const startTicks = readFileSync("/proc/1/stat", "utf8").replace(/^.*\)/su, "").trim().split(" ")[19];
    return Number(uptime) - Number(startTicks) / 100;
  } catch {
    return 0;
  }
};
const watchedMs = runsForSeconds() >= Number(process.argv[5] ?? STEADY_SECONDS) ? Number(process.argv[4] ?? 0) : 0;
let isWell = false;
// However this ends: well is who said so.
process.exitCode = 1;

const end = (code, text) => {
  process.stdout.write(`${text.trim()}\n`);
  process.exit(code);
};

const onReady = (text) => {
  isWell = true;
  if (performance.now() + WELL_AGAIN_MS < startedAt + watchedMs) setTimeout(ask, WELL_AGAIN_MS);
  else end(0, text);
};

const ask = () => {
  const leftMs = isWell ? ANSWER_MS : Math.ceil(endsAt - performance.now());
  const again = (text) => {
    if (!isWell && performance.now() + AGAIN_MS < endsAt) setTimeout(ask, AGAIN_MS);
    else end(1, text);
  };
  const request = http.get(
    { host: isAny ? "127.0.0.1" : host.replace(/^\[|\]$/gu, ""), port, path: "/readyz", timeout: Math.max(1, leftMs) },
    (answer) => {
      let text = "";
      answer.setEncoding("utf8");
      answer.on("data", (part) => (text = (text + part).slice(0, 4_000)));
      answer.on("error", (error) => again(error.message));
      answer.on("end", () => (answer.statusCode === 200 ? onReady(text) : again(text)));
    },
  );
  request.on("timeout", () => end(1, "no answer in time"));
  request.on("error", (error) => again(error.message));
};

ask();
