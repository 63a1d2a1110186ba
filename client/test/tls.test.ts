/** The client over TLS: it trusts whom it is told to trust, and nobody else. */
import { ServerCredentials } from "@grpc/grpc-js";
import { expect } from "chai";
import { BrokerError, Client, codecs, topic } from "../src/index.ts";
import { MemoryBroker } from "./support/memory-broker.ts";
import { rejection } from "./support/rejection.ts";
import { TEST_CERTIFICATE, TEST_KEY } from "./support/test-certificate.ts";

const words = topic("words", { value: codecs.string });

describe("client over TLS", () => {
  let broker: MemoryBroker;

  before(async () => {
    broker = new MemoryBroker();
    broker.create("words", 1);
    const pair = { cert_chain: Buffer.from(TEST_CERTIFICATE), private_key: Buffer.from(TEST_KEY) };
    broker.credentials = ServerCredentials.createSsl(null, [pair]);
    await broker.start();
  });

  after(() => broker.stop());

  const retry = { initialDelay: 5, maxDelay: 20, budget: 3_000 } as const;
  /** Refused, or not a connection when time was up: on a busy machine that may be the last word of a client that is refused. */
  const UNTRUSTED = ["CONNECTION_LOST", "TIMEOUT"] as const;

  it("sends and reads when it trusts the broker's certificate", async () => {
    await using client = new Client({ brokers: broker.address, tls: { ca: TEST_CERTIFICATE } });
    await client.producer().send(words, { value: "secret" });
    expect((await client.reader(words).toArray()).map(({ value }) => value)).to.deep.equal(["secret"]);
  });

  it("takes the name that the certificate must have from its options", async () => {
    await using client = new Client({
      brokers: broker.address,
      tls: { ca: TEST_CERTIFICATE, serverName: "broker.test" },
    });
    expect((await client.ready()).clusterId).to.equal("memory");
    await using other = new Client({
      brokers: broker.address,
      tls: { ca: TEST_CERTIFICATE, serverName: "else.test" },
      retry,
    });
    expect(await rejection(other.ready()))
      .to.have.property("code")
      .that.is.oneOf(UNTRUSTED);
  });

  it("does not talk to a broker that it has no reason to trust, or that speaks TLS when it does not", async () => {
    await using strict = new Client({ brokers: broker.address, tls: true, retry });
    await using plain = new Client({ brokers: broker.address, retry });
    const refusals = await Promise.all([strict, plain].map((client) => rejection(client.ready())));
    for (const refusal of refusals) expect(refusal).to.have.property("code").that.is.oneOf(UNTRUSTED);
    await using loose = new Client({ brokers: broker.address, tls: { rejectUnauthorized: false } });
    expect((await loose.ready()).brokers).to.have.length(1);
  });

  it("wants certificate and key together", () => {
    const half = { brokers: broker.address, tls: { cert: TEST_CERTIFICATE } };
    expect(() => new Client(half))
      .to.throw(BrokerError)
      .with.property("code", "INVALID_ARGUMENT");
  });
});
