/** What people type who come from elsewhere is answered with what it is called here. */
import { expect } from "chai";
import { runInProcess } from "./support/in-process.ts";

async function hintOf(words: string): Promise<string> {
  const { code, stderr } = await runInProcess(words.split(" "));
  expect(code, words).to.equal(2);
  return /^hint: (.+)$/m.exec(stderr)?.[1] ?? "";
}

describe("what is called otherwise elsewhere", () => {
  it("is named: flags of Kafka's tools", async () => {
    const meant: Readonly<Record<string, string>> = {
      "topics --list": "did you mean tidemark topics list?",
      "topics --describe --topic x": "did you mean tidemark topics describe?",
      "topics --create --topic x --partitions 3": "did you mean tidemark topics create?",
      "topics create --topic x": "a topic stands without a flag, as in tidemark topics describe orders",
      "consume x --from-beginning": "did you mean --from start?",
      "consume x --max-messages=3": "did you mean -n?",
      "consume x --from earliest": "did you mean start?",
      "consume x --until latest": "did you mean end?",
      "consume x --follow": "it goes on by itself, unless --until end is given",
      "tail x -f": "it goes on by itself",
      "topics list -f": "add --help to see what there is",
      "produce x --broker-list a:1": "did you mean -b host:port,...?",
      "dev --kafka-port 9092": "there is no door for Kafka's protocol in this version",
      "topics list --under-replicated-partitions": "did you mean tidemark partitions list --unhealthy?",
    };
    for (const [words, hint] of Object.entries(meant)) expect(await hintOf(words), words).to.equal(hint);
  });

  it("is named: commands, and flags of a command below", async () => {
    const meant: Readonly<Record<string, string>> = {
      "topics rm x": "did you mean tidemark topics delete?",
      "topics show x": "did you mean tidemark topics describe?",
      "cluster status": "did you mean tidemark cluster health?",
      "partitions --unhealthy": "did you mean tidemark partitions list --unhealthy?",
      "server --config x": "did you mean tidemark server start --config?",
      brokers: "did you mean tidemark cluster brokers?",
      "generate certs": "the doors cannot be encrypted in this version",
      "topics copy a b":
        "in this version: tidemark consume SRC --from start --until end -o ndjson | tidemark produce DST -f ndjson",
      "groups list": "consumer groups do not exist in this version",
      "streams run x": "stream processing does not exist in this version",
      "quotas list": "this version knows no quotas",
      "help topcs": "did you mean topics?",
      "help topics lst": "did you mean list?",
      "topics help lst": "did you mean list?",
      "prodce x": "did you mean produce?",
      // Two of its four letters are top's.
      nope: "add --help to see what there is",
      consume: "tidemark consume <topic>",
    };
    for (const [words, hint] of Object.entries(meant)) expect(await hintOf(words), words).to.equal(hint);
  });

  it("is taken where nothing else can be meant: --bootstrap-server, --replication-factor", async () => {
    const words = "topics create x --replication-factor 3 --bootstrap-server 127.0.0.1:1 --timeout 50ms";
    const { stderr } = await runInProcess(words.split(" "));
    expect(stderr).to.match(/^error: CONNECTION_LOST: no broker answers at 127\.0\.0\.1:1: /);
  });
});
