/** Answers of the broker that get lost: what was done is not told as a failure because it is asked for again. */
import net from "node:net";
import { BrokerError, Client } from "@tidemark/client";
import { expect } from "chai";
import type { Broker } from "../../src/index.ts";
import { startMemoryBroker } from "../e2e/support/test-broker.ts";

/** Between a client and a broker. While it is deaf, what the broker says does not come through. */
class Proxy {
  readonly #server: net.Server;
  readonly #pairs = new Set<{ client: net.Socket; broker: net.Socket }>();

  constructor(port: number) {
    this.#server = net.createServer((client) => {
      const broker = net.connect(port, "127.0.0.1");
      const pair = { client, broker };
      this.#pairs.add(pair);
      for (const socket of [client, broker]) {
        socket.on("error", () => undefined);
        socket.once("close", () => {
          client.destroy();
          broker.destroy();
          this.#pairs.delete(pair);
        });
      }
      client.pipe(broker);
      broker.pipe(client);
    });
  }

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    const address = this.#server.address();
    return `127.0.0.1:${typeof address === "object" ? address?.port : 0}`;
  }

  deafen(): void {
    for (const { client, broker } of this.#pairs) broker.unpipe(client);
  }

  /** Cuts every connection; the next ones are whole. */
  cut(): void {
    for (const { client } of this.#pairs) client.destroy();
  }

  close(): Promise<void> {
    this.cut();
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }
}

describe("the SDK whose answers get lost", () => {
  let broker: Broker;
  let proxy: Proxy;
  let direct: Client;
  let client: Client;

  beforeEach(async () => {
    broker = await startMemoryBroker();
    proxy = new Proxy(Number(broker.grpcAddress.split(":")[1]));
    direct = new Client(broker.grpcAddress);
    client = new Client(await proxy.listen());
    await direct.admin.topics.create({ name: "words", partitions: 2 });
    await client.admin.health();
  });

  afterEach(async () => {
    await client.close();
    await direct.close();
    await proxy.close();
    await broker.stop();
  });

  /** Runs `act` so that it takes effect and its first answer is lost. */
  async function withLostAnswer<T>(act: () => Promise<T>, isDone: () => Promise<boolean>): Promise<T> {
    proxy.deafen();
    const acting = act();
    while (!(await isDone())) await new Promise((resolve) => setImmediate(resolve));
    proxy.cut();
    return acting;
  }

  const partitions = async (): Promise<number> => (await direct.admin.topics.describe("words")).partitions;

  it("adds partitions once, and says so", async () => {
    await withLostAnswer(
      () => client.admin.topics.addPartitions("words", 5),
      async () => (await partitions()) === 5,
    );
    expect(await partitions()).to.equal(5);
  });

  it("still says that there are as many where it was not us", async () => {
    const error = await client.admin.topics.addPartitions("words", 2).catch((thrown: unknown) => thrown);
    expect(BrokerError.is(error, "INVALID_ARGUMENT")).to.equal(true);
  });

  it("deletes a topic once, and says so", async () => {
    await withLostAnswer(
      () => client.admin.topics.delete("words"),
      () =>
        direct.admin.topics.describe("words").then(
          () => false,
          () => true,
        ),
    );
  });

  it("changes settings, item by item, to what one change makes them", async () => {
    const words = { type: "topic", name: "words" } as const;
    const policy = async (): Promise<string | null | undefined> =>
      (await direct.admin.configs.get(words, { keys: ["cleanup.policy"] }))[0]?.value;
    await withLostAnswer(
      () => client.admin.configs.alter(words, { append: { "cleanup.policy": "compact" } }),
      async () => (await policy()) === "delete,compact",
    );
    expect(await policy()).to.equal("delete,compact");
  });
});
