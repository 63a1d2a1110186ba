#!/usr/bin/env node
// Exit code 0 when the broker of this container is ready, 1 with its answer on stdout when it is not: asks /readyz of the HTTP
// listener, as TIDEMARK_LISTENERS names it, or of the address given as argument (host:port). Needs no curl, and nothing built.
//
// One that is not ready is asked again for two seconds (or so many ms as the second argument says): a broker that starts is found to be
// ready when it is, and not by the next check, seconds later.
const http = process.getBuiltinModule("node:http");

const listeners = process.env.TIDEMARK_LISTENERS ?? process.env.KAFKA_LISTENERS ?? "";
const [, listed] = /(?:^|,)\s*HTTP:\/\/([^,\s]+)/u.exec(listeners) ?? [];
const [, host = "", port = "9292"] = /^(.*):(\d+)$/u.exec(process.argv[2] ?? listed ?? "127.0.0.1:9292") ?? [];
const isAny = host === "" || host === "0.0.0.0" || host === "[::]";
const endsAt = performance.now() + Number(process.argv[3] ?? 2_000);
const AGAIN_MS = 100;

const end = (code, text) => {
  process.stdout.write(`${text.trim()}\n`);
  process.exit(code);
};

const ask = () => {
  const leftMs = Math.ceil(endsAt - performance.now());
  const again = (text) => {
    if (performance.now() + AGAIN_MS < endsAt) setTimeout(ask, AGAIN_MS);
    else end(1, text);
  };
  const request = http.get(
    { host: isAny ? "127.0.0.1" : host.replace(/^\[|\]$/gu, ""), port, path: "/readyz", timeout: Math.max(1, leftMs) },
    (answer) => {
      let text = "";
      answer.setEncoding("utf8");
      answer.on("data", (part) => (text = (text + part).slice(0, 4_000)));
      answer.on("end", () => (answer.statusCode === 200 ? end(0, text) : again(text)));
    },
  );
  request.on("timeout", () => end(1, "no answer in time"));
  request.on("error", (error) => again(error.message));
};

ask();
