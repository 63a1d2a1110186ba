#!/usr/bin/env node
// Exit code 0 when the broker of this container is ready, 1 with its answer on stdout when it is not: asks /readyz of the HTTP
// listener, as TIDEMARK_LISTENERS names it, or of the address given as argument (host:port). Needs no curl, and nothing built.
const http = process.getBuiltinModule("node:http");

const listeners = process.env.TIDEMARK_LISTENERS ?? process.env.KAFKA_LISTENERS ?? "";
const [, listed] = /(?:^|,)\s*HTTP:\/\/([^,\s]+)/u.exec(listeners) ?? [];
const [, host = "", port = "9292"] = /^(.*):(\d+)$/u.exec(process.argv[2] ?? listed ?? "127.0.0.1:9292") ?? [];
const isAny = host === "" || host === "0.0.0.0" || host === "[::]";

const end = (code, text) => {
  process.stdout.write(`${text.trim()}\n`);
  process.exit(code);
};

http
  .get(
    { host: isAny ? "127.0.0.1" : host.replace(/^\[|\]$/gu, ""), port, path: "/readyz", timeout: 2_000 },
    (answer) => {
      let text = "";
      answer.setEncoding("utf8");
      answer.on("data", (part) => (text = (text + part).slice(0, 4_000)));
      answer.on("end", () => end(answer.statusCode === 200 ? 0 : 1, text));
    },
  )
  .on("timeout", () => end(1, "no answer within 2 s"))
  .on("error", (error) => end(1, error.message));
