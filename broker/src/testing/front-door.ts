/**
 * Where clients find one broker, however often it dies and comes back: a port of its own that stands as long as the cluster, and behind
 * it the door of the broker's present life. What lies between is a cable that can be cut and held.
 */
import { once } from "node:events";
import net from "node:net";
import type { AddressInfo, Server, Socket } from "node:net";

const HOST = "127.0.0.1";

interface Line {
  readonly client: Socket;
  /** Null: the broker stands still, and was not dialled yet. */
  broker: Socket | null;
}

export class FrontDoor {
  readonly #server: Server;
  readonly #onInput: () => void;
  readonly #lines = new Set<Line>();
  /** Of the door behind; null: nobody is there. */
  #target: number | null = null;
  #isHeld = false;

  private constructor(server: Server, onInput: () => void) {
    this.#server = server;
    this.#onInput = onInput;
    server.on("connection", (client: Socket) => this.#accept(client));
  }

  /** On any free port. `onInput` is called before anything reaches the broker. */
  static async open(onInput: () => void): Promise<FrontDoor> {
    const server = net.createServer({ noDelay: true });
    server.listen({ host: HOST, port: 0 });
    await once(server, "listening");
    return new FrontDoor(server, onInput);
  }

  get address(): { readonly host: string; readonly port: number } {
    return { host: HOST, port: (this.#server.address() as AddressInfo).port };
  }

  connectTo(port: number): void {
    this.#target = port;
  }

  /** Nobody is behind the door any more: what is connected breaks, whoever comes is sent away. */
  cut(): void {
    this.#target = null;
    this.#isHeld = false;
    for (const { client, broker } of this.#lines) {
      broker?.destroy();
      client.resetAndDestroy();
    }
  }

  /** Nothing gets through either way; connections stand, and new ones are taken. */
  hold(): void {
    this.#isHeld = true;
    for (const { client, broker } of this.#lines) {
      if (broker === null) continue;
      client.unpipe(broker).pause();
      broker.unpipe(client).pause();
    }
  }

  letGo(): void {
    this.#isHeld = false;
    for (const line of this.#lines) {
      if (line.broker === null) this.#connect(line);
      else this.#join(line.client, line.broker);
    }
  }

  async close(): Promise<void> {
    this.cut();
    const closed = once(this.#server, "close");
    this.#server.close();
    await closed;
  }

  #accept(client: Socket): void {
    const line: Line = { client, broker: null };
    client.on("error", () => undefined);
    client.once("close", () => {
      this.#lines.delete(line);
      line.broker?.destroySoon();
    });
    this.#lines.add(line);
    if (!this.#isHeld) this.#connect(line);
  }

  #connect(line: Line): void {
    const { client } = line;
    if (this.#target === null) return void client.resetAndDestroy();
    const broker = net.connect({ host: HOST, port: this.#target, noDelay: true });
    line.broker = broker;
    broker.on("error", () => undefined);
    broker.once("close", () => client.destroySoon());
    client.on("data", this.#onInput);
    this.#join(client, broker);
  }

  #join(client: Socket, broker: Socket): void {
    client.pipe(broker);
    broker.pipe(client);
  }
}
