/** Durations, addresses and the environment, as people write them. */
import { expect } from "chai";
import { BrokerError, Client, codecs, topic, type TopicSpec } from "../src/index.ts";
import { type Duration, parseDuration } from "../src/duration.ts";
import { optionsFromEnv } from "../src/environment.ts";
import { addressOf, settingsOf } from "../src/transport/settings.ts";
import { rejection } from "./support/rejection.ts";

describe("options", () => {
  it("take spans of time with and without a unit", () => {
    const spans: [Duration, number][] = [
      [250, 250],
      ["250ms", 250],
      ["5s", 5_000],
      ["1.5s", 1_500],
      ["2m", 120_000],
      ["1h", 3_600_000],
      ["7d", 604_800_000],
      // A timer of Node's fires at once beyond 2^31 - 1 ms.
      ["30d", 1_728_000_000],
      [Number.MAX_SAFE_INTEGER, 1_728_000_000],
    ];
    for (const [span, ms] of spans) expect(parseDuration(span, "x")).to.equal(ms);
    for (const span of [-1, Number.NaN, Number.POSITIVE_INFINITY])
      expect(() => parseDuration(span, "linger")).to.throw(BrokerError, "linger");
    for (const text of ["", "5", "s", "5 s", "-5s", "5w"])
      expect(() => parseDuration(text as Duration, "linger")).to.throw(BrokerError, "linger");
  });

  it("take brokers as text, with commas, or as a list, with the port where there is none", () => {
    const bootstrap = (brokers: string | string[]): readonly string[] => settingsOf({ brokers }).bootstrap;
    expect(bootstrap("a:1, b")).to.deep.equal(["a:1", "b:9192"]);
    expect(bootstrap(["a:1", "[::1]:2"])).to.deep.equal(["a:1", "[::1]:2"]);
    for (const brokers of ["", ",", "a:x", "a:0", "a:70000", "http://a:1", "a b"])
      expect(() => bootstrap(brokers), brokers).to.throw(BrokerError);
    expect(addressOf({ host: "::1", port: 5 })).to.equal("[::1]:5");
  });

  it("take partitions and replicas as whole numbers only, before anybody is asked", async () => {
    await using client = new Client("127.0.0.1:1");
    for (const count of [0, -1, 1.5, Number.NaN, 2 ** 32]) {
      for (const spec of [
        { name: "words", partitions: count },
        { name: "words", replicas: count },
      ]) {
        const error = await rejection(client.admin.topics.create(spec));
        expect(error, JSON.stringify(spec)).to.include({ code: "INVALID_ARGUMENT" });
      }
    }
  });

  it("take topics as objects with a name, and say so to callers without types", async () => {
    await using client = new Client("127.0.0.1:1");
    for (const spec of ["words", null, [{ name: "words" }, "more"], {}]) {
      const error = await rejection(client.admin.topics.create(spec as unknown as TopicSpec));
      expect(error, JSON.stringify(spec)).to.include({ code: "INVALID_ARGUMENT" });
      expect((error as Error).message).to.include('a topic is made from { name: "…" }, not from ');
    }
  });

  it("take topics of the SDK where topics are made, and what is made from them", async () => {
    await using client = new Client({ brokers: "127.0.0.1:1", timeouts: { request: 1 } });
    const orders = topic("orders", { key: codecs.string, value: codecs.string });
    for (const spec of [orders, { ...orders, partitions: 3 }]) {
      const error = await rejection(client.admin.topics.create(spec, { timeout: 1 }));
      expect(error).to.be.instanceOf(BrokerError).that.does.not.include({ code: "INVALID_ARGUMENT" });
    }
  });

  it("are refused where they are misspelt, with those that there are and the nearest of them", async () => {
    await using client = new Client({ brokers: "127.0.0.1:1", clientId: undefined } as never);
    const t = topic("t");
    const misspelt: [() => unknown, string][] = [
      [
        () => new Client({ brokrs: "a:1" } as never),
        "there is no option brokrs; there are brokers, clientId, tls, retry, timeouts, logger; did you mean brokers?",
      ],
      [
        () => new Client({ brokers: "a:1", zzzzzzzz: 1 } as never),
        "there is no option zzzzzzzz; there are brokers, clientId, tls, retry, timeouts, logger",
      ],
      [
        () => new Client({ brokers: "a:1", timeouts: { reqest: 1 } } as never),
        "there is no option timeouts.reqest; there are connect, request, delivery; did you mean request?",
      ],
      [() => new Client({ brokers: "a:1", retry: { buget: 1 } } as never), "there is no option retry.buget; "],
      [() => new Client({ brokers: "a:1", retry: 3 } as never), "retry must be an object, and is 3"],
      [() => new Client({ brokers: "a:1", tls: { severName: "x" } } as never), "there is no option tls.severName; "],
      [() => new Client(undefined as never), "options must be an object, and is undefined"],
      [() => client.producer({ ack: "all" } as never), "there is no option ack; "],
      [
        () => client.producer({ maxBuffered: { byte: 1 } } as never),
        "there is no option maxBuffered.byte; there are bytes; did you mean bytes?",
      ],
      [() => client.reader(t, { folow: true } as never), "there is no option folow; "],
      [() => client.reader(t, { prefetch: { record: 1 } } as never), "there is no option prefetch.record; "],
      [() => client.admin.topics.create({ name: "t", partition: 3 } as never), "there is no option partition; "],
    ];
    for (const [make, told] of misspelt) {
      const error = await rejection(Promise.resolve().then(make));
      expect(error, told).to.be.instanceOf(BrokerError).and.to.include({ code: "INVALID_ARGUMENT" });
      expect((error as Error).message).to.satisfy(
        (message: string) =>
          told.endsWith(" ") ? message.startsWith(told) && message.includes("; did you mean ") : message === told,
        told,
      );
    }
    await client.producer({ acks: undefined, ackz: undefined } as never).close();
    await client.reader(t, { follow: undefined } as never).close();
  });

  it("come from the environment, which may not ask for what cannot be done", () => {
    expect(optionsFromEnv({ TIDEMARK_BROKERS: "a:1" })).to.deep.equal({ brokers: "a:1" });
    expect(optionsFromEnv({ TIDEMARK_BROKERS: "a:1", TIDEMARK_TLS: "true" })).to.deep.equal({
      brokers: "a:1",
      tls: true,
    });
    expect(() => optionsFromEnv({})).to.throw("TIDEMARK_BROKERS");
    expect(() => optionsFromEnv({ TIDEMARK_BROKERS: "a:1", TIDEMARK_SASL_USERNAME: "me" }))
      .to.throw(BrokerError)
      .with.property("code", "UNSUPPORTED");
    expect(() => optionsFromEnv({ TIDEMARK_BROKERS: "a:1", TIDEMARK_TLS_CA: "/does/not/exist" })).to.throw(
      "TIDEMARK_TLS_CA",
    );
    expect(() => new Client({ brokers: "a:1", retry: { jitter: 2 } })).to.throw("jitter");
  });
});
